//! Why something is refused, in words that dashboards can rely on.

/// Why input was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The user or the homeserver is on the blacklist.
    Blacklisted,
    /// The owner lives on another homeserver.
    OtherHomeserver,
    /// Where the owner lives is in doubt.
    StaleHomeserver,
    /// One of the operator's rules.
    Rule,
    /// A bookmark of something that isn't a post.
    NotAPost,
    /// A tag on something that can't be tagged from this folder.
    NotTaggable,
    /// A record of a kind that isn't indexed.
    NotIndexed,
    /// A source went backwards.
    CursorBackwards,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Blacklisted,
        Self::OtherHomeserver,
        Self::StaleHomeserver,
        Self::Rule,
        Self::NotAPost,
        Self::NotTaggable,
        Self::NotIndexed,
        Self::CursorBackwards,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blacklisted => "blacklisted",
            Self::OtherHomeserver => "other_homeserver",
            Self::StaleHomeserver => "stale_homeserver",
            Self::Rule => "rule",
            Self::NotAPost => "not_a_post",
            Self::NotTaggable => "not_taggable",
            Self::NotIndexed => "not_indexed",
            Self::CursorBackwards => "cursor_backwards",
        }
    }
}
