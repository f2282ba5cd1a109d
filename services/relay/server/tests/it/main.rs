//! The relay's hands, over real sockets and processes.

mod plugin;
