//! The relay's hands, over real sockets and processes.

mod market;
mod plugin;
mod stand;
