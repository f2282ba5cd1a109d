use crate::stage::{NOW, TestStage};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::FutureExt;
use nexus_nostr::{
    Error, Kind, PublicKey, Seconds, SigningKey, Tags,
    nip::{nip42::RelayUrl, nip98::Request},
};
use nexus_relay::settings::{Rates, Settings};
use sha2::{Digest, Sha256};

const URL: &str = "wss://relay.example.com";
const REQUEST: Request<'_> = Request { method: "GET", path: "/", body: b"" };

fn header(number: i64) -> String {
    let hash: String = Sha256::digest(b"").iter().map(|byte| format!("{byte:02x}")).collect();
    let number = number.to_string();
    let tags = Tags::new([["u", URL], ["method", "GET"], ["payload", &hash], ["number", &number]]);
    let key = SigningKey::from_bytes([1; 32]).expect("a key");
    format!("Nostr {}", STANDARD.encode(key.sign(Kind::HTTP_AUTH, Seconds::new(NOW / 1_000), tags, "").to_json()))
}

fn stage(remembered: usize) -> TestStage {
    let urls = RelayUrl::parse(URL).into_iter().collect();
    let settings = Settings { urls, rates: Rates { remembered, ..Rates::default() }, ..Settings::default() };
    TestStage::new(settings).now_or_never().expect("memory never waits")
}

fn asked(stage: &TestStage, number: i64) -> Result<PublicKey, Error> {
    stage.relay.vouched(&header(number), REQUEST, None)
}

#[test]
fn an_event_is_good_for_one_request() {
    let stage = stage(100);
    let key = SigningKey::from_bytes([1; 32]).expect("a key").public_key();
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
