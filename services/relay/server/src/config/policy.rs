//! The operator's own rules about events, as they stand in a configuration.

use super::{KindNumber, KindRange, Pubkey};
use nexus_config::{Bounded, Scalar, Size, Span, choice, section};
use nexus_nostr::{Prefix, Reason};
use nexus_relay::{
    ports::Judgement,
    rules::{lists, policies},
};
use serde::{Deserialize, Serialize};

section! {
    /// A rule about events.
    pub struct Policy {
        /// It applies to events of which this holds; without it, to all.
        pub when: Option<Condition> = None,
        /// It doesn't apply to events of which this holds.
        pub unless: Option<Condition> = None,
        /// What becomes of events to which it applies.
        pub action: Action = Action::Reject,
        /// What the sender of an event is told that is rejected or held, `prefix: text`.
        pub message: String = "blocked: not wanted here".to_owned(),
    }
}

choice! {
    /// What becomes of events.
    pub enum Action {
        /// They are refused.
        Reject = "reject",
        /// They are refused, and the sender is told that they were taken.
        ShadowReject = "shadowReject",
        /// They are taken, whatever later rules say.
        Accept = "accept",
        /// They are refused for now, and wait for an administrator: `listeventsneedingmoderation` has them, `allowevent`
        /// takes them and `banevent` refuses them for good (NIP-86).
        Hold = "hold",
    }
}

/// What may hold of an event. Of each list one value must fit; what isn't given always does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Condition {
    /// The kind is one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<KindNumber>,
    /// The kind lies in one of these ranges.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<KindRange>,
    /// The author is one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<Pubkey>,
    /// The sender's address is in one of these networks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Network>,
    /// What is known of the sender.
    pub sender: Option<Sender>,
    /// The event has a tag `name`, or `name=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The content has one of these texts in it, whatever the case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contains: Vec<String>,
    /// The content has at least so many bytes.
    pub min_len: Option<Size<0, { u64::MAX }>>,
    /// The content has at most so many bytes.
    pub max_len: Option<Size<0, { u64::MAX }>>,
    /// The event has at least so many tags.
    pub min_tags: Option<Bounded<0, 1_000_000>>,
    /// The event has at most so many tags.
    pub max_tags: Option<Bounded<0, 1_000_000>>,
    /// The event is dated back at least so far.
    pub min_age: Option<Span<0, 3_153_600_000_000>>,
    /// The event is dated back at most so far.
    pub max_age: Option<Span<0, 3_153_600_000_000>>,
    /// The id has at most so many leading zero bits.
    pub max_work: Option<Bounded<0, 256>>,
}

impl Scalar for Condition {
    fn kind() -> String {
        "table of: kinds, ranges, authors, networks, sender (authenticated or anonymous), tags (\"name\" or \
         \"name=value\"), contains, min_len, max_len, min_tags, max_tags, min_age, max_age, max_work"
            .to_owned()
    }

    fn example() -> Self {
        Self { kinds: vec![KindNumber(1)], max_work: Some(Bounded::of(20)), ..Self::default() }
    }
}

choice! {
    /// What is known of a sender.
    pub enum Sender {
        /// They proved who they are.
        Authenticated = "authenticated",
        /// They proved nothing.
        Anonymous = "anonymous",
    }
}

/// An address, or a range of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(String);

impl Network {
    /// As the relay's core takes it.
    pub(super) fn to_core(&self) -> Option<lists::Network> {
        lists::Network::parse(&self.0)
    }
}

impl TryFrom<String> for Network {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if lists::is_network(&text) { Ok(Self(text)) } else { Err("not an address and not a network") }
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.0
    }
}

impl Scalar for Network {
    fn kind() -> String {
        "address, or network such as 10.0.0.0/8".to_owned()
    }

    fn example() -> Self {
        Self("10.0.0.0/8".to_owned())
    }
}

impl Policy {
    /// The rule as the relay's core takes it.
    pub(super) fn to_core(&self) -> policies::Policy {
        let reason = Reason::parse(&self.message, Prefix::Blocked);
        policies::Policy {
            when: self.when.as_ref().map(Condition::to_core).unwrap_or_default(),
            unless: self.unless.as_ref().map(Condition::to_core),
            judgement: match self.action {
                Action::Reject => Judgement::Reject(reason),
                Action::ShadowReject => Judgement::Shadow,
                Action::Accept => Judgement::Accept,
                Action::Hold => Judgement::Hold(reason),
            },
        }
    }
}

impl Condition {
    fn to_core(&self) -> policies::Condition {
        let seconds = |span: Span<0, 3_153_600_000_000>| super::settings::seconds(span.get());
        policies::Condition {
            kinds: super::settings::ranges(&self.kinds, &self.ranges),
            authors: self.authors.iter().map(|key| key.0).collect(),
            networks: self.networks.iter().filter_map(Network::to_core).collect(),
            sender: self.sender.map(|sender| match sender {
                Sender::Authenticated => policies::Sender::Authenticated,
                Sender::Anonymous => policies::Sender::Anonymous,
            }),
            tags: self.tags.iter().map(|tag| named(tag)).collect(),
            contains: self.contains.clone(),
            min_len: self.min_len.map(Size::count),
            max_len: self.max_len.map(Size::count),
            min_tags: self.min_tags.map(Bounded::count),
            max_tags: self.max_tags.map(Bounded::count),
            min_age: self.min_age.map(seconds),
            max_age: self.max_age.map(seconds),
            max_work: self.max_work.map(super::settings::narrow),
        }
    }
}

/// A tag's name, and the value it must have, if any.
fn named(tag: &str) -> (String, Vec<String>) {
    match tag.split_once('=') {
        Some((name, value)) => (name.to_owned(), vec![value.to_owned()]),
        None => (tag.to_owned(), Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_and_means_the_same_in_the_core() {
        let text = r#"
            when = { kinds = [1], ranges = [[5000, 5999]], min_len = "2 KiB", tags = ["t", "l=spam"] }
            unless = { sender = "authenticated", networks = ["10.0.0.0/8"] }
            message = "pow: work harder"
        "#;
        let policy: Policy = toml::from_str(text).unwrap();
        let core = policy.to_core();
        assert_eq!(core.when.kinds, [1..=1, 5000..=5999]);
        assert_eq!(core.when.min_len, Some(2048));
        assert_eq!(core.when.tags[1], ("l".to_owned(), vec!["spam".to_owned()]));
        assert_eq!(core.unless.unwrap().networks.len(), 1);
        assert_eq!(core.judgement, Judgement::Reject(Reason::new(Prefix::Pow, "work harder")));
        assert_eq!(toml::from_str::<Policy>("action = 'accept'").unwrap().to_core().unless, None);
        assert!(toml::from_str::<Policy>("when = { networks = ['x'] }").is_err());
    }
}
