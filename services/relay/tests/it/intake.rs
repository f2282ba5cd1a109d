use crate::stage::TestStage;
use futures_util::FutureExt;
use nexus_model::{Raw, Verified};
use nexus_nostr::{Event, Kind, Seconds, SigningKey, Tags};
use nexus_relay::{
    Intake, Protected, Terms, Vetted,
    ports::{Source, StorageAdapter},
    settings::{Limits, Pow, Retention, Settings},
};
use nexus_relay_suite::scenario::Stage;

fn note(at: i64, tags: &[&[&str]], content: &str) -> Event {
    let tags = Tags::new(tags.iter().map(|tag| tag.iter().copied()));
    SigningKey::from_bytes([1; 32]).expect("a key").sign(Kind::NOTE, Seconds::new(at), tags, content)
}

fn terms(protected: Protected) -> Terms<'static> {
    Terms { source: &Source::Import, protected, judge: None }
}

fn reasons(intakes: &[Intake]) -> Vec<String> {
    let text = |intake: &Intake| match intake {
        Intake::New => "new".to_owned(),
        Intake::Known => "known".to_owned(),
        Intake::Refused(reason) => reason.to_string(),
    };
    intakes.iter().map(text).collect()
}

#[test]
fn what_comes_from_elsewhere_is_verified_and_may_be_old() {
    let test = async {
        let settings = Settings {
            limits: Limits { past: 10, ..Limits::default() },
            pow: Pow { min: 30, ..Pow::default() },
            retention: vec![Retention { kinds: vec![1..=1], max_age: Some(100), ..Retention::default() }],
            ..Settings::default()
        };
        let stage = TestStage::new(settings).await;
        let mut forged = note(3, &[], "forged");
        forged.content.push('!');
        let protected = note(4, &[&["-"]], "");
        let expired = note(5, &[&["expiration", "10"]], "");
        let events = [note(1, &[], ""), note(1, &[], ""), forged.clone(), protected.clone(), expired];
        let raw = || events.iter().cloned().map(Raw::new).collect();
        let told = stage.relay.take_in(raw(), terms(Protected::Refused)).await.expect("memory");
        let expected = [
            "new",
            "known",
            "invalid: event id does not match",
            "blocked: event marked as protected",
            "invalid: event has expired",
        ];
        assert_eq!(reasons(&told), expected);
        let told = stage.relay.take_in(raw(), terms(Protected::Taken)).await.expect("memory");
        assert_eq!(reasons(&told)[..4], ["known", "known", "invalid: event id does not match", "new"]);
        let trusted = vec![Verified::by_operator(forged)];
        let told =
            stage.relay.take_in_vetted(Vetted::trusted(trusted), terms(Protected::Refused)).await.expect("memory");
        assert_eq!(reasons(&told), ["new"]);
    };
    test.now_or_never().expect("memory never waits");
}

#[test]
fn what_comes_from_elsewhere_is_passed_on_and_kept_for_its_time() {
    let test = async {
        let retention = vec![Retention { kinds: vec![1..=1], max_age: Some(100), ..Retention::default() }];
        let mut stage = TestStage::new(Settings { retention, ..Settings::default() }).await;
        stage.connect("ada").await;
        stage.send("ada", r#"["REQ","s",{"kinds":[1,20001]}]"#).await;
        assert!(stage.next("ada").await.expect("an end").contains("EOSE"));
        let key = SigningKey::from_bytes([1; 32]).expect("a key");
        let passing = key.sign(Kind::new(20_001), Seconds::new(2), Tags::default(), "");
        let events = vec![Raw::new(note(1, &[], "")), Raw::new(passing.clone())];
        let told = stage.relay.take_in(events, terms(Protected::Refused)).await.expect("memory");
        assert_eq!(reasons(&told), ["new", "new"]);
        let mut seen = [stage.next("ada").await.expect("one"), stage.next("ada").await.expect("another")];
        seen.sort_by_key(|text| text.contains(&passing.id.to_string()));
        assert!(seen[0].contains(&note(1, &[], "").id.to_string()));
        assert!(seen[1].contains(&passing.id.to_string()));
        stage.wait(100).await;
        assert!(!stage.relay.storage().event_exists(&note(1, &[], "").id).await.expect("memory"));
    };
    test.now_or_never().expect("memory never waits");
}
