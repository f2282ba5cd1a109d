//! Export, import, and the verbs that work on the databases.

use crate::program::{Program, command, printed, run};
use std::{fs, io::Write as _, path::Path, process::Stdio};

fn mock(directory: &Path) {
    let made = run(directory, ["db", "mock", "--users", "20", "--posts", "200", "--seed", "3", "--yes"]);
    assert!(made.status.success(), "{}", printed(&made));
}

fn export(directory: &Path) -> String {
    let exported = run(directory, ["social", "export", "-"]);
    assert!(exported.status.success(), "{}", printed(&exported));
    String::from_utf8(exported.stdout).unwrap()
}

#[test]
fn import_of_an_export_is_the_same() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    mock(from.path());
    let first = export(from.path());
    assert!(first.lines().count() > 220, "{} lines", first.lines().count());
    let file = to.path().join("dump.ndjson");
    fs::write(&file, &first).unwrap();
    let imported = run(to.path(), ["social", "import", "--trusted", file.to_str().unwrap()]);
    assert!(imported.status.success(), "{}", printed(&imported));
    assert_eq!(export(to.path()), first);
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let made = run(directory.path(), ["db", "migrate"]);
    assert!(made.status.success(), "{}", printed(&made));
    for service in ["social", "relay"] {
        let exported = run(directory.path(), [service, "export", "/dev/null/x"]);
        assert_eq!(exported.status.code(), Some(1));
        assert!(printed(&exported).contains("/dev/null/x can't be written: "), "{}", printed(&exported));
    }
}

#[test]
fn a_bad_line_is_told_with_its_number_and_the_rest_goes_on() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    mock(from.path());
    let good = export(from.path());
    let mut import = command(to.path());
    import.args(["social", "import", "--trusted", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut import = import.stderr(Stdio::piped()).spawn().unwrap();
    import.stdin.take().unwrap().write_all(format!("{{\"uri\":1}}\n{good}").as_bytes()).unwrap();
    let output = import.wait_with_output().unwrap();
    assert!(printed(&output).contains("line 1:"), "{}", printed(&output));
    assert_eq!(export(to.path()), good);
}

#[tokio::test]
async fn a_mock_network_can_be_asked() {
    let directory = tempfile::tempdir().unwrap();
    mock(directory.path());
    let program = Program::alone(directory.path(), &[]);
    let posts = program.json("/v0/stream/posts?limit=10").await;
    assert_eq!(posts.as_array().unwrap().len(), 10);
    let author = posts[0]["details"]["author"].as_str().unwrap();
    assert_eq!(program.json(&format!("/v0/user/{author}")).await["details"]["id"], author);
}

#[test]
fn clearing_asks_first_and_names_what_goes() {
    let directory = tempfile::tempdir().unwrap();
    mock(directory.path());
    let asked = run(directory.path(), ["db", "clear"]);
    assert_eq!(asked.status.code(), Some(4));
    let told = printed(&asked);
    assert!(told.contains("social.sqlite") && told.contains("--yes"), "{told}");
    assert!(!export(directory.path()).is_empty());
    let cleared = run(directory.path(), ["db", "clear", "--yes"]);
    assert!(cleared.status.success(), "{}", printed(&cleared));
    let gone = run(directory.path(), ["social", "export", "-"]);
    assert!(printed(&gone).contains("there is no database"), "{}", printed(&gone));
}

#[test]
fn a_backup_is_a_whole_data_directory() {
    let (directory, safe) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    mock(directory.path());
    let to = safe.path().join("copy");
    let made = run(directory.path(), ["db", "backup", to.to_str().unwrap()]);
    assert!(made.status.success(), "{}", printed(&made));
    let copied = run(safe.path(), ["social", "export", "-", "--data-dir", to.to_str().unwrap()]);
    assert_eq!(String::from_utf8(copied.stdout).unwrap(), export(directory.path()));
    let again = run(directory.path(), ["db", "backup", to.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1));
}

#[test]
fn checking_finds_a_sound_database_and_a_damaged_one() {
    let directory = tempfile::tempdir().unwrap();
    mock(directory.path());
    let checked = run(directory.path(), ["db", "check"]);
    assert!(checked.status.success(), "{}", printed(&checked));
    let file = directory.path().join("data/social.sqlite");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xA5);
    fs::write(&file, bytes).unwrap();
    let checked = run(directory.path(), ["db", "check"]);
    assert_eq!(checked.status.code(), Some(1), "{}", printed(&checked));
}
