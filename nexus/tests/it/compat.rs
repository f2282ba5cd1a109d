//! Called `nexusd`, with the files and commands of Pubky Nexus.

use crate::program::{Program, command, printed};
use nexus_fake_homeserver::FakeHomeserver;
use std::{fs, os::unix::process::CommandExt as _, path::Path, process::Command};

const USER: &str = "8pinxxgqs41n4aididenw5apqp1urfmzdztr8jt4abrkdn435ewo";

fn nexusd(directory: &Path) -> Command {
    let mut command = command(directory);
    command.arg0("nexusd");
    command
}

#[tokio::test]
async fn its_configuration_starts() {
    let (directory, homeserver) = (tempfile::tempdir().unwrap(), FakeHomeserver::start().await.unwrap());
    let config = format!(
        "[api]\npublic_ip = '127.0.0.1'\npublic_addr = '127.0.0.1:0'\npubky_listen_socket = '127.0.0.1:0'\n[watcher]\nhomeserver = '{}'\nevents_limit = 50\nwatcher_sleep = 50\nsomething_new = 1\n[stack]\nlog_level = 'info'\n[stack.db]\nredis = 'redis://127.0.0.1:6379'\n",
        homeserver.url()
    );
    fs::write(directory.path().join("config.toml"), config).unwrap();
    homeserver.put(USER, "/pub/pubky.app/profile.json", r#"{"name":"Ada"}"#);
    let mut start = nexusd(directory.path());
    start.arg("-c").arg(directory.path());
    let program = Program::spawn(start);
    program.until(&format!("/v0/user/{USER}/details"), |status, _| status == 200).await;
    program.stop();
    assert!(directory.path().join("data").is_dir());
    assert!(directory.path().join("secret").is_file(), "the server's key lies where Pubky Nexus has it");
}

#[test]
fn its_commands_are_understood() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| nexusd(directory.path()).arg("-c").arg(directory.path()).args(arguments).output();
    for arguments in [
        &["jobs", "list"][..],
        &["db", "mock", "--mock-type", "redis", "--users", "5", "--posts", "5", "--yes"],
        &["db", "migration", "run"],
        &["db", "migration", "check"],
        &["db", "clear", "--yes"],
    ] {
        let output = run(arguments).unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", printed(&output));
    }
    let output = run(&["db", "migration", "new", "x"]).unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
}

#[tokio::test]
async fn its_parts_run_alone() {
    let (directory, homeserver) = (tempfile::tempdir().unwrap(), FakeHomeserver::start().await.unwrap());
    let config = format!("[api]\npublic_addr = '127.0.0.1:0'\n[watcher]\nhomeserver = '{}'\n", homeserver.url());
    fs::write(directory.path().join("config.toml"), config).unwrap();
    let part = |name: &str| {
        let mut start = nexusd(directory.path());
        start.arg(name).arg("-c").arg(directory.path());
        Program::spawn(start)
    };
    homeserver.put(USER, "/pub/pubky.app/profile.json", r#"{"name":"Ada"}"#);
    let watcher = part("watcher");
    watcher.ready().await;
    assert_eq!(watcher.get("/v0/info").await.0, 404);
    watcher.stop();
    homeserver.put(USER, "/pub/pubky.app/profile.json", r#"{"name":"Grace"}"#);
    let api = part("api");
    api.ready().await;
    let details = api.json(&format!("/v0/user/{USER}/details")).await;
    assert_eq!(details["name"], "Ada");
    api.stop();
}
