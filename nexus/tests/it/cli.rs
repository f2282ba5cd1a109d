//! The rest of the command line.

use crate::program::{printed, run};

#[test]
fn help_tells_the_commands_and_the_exit_codes() {
    let directory = tempfile::tempdir().unwrap();
    let help = printed(&run(directory.path(), ["--help"]));
    for word in ["social", "db", "jobs", "config", "doctor", "--homeserver", "Exit codes:"] {
        assert!(help.contains(word), "{word} is missing in {help}");
    }
}

#[test]
fn what_is_not_understood_is_exit_code_2() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [vec!["dance"], vec!["db"], vec!["--bind"], vec!["jobs", "run"]] {
        assert_eq!(run(directory.path(), &arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn jobs_are_listed_and_unknown_ones_refused() {
    let directory = tempfile::tempdir().unwrap();
    let listed = run(directory.path(), ["jobs", "list", "--set", "jobs.trust-recompute.cron=0 0 4 * * *"]);
    assert!(printed(&listed).contains("trust-recompute  0 0 4 * * *"), "{}", printed(&listed));
    let unknown = run(directory.path(), ["jobs", "run", "dance"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(printed(&unknown).contains("trust-recompute"), "{}", printed(&unknown));
}

#[test]
fn trust_needs_a_seed_that_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let made = run(directory.path(), ["db", "mock", "--users", "20", "--posts", "20", "--yes"]);
    assert!(made.status.success(), "{}", printed(&made));
    let without = run(directory.path(), ["jobs", "run", "trust-recompute"]);
    assert_eq!(without.status.code(), Some(1));
    let dump = printed(&run(directory.path(), ["social", "export", "-"]));
    let (start, end) = dump.find("pubky://").map(|at| (at + 8, at + 60)).unwrap();
    let seed = format!("trust_rank.seed={}", &dump[start..end]);
    let with = run(directory.path(), ["jobs", "run", "trust-recompute", "--set", &seed]);
    assert!(with.status.success(), "{}", printed(&with));
}
