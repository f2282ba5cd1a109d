//! The exit codes that `nexus --help` names: each is given, and means what it says.

use crate::program::{Program, printed, run};
use rusqlite::Connection;
use std::{fs, path::Path};

/// What the social service's files say of themselves: `NXso`.
const SOCIAL: i32 = 0x4E58_736F;

/// A database that a program made and left before it had tables: older than any schema.
fn unfinished(directory: &Path) {
    fs::create_dir_all(directory.join("data")).unwrap();
    let file = Connection::open(directory.join("data/social.sqlite")).unwrap();
    file.pragma_update(None, "application_id", SOCIAL).unwrap();
}

#[test]
fn a_pending_migration_is_10_until_it_is_done() {
    let directory = tempfile::tempdir().unwrap();
    let there_is_none = run(directory.path(), ["db", "check"]);
    assert_eq!(there_is_none.status.code(), Some(0), "{}", printed(&there_is_none));
    unfinished(directory.path());
    for check in [&["db", "check"][..], &["db", "check", "--service", "social"], &["db", "migration", "check"]] {
        let pending = run(directory.path(), check);
        assert_eq!(pending.status.code(), Some(10), "{check:?}: {}", printed(&pending));
        let told = "has schema version 0, this program 1: run `nexus db migrate`";
        assert!(printed(&pending).contains(told), "{}", printed(&pending));
    }
    assert_eq!(run(directory.path(), ["db", "migrate", "--service", "social"]).status.code(), Some(0));
    assert_eq!(run(directory.path(), ["db", "migration", "check"]).status.code(), Some(0));
    assert_eq!(run(directory.path(), ["db", "check"]).status.code(), Some(0));
}

#[test]
fn a_newer_or_strange_database_is_1_and_stays_as_it_is() {
    for (key, value, told) in [
        ("user_version", 999, "schema version 999, this program knows 1: use a newer program"),
        ("application_id", 7, "the file is no database of this service"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let made = run(directory.path(), ["db", "mock", "--users", "5", "--posts", "5", "--yes"]);
        assert_eq!(made.status.code(), Some(0), "{}", printed(&made));
        let path = directory.path().join("data/social.sqlite");
        Connection::open(&path).unwrap().pragma_update(None, key, value).unwrap();
        for arguments in [&["db", "check"][..], &["db", "migrate"], &["--bind", "127.0.0.1:0", "--homeserver", "[]"]] {
            let refused = run(directory.path(), arguments);
            assert_eq!(refused.status.code(), Some(1), "{arguments:?}: {}", printed(&refused));
            assert!(printed(&refused).contains(told), "{arguments:?}: {}", printed(&refused));
        }
        let kept: i32 = Connection::open(&path).unwrap().pragma_query_value(None, key, |row| row.get(0)).unwrap();
        assert_eq!(kept, value);
    }
}

#[test]
fn every_code_is_given() {
    let directory = tempfile::tempdir().unwrap();
    let help = printed(&run(directory.path(), ["--help"]));
    for code in ["0 done", "1 failed", "2 wrong usage", "3 another process", "4 not confirmed", "10 a migration", "128"]
    {
        assert!(help.contains(code), "{code} is missing in {help}");
    }
    let code = |arguments: &[&str]| run(directory.path(), arguments).status.code();
    assert_eq!(code(&["db", "mock", "--users", "5", "--posts", "5", "--yes"]), Some(0));
    assert_eq!(code(&["social", "import", "nowhere"]), Some(1));
    assert_eq!(code(&["db", "check", "--service", "weather"]), Some(2));
    assert_eq!(code(&["db", "clear"]), Some(4), "nobody can be asked");
    let program = Program::alone(directory.path(), &[]);
    for verb in [&["db", "clear", "--yes"][..], &["db", "migrate"], &["social", "import", "-"]] {
        assert_eq!(code(verb), Some(3), "{verb:?}");
    }
    program.stop();
}
