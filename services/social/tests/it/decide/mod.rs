//! What each event does (spec c), decided one at a time.

mod hosts;
mod moderation;
mod posts;
mod queue;
mod relations;
mod tags;
mod users;
