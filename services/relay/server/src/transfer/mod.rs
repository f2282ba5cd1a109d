//! Events as lines of JSON, in and out of a store, and what an operator asks of one: for the program's verbs, on a
//! relay that serves nobody meanwhile.

mod export;
mod import;
mod offline;

pub use export::{ExportError, Order, count, export, remove, would_remove};
pub use import::{Checked, ImportError, ImportOptions, Summary, import};
pub use offline::{Nobody, Offline, OfflineRelay, offline};
