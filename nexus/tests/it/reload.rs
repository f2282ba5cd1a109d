//! SIGHUP: what an operator changes in the configuration holds for the clients that are there, and no connection is
//! lost for it.

use crate::{
    program::{Program, command},
    relay::{Client, key, note, publish},
};
use nexus_nostr::{Event, Kind, Seconds, Tags};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A relay with a file that can be changed, and its log.
struct House {
    directory: TempDir,
    program: Program,
}

impl House {
    fn new(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("nexus.toml"), config).unwrap();
        let mut command = command(directory.path());
        command.args(["relay", "--bind", "127.0.0.1:0"]).stderr(File::create(directory.path().join("log")).unwrap());
        let program = Program::spawn(command);
        Self { directory, program }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Changes the file and waits until the log says `word` once more.
    fn change(&self, config: &str, word: &str) -> String {
        let before = self.said(word).len();
        fs::write(self.path("nexus.toml"), config).unwrap();
        self.program.hang_up();
        let since = Instant::now();
        loop {
            if let Some(line) = self.said(word).get(before) {
                return line.clone();
            }
            assert!(since.elapsed() < Duration::from_secs(60), "the log never says {word:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The lines of the log that say `word`.
    fn said(&self, word: &str) -> Vec<String> {
        let log = fs::read_to_string(self.path("log")).unwrap();
        log.lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
    }
}

const TAKEN: &str = "the configuration was read again";
const REFUSED: &str = "the configuration is wrong";

fn event(kind: u16, content: &str) -> Event {
    key().sign(Kind::new(kind), Seconds::new(1_700_000_000), Tags::default(), content)
}

#[tokio::test]
async fn limits_policies_and_the_description_change_under_open_connections() {
    let house = House::new("[relay.info]\nname = 'before'\n");
    let mut client = Client::connect(&house.program).await;
    assert!(client.told(r#"["REQ","live",{"kinds":[1],"limit":0}]"#.to_owned()).await.contains("EOSE"));
    assert!(client.told(publish(&event(7, "+"))).await.contains("true"));
    let changed = "[relay.info]\nname = 'after'\n[relay.limits]\nmessage = '4 KiB'\nsubscriptions = 1\n\
                   [[relay.policy]]\nwhen = { kinds = [7] }\nmessage = 'blocked: no more'\n";
    let line = house.change(changed, TAKEN);
    assert!(line.contains("relay.info.name, relay.limits.message, relay.limits.subscriptions, relay.policy"), "{line}");
    let description = house.program.json("/").await;
    assert_eq!((&description["name"], &description["limitation"]["max_subscriptions"]), (&"after".into(), &1.into()));
    let refused = event(7, "-");
    let answer = client.told(publish(&refused)).await;
    assert_eq!(answer, format!(r#"["OK","{}",false,"blocked: no more"]"#, refused.id));
    let second = client.told(r#"["REQ","second",{}]"#.to_owned()).await;
    assert_eq!(second, r#"["CLOSED","second","error: too many subscriptions"]"#);
    // What was open is open, and goes on.
    let mut other = Client::connect(&house.program).await;
    assert!(other.told(publish(&note(1))).await.contains("true"));
    assert_eq!(client.read().await.unwrap(), format!(r#"["EVENT","live",{}]"#, note(1).to_json()));
    let too_large = publish(&event(1, &"x".repeat(5_000)));
    assert!(client.told(too_large).await.contains("too large"));
    house.program.stop();
}

#[tokio::test]
async fn larger_messages_are_read_from_those_who_are_there() {
    let house = House::new("[relay.limits]\nmessage = '4 KiB'\n");
    let mut client = Client::connect(&house.program).await;
    assert!(client.told(publish(&note(1))).await.contains("true"));
    house.change("", TAKEN);
    assert!(client.told(publish(&event(1, &"x".repeat(5_000)))).await.contains("true"));
    house.program.stop();
}

#[tokio::test]
async fn who_must_say_who_they_are_from_now_on_is_asked() {
    let house = House::new("");
    let mut client = Client::connect(&house.program).await;
    assert!(client.told(publish(&note(1))).await.contains("true"));
    house.change("[relay]\nurl = 'wss://relay.example.com'\n[relay.auth]\nrequired = true\n", TAKEN);
    let challenge: Vec<String> = serde_json::from_str(&client.read().await.unwrap()).unwrap();
    assert_eq!(challenge[0], "AUTH");
    assert!(client.told(publish(&note(2))).await.contains("auth-required: "));
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let tags = Tags::new([["relay", "wss://relay.example.com"], ["challenge", &challenge[1]]]);
    let proof = key().sign(Kind::new(22_242), Seconds::new(now.cast_signed()), tags, "");
    assert!(client.told(format!(r#"["AUTH",{}]"#, proof.to_json())).await.contains("true"));
    assert!(client.told(publish(&note(2))).await.contains("true"));
    house.program.stop();
}

#[tokio::test]
async fn a_wrong_file_is_refused_whole_and_what_needs_a_restart_is_named() {
    let house = House::new("[relay.info]\nname = 'before'\n");
    for wrong in ["[relay.info]\nname = 'after'\n[relay.limits]\nsubscriptions = 0\n", "[relay.info]\nnam = 'x'\n", "["]
    {
        let line = house.change(wrong, REFUSED);
        assert!(line.contains("ERROR") && line.contains("nexus.toml"), "{line}");
        assert_eq!(house.program.json("/").await["name"], "before");
    }
    let fixed = "[server]\nopen = true\n[relay]\nbind = '127.0.0.1:1'\n[relay.info]\nname = 'after'\n\
                 [relay.storage]\nreaders = 9\n[relay.cache]\nttl_secs = 1\n";
    let line = house.change(fixed, "hold after a restart");
    let named = "relay.bind, relay.cache.ttl_secs, relay.storage.readers, server.open";
    assert!(line.contains("WARN") && line.contains(named), "{line}");
    assert_eq!(house.program.json("/").await["name"], "after");
    house.change("[relay.info]\nname = 'again'\n", TAKEN);
    assert_eq!(house.said("hold after a restart").len(), 1, "what was taken back needs no restart");
    house.program.stop();
}

/// A plugin that answers for everything alike.
fn plugin(path: &Path, action: &str) -> String {
    let script = format!(
        "import json, sys\nfor line in sys.stdin:\n    id = json.loads(line)['event']['id']\n    \
         print(json.dumps(dict(id=id, action='{action}', msg='blocked: by {action}')), flush=True)\n"
    );
    fs::write(path, script).unwrap();
    format!("[relay.plugin]\ncommand = 'python3 {}'\n", path.display())
}

#[tokio::test]
async fn plugins_and_streams_come_and_go() {
    let house = House::new("");
    let mut client = Client::connect(&house.program).await;
    assert!(client.told(publish(&note(1))).await.contains("true"));
    house.change(&plugin(&house.path("rejects.py"), "reject"), TAKEN);
    assert!(client.told(publish(&note(2))).await.contains(r#"false,"blocked: by reject""#));
    house.change(&plugin(&house.path("accepts.py"), "accept"), TAKEN);
    assert!(client.told(publish(&note(3))).await.contains("true"));

    let elsewhere = tempfile::tempdir().unwrap();
    let other = Program::start(elsewhere.path(), &["relay"]);
    let mut there = Client::connect(&other).await;
    assert!(there.told(publish(&note(4))).await.contains("true"));
    let url = other.url("/").replacen("http", "ws", 1);
    assert!(client.told(r#"["REQ","live",{"limit":0}]"#.to_owned()).await.contains("EOSE"));
    house.change(&format!("[[relay.streams]]\nname = 'other'\nurls = ['{url}']\ncatch_up = true\n"), TAKEN);
    let arrived = |number| format!(r#"["EVENT","live",{}]"#, note(number).to_json());
    assert_eq!(client.read().await.unwrap(), arrived(4));
    house.change("", TAKEN);
    // The link is closed now: what is published there stays there, and ours is the next that is seen.
    assert!(there.told(publish(&note(5))).await.contains("true"));
    let mut own = Client::connect(&house.program).await;
    assert!(own.told(publish(&note(6))).await.contains("true"));
    assert_eq!(client.read().await.unwrap(), arrived(6));
    other.stop();
    house.program.stop();
}
