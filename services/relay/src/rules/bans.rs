//! Who is kept out for a while: addresses from which too many bad signatures came within a minute.

use super::rates::{forget_half, network};
use crate::settings::Rates;
use nexus_model::Timestamp;
use std::{collections::HashMap, net::IpAddr};

const MINUTE: i64 = 60_000;

/// Addresses with bad signatures. Addresses of version 6 count by their first 64 bits.
#[derive(Debug, Default)]
pub struct Bans(HashMap<IpAddr, Record>);

/// What is known of an address until then.
#[derive(Clone, Copy, Debug)]
struct Record {
    state: State,
    until: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bad signatures came from there.
    Counted(u32),
    /// Nobody is let in.
    Banned,
}

impl Bans {
    /// Counts bad signatures from `ip`. True if that bans the address.
    pub fn count(&mut self, ip: IpAddr, count: u32, rates: &Rates, now: Timestamp) -> bool {
        if rates.bad_signatures == 0 {
            return false;
        }
        let ip = network(ip);
        self.make_room(rates.remembered, now);
        let fresh = Record { state: State::Counted(0), until: now.plus_millis(MINUTE) };
        let record = self.0.entry(ip).or_insert(fresh);
        if record.until <= now {
            *record = fresh;
        }
        let State::Counted(before) = record.state else { return false };
        let counted = before.saturating_add(count);
        let is_enough = counted >= rates.bad_signatures;
        *record = match is_enough {
            true => Record { state: State::Banned, until: now.plus_millis(rates.ban.saturating_mul(1_000)) },
            false => Record { state: State::Counted(counted), ..*record },
        };
        is_enough
    }

    /// True if nobody is let in from `ip`.
    pub fn holds(&self, ip: IpAddr, now: Timestamp) -> bool {
        self.0.get(&network(ip)).is_some_and(|record| record.state == State::Banned && record.until > now)
    }

    /// Forgets what is over, and if that is not enough the half that is over first.
    fn make_room(&mut self, most: usize, now: Timestamp) {
        if self.0.len() < most {
            return;
        }
        self.0.retain(|_, record| record.until > now);
        if self.0.len() < most {
            return;
        }
        forget_half(&mut self.0, |record| record.until);
    }
}
