//! A disk that is full, and files that are torn, overwritten or gone: each ends in a clear error and a failing exit
//! code, or is made anew where it can be. `nexus db check` finds each, and nothing that was told is lost.

use crate::{
    erase::{BYTES, USER, WORD, write_everything},
    network,
    program::{Program, command, printed, run},
};
use nexus_fake_homeserver::FakeHomeserver;
use serde_json::json;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

/// The program with files of at most `blocks` of 512 bytes: writing beyond that fails, as on a full disk.
fn confined(directory: &Path, blocks: u32) -> Command {
    let mut command = command(directory);
    let program = command.get_program().to_owned();
    let environment: Vec<_> =
        command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
    let script = format!("ulimit -f {blocks}; trap '' XFSZ; exec \"$0\" \"$@\"");
    command = Command::new("sh");
    command.arg("-c").arg(script).arg(program).current_dir(directory);
    for (name, value) in environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Posts that fill some megabytes, and the lines of the log that they are worth.
pub(crate) fn write_much(homeserver: &FakeHomeserver) -> Vec<String> {
    homeserver.put(USER, "/pub/pubky.app/profile.json", r#"{"name":"Ada"}"#);
    let mut lines = vec![format!("PUT pubky://{USER}/pub/pubky.app/profile.json")];
    for n in 0..160 {
        let path = format!("/pub/pubky.app/posts/0034A0X7{}{}{}2A", letter(n / 32), letter(n % 32), "N");
        let content = format!("{n} ").repeat(8_000);
        homeserver.put(USER, &path, format!(r#"{{"content":"{}","kind":"long"}}"#, content.trim_end()));
        lines.push(format!("PUT pubky://{USER}{path}"));
    }
    lines
}

/// A digit of a post's id.
fn letter(n: usize) -> char {
    char::from(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[n])
}

#[test]
fn a_full_disk_fails_loudly_and_leaves_a_sound_database() {
    let (directory, database) = mock();
    let before = fs::metadata(&database).unwrap().len();
    let dump = run(directory.path(), ["social", "export", "dump"]);
    assert!(dump.status.success(), "{}", printed(&dump));
    let elsewhere = tempfile::tempdir().unwrap();
    let file = directory.path().join("dump");
    let import = ["social", "import", "--trusted", file.to_str().unwrap()];
    let full = confined(elsewhere.path(), 600).args(import).output().unwrap();
    assert_eq!(full.status.code(), Some(1), "{}", printed(&full));
    assert!(printed(&full).contains("disk"), "{}", printed(&full));
    assert!(before > 600 * 512, "it would have fitted");
    let (code, told) = checked(elsewhere.path());
    assert!(code == Some(0) || code == Some(10), "{told}");
    // Once there is room, the same import is whole.
    let again = run(elsewhere.path(), import);
    assert_eq!(again.status.code(), Some(0), "{}", printed(&again));
    assert_eq!(checked(elsewhere.path()).0, Some(0));
}

/// The program is waited for by a thread; the homeserver goes on meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_the_program_loudly_and_loses_nothing() {
    let (directory, homeserver) = (tempfile::tempdir().unwrap(), FakeHomeserver::start().await.unwrap());
    let lines = write_much(&homeserver);
    let mut start = confined(directory.path(), 4_000);
    let homeserver_flags = ["--homeserver", &homeserver.url(), "--set", "social.watcher.pkarr=off"];
    start.args(["social", "--bind", "127.0.0.1:0"]).args(homeserver_flags);
    let log = directory.path().join("log");
    start.stderr(File::create(&log).unwrap());
    let mut program = Program::spawn(start);
    assert_eq!(program.ended().code(), Some(1));
    let told = fs::read_to_string(&log).unwrap();
    assert!(told.contains("the store failed, the group is tried again"), "{told}");
    let last = told.lines().last().unwrap();
    assert!(last.starts_with("nexus: task social-writer failed") && last.contains("disk"), "{last}");
    let program = Program::following(directory.path(), &homeserver.url(), &[]);
    program.ready().await;
    assert_eq!(program.events().await, lines);
    program.stop();
    assert_eq!(checked(directory.path()).0, Some(0));
}

#[tokio::test]
async fn a_torn_write_ahead_log_is_read_up_to_the_tear_and_the_rest_again() {
    let (directory, homeserver) = (tempfile::tempdir().unwrap(), FakeHomeserver::start().await.unwrap());
    let records = network::distinct(900, 20, 5);
    network::write(&homeserver, &records);
    let program = Program::following(directory.path(), &homeserver.url(), &[]);
    program.until_events(records.len() / 2).await;
    program.kill();
    let log = File::options().write(true).open(directory.path().join("data/social.sqlite-wal")).unwrap();
    let length = log.metadata().unwrap().len();
    assert!(length > 100_000, "{length} bytes can't be torn");
    log.set_len(length / 2 + 1_234).unwrap();
    let program = Program::following(directory.path(), &homeserver.url(), &[]);
    program.ready().await;
    program.until_events(records.len()).await;
    assert_eq!(program.events().await, network::lines(&records));
    program.stop();
    let checked = run(directory.path(), ["db", "check", "--service", "social"]);
    assert_eq!(checked.status.code(), Some(0), "{}", printed(&checked));
}

/// A data directory with a synthetic network, and its database.
fn mock() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let made = run(directory.path(), ["db", "mock", "--users", "50", "--posts", "500", "--yes"]);
    assert!(made.status.success(), "{}", printed(&made));
    let database = directory.path().join("data/social.sqlite");
    (directory, database)
}

/// That neither a start nor a check passes over what is wrong with the database.
fn refused(directory: &Path) {
    for arguments in [&["--bind", "127.0.0.1:0", "--homeserver", "[]"][..], &["db", "check"]] {
        let ended = run(directory, arguments);
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}: {}", printed(&ended));
        let told = printed(&ended);
        assert!(["malformed", "damaged", "not a database", "corrupt"].iter().any(|word| told.contains(word)), "{told}");
    }
}

#[test]
fn a_truncated_database_is_refused() {
    let (directory, database) = mock();
    let file = File::options().write(true).open(&database).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    refused(directory.path());
}

#[test]
fn a_database_whose_pages_are_garbage_is_refused() {
    let (directory, database) = mock();
    let mut bytes = fs::read(&database).unwrap();
    let third = bytes.len() / 3 / 4096 * 4096;
    bytes[third..2 * third].fill(0xA5);
    fs::write(&database, bytes).unwrap();
    refused(directory.path());
}

#[test]
fn a_database_whose_head_is_garbage_is_refused() {
    let (directory, database) = mock();
    let mut bytes = fs::read(&database).unwrap();
    bytes[..100].fill(0xA5);
    fs::write(&database, bytes).unwrap();
    refused(directory.path());
}

/// What a check of the social service says, and its exit code.
fn checked(directory: &Path) -> (Option<i32>, String) {
    let checked = run(directory, ["db", "check", "--service", "social"]);
    (checked.status.code(), printed(&checked))
}

/// A data directory that has everything once: a post that is searched for, and a file.
async fn everything() -> (tempfile::TempDir, FakeHomeserver) {
    let (directory, homeserver) = (tempfile::tempdir().unwrap(), FakeHomeserver::start().await.unwrap());
    write_everything(&homeserver);
    let program = Program::following(directory.path(), &homeserver.url(), &[]);
    found(&program).await;
    program.until(&format!("/static/files/{USER}/0034A0X7Q1B20/main"), |_, text| text.contains(BYTES)).await;
    program.stop();
    (directory, homeserver)
}

async fn found(program: &Program) {
    program.until(&format!("/v0/search/posts/by_content?q={WORD}"), |_, text| text.contains("0034A0X7NJ52A")).await;
}

/// Files below a directory whose names end like this.
fn files(directory: &Path, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { files(&path, end) } else { vec![path] };
    entries.flat_map(below).filter(|path| path.to_string_lossy().ends_with(end)).collect()
}

#[tokio::test]
async fn a_torn_full_text_is_found_and_built_anew() {
    let (directory, homeserver) = everything().await;
    let search = directory.path().join("data/search");
    let (code, told) = checked(directory.path());
    assert_eq!(code, Some(0), "{told}");
    let tears: [fn(&Path); 4] = [
        |search| fs::write(search.join("meta.json"), "{").unwrap(),
        |search| fs::remove_file(&files(search, ".term")[0]).unwrap(),
        |search| File::options().write(true).open(&files(search, ".idx")[0]).unwrap().set_len(7).unwrap(),
        |search| {
            let path = files(search, ".term").remove(0);
            let garbage = vec![0xA5; fs::metadata(&path).unwrap().len().try_into().unwrap()];
            fs::write(path, garbage).unwrap();
        },
    ];
    for (n, tear) in tears.iter().enumerate() {
        tear(&search);
        let (code, told) = checked(directory.path());
        assert_eq!(code, Some(1), "tear {n}: {told}");
        assert!(told.contains("the next start builds it anew"), "tear {n}: {told}");
        let program = Program::following(directory.path(), &homeserver.url(), &[]);
        found(&program).await;
        program.stop();
        let (code, told) = checked(directory.path());
        assert_eq!(code, Some(0), "after tear {n}: {told}");
    }
}

#[tokio::test]
async fn bytes_of_files_that_are_gone_or_changed_are_found() {
    let (directory, homeserver) = everything().await;
    let blob = files(&directory.path().join("data/files").join(USER), "").remove(0);
    let name = format!("pubky://{USER}/pub/pubky.app/files/0034A0X7Q1B20");
    fs::write(&blob, "something else").unwrap();
    let (code, told) = checked(directory.path());
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains(&format!("{name} has other bytes here than its id says")), "{told}");
    fs::remove_file(&blob).unwrap();
    let (code, told) = checked(directory.path());
    assert_eq!(code, Some(0), "an import brings none either: {told}");
    assert!(told.contains(&format!("note: {name} has no bytes here, though there is room")), "{told}");
    // Who asks for them is told that they are not there, and everything else is served.
    let program = Program::following(directory.path(), &homeserver.url(), &[]);
    program.ready().await;
    assert_eq!(program.get(&format!("/static/files/{USER}/0034A0X7Q1B20/main")).await.0, 404);
    assert_eq!(program.get(&format!("/v0/file/{}", "x")).await.0, 404);
    found(&program).await;
    program.stop();
    let tight = run(directory.path(), ["db", "check", "--service", "social", "--set", "social.blob_quota=3"]);
    assert!(!printed(&tight).contains("has no bytes"), "without room they were never kept: {}", printed(&tight));
}

#[tokio::test]
async fn bytes_of_files_that_are_lost_are_fetched_again() {
    let (directory, homeserver) = everything().await;
    let blob = files(&directory.path().join("data/files").join(USER), "").remove(0);
    let losses: [(fn(&Path), _); 2] = [
        (|blob| fs::remove_file(blob).unwrap(), Some(0)),
        (|blob| fs::write(blob, "something else").unwrap(), Some(1)),
    ];
    for (lose, code) in losses {
        lose(&blob);
        let asked = run(directory.path(), ["db", "check", "--service", "social", "--refetch"]);
        assert_eq!(asked.status.code(), code, "{}", printed(&asked));
        assert!(printed(&asked).contains("fetches the bytes of 1 files again"), "{}", printed(&asked));
        let program = Program::following(directory.path(), &homeserver.url(), &[]);
        program.until(&format!("/static/files/{USER}/0034A0X7Q1B20/main"), |_, text| text.contains(BYTES)).await;
        program.stop();
        let (code, told) = checked(directory.path());
        assert_eq!(code, Some(0), "{told}");
        assert!(!told.contains("has no bytes"), "{told}");
    }
}

#[test]
fn bytes_of_a_file_whose_owner_lives_nowhere_are_asked_for_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    let owner = format!("pubky://{USER}/pub/pubky.app");
    let src = format!("{owner}/blobs/ZQR4KXNB6J2RYTJ1Y7AB9EBZJ4");
    let file = json!({"name": "x", "created_at": 1, "src": src, "content_type": "text/plain", "size": 1});
    let lines = [
        json!({"uri": format!("{owner}/profile.json"), "indexed_at": 1, "value": {"name": "Ada"}}),
        json!({"uri": format!("{owner}/files/0034A0X7Q1B20"), "indexed_at": 1, "value": file}),
    ];
    fs::write(directory.path().join("dump"), lines.map(|line| format!("{line}\n")).concat()).unwrap();
    let imported = run(directory.path(), ["social", "import", "--trusted", "dump"]);
    assert!(imported.status.success(), "{}", printed(&imported));
    let checked = run(directory.path(), ["db", "check", "--service", "social", "--refetch"]);
    assert!(printed(&checked).contains("of 1 files, nobody knows where their owners live"), "{}", printed(&checked));
}
