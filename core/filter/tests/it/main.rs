//! The live index against the obvious way: ask every filter about every item.

mod live;
mod route;
