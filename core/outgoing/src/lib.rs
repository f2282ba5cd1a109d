//! Requests to the outside (invariant 9): what a stranger chose (a homeserver, a PDS, a `did:web`, a webhook)
//! never leads into private networks, unless the operator says so.
//!
//! [`ChosenBy`] is the rule. [`ChosenBy::connect`] applies it to addresses, [`Outgoing`] to HTTP requests: to
//! addresses in URLs, to what names resolve to, and to every redirect. What was checked is what is connected to:
//! a name is not looked up a second time.
//!
//! What is asked, how often, and what the answer means belongs to the services.

mod client;
mod guard;

pub use client::{BodyError, Manners, Outgoing, Refused, read_body};
pub use guard::ChosenBy;
