//! The relay's verbs, as an operator types them.

use crate::program::{Program, command, printed, run};
use nexus_nostr::{Event, Kind, Seconds, SigningKey, Tags};
use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Child, Output, Stdio},
    time::{Duration, Instant},
};

fn note(number: i64) -> Event {
    let key = SigningKey::from_bytes([3; 32]).unwrap();
    key.sign(Kind::new(1), Seconds::new(1_600_000_000 + number), Tags::default(), format!("note {number}"))
}

fn lines(numbers: std::ops::Range<i64>) -> String {
    numbers.map(|number| note(number).to_json() + "\n").collect()
}

fn relay(directory: &Path, arguments: &[&str]) -> Output {
    run(directory, [&["relay"], arguments].concat())
}

/// What a verb prints that must succeed.
fn said(directory: &Path, arguments: &[&str]) -> String {
    let output = relay(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", printed(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Imports lines from standard input.
fn import(directory: &Path, arguments: &[&str], lines: &[u8]) -> Output {
    let mut import = command(directory);
    import.args(["relay", "import"]).args(arguments);
    import.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut import = import.spawn().unwrap();
    import.stdin.take().unwrap().write_all(lines).unwrap();
    import.wait_with_output().unwrap()
}

#[test]
fn events_go_in_and_come_out_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let output = import(at, &[], lines(0..50).as_bytes());
    assert!(output.status.success() && printed(&output).contains("50 new events"), "{}", printed(&output));
    assert_eq!(said(at, &["export"]), lines(0..50));
    assert_eq!(said(at, &["export", "--since", "1600000010", "--until", "1600000012"]), lines(10..13));
    let newest = said(at, &["export", "--reverse", "--filter", r#"{"limit":2}"#]);
    assert_eq!(newest, note(49).to_json() + "\n" + &note(48).to_json() + "\n");
    assert_eq!(said(at, &["scan", r#"{"limit":1}"#]), note(49).to_json() + "\n");
    assert_eq!(said(at, &["count"]), "50\n");
    assert_eq!(said(at, &["count", r#"{"kinds":[7]}"#]), "0\n");
    let file = at.join("dump.jsonl");
    said(at, &["export", file.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(&file).unwrap(), lines(0..50));
    let again = relay(at, &["import", "--no-verify", "--batch", "7", file.to_str().unwrap()]);
    assert!(printed(&again).contains("0 new events, 50 known"), "{}", printed(&again));
}

#[test]
fn what_is_left_out_of_an_import_is_told_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let mut forged = note(9);
    forged.content.push('!');
    let text = format!("{}no event\n{}\n", lines(0..2), forged.to_json());
    let output = import(directory.path(), &[], text.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let told = printed(&output);
    for expected in
        ["line 3:", "line 4: invalid: event id does not match", "1 were no events", "1 were refused: invalid"]
    {
        assert!(told.contains(expected), "{told}");
    }
    assert_eq!(said(directory.path(), &["count"]), "2\n");
}

#[test]
fn events_are_removed_when_that_is_confirmed() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    import(at, &[], lines(0..10).as_bytes());
    assert!(said(at, &["delete", "--age", "3600", "--dry-run"]).starts_with("10 events match"));
    let unconfirmed = relay(at, &["delete", "--age", "3600"]);
    assert_eq!(unconfirmed.status.code(), Some(4), "{}", printed(&unconfirmed));
    assert_eq!(said(at, &["count"]), "10\n");
    let removed = said(at, &["delete", "--filter", r#"{"until":1600000003}"#, "--yes"]);
    assert!(removed.contains("4 events were removed"), "{removed}");
    assert_eq!(said(at, &["export"]), lines(4..10));
    assert_eq!(relay(at, &["delete", "--yes"]).status.code(), Some(2));
    assert_eq!(relay(at, &["count", "{"]).status.code(), Some(2));
}

#[test]
fn the_store_is_looked_after() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let key = SigningKey::from_bytes([3; 32]).unwrap();
    let request = key.sign(Kind::new(5050), Seconds::new(1_600_000_000), Tags::default(), "");
    import(at, &[], (lines(0..10) + &request.to_json()).as_bytes());
    assert!(said(at, &["market", "rebuild"]).contains("1 events were read, 0 jobs were changed"));
    assert!(said(at, &["compact"]).contains("bytes before"));
    let checked = run(at, ["db", "check", "--service", "relay"]);
    assert!(checked.status.success() && printed(&checked).contains("nothing is wrong"), "{}", printed(&checked));
    let copied = run(at, ["db", "backup", "--service", "relay", "copy"]);
    assert!(copied.status.success(), "{}", printed(&copied));
    assert_eq!(said(at, &["count", "--data-dir", "copy"]), "11\n");
}

#[test]
fn a_new_key_is_one_and_differs() {
    let directory = tempfile::tempdir().unwrap();
    let made = said(directory.path(), &["keygen"]);
    let word = |name: &str| made.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let (secret, public) = (word("secret"), word("public"));
    let bytes: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&secret[2 * at..2 * at + 2], 16).unwrap()).collect();
    let key = SigningKey::from_bytes(bytes.try_into().unwrap()).unwrap();
    assert_eq!(key.public_key().to_string(), public);
    assert_ne!(made, said(directory.path(), &["keygen"]));
}

#[tokio::test]
async fn two_relays_are_brought_level() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    import(there.path(), &[], lines(0..300).as_bytes());
    import(here.path(), &[], lines(200..500).as_bytes());
    let program = Program::start(there.path(), &["relay"]);
    let url = program.url("/").replacen("http", "ws", 1);
    let locked = relay(there.path(), &["count"]);
    assert_eq!(locked.status.code(), Some(3), "{}", printed(&locked));
    let told = said(here.path(), &["mirror", &url, "--dir", "both"]);
    for expected in ["by negentropy", "200 events came, 0 were refused here", "200 events went, 0 were refused there"] {
        assert!(told.contains(expected), "{told}");
    }
    assert_eq!(said(here.path(), &["export"]), lines(0..500));
    drop(program);
    eventually(|| relay(there.path(), &["count"]).stdout == b"500\n");
}

fn eventually(mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(60), "it never holds");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A child that is ended with this value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn another_relay_is_followed_without_serving_anybody() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    import(there.path(), &[], lines(0..20).as_bytes());
    let program = Program::start(there.path(), &["relay"]);
    let url = program.url("/").replacen("http", "ws", 1);
    let file = here.path().join("streams.toml");
    fs::write(&file, format!("[[streams]]\nname = 'x'\nurls = ['{url}']\ncatch_up = true\n")).unwrap();
    let mut router = command(here.path());
    router.args(["relay", "router", "streams.toml"]).stdout(Stdio::piped());
    let mut router = Ended(router.spawn().unwrap());
    std::thread::sleep(Duration::from_millis(1));
    let pid = rustix::process::Pid::from_child(&router.0);
    let database = here.path().join("data/relay.sqlite");
    // The store is its own; from outside only its growth is seen.
    eventually(|| fs::read(database.with_extension("sqlite-wal")).is_ok_and(|bytes| has(&bytes, b"note 19")));
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(router.0.wait().unwrap().success());
    assert_eq!(said(here.path(), &["export"]), lines(0..20));
    let nothing = relay(here.path(), &["router"]);
    assert_eq!(nothing.status.code(), Some(2), "{}", printed(&nothing));
}

fn has(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
