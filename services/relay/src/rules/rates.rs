//! How often: a bucket for each address, author and recipient, which fills with time and is drawn from.

use crate::settings::{Rate, Rates};
use nexus_model::Timestamp;
use nexus_nostr::{Kind, PublicKey};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Mutex,
};

/// What a bucket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Use {
    /// A message.
    Message,
    /// An event.
    Event,
    /// A subscription or a count.
    Query,
    /// A negentropy session.
    Negentropy,
}

/// Whose bucket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Drawer {
    /// An address, for one use. Addresses of version 6 count by their first 64 bits.
    Address(IpAddr, Use),
    /// An author, for events.
    Author(PublicKey),
    /// An author, for events of one kind.
    AuthorOf(PublicKey, Kind),
    /// A recipient of gift wraps.
    Recipient(PublicKey),
}

impl Drawer {
    /// The bucket of `ip` for `purpose`.
    pub fn address(ip: IpAddr, purpose: Use) -> Self {
        Self::Address(network(ip), purpose)
    }
}

/// What counts as one address: all of version 4 and this machine, of version 6 the part that a single client can't
/// choose freely.
pub fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) if !ip.is_loopback() => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).into(),
        other => other,
    }
}

/// All buckets.
#[derive(Debug, Default)]
pub struct Buckets(Mutex<HashMap<Drawer, Bucket>>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Thousandths.
    left: u64,
    at: Timestamp,
}

impl Buckets {
    /// Takes one from a bucket; `factor` times as much fits into it as `rates` say. False if it is empty.
    pub fn draw(&self, drawer: Drawer, rates: &Rates, factor: u32, now: Timestamp) -> bool {
        let rate = rate(drawer, rates);
        if rate.burst == 0 {
            return true;
        }
        let mut buckets = self.0.lock().expect("no holder of this lock panics");
        if buckets.len() >= rates.remembered && !buckets.contains_key(&drawer) {
            // Those that waited longest are the fullest.
            forget_half(&mut buckets, |bucket| bucket.at);
        }
        let full = 1000 * u64::from(rate.burst) * u64::from(factor);
        let bucket = buckets.entry(drawer).or_insert(Bucket { left: full, at: now });
        let elapsed = u64::try_from(now.millis() - bucket.at.millis()).unwrap_or(0);
        let refill = elapsed.saturating_mul(u64::from(rate.per_minute)).saturating_mul(u64::from(factor)) / 60;
        if refill > 0 {
            bucket.left = full.min(bucket.left.saturating_add(refill));
            bucket.at = now;
        }
        let enough = bucket.left >= 1000;
        if enough {
            bucket.left -= 1000;
        }
        enough
    }
}

/// Forgets the half of `known` whose moments are the earliest, and what is of one moment with the last of them.
pub(super) fn forget_half<K, V>(known: &mut HashMap<K, V>, moment: impl Fn(&V) -> Timestamp) {
    let mut moments: Vec<Timestamp> = known.values().map(&moment).collect();
    if moments.is_empty() {
        return;
    }
    let middle = moments.len() / 2;
    let (_, median, _) = moments.select_nth_unstable(middle);
    let median = *median;
    known.retain(|_, value| moment(value) > median);
}

fn rate(drawer: Drawer, rates: &Rates) -> Rate {
    match drawer {
        Drawer::Address(_, Use::Message) => rates.messages,
        Drawer::Address(_, Use::Event) => rates.events,
        Drawer::Address(_, Use::Query) => rates.queries,
        Drawer::Address(_, Use::Negentropy) => rates.negentropy,
        Drawer::Author(_) => rates.author_events,
        Drawer::AuthorOf(_, kind) => rates.of_kind(kind),
        Drawer::Recipient(_) => rates.gift_wraps,
    }
}
