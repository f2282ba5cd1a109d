//! Pubky: what homeservers send, turned into verified records. Ids, record addresses, the schema of every
//! object (by `pubky-app-specs`), the two event formats, and the normal form of tagged resources.
//!
//! Bytes in, values out. No I/O: fetching, name resolution and retries belong to the social service's hands.

mod id;
mod record;

pub use id::{HashId, IdError, PubkyId, ResourceId, TimestampId};
pub use record::{Address, Path, Record};
