//! The WebSocket protocol (RFC 6455, RFC 7692) as bytes, on a server's side. No I/O and no clock.
//!
//! Three things that a relay needs are why no crate does this: a connection that says nothing holds no buffer,
//! frames that arrived together are handed over together, and compression keeps no state between messages,
//! so ten thousand compressed connections cost no more than plain ones.

mod deflate;
mod frame;
pub(crate) mod handshake;

pub(crate) use deflate::{Compression, Deflater};
pub(crate) use frame::{Fault, Message, Opcode, Reader, push_close, push_frame};
