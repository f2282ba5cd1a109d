//! Black-box tests of the `nexus` binary against real peers, in a workspace and lock file of their own.
//!
//! What they share: the program under test as a process, asked over HTTP alone. Nothing of Nexus is linked.

pub mod packages;

use std::{
    env,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// The program under test: `NEXUS_BIN`, else the one that a plain build leaves.
pub fn nexus_binary() -> PathBuf {
    env::var_os("NEXUS_BIN")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/nexus"), PathBuf::from)
}

/// A running Nexus; it ends with this value.
#[derive(Debug)]
pub struct Nexus {
    child: Child,
    url: String,
}

impl Nexus {
    /// Starts it on a free port with `arguments`, and waits until it has said where it is reached.
    ///
    /// # Errors
    /// If it doesn't start.
    pub fn start(data: &Path, arguments: &[String]) -> io::Result<Self> {
        let mut child = Command::new(nexus_binary())
            .args(["--bind", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            .args(arguments)
            .env_remove("NEXUS_BIN")
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?;
        let mut lines = BufReader::new(stdout).lines();
        let url = lines.by_ref().map_while(Result::ok).find_map(|line| address(&line));
        std::thread::spawn(move || lines.for_each(drop));
        match url {
            Some(url) => Ok(Self { child, url }),
            None => Err(io::Error::other(format!("nexus ended without an address: {:?}", child.wait()))),
        }
    }

    /// The process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Where a path of it is reached.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Asks until `wanted` holds of the status and the JSON answered, for half a minute.
    ///
    /// # Panics
    /// If it never holds; the last answer is told.
    pub async fn until(&self, path: &str, wanted: impl Fn(u16, &serde_json::Value) -> bool) -> serde_json::Value {
        let mut last = String::new();
        for _ in 0..600 {
            if let Ok(response) = reqwest::get(self.url(path)).await {
                let status = response.status().as_u16();
                let text = response.text().await.unwrap_or_default();
                let json = serde_json::from_str(&text).unwrap_or(serde_json::Value::Null);
                if wanted(status, &json) {
                    return json;
                }
                last = format!("{status} {text}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("GET {path} never answered as expected; the last answer was {last}")
    }
}

impl Drop for Nexus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first URL in a line that says where Nexus is reached.
fn address(line: &str) -> Option<String> {
    let start = line.find("http://127.0.0.1:")?;
    line[start..].split_whitespace().next().map(|url| url.trim_end_matches('/').to_owned())
}

/// Processor time of a process so far, in and out of the kernel. Linux only; elsewhere nothing is told.
pub fn processor_time(process: u32) -> Option<Duration> {
    // What Linux counts in: hundredths of a second.
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may hold anything but its closing bracket; the 12th and 13th fields after it are the times.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    ticks.sum::<Result<u32, _>>().ok().map(|ticks| TICK * ticks)
}
