//! Scripted relays and single messages of the network: what must pass and what must be dropped.

use crate::{base64, cid, json, key_of, text};
use nexus_atproto::{
    Cid, CommitMessage, Legacy, Limits, Link, OpMessage, PublicKey, RepoCommit, Rules, SyncMessage, Tid, link,
};
use nexus_model::{Raw, Timestamp};
use serde_json::Value;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn commit_message<'v>(body: &'v Value, blocks: &'v [u8]) -> CommitMessage<'v> {
    let op = |op: &'v Value| OpMessage {
        action: text(op, "action"),
        path: text(op, "path"),
        cid: cid(&op["cid"]),
        prev: cid(&op["prev"]),
    };
    CommitMessage {
        seq: body["seq"].as_i64().unwrap(),
        repo: text(body, "repo"),
        commit: cid(&body["commit"]),
        rev: text(body, "rev"),
        since: body["since"].as_str(),
        blocks,
        ops: body["ops"].as_array().unwrap().iter().map(op).collect(),
        time: text(body, "time"),
        prev_data: cid(&body["prevData"]),
    }
}

fn commit(body: &Value, key: &PublicKey) -> nexus_atproto::Result<RepoCommit> {
    let blocks = base64(text(&body["blocks"], "$bytes"));
    let rules = Rules { key, now: NOW, limits: Limits::default() };
    Raw::new(&commit_message(body, &blocks)).verify(&rules).map(|commit| commit.into_inner())
}

/// What a follower of one account does with its messages: true if a message passes.
struct Follower {
    key: PublicKey,
    legacy: Legacy,
    active: bool,
    known: Option<(Tid, Cid)>,
}

impl Follower {
    fn take(&mut self, kind: &str, body: &Value) -> bool {
        match kind {
            "#commit" => self.commit(body),
            "#sync" => self.sync(body),
            "#account" => {
                self.active = body["active"].as_bool().unwrap();
                true
            }
            _ => true,
        }
    }

    fn commit(&mut self, body: &Value) -> bool {
        let Ok(commit) = commit(body, &self.key) else { return false };
        let follows = |known| link(known, commit.rev, commit.prev_data, self.legacy) == Link::Follows;
        let passes = self.active && self.known.is_none_or(follows);
        if passes {
            self.known = Some((commit.rev, commit.data));
        }
        passes
    }

    fn sync(&mut self, body: &Value) -> bool {
        let blocks = base64(text(&body["blocks"], "$bytes"));
        let message = SyncMessage {
            seq: 1,
            did: text(body, "did"),
            blocks: &blocks,
            rev: text(body, "rev"),
            time: text(body, "time"),
        };
        let rules = Rules { key: &self.key, now: NOW, limits: Limits::default() };
        Raw::new(&message).verify(&rules).is_ok()
    }
}

#[test]
fn relays_pass_and_drop_what_the_scripts_say() {
    for name in ["account_lifecycle", "deactivation", "post_lifecycle", "rev_ordering"] {
        let script = json(&format!("relay-scenarios/{name}.json"));
        let legacy = if script["lenient"] == true { Legacy::Trust } else { Legacy::Gap };
        let key = key_of(&script["accounts"][0]["identity"]);
        let mut follower = Follower { key, legacy, active: true, known: None };
        for (at, message) in script["messages"].as_array().unwrap().iter().enumerate() {
            let frame = &message["frame"];
            let passes = follower.take(text(&frame["header"], "t"), &frame["body"]);
            assert_eq!(passes, message["drop"] != true, "{name}, message {at}");
        }
    }
}

#[test]
fn commits_of_the_network_hold_up_to_the_signature() {
    // Keys of other accounts: everything is checked before the signature, and only that fails.
    let script = json("relay-scenarios/post_lifecycle.json");
    let key = key_of(&script["accounts"][0]["identity"]);
    for name in ["4621317030", "4621332152"] {
        let body = json(&format!("network-commits/firehose_commit_{name}.json"));
        assert!(commit(&body, &key).unwrap_err().may_be_stale_key(), "{name}");
    }
}
