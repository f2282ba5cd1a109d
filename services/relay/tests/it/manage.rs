use crate::stage::TestStage;
use futures_util::FutureExt;
use nexus_nostr::{Event, Kind, Prefix, Reason, Seconds, SigningKey, Tags, nip::nip86::Call};
use nexus_relay::{
    ManageError, Purge,
    ports::{Judgement, RecordKind, StorageAdapter},
    rules::policies::{Condition, Policy},
    settings::{Limits, Settings, WritePolicy},
};
use nexus_relay_suite::scenario::Stage;
use serde_json::{Value, json};

/// A relay with one administrator and one client.
struct Office(TestStage);

impl Office {
    async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        let mut stage = TestStage::new(settings).await;
        stage.ip = [192, 0, 2, 1].into();
        stage.connect("ada").await;
        Self(stage)
    }

    async fn try_call(&self, method: &str, params: Value) -> Result<Value, ManageError> {
        let body = json!({ "method": method, "params": params }).to_string();
        let admin = key(9).public_key();
        let call = Call::parse(&body).expect("a call");
        self.0.relay.manage(&admin, &call, &body, Purge::Stored).await
    }

    async fn call(&self, method: &str, params: Value) -> Value {
        self.try_call(method, params).await.expect("the call is right")
    }

    /// What the client is told when it publishes this.
    async fn publish(&mut self, event: &Event) -> String {
        self.0.send("ada", &format!(r#"["EVENT",{}]"#, event.to_json())).await;
        let answer: Value = serde_json::from_str(&self.0.next("ada").await.expect("an answer")).expect("JSON");
        answer[3].as_str().expect("a text").to_owned()
    }
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes([number; 32]).expect("a key")
}

fn note(number: i64) -> Event {
    key(1).sign(Kind::NOTE, Seconds::new(1_600_000_000 + number), Tags::default(), "")
}

fn run(test: impl Future<Output = ()>) {
    test.now_or_never().expect("memory never waits");
}

#[test]
fn who_is_banned_is_refused_and_goes_with_all_they_wrote() {
    run(async {
        let mut office = Office::new().await;
        assert_eq!(office.publish(&note(1)).await, "");
        let author = note(1).pubkey.to_string();
        assert_eq!(office.call("banpubkey", json!([author, "spam"])).await, json!(true));
        assert_eq!(office.publish(&note(1)).await, "blocked: pubkey is banned");
        assert!(!office.0.relay.storage().event_exists(&note(1).id).await.expect("memory"));
        assert_eq!(office.call("listbannedpubkeys", json!([])).await, json!([{ "pubkey": author, "reason": "spam" }]));
        office.call("unbanpubkey", json!([author])).await;
        assert_eq!(office.publish(&note(1)).await, "");
    });
}

#[test]
fn an_event_is_banned_and_allowed_again() {
    run(async {
        let mut office = Office::new().await;
        assert_eq!(office.publish(&note(1)).await, "");
        let id = note(1).id.to_string();
        office.call("banevent", json!([id, "ugly"])).await;
        assert_eq!(office.publish(&note(1)).await, "blocked: event is banned");
        assert_eq!(office.call("listbannedevents", json!([])).await, json!([{ "id": id, "reason": "ugly" }]));
        office.call("allowevent", json!([id])).await;
        assert_eq!(office.publish(&note(1)).await, "");
    });
}

#[test]
fn kinds_are_let_in_and_kept_out() {
    run(async {
        let mut office = Office::new().await;
        office.call("disallowkind", json!([1])).await;
        assert_eq!(office.publish(&note(1)).await, "restricted: kind is not allowed");
        office.call("allowkind", json!([7])).await;
        office.call("allowkind", json!([1])).await;
        assert_eq!(office.publish(&note(1)).await, "");
        assert_eq!(office.call("listallowedkinds", json!([])).await, json!([1, 7]));
    });
}

#[test]
fn a_blocked_address_is_disconnected_and_stays_out() {
    run(async {
        let mut office = Office::new().await;
        assert!(matches!(office.try_call("blockip", json!(["nonsense"])).await, Err(ManageError::Params(_))));
        office.call("blockip", json!(["192.0.2.0/24", "spam"])).await;
        assert!(office.0.socket("ada", |socket| socket.closed.is_some()));
        assert_eq!(office.0.connect("bob").await, None);
        assert!(office.0.socket("bob", |socket| socket.closed.is_some()));
        office.call("unblockip", json!(["192.0.2.0/24"])).await;
        office.0.connect("eve").await;
        assert!(office.0.socket("eve", |socket| socket.closed.is_none()));
    });
}

#[test]
fn changes_are_written_down_and_questions_are_not() {
    run(async {
        let office = Office::new().await;
        office.call("changerelayname", json!(["A relay"])).await;
        office.call("listblockedips", json!([])).await;
        let methods = office.call("supportedmethods", json!([])).await;
        assert_eq!(methods.as_array().map(Vec::len), Some(26));
        let audit = office.0.relay.storage().records(RecordKind::Audit).await.expect("memory");
        assert_eq!(audit.len(), 1);
        assert!(audit[0].value.contains("changerelayname"), "{}", audit[0].value);
        let info = office.0.relay.storage().records(RecordKind::Info).await.expect("memory");
        assert_eq!((info[0].key.as_str(), info[0].value.as_str()), ("name", "A relay"));
    });
}

#[test]
fn reported_events_need_a_look_until_somebody_had_it() {
    run(async {
        let mut office = Office::new().await;
        assert_eq!(office.publish(&note(1)).await, "");
        assert_eq!(office.publish(&note(2)).await, "");
        let (first, second) = (note(1).id.to_string(), note(2).id.to_string());
        let missing = "a".repeat(64);
        let tags = Tags::new([["e", &first, "spam"], ["e", &second, ""], ["e", &missing, "spam"]]);
        let report = key(2).sign(Kind::REPORT, Seconds::new(1_600_000_000), tags, "look at this");
        assert_eq!(office.publish(&report).await, "");
        let waiting = office.call("listeventsneedingmoderation", json!([])).await;
        let mut expected = [
            json!({ "id": first, "reason": "reported: spam: look at this" }),
            json!({ "id": second, "reason": "reported: other: look at this" }),
        ];
        expected.sort_by_key(|one| one["id"].to_string());
        assert_eq!(waiting, json!(expected));
        office.call("allowevent", json!([first])).await;
        office.call("banevent", json!([second])).await;
        assert_eq!(office.call("listeventsneedingmoderation", json!([])).await, json!([]));
    });
}

/// A relay that holds notes back, so many at once.
async fn holding(held: usize) -> Office {
    let when = Condition { kinds: vec![1..=1], ..Condition::default() };
    let judgement = Judgement::Hold(Reason::new(Prefix::Restricted, "wait for a moderator"));
    let policies = vec![Policy { when, unless: None, judgement }];
    let write = WritePolicy { policies, ..WritePolicy::default() };
    Office::with(Settings { write, limits: Limits { held, ..Limits::default() }, ..Settings::default() }).await
}

#[test]
fn what_a_rule_holds_back_waits_until_it_is_allowed_or_banned() {
    run(async {
        let mut office = holding(10).await;
        let key = key(1).public_key();
        let [allowed, banned, left] = [1, 2, 3].map(note);
        for event in [&allowed, &banned, &left, &left] {
            assert_eq!(office.publish(event).await, "restricted: wait for a moderator");
            assert!(!office.0.relay.storage().event_exists(&event.id).await.expect("memory"));
        }
        let held = |event: &Event| {
            let reason = format!("held: wait for a moderator: kind 1 by {key}: ");
            json!({ "id": event.id.to_string(), "reason": reason })
        };
        let mut expected = [held(&allowed), held(&banned), held(&left)];
        expected.sort_by_key(|one| one["id"].to_string());
        assert_eq!(office.call("listeventsneedingmoderation", json!([])).await, json!(expected));
        office.0.send("ada", r#"["REQ","live",{"kinds":[1]}]"#).await;
        assert_eq!(office.0.next("ada").await.as_deref(), Some(r#"["EOSE","live",["finish"]]"#));
        office.call("allowevent", json!([allowed.id.to_string()])).await;
        office.call("banevent", json!([banned.id.to_string(), "ugly"])).await;
        let passed_on = office.0.next("ada").await.expect("it is passed on");
        assert!(passed_on.contains(&allowed.id.to_string()), "{passed_on}");
        assert_eq!(office.call("listeventsneedingmoderation", json!([])).await, json!([held(&left)]));
        assert_eq!(office.publish(&allowed).await, "duplicate: already have this event");
        assert_eq!(office.publish(&banned).await, "blocked: event is banned");
    });
}

#[test]
fn so_many_are_held_back_and_those_who_were_banned_meanwhile_are_not_taken() {
    run(async {
        let mut office = holding(2).await;
        let full = "restricted: too many events wait for an administrator";
        let wait = "restricted: wait for a moderator";
        for (number, told) in [(1, wait), (2, wait), (3, full), (1, wait)] {
            assert_eq!(office.publish(&note(number)).await, told, "{number}");
        }
        office.call("banpubkey", json!([key(1).public_key().to_string()])).await;
        office.call("allowevent", json!([note(1).id.to_string()])).await;
        assert!(!office.0.relay.storage().event_exists(&note(1).id).await.expect("memory"));
        office.call("unbanpubkey", json!([key(1).public_key().to_string()])).await;
        assert_eq!(office.publish(&note(3)).await, wait, "a place is free again");
    });
}

#[test]
fn roles_are_made_changed_given_and_taken() {
    run(async {
        let office = Office::new().await;
        let member = key(3).public_key().to_string();
        let refused = async |method: &str, params: Value| {
            matches!(office.try_call(method, params).await, Err(ManageError::Params(_)))
        };
        assert!(refused("editrole", json!(["mod", "x", "", "", 1])).await);
        assert!(refused("assignrole", json!([member, "mod"])).await);
        office.call("createrole", json!(["mod", "Moderators", "they look", "red", 2])).await;
        office.call("createrole", json!(["vip", "Guests", "", "", 1])).await;
        assert!(refused("createrole", json!(["mod", "x", "", "", 1])).await);
        office.call("assignrole", json!([member, "mod"])).await;
        office.call("editrole", json!(["mod", "Mods", "they look", "blue", 2])).await;
        let mods = json!({
            "label": "Mods", "description": "they look", "color": "blue", "order": 2, "id": "mod", "members": [member],
        });
        let roles = office.call("nexus_listroles", json!([])).await;
        assert_eq!((&roles[0]["id"], &roles[1]), (&json!("vip"), &mods));
        office.call("unassignrole", json!([member, "mod"])).await;
        assert_eq!(office.call("nexus_listroles", json!([])).await[1]["members"], json!([]));
        office.call("assignrole", json!([member, "mod"])).await;
        office.call("deleterole", json!(["mod"])).await;
        office.call("createrole", json!(["mod", "New", "", "", 0])).await;
        assert_eq!(office.call("nexus_listroles", json!([])).await[0]["members"], json!([]));
    });
}
