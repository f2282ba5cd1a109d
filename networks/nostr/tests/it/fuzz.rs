//! Noise into every parser. Each body is a plain function of bytes, fit for any fuzzer; here proptest runs it on
//! random bytes and on real input with a few bytes or tokens changed. A body fails by panicking.

use crate::make::{event, key};
use base64::{Engine, engine::general_purpose::STANDARD};
use nexus_nostr::{
    ClientMessage, Event, EventId, Filter, Kind, Seconds, Secp256k1, Tags,
    nip::{
        nip09, nip13, nip40,
        nip42::{self, RelayUrl},
        nip45::HyperLogLog,
        nip50, nip59, nip62, nip70,
        nip77::Reconciliation,
        nip86::Call,
        nip89, nip90, nip98,
    },
};
use proptest::prelude::*;
use serde_json::Value;

const NOW: Seconds = Seconds::new(1_700_000_000);
/// The size of a negentropy move, in bytes.
const FRAME: u64 = 4_096;

/// What passes means to every other reader of JSON what it means here, and comes out as it went in.
fn fuzz_event(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(event) = Event::parse(text) else { return };
    assert_eq!(Event::parse(&event.to_json()).as_ref(), Ok(&event));
    let other: Value = serde_json::from_str(text).expect("what passes is JSON");
    let own: Value = serde_json::from_str(&event.to_json()).expect("what is written is JSON");
    for member in ["id", "pubkey", "created_at", "kind", "tags", "content", "sig"] {
        assert_eq!(own[member], other[member], "{member} in {text}");
    }
    ask_each_rule(&event);
}

fn ask_each_rule(event: &Event) {
    let _ = (event.computed_id(), event.routes(), event.version_key(), event.tags.indexed().count());
    let _ = (nip09::Address::of(event), nip09::event_ids(event).count(), nip09::addresses(event).count());
    let _ = (nip13::difficulty(&event.id), nip13::proven(event, nip13::Commitment::Required));
    let _ = (nip40::expiration(event), nip42::check(event, "challenge", &relays(), NOW));
    let _ = (nip50::searchable(event).map(|text| nip50::words(&text)), nip59::recipients(event).count());
    let _ = (nip62::names_one_of(event, &relays()), nip70::is_protected(event), nip70::reposts_protected(event));
    let _ = (nip89::supported_kinds(event).count(), nip89::recommended(event).count(), nip90::request_id(event));
    let _ = (nip90::amount_msat(event), nip90::bid_msat(event), nip90::status_text(event), nip90::invoice(event));
}

/// A filter that passes is the same after it was written and read again, and agrees with itself on an event.
fn fuzz_filter(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(filter) = Filter::parse(text) else { return };
    let again = Filter::parse(&filter.to_json()).expect("what is written can be read");
    assert_eq!(again, filter);
    let note = event(1, &[&["t", "x"]], "words");
    let routes = nexus_filter::Routed::routes(&filter);
    assert!(
        !filter.matches(&note)
            || routes.iter().any(|route| note.routes().contains(route) || route == &nexus_filter::Route::EVERYTHING)
    );
    assert!(!(filter.is_impossible() && filter.matches(&note)));
    let _ = (filter.value_count(), HyperLogLog::for_count(&[filter]));
}

/// What can't be read is answered in JSON.
fn fuzz_message(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(unreadable) = ClientMessage::parse(text) {
        let answer = unreadable.answer().to_json();
        let answer: Value = serde_json::from_str(&answer).expect("an answer is JSON");
        assert!(matches!(answer[0].as_str(), Some("NOTICE" | "OK" | "CLOSED" | "NEG-ERR")), "{answer}");
    }
}

/// Either side stays within its frame, whatever the other says.
fn fuzz_negentropy(bytes: &[u8]) {
    let events = || (0..200_u8).map(|n| (NOW.plus(i64::from(n / 3)), EventId::from_bytes([n; 32])));
    let mut relay = Reconciliation::new(events(), FRAME).expect("the frame is allowed");
    if let Ok(answer) = relay.answer(bytes) {
        assert!(answer.len() as u64 <= FRAME);
    }
    let mut client = Reconciliation::new(events().step_by(2), FRAME).expect("the frame is allowed");
    client.begin().expect("it has not begun");
    if let Ok(progress) = client.proceed(bytes) {
        assert!(progress.next.is_none_or(|next| next.len() as u64 <= FRAME));
        assert!(progress.have.iter().all(|id| id.as_bytes()[0] % 2 == 0));
    }
}

/// Only what its key holder signed for this very request passes.
fn fuzz_header(bytes: &[u8]) {
    let request = nip98::Request { method: "POST", path: "/", body: b"{}" };
    let check = |header: &str| nip98::authenticate(header, request, &relays(), NOW, Secp256k1);
    for header in [String::from_utf8_lossy(bytes).into_owned(), format!("Nostr {}", STANDARD.encode(bytes))] {
        if let Ok(event) = check(&header) {
            assert_eq!((event.get().pubkey, event.get().kind), (key(1).public_key(), Kind::HTTP_AUTH));
        }
    }
}

fn fuzz_call(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = Call::parse(text);
}

/// Texts that stand inside events and filters.
fn fuzz_texts(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(url) = RelayUrl::parse(text) {
        assert!(url.is_same(&url) && RelayUrl::names_one_of(text, &[url]));
    }
    let query = nip50::Query::parse(text);
    assert_eq!(query.text(), text);
    assert!(query.phrases().iter().chain(query.excluded()).flatten().all(|word| !word.is_empty()));
    let _ = (nip09::Address::parse(text), nip90::Status::parse(text), nip90::msat(text));
}

const BODIES: [fn(&[u8]); 7] =
    [fuzz_event, fuzz_filter, fuzz_message, fuzz_negentropy, fuzz_header, fuzz_call, fuzz_texts];

/// What breaks parsers of JSON.
const TOKENS: [&str; 24] = [
    "\"",
    "\\",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "null",
    "1e3",
    "1.0",
    "-1",
    "-0",
    "99999999999999999999",
    "\\ud800",
    "\\u0000",
    "\\ud83d\\ude00",
    "\u{0}",
    "\u{2028}",
    "\"id\":\"x\",",
    "[[[[[[[[[",
    "\"#e\":[\"\"],",
    "\"search\":\"a -b\",",
    " ",
];

fn relays() -> [RelayUrl; 1] {
    [RelayUrl::parse("wss://relay.example.com").expect("it is a URL")]
}

/// Real input, some for each body.
fn samples() -> Vec<Vec<u8>> {
    let id = "a".repeat(64);
    let note =
        event(30_023, &[&["d", "a:b"], &["e", &id], &["p", &id], &["expiration", "1800000000"], &["-"]], "é\n\u{1}");
    let job = event(5050, &[&["i", "hello", "text"], &["bid", "1000"], &["relays", "wss://a", "wss://b"]], "");
    let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let vouching = [&["u", "wss://relay.example.com/"][..], &["method", "POST"], &["payload", hash]];
    let header = event(27_235, &vouching, "").to_json();
    let filter = format!(
        "{{\"ids\":[\"{id}\"],\"authors\":[\"{id}\"],\"kinds\":[1,30023],\"#e\":[\"{id}\"],\"#t\":[\"x\",\"\"],\
         \"since\":1,\"until\":1800000000,\"limit\":10,\"search\":\"fox -dog \\\"two words\\\" language:en\"}}"
    );
    let first = Reconciliation::new((0..100).map(|n| (NOW, EventId::from_bytes([n; 32]))), FRAME);
    let first = first.and_then(|mut side| side.begin()).expect("it has not begun");
    vec![
        note.to_json().into_bytes(),
        job.to_json().into_bytes(),
        filter.clone().into_bytes(),
        format!("[\"EVENT\",{}]", note.to_json()).into_bytes(),
        format!("[\"REQ\",\"sub\",{filter},{{}}]").into_bytes(),
        format!("[\"NEG-OPEN\",\"n\",{{}},\"{}\"]", first.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
            .into_bytes(),
        first,
        format!("Nostr {}", STANDARD.encode(&header)).into_bytes(),
        header.into_bytes(),
        format!("{{\"method\":\"banpubkey\",\"params\":[\"{id}\",\"spam\"]}}").into_bytes(),
        b"wss://Relay.Example.com:443/path?x#y".to_vec(),
    ]
}

#[test]
fn what_is_whole_passes() {
    let text = |index: usize| String::from_utf8(samples().swap_remove(index)).expect("it is text");
    assert!(Event::parse(&text(0)).is_ok() && Event::parse(&text(1)).is_ok() && Filter::parse(&text(2)).is_ok());
    (3..6).for_each(|index| drop(ClientMessage::parse(&text(index)).expect("a message")));
    let request = nip98::Request { method: "POST", path: "/", body: b"{}" };
    assert!(nip98::authenticate(&text(7), request, &relays(), NOW, Secp256k1).is_ok());
    assert!(Call::parse(&text(9)).is_ok() && RelayUrl::parse(&text(10)).is_some());
    samples().iter().for_each(|sample| BODIES.iter().for_each(|body| body(sample)));
    ask_each_rule(&key(1).sign(Kind::NOTE, Seconds::MAX, Tags::default(), ""));
}

proptest! {
    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        BODIES.iter().for_each(|body| body(&bytes));
    }

    #[test]
    fn tokens_in_any_order_never_panic(tokens in prop::collection::vec(prop::sample::select(&TOKENS[..]), 0..40)) {
        BODIES.iter().for_each(|body| body(tokens.concat().as_bytes()));
    }

    #[test]
    fn damaged_input_never_panics(
        which in 0..11_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        token in prop::sample::select(&TOKENS[..]),
        place: prop::sample::Index,
        instead_of in 0..4_usize,
        cuts: bool,
    ) {
        let mut bytes = samples().swap_remove(which);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let place = place.index(bytes.len());
        let end = bytes.len().min(place + instead_of);
        bytes.splice(place..end, token.bytes());
        if cuts {
            bytes.truncate(place + token.len());
        }
        BODIES.iter().for_each(|body| body(&bytes));
    }
}
