use crate::make::{event, key, tags_of};
use base64::Engine;
use nexus_nostr::{
    Error, Event, EventId, Filter, Kind, PublicKey, Seconds, Secp256k1,
    nip::{nip09, nip13, nip40, nip42, nip45, nip50, nip62, nip70, nip77, nip86, nip89, nip90, nip98},
};
use proptest::{collection::btree_set, prelude::*};
use sha2::{Digest, Sha256};

const NOW: Seconds = Seconds::new(1_700_000_000);

fn relays() -> [nip42::RelayUrl; 1] {
    [nip42::RelayUrl::parse("wss://relay.example.com").expect("it is an address")]
}

#[test]
fn deletions_name_events_and_their_authors_own_addresses() {
    let me = key(1).public_key().to_string();
    let other = key(2).public_key().to_string();
    let id = "0".repeat(64);
    let deletion = event(
        5,
        &[
            &["e", &id],
            &["e", "no id"],
            &["a", &format!("30023:{me}:a:b:c")],
            &["a", &format!("10002:{me}")],
            &["a", &format!("0:{me}:ignored")],
            &["a", &format!("30023:{other}:x")],
            &["a", &format!("1:{me}:")],
        ],
        "",
    );
    assert_eq!(nip09::event_ids(&deletion).count(), 1);
    let named: Vec<(u16, String)> =
        nip09::addresses(&deletion).map(|address| (address.kind.get(), address.d)).collect();
    assert_eq!(named, [(30_023, "a:b:c".to_owned()), (10_002, String::new()), (0, String::new())]);
}

#[test]
fn who_may_delete_what() {
    let me = key(1).public_key();
    let stranger = key(2).public_key();
    let wrap = event(1059, &[&["p", &stranger.to_string()]], "");
    assert!(nip09::may_delete(&me, &event(1, &[], "")) && !nip09::may_delete(&stranger, &event(1, &[], "")));
    assert!(nip09::may_delete(&stranger, &wrap) && nip09::may_delete(&me, &wrap));
    assert!(!nip09::may_delete(&me, &event(5, &[], "")) && !nip09::may_delete(&me, &event(62, &[], "")));
}

#[test]
fn work_counts_up_to_what_was_committed_to() {
    let with_zeros = |bytes: &[u8], tags: &[&[&str]]| {
        let mut id = [0xff; 32];
        id[..bytes.len()].copy_from_slice(bytes);
        Event { id: EventId::from_bytes(id), ..event(1, tags, "") }
    };
    let committed = with_zeros(&[0, 0x0f], &[&["nonce", "1", "10"]]);
    let lucky = with_zeros(&[0, 0x0f], &[]);
    assert_eq!(nip13::difficulty(&lucky.id), 12);
    assert_eq!(nip13::difficulty(&EventId::from_bytes([0; 32])), 256);
    assert_eq!(nip13::proven(&committed, nip13::Commitment::Required), 10);
    assert_eq!(nip13::proven(&lucky, nip13::Commitment::Required), 0);
    assert_eq!(nip13::proven(&lucky, nip13::Commitment::Optional), 12);
}

#[test]
fn an_expiration_is_a_decimal_number() {
    assert_eq!(nip40::expiration(&event(1, &[], "")), Ok(None));
    assert_eq!(
        nip40::expiration(&event(1, &[&["expiration", "17"], &["expiration", "9"]], "")),
        Ok(Some(Seconds::new(17)))
    );
    for bad in
        [&["expiration"][..], &["expiration", ""], &["expiration", "-5"], &["expiration", "+5"], &["expiration", "1e3"]]
    {
        assert_eq!(nip40::expiration(&event(1, &[bad], "")), Err(Error::Bad("expiration tag")));
    }
}

#[test]
fn addresses_of_a_relay_are_compared_by_what_matters() {
    let same = |text: &str| nip42::RelayUrl::names_one_of(text, &relays());
    for text in [
        "wss://relay.example.com/",
        "ws://RELAY.example.com",
        "https://relay.example.com./x",
        "wss://relay.example.com:443",
        "wss://relay.example.com:9",
    ] {
        assert!(same(text), "{text}");
    }
    for text in
        ["wss://example.com", "relay.example.com", "ftp://relay.example.com", "wss://relay.example.com.evil.org"]
    {
        assert!(!same(text), "{text}");
    }
    let other_port = nip42::RelayUrl::parse("ws://localhost:7000").unwrap();
    assert!(!nip42::RelayUrl::names_one_of("ws://localhost:7001", &[other_port]));
}

#[test]
fn an_authentication_must_prove_everything() {
    let auth = |kind: u16, relay: &str, challenge: &str, at: i64| {
        let event = key(1).sign(
            Kind::new(kind),
            Seconds::new(at),
            tags_of(&[&["relay", relay], &["challenge", challenge]]),
            "",
        );
        nip42::check(&event, "c", &relays(), NOW)
    };
    let url = "wss://relay.example.com/";
    assert_eq!(auth(22_242, url, "c", NOW.get() - 600), Ok(()));
    assert_eq!(auth(1, url, "c", NOW.get()), Err(Error::NotAuthentic("wrong kind")));
    assert_eq!(auth(22_242, "wss://other", "c", NOW.get()), Err(Error::NotAuthentic("wrong relay")));
    assert_eq!(auth(22_242, url, "d", NOW.get()), Err(Error::NotAuthentic("wrong challenge")));
    let late = Err(Error::NotAuthentic("created_at is too far from now"));
    assert_eq!(
        (auth(22_242, url, "c", NOW.get() - 601), auth(22_242, url, "c", NOW.get() + 601)),
        (late.clone(), late)
    );
}

#[test]
fn registers_follow_the_offset_of_the_first_tag() {
    let offset = |json: &str| nip45::HyperLogLog::for_count(&[Filter::parse(json).unwrap()]);
    assert_eq!(offset(r#"{"kinds":[1]}"#), None);
    let id = format!("{}a{}", "0".repeat(32), "0".repeat(31));
    assert_eq!(offset(&format!(r##"{{"#e":["{id}"]}}"##)), Some(nip45::HyperLogLog::with_offset(18)));
    assert_eq!(offset(&format!(r##"{{"#a":["30023:{id}:x"]}}"##)), Some(nip45::HyperLogLog::with_offset(18)));
    let mut author = [0xff; 32];
    author[18] = 5;
    author[19..22].copy_from_slice(&[0, 0, 0x10]);
    let mut log = nip45::HyperLogLog::with_offset(18);
    log.add(&PublicKey::from_bytes(author));
    assert_eq!((log.registers()[5], log.registers().iter().filter(|value| **value > 0).count()), (20, 1));
}

#[test]
fn estimates_are_near_and_joined_counts_count_each_author_once() {
    for count in [10_u32, 300, 5000, 100_000] {
        let mut log = nip45::HyperLogLog::with_offset(8);
        let mut half = nip45::HyperLogLog::with_offset(8);
        for number in 0..count {
            let author = author(number);
            log.add(&author);
            if number % 2 == 0 {
                half.add(&author);
            }
        }
        let error = (log.estimate() - f64::from(count)).abs() / f64::from(count);
        assert!(error < 0.2, "{count}: {}", log.estimate());
        half.merge(log.registers());
        assert_eq!(half, log);
    }
}

/// A key that looks as random as real ones do.
fn author(number: u32) -> PublicKey {
    PublicKey::from_bytes(Sha256::digest(number.to_be_bytes()).into())
}

#[test]
fn accents_are_found_however_they_are_written() {
    for (text, words) in [
        ("naïve CAFÉ", vec!["naive", "cafe"]),
        ("nai\u{308}ve CAFE\u{301}", vec!["naive", "cafe"]),
        ("İstanbul x\u{302}y", vec!["istanbul", "xy"]),
        ("ﬁn Straße ≠", vec!["ﬁn", "straße"]),
        ("Чайка Чаи\u{306}ка", vec!["чайка", "чайка"]),
        ("한국어 日本語", vec!["한국어", "日本語"]),
    ] {
        assert_eq!(nip50::words(text), words, "{text}");
    }
    let note = event(1, &[], "Un café à Malmö");
    for query in ["cafe", "CAFÉ", "cafe\u{301}", "\"a malmo\"", "Malmö -café2"] {
        assert!(nip50::Query::parse(query).matches(&note), "{query}");
    }
    assert!(!nip50::Query::parse("malmo -cafe").matches(&note));
}

#[test]
fn searches_mean_what_they_say() {
    let note = event(1, &[], "The Quick brown fox, über-jumps: over http://lazy.dog");
    let finds = |query: &str| nip50::Query::parse(query).matches(&note);
    for query in [
        "quick fox",
        "FOX",
        "\"quick brown\"",
        "über",
        "-cat fox",
        "language:en fox",
        "http://lazy.dog",
        "",
        "unknown:thing",
    ] {
        assert!(finds(query), "{query}");
    }
    for query in ["qui", "\"brown quick\"", "-fox", "fox cat", "-\"x\" cat"] {
        assert!(!finds(query), "{query}");
    }
    assert_eq!(nip50::Query::parse("a language:de").extension("language"), Some("de"));
    assert!(!nip50::Query::parse("").matches(&event(1059, &[], "quick")));
    let profile = event(0, &[], r#"{"name":"fox","picture":"cat"}"#);
    assert!(nip50::Query::parse("fox").matches(&profile) && !nip50::Query::parse("cat").matches(&profile));
    let job = event(5050, &[&["i", "secret fox", "text"], &["i", "cat", "url"]], "");
    assert!(nip50::Query::parse("fox").matches(&job) && !nip50::Query::parse("cat").matches(&job));
    assert!(nip50::Query::parse("fox").matches(&event(30_023, &[&["title", "a fox"]], "")));
}

#[test]
fn a_request_to_vanish_names_its_relays() {
    let names = |relay: &str| nip62::names_one_of(&event(62, &[&["relay", relay]], ""), &relays());
    assert!(
        names("ALL_RELAYS") && names("wss://relay.example.com") && !names("wss://other.com") && !names("all_relays")
    );
    assert!(!nip62::names_one_of(&event(62, &[], ""), &relays()));
}

#[test]
fn protection_survives_a_repost() {
    let protected = event(1, &[&["-"]], "x");
    assert!(nip70::is_protected(&protected));
    assert!(nip70::reposts_protected(&event(6, &[], &protected.to_json())));
    assert!(nip70::reposts_protected(&event(16, &[], r#"{ "tags" : [ [ "\u002d" ] ] }"#)));
    assert!(!nip70::reposts_protected(&event(6, &[], &event(1, &[], "[\"-\"]").to_json())));
    assert!(!nip70::reposts_protected(&event(1, &[], &protected.to_json())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn negentropy_finds_what_each_side_lacks(here in btree_set(0..400_u16, 0..300), there in btree_set(0..400_u16, 0..300)) {
        let set = |numbers: &std::collections::BTreeSet<u16>| {
            let events = numbers.iter().map(|number| (Seconds::new(i64::from(number / 3)), numbered(*number)));
            nip77::Reconciliation::new(events.collect::<Vec<_>>(), 4096).unwrap()
        };
        let (mut client, mut relay) = (set(&here), set(&there));
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let mut message = Some(client.begin().unwrap());
        while let Some(text) = message {
            let progress = client.proceed(&relay.answer(&text).unwrap()).unwrap();
            have.extend(progress.have);
            need.extend(progress.need);
            message = progress.next;
        }
        let sorted = |mut ids: Vec<EventId>| { ids.sort_unstable(); ids };
        prop_assert_eq!(sorted(have), sorted(here.difference(&there).map(|number| numbered(*number)).collect()));
        prop_assert_eq!(sorted(need), sorted(there.difference(&here).map(|number| numbered(*number)).collect()));
    }
}

fn numbered(number: u16) -> EventId {
    EventId::from_bytes(Sha256::digest(number.to_be_bytes()).into())
}

#[test]
fn negentropy_answers_an_unknown_version_with_its_own() {
    let mut relay = nip77::Reconciliation::new([], 0).unwrap();
    assert_eq!(relay.answer(&[0x62]).unwrap(), [0x61]);
    assert!(relay.answer(&[0x61, 0, 0, 9]).is_err());
    assert!(relay.answer(&[]).is_err());
}

#[test]
fn every_management_method_is_read() {
    let id = "0".repeat(64);
    for method in nip86::METHODS {
        let param = if method.ends_with("kind") { "7".to_owned() } else { format!("\"{id}\"") };
        let body = format!(r#"{{"method":"{method}","params":[{param},"because"]}}"#);
        assert!(nip86::Call::parse(&body).is_ok(), "{method}");
    }
    let call = nip86::Call::parse(r#"{"method":"blockip","params":["10.0.0.0/8","spam"]}"#).unwrap();
    assert_eq!(call, nip86::Call::BlockIp("10.0.0.0/8".to_owned(), "spam".to_owned()));
    assert_eq!(nip86::Call::parse(r#"{"method":"x"}"#), Err(Error::UnknownMethod));
    assert_eq!(Error::UnknownMethod.to_string(), "unknown method");
    assert_eq!(nip86::Call::parse(r#"{"method":"banpubkey","params":["zz"]}"#), Err(Error::Bad("params")));
    assert_eq!(nip86::Call::parse("x"), Err(Error::Bad("request")));
}

#[test]
fn handlers_and_recommendations_name_kinds() {
    let handler = event(31_990, &[&["d", "x"], &["k", "5050"], &["k", "no"], &["k", "5100"]], "{}");
    assert_eq!(nip89::supported_kinds(&handler).map(Kind::get).collect::<Vec<_>>(), [5050, 5100]);
    let coordinate = format!("31990:{}:x", key(2).public_key());
    let recommendation =
        event(31_989, &[&["d", "5050"], &["a", &coordinate], &["a", &format!("1:{}:x", key(2).public_key())]], "");
    assert_eq!(nip89::recommended_kind(&recommendation), Some(Kind::new(5050)));
    assert_eq!(nip89::recommended(&recommendation).map(|address| address.d).collect::<Vec<_>>(), ["x"]);
}

#[test]
fn job_answers_name_request_customer_and_price() {
    let id = "a".repeat(64);
    let customer = key(9).public_key().to_string();
    let feedback = event(
        7000,
        &[&["e", "x"], &["e", &id], &["p", &customer], &["status", "partial", "half"], &["amount", "1000", "lnbc1"]],
        "",
    );
    assert_eq!(nip90::request_id(&feedback).unwrap().to_string(), id);
    assert_eq!(nip90::customer(&feedback).unwrap().to_string(), customer);
    assert_eq!(nip90::status_text(&feedback).and_then(nip90::Status::parse), Some(nip90::Status::Partial));
    assert_eq!((nip90::amount_msat(&feedback), nip90::invoice(&feedback)), (Some(1000), Some("lnbc1")));
    assert_eq!(nip90::msat("+5").or(nip90::msat("5.0")).or(nip90::msat("")), None);
    assert!(nip90::is_request(Kind::new(5999)) && nip90::is_result(nip90::result_kind(Kind::new(5050))));
}

#[test]
fn a_http_request_is_vouched_for_in_every_part() {
    let proof = |change: &dyn Fn(&mut Vec<Vec<String>>)| {
        let mut tags: Vec<Vec<String>> =
            [["u", "https://relay.example.com/"], ["method", "POST"], ["payload", &hash(b"{}")]]
                .map(|tag| tag.map(str::to_owned).to_vec())
                .to_vec();
        change(&mut tags);
        let event = key(1).sign(Kind::HTTP_AUTH, NOW, nexus_nostr::Tags::new(tags), "");
        format!("Nostr {}", base64::engine::general_purpose::STANDARD.encode(event.to_json()))
    };
    let request = nip98::Request { method: "POST", path: "/", body: b"{}" };
    let check = |header: &str, now| {
        nip98::authenticate(header, request, &relays(), now, Secp256k1).map(|event| event.get().pubkey)
    };
    assert_eq!(check(&proof(&|_| {}), NOW), Ok(key(1).public_key()));
    assert_eq!(check(&proof(&|_| {}), NOW.plus(61)), Err(Error::NotAuthentic("created_at is too far from now")));
    let change = |index: usize, value: &'static str| proof(&move |tags| value.clone_into(&mut tags[index][1]));
    assert_eq!(check(&change(0, "https://relay.example.com/other"), NOW), Err(Error::NotAuthentic("wrong url")));
    assert_eq!(check(&change(0, "https://other.com/"), NOW), Err(Error::NotAuthentic("wrong url")));
    assert_eq!(check(&change(1, "GET"), NOW), Err(Error::NotAuthentic("wrong method")));
    assert_eq!(check(&change(2, "00"), NOW), Err(Error::NotAuthentic("wrong payload")));
    assert_eq!(check("Bearer x", NOW), Err(Error::NotAuthentic("the scheme is not Nostr")));
    assert_eq!(check("Nostr §", NOW), Err(Error::NotAuthentic("the token is not base64")));
    let token = |bytes: &[u8]| format!("Nostr {}", base64::engine::general_purpose::STANDARD.encode(bytes));
    assert_eq!(check(&token(&[0xff]), NOW), Err(Error::NotAuthentic("the token is not an event")));
    assert_eq!(check(&token(b"{}"), NOW), Err(Error::Missing("id")));
    let note = key(1).sign(Kind::NOTE, NOW, nexus_nostr::Tags::default(), "");
    assert_eq!(check(&token(note.to_json().as_bytes()), NOW), Err(Error::NotAuthentic("wrong kind")));
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
