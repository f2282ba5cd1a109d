//! Event kinds and the classes that decide how long the relay keeps an event and what replaces it.

use std::fmt;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Kind(pub(crate) u16);

/// How events of a kind are kept. (NIP-01)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KindClass {
    /// All are kept.
    Regular,
    /// The newest of each author and kind is kept.
    Replaceable,
    /// None is kept, they are only passed on.
    Ephemeral,
    /// The newest of each author, kind and `d` is kept.
    Addressable,
}

impl Kind {
    /// Who the author is. (NIP-01)
    pub const METADATA: Self = Self(0);
    /// A short note. (NIP-01)
    pub const NOTE: Self = Self(1);
    /// Whom the author follows. (NIP-02)
    pub const FOLLOWS: Self = Self(3);
    /// A private message, first generation. (NIP-04)
    pub const DIRECT_MESSAGE: Self = Self(4);
    /// A request to delete. (NIP-09)
    pub const DELETION: Self = Self(5);
    /// A repost of a note. (NIP-18)
    pub const REPOST: Self = Self(6);
    /// A seal around a private message. (NIP-59)
    pub const SEAL: Self = Self(13);
    /// A repost of anything else. (NIP-18)
    pub const GENERIC_REPOST: Self = Self(16);
    /// A request to vanish. (NIP-62)
    pub const VANISH: Self = Self(62);
    /// A sealed message, wrapped under a throw-away key. (NIP-59)
    pub const GIFT_WRAP: Self = Self(1059);
    /// A report. (NIP-56)
    pub const REPORT: Self = Self(1984);
    /// A label. (NIP-32)
    pub const LABEL: Self = Self(1985);
    /// What a job's provider has to say about it. (NIP-90)
    pub const JOB_FEEDBACK: Self = Self(7000);
    /// The author's relays. (NIP-65)
    pub const RELAY_LIST: Self = Self(10002);
    /// Where the author receives private messages. (NIP-17)
    pub const DM_RELAY_LIST: Self = Self(10050);
    /// A gift wrap that is not to be stored. (NIP-59)
    pub const EPHEMERAL_GIFT_WRAP: Self = Self(21059);
    /// Proof towards a relay. (NIP-42)
    pub const AUTH: Self = Self(22242);
    /// Proof towards an HTTP server. (NIP-98)
    pub const HTTP_AUTH: Self = Self(27235);
    /// A recommendation of handlers. (NIP-89)
    pub const RECOMMENDATION: Self = Self(31989);
    /// What an application or a provider handles. (NIP-89)
    pub const HANDLER: Self = Self(31990);

    /// The kind with this number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number on the wire.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// How events of this kind are kept. Kinds that NIP-01 doesn't classify are regular.
    pub const fn class(self) -> KindClass {
        match self.0 {
            0 | 3 | 10000..=19999 => KindClass::Replaceable,
            20000..=29999 => KindClass::Ephemeral,
            30000..=39999 => KindClass::Addressable,
            _ => KindClass::Regular,
        }
    }

    /// True if only the newest version is kept, by author or by author and `d`.
    pub const fn is_versioned(self) -> bool {
        matches!(self.class(), KindClass::Replaceable | KindClass::Addressable)
    }

    /// True if events of this kind are never stored.
    pub const fn is_ephemeral(self) -> bool {
        matches!(self.class(), KindClass::Ephemeral)
    }

    /// True for the kinds whose only use is one proof: never stored, never passed on.
    pub const fn is_proof(self) -> bool {
        matches!(self, Self::AUTH | Self::HTTP_AUTH)
    }

    /// True for both gift wraps, which belong to their recipient. (NIP-59)
    pub const fn is_gift_wrap(self) -> bool {
        matches!(self, Self::GIFT_WRAP | Self::EPHEMERAL_GIFT_WRAP)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
