//! A disk that is full while the relay runs: no event that got an OK is lost, and the others are told so.

use crate::{
    program::{self, Program, printed, run},
    relay::{Client, key, publish},
};
use nexus_nostr::{Event, Kind, Seconds, Tags};
use std::{path::Path, process::Command};

/// The largest file that the relay can write, in blocks of 512 bytes: 4 MiB.
const BLOCKS: u32 = 8_192;

/// Events of 30 kB, more than fit.
const EVENTS: i64 = 300;

fn event(number: i64) -> Event {
    let content = format!("{number} {}", "x".repeat(30_000));
    key().sign(Kind::new(1), Seconds::new(1_700_000_000 + number), Tags::default(), content)
}

/// The relay, whose files can't grow beyond [`BLOCKS`]: for it the disk is full then.
fn on_a_small_disk(directory: &Path) -> Command {
    let mut shell = program::prepared(Command::new("sh"), directory);
    // Where the signal is ignored, writing fails.
    shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {BLOCKS}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_nexus")]);
    shell.args(["relay", "--bind", "127.0.0.1:0"]);
    shell
}

#[tokio::test]
async fn what_was_taken_is_kept_and_the_rest_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let program = Program::spawn(on_a_small_disk(directory.path()));
    let mut client = Client::connect(&program).await;
    let (mut taken, mut refused) = (Vec::new(), 0);
    for number in 0..EVENTS {
        let answer = client.told(publish(&event(number))).await;
        let answer: (String, String, bool, String) = serde_json::from_str(&answer).unwrap();
        match answer.2 {
            true => taken.push(answer.1),
            false => {
                assert_eq!(answer.3, "error: the store is not available");
                refused += 1;
            }
        }
    }
    assert!(taken.len() > 20 && refused > 20, "{} taken, {refused} refused", taken.len());
    // What is there is still served.
    let newest = client.told(format!(r#"["REQ","first",{{"ids":["{}"]}}]"#, taken[0])).await;
    assert!(newest.contains(&taken[0]), "{newest}");
    assert!(client.read().await.unwrap().contains("EOSE"));
    program.kill();
    let checked = run(directory.path(), ["db", "check", "--service", "relay"]);
    assert!(checked.status.success(), "{}", printed(&checked));
    let program = Program::start(directory.path(), &["relay"]);
    let mut client = Client::connect(&program).await;
    for id in &taken {
        let found = client.told(format!(r#"["REQ","{}",{{"ids":["{id}"]}}]"#, &id[..8])).await;
        assert!(found.contains(id), "an event that got an OK is gone: {found}");
        assert!(client.read().await.unwrap().contains("EOSE"));
        client.send(format!(r#"["CLOSE","{}"]"#, &id[..8])).await;
    }
    let answer = client.told(publish(&event(EVENTS))).await;
    assert!(answer.contains("true"), "there is room again: {answer}");
    program.stop();
}
