//! Clients that other people wrote, installed by name from their registries into folders under `target/`, where
//! they stay for the next run.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::process::Command;

/// How long an installation may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// Why a client isn't there. Whoever meets it says so and goes on.
#[derive(Debug)]
pub struct Missing(pub String);

/// Installs packages of npm, and gives the folder in which scripts find them.
///
/// # Errors
/// If Node or npm isn't there, or the registry isn't.
pub async fn npm(packages: &[&str]) -> Result<PathBuf, Missing> {
    let folder = folder("npm");
    let mut install = Command::new("npm");
    install.args(["install", "--no-audit", "--no-fund", "--prefer-offline", "--prefix"]).arg(&folder).args(packages);
    installed("node", &["--version"]).await?;
    run(&mut install).await.map(|()| folder)
}

/// Installs packages of PyPI, and gives the folder for `PYTHONPATH`.
///
/// # Errors
/// If Python or pip isn't there, or the registry isn't.
pub async fn pip(packages: &[&str]) -> Result<PathBuf, Missing> {
    let folder = folder("python");
    installed("python3", &["-m", "pip", "--version"]).await?;
    let mark = folder.join(packages.join("+"));
    if !mark.exists() {
        let mut install = Command::new("python3");
        install.args(["-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--upgrade", "--target"]);
        run(install.arg(&folder).args(packages)).await?;
        std::fs::write(&mark, "").map_err(|error| Missing(format!("{}: {error}", mark.display())))?;
    }
    Ok(folder)
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/packages").join(name)
}

async fn installed(program: &str, arguments: &[&str]) -> Result<(), Missing> {
    run(Command::new(program).args(arguments)).await
}

/// Runs a program to its end; what it complained of last is the reason if it fails.
async fn run(command: &mut Command) -> Result<(), Missing> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let ended = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output()).await;
    let output = ended.map_err(|_| Missing(format!("{name} takes too long")))?;
    let output = output.map_err(|error| Missing(format!("{name}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it failed without a word");
    Err(Missing(format!("{name}: {reason}")))
}
