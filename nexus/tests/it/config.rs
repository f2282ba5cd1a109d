//! Configuration as an operator meets it.

use crate::program::{command, printed, run};
use std::fs;

#[test]
fn the_printed_file_is_valid() {
    let directory = tempfile::tempdir().unwrap();
    let file = run(directory.path(), ["config"]);
    fs::write(directory.path().join("nexus.toml"), &file.stdout).unwrap();
    let checked = run(directory.path(), ["config", "check"]);
    assert_eq!((checked.status.code(), printed(&checked).as_str()), (Some(0), "the configuration is valid\n"));
}

#[test]
fn every_problem_is_told_at_once_with_exit_code_2() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("n.toml"), "[server]\nbnd = ':1'\n[social.watcher]\nevents_limit = 1001\n")
        .unwrap();
    let checked = run(directory.path(), ["--config", "n.toml", "config", "check"]);
    assert_eq!(checked.status.code(), Some(2));
    let told = printed(&checked);
    assert!(told.contains("n.toml: unknown key `server.bnd`, did you mean `server.bind`?"), "{told}");
    assert!(told.contains("`social.watcher.events_limit` = 1001: out of range (wanted: number, 1 to 1000)"), "{told}");
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let directory = tempfile::tempdir().unwrap();
    let checked = run(directory.path(), ["config", "check", "--config", "missing.toml"]);
    assert_eq!(checked.status.code(), Some(2));
    assert!(printed(&checked).contains("missing.toml can't be read"), "{}", printed(&checked));
}

#[test]
fn the_environment_is_read_and_strange_names_only_warn() {
    let directory = tempfile::tempdir().unwrap();
    let mut check = command(directory.path());
    check.args(["config", "check"]).env("NEXUS_PORT", "tcp://10.0.0.1").env("NEXUS__SERVER__LOG_LEVEL", "warn");
    let checked = check.output().unwrap();
    assert_eq!(checked.status.code(), Some(0));
    assert!(printed(&checked).contains("warning: the environment variable NEXUS_PORT means nothing here"));
    let checked = check.env("NEXUS__SERVER__PORT", "1").output().unwrap();
    assert_eq!(checked.status.code(), Some(2));
    assert!(printed(&checked).contains("NEXUS__SERVER__PORT: unknown key `server.port`"), "{}", printed(&checked));
}

#[test]
fn a_schedule_must_be_one() {
    let directory = tempfile::tempdir().unwrap();
    let checked = run(directory.path(), ["config", "check", "--set", "jobs.trust-recompute.cron=every day"]);
    assert_eq!(checked.status.code(), Some(2));
    assert!(printed(&checked).contains("jobs.trust-recompute.cron"), "{}", printed(&checked));
}

#[test]
fn values_that_only_the_start_would_refuse_are_told_by_the_check() {
    let directory = tempfile::tempdir().unwrap();
    for (key, value, reason) in [
        ("server.log_level", "inof", "neither a level"),
        ("server.log_level", "", "neither a level"),
        ("server.log_level", "info,nexus=nope", "level"),
        ("server.data_dir", "", "it is empty"),
        ("social.database", "", "it is empty"),
        ("relay.storage.path", "", "it is empty"),
        ("relay.secret_key", "x", "no secret key"),
        ("relay.market.notify_expiry", "true", "needs `relay.secret_key`"),
        ("telemetry.endpoint", "collector:4318", "http://"),
        ("telemetry.attributes", "['team']", "name=value"),
        ("social.watcher.pkarr_relays", "['x']", "http://"),
        ("social.search.memory", "8 GiB", "out of range"),
    ] {
        let checked = run(directory.path(), ["config", "check", "--set", &format!("{key}={value}")]);
        let told = printed(&checked);
        assert_eq!(checked.status.code(), Some(2), "{key} = {value:?}: {told}");
        assert!(told.contains(&format!("`{key}`")) && told.contains(reason), "{key} = {value:?}: {told}");
    }
    for fits in ["server.log_level=WARN", "server.log_level=info,nexus_http=debug", "telemetry.attributes=['a=b','c=']"]
    {
        let checked = run(directory.path(), ["config", "check", "--set", fits]);
        assert_eq!(checked.status.code(), Some(0), "{fits}: {}", printed(&checked));
    }
}

#[test]
fn an_empty_password_opens_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for key in ["sync.admin_password", "server.admin_token", "sync.webhook.secret"] {
        let checked = run(directory.path(), ["config", "check", "--set", &format!("{key}=")]);
        assert_eq!(checked.status.code(), Some(2), "{key}");
        assert!(printed(&checked).contains(&format!("`{key}` = \"\": it is empty")), "{}", printed(&checked));
    }
}

#[test]
fn the_tables_of_names_are_printed() {
    let directory = tempfile::tempdir().unwrap();
    let names = printed(&run(directory.path(), ["config", "--env"]));
    let pairs: Vec<Vec<&str>> = names.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(pairs.contains(&vec!["NEXUS_BIND", "server.bind"]) && pairs.contains(&vec!["TAP_BIND", "sync.bind"]));
    assert!(printed(&run(directory.path(), ["config", "--flags"])).contains("--homeserver"));
    assert!(printed(&run(directory.path(), ["config", "--reference"])).starts_with("# Configuration"));
}

#[test]
fn a_bound_that_is_below_another_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let text = "[relay.storage]\nrecent = 1000\nrecent_most = 500\n[relay.limits]\nlimit = 10\n";
    fs::write(directory.path().join("nexus.toml"), text).unwrap();
    let checked = run(directory.path(), ["config", "check"]);
    assert_eq!(checked.status.code(), Some(2));
    for told in [
        "`relay.storage.recent` = 1000 is above `relay.storage.recent_most` = 500",
        "`relay.limits.default_limit` = 500",
    ] {
        assert!(printed(&checked).contains(told), "{}", printed(&checked));
    }
}
