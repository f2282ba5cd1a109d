//! The forms in which a file is served.

use serde::Deserialize;
use std::fmt;

/// One of them. All but `main` exist for images alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Variant {
    /// The bytes as they were uploaded.
    Main,
    /// For a post in a stream.
    Feed,
    /// For a list or a face.
    Small,
}

impl Variant {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Feed => "feed",
            Self::Small => "small",
        }
    }

    /// Pixels from left to right. `None`: as uploaded.
    pub(super) const fn width(self) -> Option<u32> {
        match self {
            Self::Main => None,
            Self::Feed => Some(720),
            Self::Small => Some(320),
        }
    }

    pub(super) fn exists_for(self, content_type: &str) -> bool {
        self == Self::Main || content_type.starts_with("image/")
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
