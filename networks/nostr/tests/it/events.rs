use crate::make::{event, key, tags_of};
use nexus_nostr::{Error, Event, Kind, Seconds, Tags};
use proptest::{collection::vec, prelude::*};

/// Text with everything that needs care: controls, quotes, separators, non-characters, astral letters.
fn text() -> impl Strategy<Value = String> {
    let letter = prop_oneof![
        4 => any::<char>(),
        2 => (0..0x20_u8).prop_map(char::from),
        2 => prop::sample::select(vec!['"', '\\', '/', '\u{7f}', '\u{2028}', '\u{2029}', '\u{fdd1}', '\u{10fff2}', '😀', 'é']),
    ];
    vec(letter, 0..24).prop_map(String::from_iter)
}

proptest! {
    #[test]
    fn ids_signatures_and_json_agree_with_the_nostr_crate(
        kind in any::<u16>(), created_at in 0..i64::MAX / 2, content in text(), tags in vec(vec(text(), 1..4), 0..5)
    ) {
        let ours = key(7).sign(Kind::new(kind), Seconds::new(created_at), Tags::new(tags), content);
        let theirs = serde_json::from_str::<nostr::event::Event>(&ours.to_json()).expect("the oracle reads what is written here");
        theirs.verify().expect("the oracle agrees about id and signature");
        prop_assert_eq!(&ours, &Event::parse(&serde_json::to_string(&theirs).unwrap()).unwrap());
        prop_assert_eq!(&ours, &Event::parse(&ours.to_json()).unwrap());
    }

    #[test]
    fn any_spelling_of_a_string_is_the_same_string(content in text()) {
        let escaped: String = content.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        let plain = event(1, &[], &content);
        let written = plain.to_json();
        let start = written.find("\"content\":").unwrap() + 10;
        let end = written.rfind(",\"sig\"").unwrap();
        let respelled = format!("{}\"{escaped}\"{}", &written[..start], &written[end..]);
        prop_assert_eq!(Event::parse(&respelled).unwrap(), plain);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".*") {
        let _ = Event::parse(&text);
        let _ = nexus_nostr::Filter::parse(&text);
        let _ = nexus_nostr::ClientMessage::parse(&text);
    }

    #[test]
    fn no_damage_makes_the_reader_panic_or_differ(at in 0..400_usize, byte in 0x20..0x7f_u8) {
        let mut json = event(1, &[&["e", "x"]], "a \"quoted\" \u{1} \u{1F600} text").to_json().into_bytes();
        let at = at % json.len();
        json[at] = byte;
        let Ok(json) = String::from_utf8(json) else { return Ok(()) };
        if let Ok(read) = Event::parse(&json) {
            let Ok(theirs) = serde_json_value(&json) else { return Err(TestCaseError::fail("not JSON, but read")) };
            prop_assert_eq!(read.content, theirs["content"].as_str().unwrap());
        }
    }
}

fn serde_json_value(json: &str) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::from_str(json)
}

#[test]
fn escapes_are_exactly_those_of_nip_01() {
    let all: String = (0..0x20_u8).map(char::from).chain("\"\\/\u{7f}é\u{2028}\u{fdd1}😀".chars()).collect();
    let json = event(1, &[], &all).to_json();
    let expected = concat!(
        r#""content":"\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f"#,
        r"\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f",
        r#"\"\\/"#,
        "\u{7f}é\u{2028}\u{fdd1}😀\""
    );
    assert!(json.contains(expected), "{json}");
}

#[test]
fn a_known_event_has_its_known_id() {
    let event = event(1, &[&["t", "a"], &["e"]], "hello");
    let text = format!(r#"[0,"{}",1700000000,1,[["t","a"],["e"]],"hello"]"#, event.pubkey);
    assert_eq!(event.id.to_string(), hash(&text));
}

fn hash(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A valid event with one member changed to the given JSON.
fn with(member: &str, json: &str) -> String {
    let event = event(1, &[], "x");
    let mut members = vec![
        ("id", format!("\"{}\"", event.id)),
        ("pubkey", format!("\"{}\"", event.pubkey)),
        ("created_at", "1700000000".to_owned()),
        ("kind", "1".to_owned()),
        ("tags", "[]".to_owned()),
        ("content", "\"x\"".to_owned()),
        ("sig", format!("\"{}\"", event.sig)),
    ];
    members.retain(|(name, _)| *name != member || !json.is_empty());
    if let Some(place) = members.iter_mut().find(|(name, _)| *name == member) {
        json.clone_into(&mut place.1);
    } else if !json.is_empty() {
        members.push((member, json.to_owned()));
    }
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

#[test]
fn faults_are_named() {
    let upper = format!("\"{}\"", "A".repeat(64));
    for (member, json, error) in [
        ("id", "\"abc\"", Error::Bad("id")),
        ("id", upper.as_str(), Error::Bad("id")),
        ("id", "", Error::Missing("id")),
        ("pubkey", upper.as_str(), Error::Bad("pubkey")),
        ("sig", "\"00\"", Error::Bad("sig")),
        ("created_at", "-1", Error::Bad("created_at")),
        ("kind", "65536", Error::KindOutOfRange),
        ("kind", "-1", Error::KindOutOfRange),
        ("tags", "[[]]", Error::Bad("tag: it is empty")),
        ("content", "", Error::Missing("content")),
    ] {
        assert_eq!(Event::parse(&with(member, json)), Err(error), "{member}: {json}");
    }
    for (member, json) in [
        ("created_at", "1e9"),
        ("created_at", "1.0"),
        ("created_at", "01"),
        ("kind", "\"1\""),
        ("tags", "[[\"a\",null]]"),
        ("tags", "[\"a\"]"),
        ("content", "null"),
        ("content", r#""\ud800""#),
        ("content", r#""\udc00\ud800""#),
        ("content", "\"\u{1}\""),
        ("content", r#""\x""#),
        ("x", "NaN"),
        ("x", "01"),
        ("x", "[[[[[[[[1]]]]]]]]"),
    ] {
        assert!(matches!(Event::parse(&with(member, json)), Err(Error::Json { .. })), "{member}: {json}");
    }
}

#[test]
fn a_member_may_not_come_twice() {
    let json = event(1, &[], "x").to_json();
    let twice = |member: &str| format!("{},{member}}}", &json[..json.len() - 1]);
    assert_eq!(Event::parse(&twice("\"kind\":1")), Err(Error::Twice("kind")));
    assert_eq!(Event::parse(&twice("\"k\\u0069nd\":1")), Err(Error::Twice("kind")));
    assert_eq!(Event::parse(&twice("\"a\":1,\"a\":2")), Err(Error::Twice("a member")));
    assert_eq!(Event::parse(&twice("\"a\":1,\"b\":{\"a\":[true,null]}")), Event::parse(&json));
}

#[test]
fn of_two_versions_the_later_stays_and_then_the_lower_id() {
    let older = key(1).sign(Kind::METADATA, Seconds::new(10), Tags::default(), "a");
    let newer = key(1).sign(Kind::METADATA, Seconds::new(11), Tags::default(), "b");
    assert!(newer.supersedes(older.created_at, &older.id));
    assert!(!older.supersedes(newer.created_at, &newer.id));
    let twin = key(1).sign(Kind::METADATA, Seconds::new(10), Tags::default(), "c");
    assert_eq!(twin.supersedes(older.created_at, &older.id), twin.id < older.id);
    assert!(!older.supersedes(older.created_at, &older.id));
}

#[test]
fn the_first_d_tag_names_a_version() {
    let addressable = event(30_000, &[&["x"], &["d", "a"], &["d", "b"]], "");
    assert_eq!(addressable.version_key(), Some("a"));
    assert_eq!(event(30_000, &[&["d"]], "").version_key(), Some(""));
    assert_eq!(event(10_000, &[&["d", "a"]], "").version_key(), Some(""));
    assert_eq!(event(1, &[&["d", "a"]], "").version_key(), None);
}

#[test]
fn tags_give_back_what_they_were_made_of() {
    let tags = tags_of(&[&["e", "1", "2"], &[], &["-"], &["ee", "3"], &["E", "4"]]);
    let all: Vec<Vec<&str>> = tags.iter().map(|tag| tag.iter().collect()).collect();
    assert_eq!(all, [vec!["e", "1", "2"], vec!["-"], vec!["ee", "3"], vec!["E", "4"]]);
    let indexed: Vec<(u8, &str)> = tags.indexed().map(|(name, value)| (name.letter(), value)).collect();
    assert_eq!(indexed, [(b'e', "1"), (b'E', "4")]);
}
