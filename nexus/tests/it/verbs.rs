//! Every verb: its help, what it refuses, and the exit codes that the help promises.

use crate::program::{Program, command, printed, run};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
};

/// The verbs that a help lists, with what it says of them.
fn listed(help: &str) -> Vec<(String, String)> {
    let verbs = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    verbs
        .filter_map(|line| line.trim().split_once("  "))
        .map(|(name, doc)| (name.to_owned(), doc.trim().to_owned()))
        .collect()
}

/// Every command with its help, the verbs of verbs among them.
fn commands(directory: &Path) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    let mut open = vec![Vec::<String>::new()];
    while let Some(path) = open.pop() {
        let asked = run(directory, path.iter().map(String::as_str).chain(["--help"]));
        assert_eq!(asked.status.code(), Some(0), "{path:?}: {}", printed(&asked));
        let help = String::from_utf8(asked.stdout).unwrap();
        for (name, doc) in listed(&help) {
            assert!(!doc.is_empty(), "{path:?} {name} says nothing of itself");
            open.push([&path[..], &[name]].concat());
        }
        found.push((path, help));
    }
    found
}

#[test]
fn every_verb_has_a_help_of_its_own_and_is_used_as_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let commands = commands(directory.path());
    let paths: Vec<String> = commands.iter().map(|(path, _)| path.join(" ")).collect();
    for known in [
        "",
        "run",
        "social",
        "social run",
        "social import",
        "social export",
        "sync",
        "sync run",
        "sync resync",
        "sync import-tap",
        "relay",
        "relay run",
        "relay import",
        "relay export",
        "relay scan",
        "relay count",
        "relay delete",
        "relay compact",
        "relay market",
        "relay market rebuild",
        "relay keygen",
        "relay mirror",
        "relay router",
        "db",
        "db migrate",
        "db check",
        "db clear",
        "db mock",
        "db backup",
        "jobs",
        "jobs list",
        "jobs run",
        "config",
        "config check",
        "doctor",
    ] {
        assert!(paths.iter().any(|path| path == known), "`nexus {known}` is missing in {paths:?}");
    }
    for (path, help) in &commands {
        let usage =
            ["Usage:", "nexus"].into_iter().chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
        assert!(help.contains(&usage), "{path:?}: {help}");
        assert!(help.contains("--config <FILE>") && help.contains("--data-dir"), "{path:?}: {help}");
    }
    assert!(!directory.path().join("data").exists(), "a help makes nothing");
}

#[test]
fn every_verb_refuses_a_flag_that_it_does_not_know() {
    let directory = tempfile::tempdir().unwrap();
    for (path, _) in commands(directory.path()) {
        let asked = run(directory.path(), path.iter().map(String::as_str).chain(["--dance"]));
        let told = printed(&asked);
        assert_eq!(asked.status.code(), Some(2), "{path:?}: {told}");
        assert!(told.contains("'--dance'"), "{path:?}: {told}");
    }
    assert!(!directory.path().join("data").exists(), "what is refused makes nothing");
}

#[test]
fn every_verb_refuses_a_configuration_that_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("nexus.toml"), "[server]\nbnd = ':1'\n").unwrap();
    for arguments in [
        &["run"][..],
        &["social", "run"],
        &["social", "export", "-"],
        &["sync", "resync", "--all"],
        &["relay", "count"],
        &["db", "check"],
        &["db", "clear", "--yes"],
        &["jobs", "list"],
        &["config", "check"],
        &["doctor"],
    ] {
        let asked = run(directory.path(), arguments);
        assert_eq!(asked.status.code(), Some(2), "{arguments:?}: {}", printed(&asked));
        assert!(printed(&asked).contains("did you mean `server.bind`?"), "{arguments:?}: {}", printed(&asked));
    }
    assert!(!directory.path().join("data").exists());
    assert_eq!(
        run(directory.path(), ["config"]).status.code(),
        Some(0),
        "how it would be right is printed all the same"
    );
}

#[test]
fn arguments_out_of_range_are_wrong_usage() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [
        &["db", "mock", "--users", "1"][..],
        &["db", "mock", "--users", "many"],
        &["db", "mock", "--posts", "-1"],
        &["db", "check", "--service", "dance"],
        &["db", "clear", "--service", "", "--yes"],
        &["db", "backup"],
        &["social", "import"],
        &["sync", "resync"],
        &["sync", "resync", "--all", "did:plc:a"],
        &["sync", "resync", "not a did"],
        &["relay", "count", "{"],
        &["relay", "scan", "[]"],
        &["relay", "delete"],
        &["relay", "delete", "--age", "-1"],
        &["relay", "import", "--batch", "0"],
        &["config", "--env", "--flags"],
        &["--config", "a", "--config-dir", "b"],
        &["--set", "server.bind"],
        &["--set", "=1"],
    ] {
        let asked = run(directory.path(), arguments);
        assert_eq!(asked.status.code(), Some(2), "{arguments:?}: {}", printed(&asked));
    }
}

#[tokio::test]
async fn while_nexus_runs_nothing_else_writes_its_data() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty");
    fs::write(&empty, "").unwrap();
    let empty = empty.to_str().unwrap();
    let program = Program::alone(directory.path(), &[]);
    for arguments in [
        &["db", "migrate"][..],
        &["db", "clear", "--yes"],
        &["db", "mock", "--users", "2", "--posts", "0", "--yes"],
        &["jobs", "run", "trust-recompute"],
        &["social", "import", empty],
        &["sync", "resync", "--all"],
        &["sync", "import-tap", empty],
        &["relay", "import", empty],
        &["relay", "delete", "--age", "1", "--yes"],
        &["relay", "compact"],
        &["relay", "market", "rebuild"],
    ] {
        let refused = run(directory.path(), arguments);
        assert_eq!(refused.status.code(), Some(3), "{arguments:?}: {}", printed(&refused));
        assert!(printed(&refused).contains("uses the data directory"), "{arguments:?}: {}", printed(&refused));
    }
    assert_eq!(program.get("/health").await.0, 200);
    program.stop();
    let after = run(directory.path(), ["db", "migrate"]);
    assert_eq!(after.status.code(), Some(0), "{}", printed(&after));
}

/// Each service with the file that it keeps its rows in.
const DATABASES: [(&str, &str); 3] = [("social", "social.sqlite"), ("sync", "nexus.db"), ("relay", "relay.sqlite")];

/// Makes a file look like one of an older or of a newer program.
fn set_version(file: &Path, version: u32) {
    rusqlite::Connection::open(file).unwrap().pragma_update(None, "user_version", version).unwrap();
}

fn version(file: &Path) -> u32 {
    rusqlite::Connection::open(file).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

#[test]
fn a_newer_database_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(run(directory.path(), ["db", "migrate"]).status.code(), Some(0));
    for (service, name) in DATABASES {
        let file = directory.path().join("data").join(name);
        let ours = version(&file);
        set_version(&file, 999);
        for arguments in [["db", "check", "--service", service], ["db", "migrate", "--service", service]] {
            let refused = run(directory.path(), arguments);
            let told = printed(&refused);
            assert_eq!(refused.status.code(), Some(1), "{arguments:?}: {told}");
            assert!(told.contains("999") && told.contains(&ours.to_string()), "{arguments:?}: {told}");
            assert!(!told.contains("panicked"), "{told}");
        }
        assert_eq!(version(&file), 999);
        set_version(&file, ours);
    }
    assert_eq!(run(directory.path(), ["db", "check"]).status.code(), Some(0));
}

/// What an operator's script asks before an upgrade.
#[test]
fn an_older_database_is_told_by_an_exit_code_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(run(directory.path(), ["db", "migrate"]).status.code(), Some(0));
    for (service, name) in DATABASES {
        let file = directory.path().join("data").join(name);
        let ours = version(&file);
        set_version(&file, ours - 1);
        let told = run(directory.path(), ["db", "check", "--service", service]);
        assert_eq!(told.status.code(), Some(10), "{service}: {}", printed(&told));
        let expected = format!("has schema version {}, this program {ours}: run `nexus db migrate`", ours - 1);
        assert!(printed(&told).contains(&expected), "{}", printed(&told));
        assert_eq!(version(&file), ours - 1, "asking changes nothing");
        set_version(&file, ours);
    }
}

#[test]
fn another_program_s_database_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("data")).unwrap();
    for (service, name) in DATABASES {
        let file = directory.path().join("data").join(name);
        rusqlite::Connection::open(&file)
            .unwrap()
            .execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)")
            .unwrap();
        let refused = run(directory.path(), ["db", "migrate", "--service", service]);
        assert_eq!(refused.status.code(), Some(1), "{service}: {}", printed(&refused));
        let rows: u32 = rusqlite::Connection::open(&file)
            .unwrap()
            .query_row("SELECT count(*) FROM theirs", (), |row| row.get(0))
            .unwrap();
        assert_eq!(rows, 1, "{service}");
    }
}

#[test]
fn what_only_reads_makes_no_database() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in
        [&["social", "export", "-"][..], &["relay", "export"], &["relay", "count"], &["relay", "scan", "{}"]]
    {
        let asked = run(directory.path(), arguments);
        assert_eq!(asked.status.code(), Some(1), "{arguments:?}: {}", printed(&asked));
        assert!(printed(&asked).contains("there is no database"), "{arguments:?}: {}", printed(&asked));
    }
    assert!(!directory.path().join("data").exists());
}

/// `nexus … | head -n 1`: whoever has seen enough closes the pipe. What is printed for people is done then; a dump that
/// was cut short has failed, and says so.
#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let directory = tempfile::tempdir().unwrap();
    let made = run(directory.path(), ["db", "mock", "--users", "50", "--posts", "3000", "--yes"]);
    assert!(made.status.success(), "{}", printed(&made));
    for (arguments, code) in
        [(&["config"][..], 0), (&["config", "--reference"][..], 0), (&["social", "export", "-"][..], 1)]
    {
        let mut child =
            command(directory.path()).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        let mut reader = BufReader::with_capacity(64, child.stdout.take().unwrap());
        reader.read_line(&mut first).unwrap();
        drop(reader);
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!told.contains("panicked"), "{arguments:?}: {told}");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let directory = tempfile::tempdir().unwrap();
    let version = run(directory.path(), ["--version"]);
    assert_eq!(version.status.code(), Some(0));
    let text = String::from_utf8(version.stdout).unwrap();
    assert_eq!(text, format!("nexus {}\n", env!("CARGO_PKG_VERSION")));
    assert!(version.stderr.is_empty());
    let wrong = run(directory.path(), ["dance"]);
    assert!(wrong.stdout.is_empty() && !wrong.stderr.is_empty());
}

#[test]
fn each_service_s_data_is_cleared_and_copied_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let nothing = run(directory.path(), ["db", "backup", "nowhere"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(printed(&nothing).contains("there is nothing to copy yet"), "{}", printed(&nothing));
    assert!(!directory.path().join("nowhere").exists());
    assert!(printed(&run(directory.path(), ["db", "clear", "--yes"])).contains("there is nothing to delete"));
    assert_eq!(run(directory.path(), ["db", "migrate"]).status.code(), Some(0));
    let there = || -> Vec<&str> {
        let files = DATABASES.into_iter().filter(|(_, name)| directory.path().join("data").join(name).exists());
        files.map(|(service, _)| service).collect()
    };
    assert_eq!(there(), ["social", "sync", "relay"]);
    let copied = run(directory.path(), ["db", "backup", "copy", "--service", "sync"]);
    assert_eq!(copied.status.code(), Some(0), "{}", printed(&copied));
    let names: Vec<_> = fs::read_dir(directory.path().join("copy")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["nexus.db"]);
    let checked = run(directory.path(), ["db", "check", "--service", "sync", "--data-dir", "copy"]);
    assert!(printed(&checked).contains("nothing is wrong with it"), "the copy is not found: {}", printed(&checked));
    assert_eq!(run(directory.path(), ["db", "clear", "--service", "social", "--yes"]).status.code(), Some(0));
    assert_eq!(there(), ["sync", "relay"]);
    let told = printed(&run(directory.path(), ["db", "check"]));
    assert!(told.contains("there is no database") && told.contains("social.sqlite"), "{told}");
}
