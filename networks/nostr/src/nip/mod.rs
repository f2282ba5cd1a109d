//! What each NIP says about an event, a filter or a session: one module a NIP, pure rules without policy.
//!
//! NIP-26 is not here: it is marked unrecommended, so the `delegation` tag is a tag like any other. NIP-66
//! needs no rule: its kinds 10166 and 30166 are kept like any of their class.

pub mod nip09;
pub mod nip13;
pub mod nip40;
pub mod nip42;
pub mod nip45;
pub mod nip50;
pub mod nip59;
pub mod nip62;
pub mod nip70;
pub mod nip77;
pub mod nip86;
pub mod nip89;
pub mod nip90;
pub mod nip98;
