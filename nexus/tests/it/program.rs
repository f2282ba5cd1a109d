//! The program under test: started, asked, and stopped in every way.

use rustix::process::{Pid, Signal};
use serde_json::Value;
use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time between two looks at a condition.
const LOOK: Duration = Duration::from_millis(20);

/// A command of the program that knows nothing of this machine's configuration.
pub(crate) fn command(directory: &Path) -> Command {
    prepared(Command::new(env!("CARGO_BIN_EXE_nexus")), directory)
}

/// A command that is run in `directory` and knows nothing of this machine's configuration.
pub(crate) fn prepared(mut command: Command, directory: &Path) -> Command {
    let ours = std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        ["NEXUS", "TAP_", "LOG_LEVEL"].iter().any(|start| name.starts_with(start))
    });
    for (name, _) in ours {
        command.env_remove(name);
    }
    command.current_dir(directory).env("HOME", directory);
    command
}

/// Runs a command to its end.
pub(crate) fn run<A: AsRef<OsStr>>(directory: &Path, arguments: impl IntoIterator<Item = A>) -> Output {
    command(directory).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// What a command printed, both ways.
pub(crate) fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A running program; it is killed with this value.
pub(crate) struct Program {
    child: Child,
    url: String,
    client: reqwest::Client,
}

impl Program {
    /// Starts it in `directory`, with its data below, on a free port.
    pub(crate) fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut command = command(directory);
        command.args(["--bind", "127.0.0.1:0"]).args(arguments);
        Self::spawn(command)
    }

    /// Starts it following one homeserver and nothing else.
    pub(crate) fn following(directory: &Path, homeserver: &str, arguments: &[&str]) -> Self {
        let quiet = ["--homeserver", homeserver, "--set", "social.watcher.pkarr=off"];
        Self::start(directory, &[&quiet, arguments].concat())
    }

    /// Starts it following nobody.
    pub(crate) fn alone(directory: &Path, arguments: &[&str]) -> Self {
        Self::following(directory, "[]", arguments)
    }

    /// Starts a command and waits until it has said where it is reached.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let Some(url) = lines.by_ref().find_map(|line| address(&line)) else {
            panic!("it ended without an address: {:?}", child.wait());
        };
        // What it prints later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url, client: reqwest::Client::new() }
    }

    /// Where a path is reached.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Asks once.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let response = self.client.get(self.url(path)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// Asks once for JSON.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let (status, text) = self.get(path).await;
        assert_eq!(status, 200, "GET {path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Asks until the answer is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(u16, &str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let (status, text) = self.get(path).await;
            if wanted(status, &text) {
                return text;
            }
            assert!(began.elapsed() < PATIENCE, "GET {path} never answered as wanted, the last was {status} {text}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until every source has been read to its head.
    pub(crate) async fn ready(&self) {
        self.until("/ready", |status, _| status == 200).await;
    }

    /// The lines of the log of handled events, from the first on.
    pub(crate) async fn events(&self) -> Vec<String> {
        let mut events = Vec::new();
        loop {
            let (status, text) = self.get(&format!("/v0/events?cursor={}&limit=1000", events.len())).await;
            assert_eq!(status, 200, "{text}");
            let before = events.len();
            events.extend(text.lines().filter(|line| !line.starts_with("cursor:")).map(str::to_owned));
            if events.len() == before {
                return events;
            }
        }
    }

    /// Waits until at least `count` events are in that log.
    pub(crate) async fn until_events(&self, count: usize) {
        if let Some(last) = count.checked_sub(1) {
            let path = format!("/v0/events?cursor={last}&limit=1");
            self.until(&path, |_, text| text.contains("pubky://")).await;
        }
    }

    /// Bytes of memory that are nobody's file.
    pub(crate) fn anonymous_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Has it read its configuration again.
    pub(crate) fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it at once, as a power cut would: SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it never ended");
            std::thread::sleep(LOOK);
        }
    }

    /// Asks it to stop and waits until it has drained.
    pub(crate) fn stop(mut self) {
        self.terminate();
        assert_eq!(self.ended().code(), Some(0));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first URL in a line that says where the program is reached.
fn address(line: &str) -> Option<String> {
    let starts = ["http://127.0.0.1:", "https://127.0.0.1:"];
    let mut words = line.split_whitespace();
    words
        .find(|word| starts.iter().any(|start| word.starts_with(start)))
        .map(|url| url.trim_end_matches('/').to_owned())
}
