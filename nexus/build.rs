//! Tells the program which commit it is built from: `NEXUS_COMMIT`, else what git says, else nothing.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-env-changed=NEXUS_COMMIT");
    let told = env::var("NEXUS_COMMIT").ok().filter(|commit| !commit.is_empty());
    // Where packages are built there may be no git, and no repository.
    if let Some(commit) = told.or_else(|| git(&["rev-parse", "HEAD"])) {
        println!("cargo::rustc-env=NEXUS_COMMIT={commit}");
    }
    if let Some(log) = git(&["rev-parse", "--path-format=absolute", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
}

/// The one line that git answers, if it does.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let line = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!line.is_empty()).then_some(line)
}
