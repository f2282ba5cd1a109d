//! The relay without I/O: sessions, rules, the market and the store in memory.

mod store;
