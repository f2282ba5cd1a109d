use crate::stage::{NOW, TestStage};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::FutureExt;
use nexus_nostr::{
    Error, Kind, PublicKey, Seconds, SigningKey, Tags,
    nip::{nip42::RelayUrl, nip98::Request},
};
use nexus_relay::settings::{Auth, Rates, Settings};
use nexus_relay_suite::scenario::Stage;
use sha2::{Digest, Sha256};

const URL: &str = "wss://relay.example.com";
const REQUEST: Request<'_> = Request { method: "GET", path: "/", body: b"" };

fn header(number: i64) -> String {
    header_of(1, number, 0)
}

/// What vouches for the request: an event by a key, dated so many seconds ahead.
fn header_of(by: u8, number: i64, ahead: i64) -> String {
    let hash: String = Sha256::digest(b"").iter().map(|byte| format!("{byte:02x}")).collect();
    let number = number.to_string();
    let tags = Tags::new([["u", URL], ["method", "GET"], ["payload", &hash], ["number", &number]]);
    let at = Seconds::new(NOW / 1_000 + ahead);
    format!("Nostr {}", STANDARD.encode(key(by).sign(Kind::HTTP_AUTH, at, tags, "").to_json()))
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes([number; 32]).expect("a key")
}

fn stage(remembered: usize) -> TestStage {
    let urls = RelayUrl::parse(URL).into_iter().collect();
    let auth = Auth { trusted: vec![key(9).public_key()], ..Auth::default() };
    let settings = Settings { urls, auth, rates: Rates { remembered, ..Rates::default() }, ..Settings::default() };
    TestStage::new(settings).now_or_never().expect("memory never waits")
}

fn asked(stage: &TestStage, number: i64) -> Result<PublicKey, Error> {
    stage.relay.vouched(&header(number), REQUEST, None)
}

#[test]
fn an_event_is_good_for_one_request() {
    let stage = stage(100);
    let key = key(1).public_key();
    assert_eq!(asked(&stage, 1), Ok(key));
    assert!(matches!(asked(&stage, 1), Err(Error::NotAuthentic(why)) if why.contains("before")));
    assert_eq!(asked(&stage, 2), Ok(key));
}

#[test]
fn memory_is_bounded_and_nothing_is_let_through_for_that() {
    let stage = stage(3);
    for number in 0..3 {
        assert!(asked(&stage, number).is_ok());
    }
    for number in 0..5 {
        assert!(asked(&stage, number).is_err(), "{number}");
    }
}

#[test]
fn strangers_dont_take_the_administrators_places() {
    let stage = stage(3);
    for number in 0..5 {
        let _ = asked(&stage, number);
    }
    for number in 0..5 {
        let header = header_of(9, number, 0);
        assert_eq!(stage.relay.vouched(&header, REQUEST, None), Ok(key(9).public_key()), "{number}");
        assert!(stage.relay.vouched(&header, REQUEST, None).is_err(), "{number}");
    }
}

/// The whole seconds that an event is good for have begun before it was seen, and the last ends after it began.
#[test]
fn an_event_is_remembered_for_as_long_as_it_is_good() {
    let mut stage = stage(100);
    let ahead = header_of(1, 1, 60);
    assert!(stage.relay.vouched(&ahead, REQUEST, None).is_ok());
    stage.wait(120).now_or_never().expect("memory never waits");
    assert!(
        matches!(stage.relay.vouched(&ahead, REQUEST, None), Err(Error::NotAuthentic(why)) if why.contains("before"))
    );
    assert!(stage.relay.vouched(&header_of(1, 2, 60), REQUEST, None).is_ok(), "it is still good");
    stage.wait(1).now_or_never().expect("memory never waits");
    assert!(matches!(stage.relay.vouched(&ahead, REQUEST, None), Err(Error::NotAuthentic(why)) if why.contains("far")));
}
