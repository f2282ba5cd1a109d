//! Pubky: what homeservers send, turned into verified records. Ids, record addresses, the schema of every
//! object (by `pubky-app-specs`), the two event formats, and the normal form of tagged resources.
//!
//! Bytes in, values out. No I/O: fetching, name resolution and retries belong to the social service's hands.

mod address;
mod id;
mod lines;
mod log;
mod record;
mod resource;
mod stream;
mod text;
mod verify;

pub use address::AddressError;
pub use id::{HashId, IdError, PubkyId, ResourceId, TimestampId};
pub use log::{LogEvent, Malformed, Page, PageError, PageParser, Verb};
pub use record::{Address, Path, Record};
pub use resource::{ResourceError, ResourceUri};
pub use stream::{StreamEvent, StreamParser};
pub use text::{collection_items, mentions};
pub use verify::{Authority, Content, Fetched, Invalid, Schema};
