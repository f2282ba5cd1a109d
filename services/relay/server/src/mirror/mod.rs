//! Other relays: what they have is fetched, and what this one has is sent to them.
