//! What a filter is to the rest of Nexus: something that says yes or no to an item, and something that is
//! found by the routes of its items without being asked.
//!
//! Each service brings its own filter language. Delivery knows filters through [`Filter`] alone, so that one
//! session serves them all. No parsing here, and no knowledge of any protocol.

mod live;
mod route;

pub use live::LiveIndex;
pub use route::{Route, Routed, Router};

/// Says which items a subscription wants.
pub trait Filter<T: ?Sized>: Send + Sync {
    /// True if the subscription wants `item`. Must depend on nothing but the filter and the item.
    fn matches(&self, item: &T) -> bool;
}

/// Wants everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everything;

impl<T: ?Sized> Filter<T> for Everything {
    fn matches(&self, _item: &T) -> bool {
        true
    }
}
