//! The market over HTTP: jobs, handlers and what was counted. It only reads.
