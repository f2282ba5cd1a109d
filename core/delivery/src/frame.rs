//! What a session hands to its wire.

use crate::Entry;
use nexus_model::Seq;
use std::fmt;

/// One thing to tell a listener.
#[derive(Clone, Debug)]
pub enum Frame {
    /// A change that the filter wants.
    Change(Entry),
    /// Nothing else to tell; everything up to here has been looked at.
    Beat(Seq),
    /// The last frame.
    End(End),
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The cursor points at what the journal no longer keeps, or never had: the listener must read the state
    /// again and go on from `oldest` or later.
    Expired {
        /// The oldest position that can be read after.
        oldest: Seq,
    },
    /// The listener was far behind and barely moving.
    TooSlow,
    /// The program stops. The same cursor works on the next connection.
    Stopping,
    /// The journal can't be read now. The same cursor works later.
    Unavailable,
}

impl End {
    /// The name on the wire and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired { .. } => "expired",
            Self::TooSlow => "too_slow",
            Self::Stopping => "stopping",
            Self::Unavailable => "unavailable",
        }
    }

    /// What a listener is told, as JSON: `{"end":"…"}`, with `oldest` where the cursor has expired.
    pub(crate) fn to_json(self) -> String {
        match self {
            Self::Expired { oldest } => format!(r#"{{"end":"expired","oldest":{oldest}}}"#),
            other => format!(r#"{{"end":"{}"}}"#, other.as_str()),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
