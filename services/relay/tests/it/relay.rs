use crate::stage::TestStage;
use futures_util::FutureExt;
use nexus_nostr::{Event, Kind, Prefix, Reason, Seconds, SigningKey, Tags};
use nexus_relay::{
    ports::{CacheAdapter, ConnectionId, WebSocketAdapter},
    settings::{Limits, Settings, Switch, WritePolicy},
};
use nexus_relay_suite::scenario::Stage;

fn settings() -> Settings {
    Settings::default()
}

fn note(number: i64) -> Event {
    of_kind(Kind::NOTE, number)
}

fn of_kind(kind: Kind, number: i64) -> Event {
    let key = SigningKey::from_bytes([1; 32]).expect("a key");
    key.sign(kind, Seconds::new(1_600_000_000 + number), Tags::default(), number.to_string())
}

/// Runs what can't wait, because memory never does.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("memory never waits")
}

#[test]
fn a_connection_that_ended_leaves_no_subscription() {
    now(async {
        let mut stage = TestStage::new(settings()).await;
        stage.connect("ada").await;
        stage.connect("bob").await;
        for text in [r#"["REQ","a",{}]"#, r#"["REQ","b",{"kinds":[1]}]"#, r#"["REQ","b",{"kinds":[2]}]"#] {
            stage.send("ada", text).await;
            stage.send("bob", text).await;
        }
        let of_bob = stage.connection("bob");
        stage.leave("ada").await;
        let all = stage.relay.cache().get_all_subscriptions().await.expect("memory");
        assert_eq!(all.len(), 2);
        assert!(all.iter().all(|((conn, _), _)| *conn == of_bob));
        assert_eq!(stage.relay.cache().get_subscriptions(of_bob).await.expect("memory").len(), 2);
    });
}

#[test]
fn one_connection_may_have_so_many_subscriptions() {
    now(async {
        let limits = Limits { subscriptions: 2, ..Limits::default() };
        let mut stage = TestStage::new(Settings { limits, ..settings() }).await;
        stage.connect("ada").await;
        for (name, answer) in [
            ("a", r#"["EOSE","a",["finish"]]"#),
            ("b", r#"["EOSE","b",["finish"]]"#),
            ("c", r#"["CLOSED","c","error: too many subscriptions"]"#),
            ("b", r#"["EOSE","b",["finish"]]"#),
        ] {
            stage.send("ada", &format!(r#"["REQ","{name}",{{}}]"#)).await;
            assert_eq!(stage.next("ada").await.as_deref(), Some(answer));
        }
    });
}

#[test]
fn who_sends_nonsense_is_told_and_then_closed() {
    now(async {
        let limits = Limits { protocol_errors: 2, ..Limits::default() };
        let mut stage = TestStage::new(Settings { limits, ..settings() }).await;
        stage.connect("ada").await;
        stage.send("ada", "nonsense").await;
        stage.relay.on_binary(stage.connection("ada")).await;
        assert!(stage.socket("ada", |socket| socket.closed.is_none()));
        stage.wait(60).await;
        stage.send("ada", "nonsense").await;
        stage.send("ada", "nonsense").await;
        assert!(stage.socket("ada", |socket| socket.closed.is_none()));
        stage.send("ada", &"x".repeat(200_000)).await;
        let closed = stage.socket("ada", |socket| socket.closed.clone());
        assert_eq!(closed, Some((1008, "too many unreadable messages".to_owned())));
    });
}

#[test]
fn a_slow_consumer_loses_the_subscription_and_is_told() {
    now(async {
        let mut stage = TestStage::new(settings()).await;
        stage.connect("ada").await;
        stage.send("ada", r#"["REQ","s",{}]"#).await;
        stage.next("ada").await;
        stage.socket("ada", |socket| socket.stuck = 5 << 20);
        stage.connect("bob").await;
        stage.send("bob", &format!(r#"["EVENT",{}]"#, note(1).to_json())).await;
        assert_eq!(stage.next("ada").await.as_deref(), Some(r#"["CLOSED","s","error: slow consumer"]"#));
        assert!(stage.relay.cache().get_all_subscriptions().await.expect("memory").is_empty());
    });
}

#[test]
fn nobody_listening_can_be_told() {
    now(async {
        let write = WritePolicy { mute: Switch::On, ..WritePolicy::default() };
        let mut stage = TestStage::new(Settings { write, ..settings() }).await;
        stage.connect("ada").await;
        let key = SigningKey::from_bytes([1; 32]).expect("a key");
        let event = key.sign(Kind::new(20_001), stage.now(), Tags::default(), "");
        let reason = Reason::new(Prefix::Mute, "no one is listening");
        stage.send("ada", &format!(r#"["EVENT",{}]"#, event.to_json())).await;
        assert_eq!(stage.next("ada").await, Some(format!(r#"["OK","{}",false,"{reason}"]"#, event.id)));
    });
}

#[test]
fn strangers_are_slowed_down_and_may_go_on_later() {
    now(async {
        let mut stage = TestStage::new(settings()).await;
        stage.ip = [192, 0, 2, 1].into();
        stage.connect("ada").await;
        for _ in 0..100 {
            stage.send("ada", r#"["COUNT","c",{}]"#).await;
            assert_eq!(stage.next("ada").await.as_deref(), Some(r#"["COUNT","c",{"count":0}]"#));
        }
        let refused = Some(r#"["CLOSED","c","rate-limited: slow down"]"#);
        stage.send("ada", r#"["COUNT","c",{}]"#).await;
        assert_eq!(stage.next("ada").await.as_deref(), refused);
        stage.wait(1).await;
        stage.send("ada", r#"["COUNT","c",{}]"#).await;
        assert_eq!(stage.next("ada").await.as_deref(), Some(r#"["COUNT","c",{"count":0}]"#));
    });
}

#[test]
fn messages_that_come_together_are_stored_together_and_seen_by_what_follows() {
    now(async {
        let mut stage = TestStage::new(settings()).await;
        stage.connect("ada").await;
        let events: Vec<String> = (0..5).map(|number| format!(r#"["EVENT",{}]"#, note(number).to_json())).collect();
        let mut texts = events.clone();
        texts.push(r#"["COUNT","c",{}]"#.to_owned());
        texts.push(events[0].clone());
        stage.relay.on_messages(stage.connection("ada"), &texts).await;
        for number in 0..5 {
            assert_eq!(stage.next("ada").await, Some(format!(r#"["OK","{}",true,""]"#, note(number).id)));
        }
        assert_eq!(stage.next("ada").await.as_deref(), Some(r#"["COUNT","c",{"count":5}]"#));
        let again = stage.next("ada").await.expect("an answer");
        assert!(again.contains("duplicate:"), "{again}");
    });
}

#[test]
fn every_subscription_sees_every_event_once_while_others_write() {
    const EVENTS: i64 = 120;
    const READERS: u64 = 40;
    let stage = now(TestStage::new(settings()));
    let relay = &stage.relay;
    for number in 0..=READERS + 1 {
        let conn = ConnectionId::new(number);
        relay.sockets().0.lock().expect("no panic").insert(conn, crate::stage::Socket::default());
        relay.on_connect(conn, None);
    }
    std::thread::scope(|scope| {
        for writer in 0..2 {
            scope.spawn(move || {
                for number in (0..EVENTS).filter(|number| number % 2 == writer) {
                    // Every third is a job, and may be passed on before its turn.
                    let kind = Kind::new(if number % 3 == 0 { 5_050 } else { 1 });
                    let text = format!(r#"["EVENT",{}]"#, of_kind(kind, number).to_json());
                    now(relay.on_message(ConnectionId::new(READERS + u64::try_from(writer).expect("small")), &text));
                }
            });
        }
        scope.spawn(move || {
            for number in 0..READERS {
                now(relay.on_message(ConnectionId::new(number), r#"["REQ","s",{"kinds":[1,5050]}]"#));
            }
        });
    });
    now(relay.deliver());
    assert_eq!(relay.sockets().connections().len() as u64, READERS + 2);
    for number in 0..READERS {
        see_each_once(&stage, ConnectionId::new(number), EVENTS);
    }
}

fn see_each_once(stage: &TestStage, conn: ConnectionId, events: i64) {
    let texts = stage.relay.sockets().take(conn);
    let ended = texts.iter().filter(|text| text.starts_with("[\"EOSE\"")).count();
    let mut seen: Vec<String> = texts.into_iter().filter(|text| text.starts_with("[\"EVENT\"")).collect();
    seen.sort_unstable();
    let before = seen.len();
    seen.dedup();
    assert_eq!((ended, before, seen.len()), (1, usize::try_from(events).expect("small"), before));
}

/// The events of a negotiation are held while it lasts, so what all of a client's cover counts together.
#[test]
fn many_negotiations_hold_no_more_events_than_one_may() {
    now(async {
        let limits = Limits { negentropy: 3, ..Limits::default() };
        let mut stage = TestStage::new(Settings { limits, ..settings() }).await;
        stage.connect("ada").await;
        for number in 0..2 {
            stage.send("ada", &format!("[\"EVENT\",{}]", note(number).to_json())).await;
            stage.next("ada").await.expect("an answer");
        }
        let mut answers = Vec::new();
        for (verb, sub) in [("OPEN", "n"), ("OPEN", "m"), ("CLOSE", "n"), ("OPEN", "m")] {
            let rest = if verb == "OPEN" { r#",{"kinds":[1]},"61""# } else { "" };
            stage.send("ada", &format!("[\"NEG-{verb}\",\"{sub}\"{rest}]")).await;
            answers.push(stage.next("ada").await);
        }
        let began = |sub: &str| Some(format!("[\"NEG-MSG\",\"{sub}\",\"61\"]"));
        let refused = Some(r#"["NEG-ERR","m","blocked: this query is too big",3]"#.to_owned());
        assert_eq!(answers, [began("n"), refused, None, began("m")]);
    });
}
