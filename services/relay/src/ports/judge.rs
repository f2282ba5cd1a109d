//! Whoever has the last word on an event: a plugin, a rule of the embedding program. Asked after every other
//! check, as it is the dearest.

use super::{MaybeSend, MaybeSync};
use nexus_nostr::{Event, PublicKey, Reason, Seconds};
use std::{fmt, future::Future, net::IpAddr, pin::Pin};

/// Decides about verified events that every rule let in.
pub trait Judge: fmt::Debug + MaybeSend + MaybeSync {
    /// Gives one judgement for each submission, in their order.
    fn judge(&self, submissions: Vec<Submission>) -> Judging<'_>;
}

/// Judgements that are on their way.
#[cfg(not(target_arch = "wasm32"))]
pub type Judging<'a> = Pin<Box<dyn Future<Output = Vec<Judgement>> + Send + 'a>>;
/// Judgements that are on their way.
#[cfg(target_arch = "wasm32")]
pub type Judging<'a> = Pin<Box<dyn Future<Output = Vec<Judgement>> + 'a>>;

/// An event with what is known about how it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The event.
    pub event: Event,
    /// When it came.
    pub received_at: Seconds,
    /// From where.
    pub source: Source,
    /// Who brought it, if they proved who they are.
    pub sender: Option<PublicKey>,
}

/// From where an event came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A client, with its address as far as that is known.
    Client(Option<IpAddr>),
    /// The operator's import.
    Import,
    /// Another relay that is followed, by its address.
    Stream(String),
    /// Another relay, by its address, with which all events were compared.
    Sync(String),
}

/// What becomes of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is taken.
    Accept,
    /// It is refused, and the sender is told why.
    Reject(Reason),
    /// It is refused, and the sender is told that it was taken.
    Shadow,
    /// It is kept apart until an administrator has looked at it, and the sender is told so.
    Hold(Reason),
}
