use crate::stage::TestStage;
use futures_util::FutureExt;
use nexus_model::Raw;
use nexus_nostr::{Event, Filter, Kind, Seconds, SigningKey, Tags};
use nexus_relay::{
    Asker,
    rules::policies::{Condition, Policy},
    session::Verdict,
    settings::{Auth, Rate, Rates, Requirement, Settings, WritePolicy},
};
use nexus_relay_suite::scenario::Stage;

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes([number; 32]).expect("a key")
}

fn event(kind: u16, tags: &[&[&str]], content: &str) -> Event {
    let tags = Tags::new(tags.iter().map(|tag| tag.iter().copied()));
    key(1).sign(Kind::new(kind), Seconds::new(1_700_000_000), tags, content)
}

fn asker(keys: &[u8]) -> Asker {
    Asker { ip: Some([192, 0, 2, 1].into()), keys: keys.iter().map(|number| key(*number).public_key()).collect() }
}

async fn submit(stage: &TestStage, asker: &Asker, event: &Event) -> String {
    match stage.relay.submit(asker, Raw::new(event.clone())).await {
        Verdict::Accepted(remark) => remark.map_or("taken".to_owned(), |remark| remark.to_string()),
        Verdict::Refused(reason) => reason.to_string(),
    }
}

fn run(test: impl Future<Output = ()>) {
    test.now_or_never().expect("memory never waits");
}

#[test]
fn a_single_question_passes_the_checks_of_a_session() {
    run(async {
        let words = Condition { contains: vec!["casino".to_owned()], ..Condition::default() };
        let shadow = Policy { when: words, unless: None, judgement: nexus_relay::ports::Judgement::Shadow };
        let write = WritePolicy { policies: vec![shadow], ..WritePolicy::default() };
        let mut stage = TestStage::new(Settings { write, ..Settings::default() }).await;
        stage.connect("ada").await;
        stage.send("ada", r#"["REQ","s",{"kinds":[1,4,20001]}]"#).await;
        assert!(stage.next("ada").await.expect("an end").contains("EOSE"));
        let note = event(1, &[], "hello");
        assert_eq!(submit(&stage, &asker(&[]), &note).await, "taken");
        assert_eq!(submit(&stage, &asker(&[]), &note).await, "duplicate: already have this event");
        assert!(stage.next("ada").await.expect("it is passed on").contains(&note.id.to_string()));
        let mut forged = event(1, &[], "x");
        forged.content.push('!');
        assert_eq!(submit(&stage, &asker(&[]), &forged).await, "invalid: event id does not match");
        let passing = event(20_001, &[], "");
        assert_eq!(submit(&stage, &asker(&[]), &passing).await, "taken");
        assert!(stage.next("ada").await.expect("it is passed on").contains(&passing.id.to_string()));
        assert_eq!(submit(&stage, &asker(&[]), &event(1, &[], "casino")).await, "taken");
        let protected = event(1, &[&["-"]], "");
        assert_eq!(submit(&stage, &asker(&[2]), &protected).await, "blocked: event marked as protected");
        assert_eq!(submit(&stage, &asker(&[1]), &protected).await, "taken");
        let whisper = event(4, &[&["p", &key(2).public_key().to_string()]], "?");
        assert_eq!(submit(&stage, &asker(&[]), &whisper).await, "taken");
        let seen = async |keys: &[u8]| {
            let page = stage.relay.query_once(&asker(keys), vec![Filter::new()]).await.expect("an answer");
            page.events.len()
        };
        assert_eq!((seen(&[]).await, seen(&[2]).await, seen(&[3]).await), (2, 3, 2));
    });
}

#[test]
fn who_asks_too_often_or_must_say_who_they_are_is_told() {
    run(async {
        let rates = Rates { queries: Rate { burst: 2, per_minute: 60 }, ..Rates::default() };
        let mut stage = TestStage::new(Settings { rates, ..Settings::default() }).await;
        let told = |stage: &TestStage| stage.relay.let_ask(&asker(&[])).map_err(|reason| reason.to_string());
        assert_eq!((told(&stage), told(&stage)), (Ok(()), Ok(())));
        assert_eq!(told(&stage), Err("rate-limited: slow down".to_owned()));
        stage.wait(1).await;
        assert_eq!(told(&stage), Ok(()));
        let auth = Auth { required: Requirement::Required, ..Auth::default() };
        let stage = TestStage::new(Settings { auth, ..Settings::default() }).await;
        let refused = Err("auth-required: authentication required".to_owned());
        assert_eq!(told(&stage), refused);
        assert_eq!(submit(&stage, &asker(&[]), &event(1, &[], "")).await, "auth-required: authentication required");
        assert_eq!(stage.relay.let_ask(&asker(&[1])), Ok(()));
    });
}
