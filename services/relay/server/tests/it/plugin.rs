use nexus_nostr::{Event, Kind, Seconds, SigningKey, Tags};
use nexus_relay::ports::{Judge, Judgement, Source, Submission};
use nexus_relay_server::plugin::{OnFailure, Options, Plugin};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// Answers by content: `bad` is refused, `dull` is swallowed, `sleep` waits for ever, `nonsense` is answered with
/// nonsense, `die` ends it; `late` is answered after the next one.
const SCRIPT: &str = r#"
import json, sys, time
held = None
for line in sys.stdin:
    told = json.loads(line)
    event = told["event"]
    content = event["content"]
    answer = {"id": event["id"], "action": "accept", "msg": ""}
    if content == "bad":
        answer.update(action="reject", msg="blocked: from " + told["sourceType"] + " " + told["sourceInfo"])
    elif content == "dull":
        answer["action"] = "shadowReject"
    elif content == "sleep":
        time.sleep(3600)
    elif content == "nonsense":
        print("what?", flush=True)
        continue
    elif content == "die":
        sys.exit(1)
    elif content == "late":
        held = answer
        continue
    print(json.dumps(answer), flush=True)
    if held:
        print(json.dumps(held), flush=True)
        held = None
"#;

fn write(folder: &TempDir, name: &str, script: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, script).expect("a file can be written");
    path
}

fn options(script: &Path) -> Options {
    let command = format!("python3 {}", script.display());
    Options { timeout: Duration::from_secs(20), pause: Duration::ZERO, ..Options::new(command) }
}

fn event(content: &str, number: i64) -> Event {
    let key = SigningKey::from_bytes([1; 32]).expect("a key");
    key.sign(Kind::NOTE, Seconds::new(number), Tags::default(), content)
}

async fn judge(plugin: &Plugin, contents: &[&str]) -> Vec<String> {
    let submission = |(number, content): (usize, &&str)| Submission {
        event: event(content, i64::try_from(number).expect("a small number")),
        received_at: Seconds::new(1),
        source: Source::Client(Some([192, 0, 2, 1].into())),
        sender: None,
    };
    let judgements = plugin.judge(contents.iter().enumerate().map(submission).collect()).await;
    let text = |judgement: Judgement| match judgement {
        Judgement::Accept => "accept".to_owned(),
        Judgement::Shadow => "shadow".to_owned(),
        Judgement::Reject(reason) | Judgement::Hold(reason) => reason.to_string(),
    };
    judgements.into_iter().map(text).collect()
}

const FAILED: &str = "error: internal error";

#[tokio::test]
async fn a_plugin_judges_in_order_with_many_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = Plugin::new(options(&write(&folder, "plugin.py", SCRIPT)));
    assert_eq!(judge(&plugin, &["good", "bad", "dull"]).await, ["accept", "blocked: from IP4 192.0.2.1", "shadow"]);
    let contents: Vec<&str> = (0..300).map(|number| if number % 3 == 0 { "bad" } else { "good" }).collect();
    let judgements = judge(&plugin, &contents).await;
    for (content, judgement) in contents.iter().zip(judgements) {
        assert_eq!(judgement == "accept", *content == "good", "{judgement}");
    }
    assert_eq!(judge(&plugin, &["late", "bad"]).await, ["accept", "blocked: from IP4 192.0.2.1"]);
}

#[tokio::test]
async fn several_connections_ask_one_plugin_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = Plugin::new(options(&write(&folder, "plugin.py", SCRIPT)));
    let contents = ["good"; 50];
    let answers = futures_util::future::join_all((0..5).map(|_| judge(&plugin, &contents))).await;
    assert!(answers.iter().flatten().all(|answer| answer == "accept"));
}

#[tokio::test]
async fn a_plugin_that_fails_refuses_and_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = Plugin::new(options(&write(&folder, "plugin.py", SCRIPT)));
    for failure in ["die", "nonsense"] {
        assert_eq!(judge(&plugin, &["good"]).await, ["accept"]);
        assert_eq!(judge(&plugin, &[failure]).await, [FAILED]);
    }
    assert_eq!(judge(&plugin, &["good"]).await, ["accept"]);
}

#[tokio::test]
async fn a_plugin_that_answers_too_late_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let script = write(&folder, "plugin.py", SCRIPT);
    let plugin = Plugin::new(Options { timeout: Duration::from_millis(1_500), ..options(&script) });
    assert_eq!(judge(&plugin, &["sleep", "good"]).await, [FAILED, FAILED]);
    assert_eq!(judge(&plugin, &["good"]).await, ["accept"]);
}

#[tokio::test]
async fn the_operator_may_prefer_to_go_on_without_the_plugin() {
    let folder = tempfile::tempdir().unwrap();
    let script = write(&folder, "plugin.py", SCRIPT);
    let plugin = Plugin::new(Options { on_failure: OnFailure::Take, ..options(&script) });
    assert_eq!(judge(&plugin, &["die"]).await, ["accept"]);
    assert_eq!(judge(&plugin, &["bad"]).await, ["blocked: from IP4 192.0.2.1"]);
    let missing = Plugin::new(Options::new("exec /nowhere/to/be/found"));
    assert_eq!(judge(&missing, &["good", "good"]).await, [FAILED, FAILED]);
}

#[tokio::test]
async fn a_plugin_that_failed_is_left_alone_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let script = write(&folder, "plugin.py", SCRIPT);
    let plugin = Plugin::new(Options { pause: Duration::from_secs(3600), ..options(&script) });
    assert_eq!(judge(&plugin, &["die"]).await, [FAILED]);
    assert_eq!(judge(&plugin, &["good"]).await, [FAILED]);
}

#[tokio::test]
async fn a_changed_file_is_a_new_plugin() {
    let folder = tempfile::tempdir().unwrap();
    let shell = |action: &str| {
        let answer = format!(r#"{{"id":"'"$id"'","action":"{action}","msg":"blocked: now"}}"#);
        let id = r#"id=$(printf '%s' "$line" | sed 's/.*"event":{"id":"\([0-9a-f]*\)".*/\1/')"#;
        format!("while read -r line; do {id}; echo '{answer}'; done\n")
    };
    let script = write(&folder, "plugin.sh", &shell("accept"));
    let plugin = Plugin::new(Options::new(format!("sh {}", script.display())));
    assert_eq!(judge(&plugin, &["a", "b"]).await, ["accept", "accept"]);
    write(&folder, "plugin.sh", &shell("reject"));
    let written = std::fs::metadata(&script).and_then(|meta| meta.modified()).unwrap();
    let later = written + Duration::from_secs(10);
    std::fs::File::options().write(true).open(&script).unwrap().set_modified(later).unwrap();
    assert_eq!(judge(&plugin, &["a", "b"]).await, ["blocked: now", "blocked: now"]);
}
