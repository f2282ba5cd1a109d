//! The child process: started by the shell, in a process group of its own, so that all of it can be ended.

use futures_util::StreamExt;
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    process::Stdio,
    time::{Duration, SystemTime},
};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};
use tokio_util::codec::{FramedRead, LinesCodec};

/// How long a line of a plugin may be, in bytes.
const MAX_LINE: usize = 64 << 10;

/// A plugin's process.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    input: ChildStdin,
    output: FramedRead<ChildStdout, LinesCodec>,
    files: Files,
}

/// Files that a command names, and when each was changed.
type Files = BTreeMap<PathBuf, SystemTime>;

impl Running {
    /// Starts `command`.
    pub(super) fn start(command: &str) -> io::Result<Self> {
        let mut child = Command::new("/bin/sh")
            .args(["-c", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("a pipe of the plugin is missing");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let errors = child.stderr.take().ok_or_else(missing)?;
        tokio::spawn(repeat(errors));
        let output = FramedRead::new(output, LinesCodec::new_with_max_length(MAX_LINE));
        Ok(Self { child, input, output, files: named(command) })
    }

    /// True if a file that the command names was changed since the start.
    pub(super) fn is_outdated(&self, command: &str) -> bool {
        named(command) != self.files
    }

    /// Writes a line, within `patience`.
    pub(super) async fn write(&mut self, line: &str, patience: Duration) -> io::Result<()> {
        let written = async {
            self.input.write_all(line.as_bytes()).await?;
            self.input.flush().await
        };
        timeout(patience, written).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// The next line; `None` if there will be none that can be read.
    pub(super) async fn line(&mut self) -> Option<String> {
        self.output.next().await.and_then(Result::ok)
    }

    /// Ends the process and all that it started.
    pub(super) async fn end(mut self) {
        drop(self.input);
        if let Some(group) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
        if let Err(error) = self.child.wait().await {
            tracing::warn!(%error, "a plugin can't be waited for");
        }
    }
}

/// The files among the words of a command.
fn named(command: &str) -> Files {
    let changed = |word: &str| Some((PathBuf::from(word), std::fs::metadata(word).ok()?.modified().ok()?));
    command.split_whitespace().map(|word| word.trim_matches(['\'', '"'])).filter_map(changed).collect()
}

/// Repeats what a plugin writes to its standard error in the log.
async fn repeat(errors: ChildStderr) {
    let mut lines = FramedRead::new(errors, LinesCodec::new_with_max_length(MAX_LINE));
    while let Some(line) = lines.next().await {
        match line {
            Ok(line) => tracing::info!(target: "nexus_relay_server::plugin::stderr", "{line}"),
            Err(error) => tracing::debug!(%error, "a line of a plugin is left out"),
        }
    }
}
