//! Who may come in: how many connections at once, how many of one address, how often, and how fast an address
//! may send.

use crate::config::{Connections, Rates};
use nexus_model::Timestamp;
use nexus_relay::rules::{lists::Network, rates::network};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

/// The door of a relay.
#[derive(Debug)]
pub(crate) struct Door {
    limits: RwLock<DoorLimits>,
    guests: Mutex<Guests>,
}

/// What the door lets in.
#[derive(Clone, Debug)]
pub(crate) struct DoorLimits {
    most: usize,
    per_address: usize,
    /// Connections.
    arrivals: Bucket,
    /// Bytes.
    bytes: Bucket,
    remembered: usize,
    loopback: Loopback,
    trusted: Arc<[Network]>,
}

/// Whether clients on this machine are limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loopback {
    Limited,
    Free,
}

/// A bucket's arithmetic: it is kept as the time at which it would be full again.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Nanoseconds until one comes back; 0 for no limit.
    interval: u64,
    burst: u64,
}

impl Bucket {
    const fn per(count: u64, nanos: u64, burst: u64) -> Self {
        if burst == 0 || count == 0 {
            return Self { interval: 0, burst: 0 };
        }
        let interval = nanos / count;
        Self { interval: if interval == 0 { 1 } else { interval }, burst }
    }

    /// Takes `count`, even if there are not so many. Gives how long to wait until it was right.
    fn take(self, full_at: &mut u64, count: u64, now: u64) -> u64 {
        *full_at = (*full_at).max(now).saturating_add(self.interval.saturating_mul(count));
        (*full_at - now).saturating_sub(self.interval.saturating_mul(self.burst))
    }

    /// Takes one, if there is one.
    fn try_take(self, full_at: &mut u64, now: u64) -> bool {
        let before = *full_at;
        let fits = self.take(full_at, 1, now) == 0;
        if !fits {
            *full_at = before;
        }
        fits
    }
}

#[derive(Debug, Default)]
struct Guests {
    open: usize,
    addresses: HashMap<IpAddr, Guest>,
}

/// One address.
#[derive(Clone, Copy, Debug, Default)]
struct Guest {
    open: usize,
    arrivals_full_at: u64,
    bytes_full_at: u64,
}

/// Why somebody isn't let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// All places are taken.
    Full,
    /// The address has as many connections as it may.
    TooMany,
    /// The address comes too often.
    TooFast,
}

/// A place in the house; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Seat {
    door: Arc<Door>,
    address: IpAddr,
}

impl DoorLimits {
    pub(crate) fn new(connections: &Connections, rates: &Rates) -> Self {
        Self {
            most: connections.max.count(),
            per_address: connections.per_address.count(),
            arrivals: Bucket::per(rates.connections.per_minute.get(), 60_000_000_000, rates.connections.burst.get()),
            bytes: Bucket::per(rates.bytes.get(), 1_000_000_000, rates.bytes_burst.get()),
            remembered: rates.remembered.count(),
            loopback: if rates.loopback { Loopback::Limited } else { Loopback::Free },
            trusted: rates.trusted().collect(),
        }
    }

    fn is_free(&self, address: IpAddr) -> bool {
        self.loopback == Loopback::Free && address.is_loopback()
            || self.trusted.iter().any(|network| network.contains(address))
    }
}

impl Door {
    pub(crate) fn new(limits: DoorLimits) -> Self {
        Self { limits: RwLock::new(limits), guests: Mutex::default() }
    }

    /// Lets somebody in.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr, now: Timestamp) -> Result<Seat, Refused> {
        let (address, limits) = (address.to_canonical(), self.limits());
        let mut guests = self.guests();
        if guests.open >= limits.most {
            return Err(Refused::Full);
        }
        guests.make_room(limits.remembered, nanos(now));
        let guest = guests.addresses.entry(network(address)).or_default();
        if !limits.is_free(address) {
            if guest.open >= limits.per_address {
                return Err(Refused::TooMany);
            }
            let arrivals = limits.arrivals;
            if arrivals.interval > 0 && !arrivals.try_take(&mut guest.arrivals_full_at, nanos(now)) {
                return Err(Refused::TooFast);
            }
        }
        guest.open += 1;
        guests.open += 1;
        Ok(Seat { door: self.clone(), address })
    }

    /// Other limits. Who is inside stays.
    pub(crate) fn set_limits(&self, limits: DoorLimits) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    fn limits(&self) -> DoorLimits {
        self.limits.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// The client sent so many bytes. Gives how long to wait before more is read.
    pub(crate) fn sent(&self, bytes: usize, now: Timestamp) -> Option<Duration> {
        let limits = self.door.limits();
        let bucket = limits.bytes;
        if bucket.interval == 0 || limits.is_free(self.address) {
            return None;
        }
        let mut guests = self.door.guests();
        let guest = guests.addresses.get_mut(&network(self.address))?;
        let wait = bucket.take(&mut guest.bytes_full_at, bytes as u64, nanos(now));
        (wait > 0).then(|| Duration::from_nanos(wait))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut guests = self.door.guests();
        guests.open -= 1;
        if let Some(guest) = guests.addresses.get_mut(&network(self.address)) {
            guest.open -= 1;
        }
    }
}

impl Guests {
    /// Forgets who left and whose buckets are full. If that isn't enough, who left.
    fn make_room(&mut self, most: usize, now: u64) {
        if self.addresses.len() < most {
            return;
        }
        self.addresses.retain(|_, guest| guest.open > 0 || guest.arrivals_full_at > now || guest.bytes_full_at > now);
        if self.addresses.len() >= most {
            self.addresses.retain(|_, guest| guest.open > 0);
        }
    }
}

fn nanos(time: Timestamp) -> u64 {
    u64::try_from(time.millis()).unwrap_or(0).saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Rate;
    use nexus_config::{Bounded, Size};

    const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));

    fn door(per_address: u64, burst: u64) -> Arc<Door> {
        let connections =
            Connections { max: Bounded::of(5), per_address: Bounded::of(per_address), ..Connections::default() };
        let rates = Rates {
            connections: Rate { burst: Bounded::of(burst), per_minute: Bounded::of(60) },
            bytes: Size::of(1_000),
            bytes_burst: Size::of(2_000),
            ..Rates::default()
        };
        Arc::new(Door::new(DoorLimits::new(&connections, &rates)))
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + millis)
    }

    #[test]
    fn an_address_has_so_many_places_and_the_house_so_many() {
        let door = door(2, 100);
        let seats: Vec<_> = (0..2).map(|_| door.enter(STRANGER, at(0)).unwrap()).collect();
        assert_eq!(door.enter(STRANGER, at(0)).unwrap_err(), Refused::TooMany);
        let own: Vec<_> = (0..3).map(|_| door.enter([127, 0, 0, 1].into(), at(0)).unwrap()).collect();
        assert_eq!(door.enter([127, 0, 0, 1].into(), at(0)).unwrap_err(), Refused::Full);
        drop((seats, own));
        assert!(door.enter(STRANGER, at(0)).is_ok());
    }

    #[test]
    fn who_comes_too_often_waits_and_is_let_in_again() {
        let door = door(100, 2);
        for (millis, is_in) in [(0, true), (0, true), (0, false), (999, false), (1_000, true), (1_000, false)] {
            assert_eq!(door.enter(STRANGER, at(millis)).is_ok(), is_in, "{millis}");
        }
    }

    #[test]
    fn reading_waits_for_who_sends_too_much() {
        let door = door(10, 10);
        let seat = door.enter(STRANGER, at(0)).unwrap();
        assert_eq!(seat.sent(2_000, at(0)), None);
        assert_eq!(seat.sent(500, at(0)), Some(Duration::from_millis(500)));
        assert_eq!(seat.sent(500, at(1_000)), None);
        let own = door.enter([127, 0, 0, 1].into(), at(0)).unwrap();
        assert_eq!(own.sent(1 << 30, at(0)), None);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_memory_is_bounded() {
        let door = door(1, 100);
        let _seat = door.enter("2001:db8::1".parse().unwrap(), at(0)).unwrap();
        assert_eq!(door.enter("2001:db8::2".parse().unwrap(), at(0)).unwrap_err(), Refused::TooMany);
        let mut guests = Guests::default();
        for number in 0..100u32 {
            guests.make_room(10, 0);
            guests.addresses.insert(IpAddr::V4(number.into()), Guest::default());
            assert!(guests.addresses.len() <= 10);
        }
    }
}
