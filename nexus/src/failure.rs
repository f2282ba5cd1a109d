//! Why the program ends early, with the exit code that says so.

use std::{error::Error, fmt, process::ExitCode};

/// An end with a message for the operator.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
}

/// The documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something failed.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Another process uses the data directory.
    Locked = 3,
    /// The operator did not agree.
    NotConfirmed = 4,
    /// A migration is pending.
    Pending = 10,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// True if another process has the data directory.
    pub(crate) fn is_locked(&self) -> bool {
        self.exit == Exit::Locked
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Any error is a failure; its causes are told with it.
impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(Exit::Failed, nexus_runtime::told(&error))
    }
}

/// A result that ends the program when it fails.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;
