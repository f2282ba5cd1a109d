//! Names against grammars that are written down slowly, after the text of the protocol: on random text, and on names
//! that are nearly right.

use nexus_atproto::{Did, Handle, Nsid, RecordKey, RecordPath, Tid};
use nexus_model::Timestamp;
use proptest::prelude::*;

fn all(text: &str, fits: impl Fn(char) -> bool) -> bool {
    text.chars().all(fits)
}

/// A part of a domain name: ASCII letters, digits and hyphens, 1 to 63, no hyphen at an end.
fn is_label(text: &str) -> bool {
    all(text, |c| c.is_ascii_alphanumeric() || c == '-')
        && !text.is_empty()
        && text.len() < 64
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn begins_with_a_letter(text: &str) -> bool {
    text.chars().next().is_some_and(|c| c.is_ascii_alphabetic())
}

/// At least two labels, 253 characters, a last one that begins with a letter.
fn is_handle(text: &str) -> bool {
    let labels: Vec<&str> = text.split('.').collect();
    labels.len() > 1
        && text.len() < 254
        && labels.iter().all(|label| is_label(label))
        && begins_with_a_letter(labels[labels.len() - 1])
}

/// At least three segments: a domain name backwards, whose first part begins with a letter, and a name of letters and
/// digits that begins with a letter; 317 characters.
fn is_nsid(text: &str) -> bool {
    let segments: Vec<&str> = text.split('.').collect();
    let [authority @ .., name] = segments.as_slice() else { return false };
    authority.len() > 1
        && text.len() < 318
        && authority.iter().all(|label| is_label(label))
        && begins_with_a_letter(authority[0])
        && begins_with_a_letter(name)
        && name.len() < 64
        && all(name, |c| c.is_ascii_alphanumeric())
}

/// 1 to 512 of a few characters, and not the names of folders.
fn is_record_key(text: &str) -> bool {
    all(text, |c| c.is_ascii_alphanumeric() || "_~.:-".contains(c))
        && !["", ".", ".."].contains(&text)
        && text.len() < 513
}

/// `did:`, a method in small letters, and an id that ends neither in a colon nor in a percent sign.
fn is_did(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(3, ':').collect();
    let [scheme, method, id] = parts.as_slice() else { return false };
    *scheme == "did"
        && !method.is_empty()
        && all(method, |c| c.is_ascii_lowercase())
        && !id.is_empty()
        && all(id, |c| c.is_ascii_alphanumeric() || "._:%-".contains(c))
        && !id.ends_with([':', '%'])
        && text.len() < 2_049
}

/// 13 digits of a base of 32, of which the first one has four bits.
fn is_tid(text: &str) -> bool {
    let digits = "234567abcdefghijklmnopqrstuvwxyz";
    text.len() == 13
        && all(text, |c| digits.contains(c))
        && text.chars().next().is_some_and(|c| digits[..16].contains(c))
}

/// Text of the characters that names are made of, and some that they are not.
fn nearly() -> impl Strategy<Value = String> {
    let label = "[a-zA-Z0-9-]{0,5}|[a-z]{62,65}|[a-z0-9]{1,3}|é|_| ";
    let dotted = prop::collection::vec(label, 0..7).prop_map(|labels| labels.join("."));
    let did = ("did|DID|di", "[a-z]{0,4}|PLC|p1", "[a-z0-9._:%-]{0,9}").prop_map(|(a, b, c)| format!("{a}:{b}:{c}"));
    let long =
        (310..330_usize).prop_map(|length| format!("{}{}", "abcdefg.".repeat(length / 8), "z".repeat(length % 8)));
    let key = prop_oneof![
        "[a-zA-Z0-9_~.:-]{0,6}",
        "[a-z/%# ]{0,4}",
        "[.]{0,3}",
        (510..515_usize).prop_map(|n| "k".repeat(n))
    ];
    let tid = "[2-7a-j][2-7a-z]{12}|[a-z2-7]{12,14}|[0-9a-z]{13}";
    let hosts = (250..256_usize).prop_map(|length| format!("{}{}", "abcd.".repeat(length / 5), "z".repeat(length % 5)));
    prop_oneof![dotted, did, long, key, tid, hosts, "\\PC{0,12}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn names_are_what_the_grammar_says(text in nearly()) {
        prop_assert_eq!(text.parse::<Did>().is_ok(), is_did(&text), "did {}", text);
        prop_assert_eq!(text.parse::<Nsid>().is_ok(), is_nsid(&text), "nsid {}", text);
        prop_assert_eq!(text.parse::<RecordKey>().is_ok(), is_record_key(&text), "record key {}", text);
        prop_assert_eq!(text.parse::<Handle>().is_ok(), is_handle(&text), "handle {}", text);
        prop_assert_eq!(text.parse::<Tid>().is_ok(), is_tid(&text), "tid {}", text);
    }

    #[test]
    fn a_path_is_a_collection_a_slash_and_a_key(collection in nearly(), key in nearly(), slashes in 0..3_usize) {
        let text = format!("{collection}{}{key}", "/".repeat(slashes));
        let parts: Vec<&str> = text.split('/').collect();
        let expected = match parts.as_slice() {
            [collection, key] => is_nsid(collection) && is_record_key(key),
            _ => false,
        };
        let path = text.parse::<RecordPath>();
        prop_assert_eq!(path.is_ok(), expected, "{}", text);
        if let Ok(path) = path {
            prop_assert_eq!((path.collection(), path.rkey(), path.as_str()), (parts[0], parts[1], text.as_str()));
            prop_assert_eq!(RecordPath::try_from(text.as_bytes()), Ok(path));
        }
    }

    #[test]
    fn a_handle_is_the_same_in_any_case(text in nearly()) {
        let parsed = Handle::parse(&text);
        prop_assert_eq!(parsed.is_ok(), is_handle(&text.to_ascii_lowercase()));
        if let Ok(handle) = parsed {
            prop_assert_eq!(handle.as_str(), text.to_ascii_lowercase());
            let top = text.to_ascii_lowercase().rsplit('.').next().unwrap().to_owned();
            let is_reserved =
                ["local", "arpa", "invalid", "localhost", "internal", "example", "onion", "alt"].contains(&top.as_str());
            prop_assert_eq!(handle.is_resolvable(), !is_reserved);
        }
    }

    #[test]
    fn a_revision_is_its_moment_and_then_its_clock(micros in 0..1_u64 << 53, clock in 0..1_024_u16) {
        let tid = Tid::new(micros, clock);
        prop_assert_eq!(tid.number(), micros * 1_024 + u64::from(clock));
        prop_assert_eq!(tid.time(), Timestamp::from_millis((micros / 1_000) as i64));
        let digits = "234567abcdefghijklmnopqrstuvwxyz";
        let read = tid.to_string().chars().fold(0, |sum, c| sum * 32 + digits.find(c).unwrap() as u64);
        prop_assert_eq!(read, tid.number());
    }
}
