//! What the operating system tells and grants: signals to stop, and how many files may be open.

use crate::Tasks;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{io, process, time::Duration};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};

/// Exit codes of shells for a process that a signal ended: this and the signal's number.
const ENDED_BY: i32 = 128;

/// Waits for SIGTERM or SIGINT and asks `tasks` to stop. A second signal ends the process at once, and so
/// does the end of `grace`, with exit code 1. Never returns: it is dropped when everything has stopped.
///
/// # Errors
/// If the system grants no signal handlers.
pub async fn stop_on_signal(tasks: Tasks, grace: Duration) -> io::Result<std::convert::Infallible> {
    let mut signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let number = next(&mut signals).await;
    tracing::info!(signal = number, grace_secs = grace.as_secs(), "stopping, a second signal ends at once");
    tasks.stop();
    tokio::select! {
        number = next(&mut signals) => process::exit(ENDED_BY + number),
        () = sleep(grace) => {
            tracing::error!("the grace period is over, what still runs is cut");
            process::exit(1)
        }
    }
}

async fn next((terminate, interrupt): &mut (Signal, Signal)) -> i32 {
    tokio::select! {
        _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
        _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
    }
}

/// How many files and sockets may be open at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// What holds now; `None` is no limit.
    pub soft: Option<u64>,
    /// How far the process may raise it; `None` is no limit.
    pub hard: Option<u64>,
}

/// Raises the number of files and sockets that may be open at once as far as the system lets us.
pub fn raise_descriptor_limit() -> Descriptors {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // A system that refuses keeps what it had: what holds afterwards is read again below.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let now = getrlimit(Resource::Nofile);
    if now.current != current {
        tracing::debug!(from = current, to = now.current, "raised the limit of open files");
    }
    Descriptors { soft: now.current, hard: now.maximum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_what_is_allowed() {
        let limit = raise_descriptor_limit();
        assert_eq!(limit.soft, limit.hard);
    }
}
