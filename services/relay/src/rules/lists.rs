//! Who and what is let in and kept out, as administrators decided. (NIP-86)

use crate::ports::{Record, RecordKind};
use nexus_nostr::{Event, EventId, Kind, Prefix, PublicKey, Reason};
use std::{
    collections::{BTreeSet, HashSet},
    net::IpAddr,
};

/// The lists, read from their records.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    banned_pubkeys: HashSet<PublicKey>,
    allowed_pubkeys: HashSet<PublicKey>,
    banned_events: HashSet<EventId>,
    allowed_kinds: BTreeSet<Kind>,
    banned_kinds: BTreeSet<Kind>,
    blocked_networks: Vec<Network>,
}

impl Lists {
    /// The kinds of records that are lists.
    pub const KINDS: [RecordKind; 6] = [
        RecordKind::BannedPubkey,
        RecordKind::AllowedPubkey,
        RecordKind::BannedEvent,
        RecordKind::AllowedKind,
        RecordKind::BannedKind,
        RecordKind::BlockedIp,
    ];

    /// Reads the records of one kind into the lists. What can't be read is left out.
    pub fn read(&mut self, kind: RecordKind, records: &[Record]) {
        let keys = records.iter().map(|record| record.key.as_str());
        match kind {
            RecordKind::BannedPubkey => self.banned_pubkeys = keys.filter_map(|key| key.parse().ok()).collect(),
            RecordKind::AllowedPubkey => self.allowed_pubkeys = keys.filter_map(|key| key.parse().ok()).collect(),
            RecordKind::BannedEvent => self.banned_events = keys.filter_map(|key| key.parse().ok()).collect(),
            RecordKind::AllowedKind => self.allowed_kinds = kinds(keys),
            RecordKind::BannedKind => self.banned_kinds = kinds(keys),
            RecordKind::BlockedIp => self.blocked_networks = keys.filter_map(Network::parse).collect(),
            _ => {}
        }
    }

    /// Checks an event against the lists. `client` are the keys that its sender proved to hold.
    ///
    /// # Errors
    /// `blocked:` for what is kept out, `restricted:` for what is not let in.
    pub fn check(&self, event: &Event, client: &[PublicKey], always: &[Kind]) -> Result<(), Reason> {
        if self.banned_pubkeys.contains(&event.pubkey) || client.iter().any(|key| self.banned_pubkeys.contains(key)) {
            return Err(Reason::new(Prefix::Blocked, "pubkey is banned"));
        }
        if self.banned_events.contains(&event.id) {
            return Err(Reason::new(Prefix::Blocked, "event is banned"));
        }
        let kind_is_in = self.allowed_kinds.is_empty() || self.allowed_kinds.contains(&event.kind);
        if !kind_is_in || self.banned_kinds.contains(&event.kind) {
            return Err(Reason::new(Prefix::Restricted, "kind is not allowed"));
        }
        let author_is_in = self.allowed_pubkeys.is_empty() || self.allowed_pubkeys.contains(&event.pubkey);
        if !author_is_in && !always.contains(&event.kind) {
            return Err(Reason::new(Prefix::Restricted, "pubkey is not allowed to write here"));
        }
        Ok(())
    }

    /// True if `author` is on the list of those who are let in.
    pub fn lets_in(&self, author: &PublicKey) -> bool {
        self.allowed_pubkeys.contains(author)
    }

    /// True if `ip` is kept out.
    pub fn blocks(&self, ip: IpAddr) -> bool {
        self.blocked_networks.iter().any(|network| network.contains(ip))
    }
}

fn kinds<'a>(keys: impl Iterator<Item = &'a str>) -> BTreeSet<Kind> {
    keys.filter_map(|key| key.parse().ok()).map(Kind::new).collect()
}

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads an address, or a network as `address/bits`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(width), |bits| bits.parse().ok()).filter(|bits| *bits <= width)?;
        Some(Self { address, bits })
    }

    /// True if `ip` lies in it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let same = |ours: u128, theirs: u128, width: u32| {
            self.bits == 0 || (ours ^ theirs).checked_shr(width - self.bits).unwrap_or(0) == 0
        };
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => same(u32::from(ours).into(), u32::from(theirs).into(), 32),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => same(ours.into(), theirs.into(), 128),
            _ => false,
        }
    }
}

/// True if `text` is an address or a network in CIDR form.
pub fn is_network(text: &str) -> bool {
    Network::parse(text).is_some()
}
