//! A damaged relay: `nexus db check` finds what is wrong, says what to do, and what it says helps.

use crate::program::{Program, command, printed, run};
use nexus_nostr::{Event, Kind, Seconds, SigningKey, Tags};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};
use tempfile::TempDir;

fn note(number: i64) -> Event {
    let key = SigningKey::from_bytes([5; 32]).unwrap();
    key.sign(Kind::new(1), Seconds::new(1_600_000_000 + number), Tags::default(), format!("note {number:06}"))
}

/// A relay with two files of its index, for the events 0 to 799 and 800 to 899, and some that are in none.
fn relay() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (from, to) in [(0, 800), (800, 900), (900, 920)] {
        let lines: String = (from..to).map(|number| note(number).to_json() + "\n").collect();
        let mut import = command(directory.path());
        import.args(["relay", "import"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut import = import.spawn().unwrap();
        import.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        assert!(import.wait().unwrap().success());
        if to < 920 {
            assert!(run(directory.path(), ["relay", "compact"]).status.success());
        }
    }
    assert_eq!(files(directory.path()).len(), 2, "two files of the index");
    whole_file(directory.path());
    directory
}

/// Copies what is still in the log into the file that is spoiled afterwards.
fn whole_file(directory: &Path) {
    let connection = rusqlite::Connection::open(database(directory)).unwrap();
    let copied: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(copied, 0, "somebody else has it open");
}

fn database(directory: &Path) -> PathBuf {
    directory.join("data/relay.sqlite")
}

fn folder(directory: &Path) -> PathBuf {
    directory.join("data/relay.sqlite-index")
}

/// The files of the index, the first positions first.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder(directory)).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// What the check says, with its exit code.
fn checked(directory: &Path) -> (Option<i32>, String) {
    let output = run(directory, ["db", "check", "--service", "relay"]);
    (output.status.code(), printed(&output))
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Spoils bytes.
type Spoil<'a> = &'a dyn Fn(&mut Vec<u8>);

/// What the check must say, and what spoils a data directory so.
type Case<'a> = (&'a str, &'a dyn Fn(&Path));

fn place(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap()
}

/// The index is wrong, is said to be, and is right again once what is said was done.
fn is_made_anew(directory: &Path, expected: &str) {
    let (code, told) = checked(directory);
    assert!(code == Some(1) && told.contains(expected), "{code:?}: {told}");
    assert!(
        told.contains("what to do: stop Nexus and delete ") && told.contains("relay.sqlite-index: it is made anew"),
        "{told}"
    );
    fs::remove_dir_all(folder(directory)).unwrap();
    assert_eq!(run(directory, ["relay", "count"]).stdout, b"920\n");
    let (code, told) = checked(directory);
    assert!(code == Some(0) && told.contains("nothing is wrong with it"), "{told}");
}

#[test]
fn a_whole_store_has_nothing_wrong_whatever_of_its_index_is_not_in_files_yet() {
    let directory = relay();
    let whole = |told: &str| {
        let (code, said) = checked(directory.path());
        assert!(code == Some(0) && said.contains(told) && said.contains("nothing is wrong with it"), "{said}");
    };
    whole("the newest 20 positions");
    fs::remove_file(&files(directory.path())[1]).unwrap();
    whole("the newest 120 positions");
    fs::remove_dir_all(folder(directory.path())).unwrap();
    whole("the newest 920 positions");
    let program = Program::start(directory.path(), &["relay"]);
    whole("nothing is wrong");
    program.stop();
}

#[test]
fn a_torn_file_and_a_spoiled_page_are_found() {
    let directory = relay();
    let path = database(directory.path());
    let whole = fs::read(&path).unwrap();
    let half = whole.len() / 2 / 4096 * 4096;
    let spoil: [Spoil<'_>; 4] = [
        &|bytes| bytes.truncate(half),
        &|bytes| bytes.truncate(100),
        &|bytes| bytes[half..half + 4096].iter_mut().for_each(|byte| *byte ^= 0x55),
        &|bytes| bytes[..16].fill(0),
    ];
    for (number, spoil) in spoil.into_iter().enumerate() {
        change(&path, spoil);
        let (code, told) = checked(directory.path());
        assert!(code == Some(1) && told.contains("the file: "), "{number}: {code:?}: {told}");
        assert!(told.contains("put the newest backup in its place"), "{number}: {told}");
        fs::write(&path, &whole).unwrap();
        assert_eq!(checked(directory.path()).0, Some(0));
    }
}

#[test]
fn an_event_that_is_another_is_found() {
    let directory = relay();
    let spoil: [(&str, &str, &str); 2] = [
        ("note 000123", "note 999123", "has another id"),
        ("\"content\":\"note 000456", "\"content!:\"note 000456", "can't be read"),
    ];
    for (before, after, expected) in spoil {
        let exchange = |from: &str, to: &str| {
            change(&database(directory.path()), |bytes| {
                let place = place(bytes, from);
                bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
            });
        };
        exchange(before, after);
        let (code, told) = checked(directory.path());
        assert!(code == Some(1) && told.contains("an event: the one at ") && told.contains(expected), "{told}");
        exchange(after, before);
    }
    assert_eq!(checked(directory.path()).0, Some(0));
}

#[test]
fn what_is_wrong_with_the_index_is_found_and_made_anew() {
    let cases: [Case<'_>; 4] = [
        ("no file has the positions from 1 to 800", &|at| fs::remove_file(&files(at)[0]).unwrap()),
        ("is not whole, of another version, or another store's", &|at| {
            change(&files(at)[0], |bytes| bytes.truncate(10_000))
        }),
        ("is not whole, of another version, or another store's", &|at| change(&files(at)[1], |bytes| bytes[50] ^= 1)),
        ("the events should have", &|at| change(&files(at)[0], |bytes| bytes[5_000] ^= 1)),
    ];
    for (expected, spoil) in cases {
        let directory = relay();
        spoil(directory.path());
        is_made_anew(directory.path(), expected);
    }
}

#[test]
fn an_index_of_another_time_is_found_and_made_anew() {
    let directory = relay();
    let at = directory.path();
    let older: Vec<(PathBuf, Vec<u8>)> =
        files(at).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    let database_then = fs::read(database(at)).unwrap();
    let removed = run(at, ["relay", "delete", "--yes", "--filter", r#"{"until":1600000009}"#]);
    assert!(removed.status.success(), "{}", printed(&removed));
    for _ in 0..2 {
        // Positions of removed events are forgotten once no file has them.
        Program::start(at, &["relay"]).stop();
        assert!(run(at, ["relay", "compact"]).status.success());
    }
    assert_eq!(checked(at).0, Some(0));
    whole_file(at);
    // The file as it was before, with the index of later.
    let later = fs::read(database(at)).unwrap();
    fs::write(database(at), &database_then).unwrap();
    let (code, told) = checked(at);
    assert!(code == Some(1) && told.contains("they are of different times"), "{told}");
    fs::write(database(at), &later).unwrap();
    // And the other way round, as a restored folder would be.
    files(at).iter().for_each(|path| fs::remove_file(path).unwrap());
    older.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    let (code, told) = checked(at);
    assert!(code == Some(0) || told.contains("the events should have"), "removed events are found again: {told}");
    fs::remove_dir_all(folder(at)).unwrap();
    assert_eq!(run(at, ["relay", "count"]).stdout, b"910\n");
    assert_eq!(checked(at).0, Some(0));
}

#[tokio::test]
async fn a_damaged_relay_does_not_go_on_as_if_nothing_were() {
    let directory = relay();
    let path = database(directory.path());
    change(&path, |bytes| bytes[..16].fill(0));
    let refused = run(directory.path(), ["relay", "--bind", "127.0.0.1:0"]);
    assert!(refused.status.code() == Some(1) && printed(&refused).contains("can't open"), "{}", printed(&refused));
}
