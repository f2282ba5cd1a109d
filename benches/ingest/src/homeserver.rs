//! The fake homeserver as a process of its own, so that it has a runtime, an allocator and a profile of its own.

use std::{
    io::{self, BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// What its log holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) events: usize,
    pub(crate) users: usize,
    pub(crate) seed: u64,
}

/// A running homeserver. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Homeserver {
    child: Child,
    pub(crate) url: String,
}

impl Homeserver {
    /// Starts the program and waits until its log is filled.
    pub(crate) fn start(program: Option<PathBuf>, plan: Plan) -> io::Result<Self> {
        let beside = || Ok::<_, io::Error>(std::env::current_exe()?.with_file_name("nexus-fake-homeserver"));
        let mut command = Command::new(program.map_or_else(beside, Ok)?);
        command.args(["--events", &plan.events.to_string(), "--users", &plan.users.to_string()]);
        command.args(["--seed", &plan.seed.to_string()]).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let out = child.stdout.take().ok_or_else(|| io::Error::other("the homeserver has no output"))?;
        let mut url = String::new();
        BufReader::new(out).read_line(&mut url)?;
        Ok(Self { child, url: url.trim().to_owned() })
    }

    /// The process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Homeserver {
    fn drop(&mut self) {
        // It keeps nothing, so it needs no farewell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
