//! What is small and asked often, each against an obvious model.

use crate::make::{event, key, tags_of};
use nexus_nostr::{
    Ask, ClientMessage, CountAnswer, EoseHint, Event, EventId, Filter, Kind, KindClass, Prefix, PublicKey, Reason,
    RelayMessage, Reply, Seconds, Tags,
    nip::{
        nip09::{self, Address},
        nip13::{self, Commitment},
        nip40,
        nip42::RelayUrl,
        nip45::HyperLogLog,
        nip50, nip59, nip70, nip89, nip90,
    },
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Text with everything that has to be escaped, and some that hasn't.
fn text() -> impl Strategy<Value = String> {
    let letter = prop_oneof![
        Just('"'),
        Just('\\'),
        Just('/'),
        Just('\n'),
        Just('\u{0}'),
        Just('\u{1f}'),
        Just('\u{7f}'),
        Just('\u{2028}'),
        Just('\u{10fff2}'),
        any::<char>()
    ];
    vec(letter, 0..12).prop_map(|letters| letters.into_iter().collect())
}

/// A name that a subscription may have.
fn name() -> impl Strategy<Value = String> {
    text().prop_map(|text| {
        text.chars().filter(|letter| !letter.is_ascii_control() || *letter == '\u{7f}').take(60).chain(['s']).collect()
    })
}

fn prefix() -> impl Strategy<Value = Prefix> {
    select(vec![
        Prefix::Duplicate,
        Prefix::Pow,
        Prefix::Blocked,
        Prefix::RateLimited,
        Prefix::Invalid,
        Prefix::Restricted,
        Prefix::Error,
        Prefix::AuthRequired,
        Prefix::Unsupported,
    ])
}

fn some_tags() -> impl Strategy<Value = Vec<Vec<String>>> {
    let word = prop_oneof![
        select(vec!["e", "p", "a", "d", "t", "k", "-", "", "long", "é", "T"]).prop_map(str::to_owned),
        text()
    ];
    vec(vec(word, 1..5), 0..6)
}

fn tagged(tags: &[Vec<String>]) -> Event {
    key(1).sign(Kind::NOTE, Seconds::new(1_700_000_000), Tags::new(tags), "")
}

proptest! {
    /// Whatever a relay says is JSON, and a client reads the same.
    #[test]
    fn what_a_relay_says_is_read_by_a_client(
        sub in name(), prefix in prefix(), why in text(), accepted: bool, number: u64, approximate: bool, bytes in vec(any::<u8>(), 0..20),
    ) {
        let note = event(1, &[&["t", &why]], &why);
        let reason = || Reason::new(prefix, why.clone());
        let told = reason().to_string();
        prop_assert_eq!(&told, &format!("{}: {why}", prefix.as_str()));
        let read = |message: &RelayMessage<'_>| -> (Reply, Value) {
            let json = message.to_json();
            (Reply::parse(&json).expect("a client reads it"), serde_json::from_str(&json).expect("it is JSON"))
        };
        let (reply, json) = read(&RelayMessage::Event { sub: &sub, json: &note.to_json() });
        assert!(matches!(reply, Reply::Event { sub: of, event } if of == sub && *event.peek() == note));
        prop_assert_eq!(&json[2]["content"], &json!(why));
        let id = note.id.to_string();
        let ok = match accepted {
            true => RelayMessage::Accepted { id: &note.id, remark: Some(reason()) },
            false => RelayMessage::Refused { id: &id, reason: reason() },
        };
        let ok = ok.to_json();
        assert!(matches!(Reply::parse(&ok), Ok(Reply::Ok { id, taken, message }) if id == note.id && taken == accepted && message == told));
        for hint in [None, Some(EoseHint::Finish), Some(EoseHint::More)] {
            let (reply, json) = read(&RelayMessage::Eose { sub: &sub, hint });
            assert!(matches!(reply, Reply::Eose { sub: of } if of == sub));
            prop_assert_eq!(json.as_array().map(Vec::len), Some(2 + usize::from(hint.is_some())));
        }
        let (reply, _) = read(&RelayMessage::Closed { sub: &sub, reason: reason() });
        assert!(matches!(reply, Reply::Closed { sub: of, message } if of == sub && message == told));
        let (reply, _) = read(&RelayMessage::Notice(reason()));
        assert!(matches!(reply, Reply::Notice(message) if message == told));
        let (reply, _) = read(&RelayMessage::Auth { challenge: &why });
        assert!(matches!(reply, Reply::Auth(challenge) if challenge == why));
        let (reply, _) = read(&RelayMessage::NegMsg { sub: &sub, message: &bytes });
        assert!(matches!(reply, Reply::NegMsg { sub: of, message } if of == sub && message == bytes));
        let (reply, _) = read(&RelayMessage::NegErr { sub: &sub, reason: reason(), limit: Some(7) });
        assert!(matches!(reply, Reply::NegErr { sub: of, message } if of == sub && message == told));
        let count = number >> 1;
        let (_, json) = read(&RelayMessage::Count { sub: &sub, answer: CountAnswer { count, approximate, registers: None } });
        let expected = if approximate { json!({ "count": count, "approximate": true }) } else { json!({ "count": count }) };
        prop_assert_eq!(json, json!(["COUNT", sub, expected]));
    }

    /// Whatever a client asks, a relay reads the same.
    #[test]
    fn what_a_client_asks_is_read_by_a_relay(sub in name(), word in text(), bytes in vec(any::<u8>(), 0..20), limit in option::of(0..9_usize)) {
        let note = event(1, &[&["t", &word]], &word);
        let filter = Filter::parse(&json!({ "#t": [word], "search": word }).to_string()).expect("a filter");
        let filter = limit.iter().fold(filter, |filter, limit| filter.with_limit(*limit));
        let read = |ask: Ask<'_>| ClientMessage::parse(&ask.to_json()).expect("a relay reads it");
        assert!(matches!(read(Ask::Event(&note.to_json())), ClientMessage::Event(raw) if *raw.peek() == note));
        assert!(matches!(read(Ask::Auth(&note)), ClientMessage::Auth(raw) if *raw.peek() == note));
        assert!(matches!(read(Ask::Req(&sub, &filter)), ClientMessage::Req { sub: of, filters } if of == sub && filters == [filter.clone()]));
        assert!(matches!(read(Ask::Close(&sub)), ClientMessage::Close { sub: of } if of == sub));
        assert!(matches!(read(Ask::NegOpen(&sub, &filter, &bytes)), ClientMessage::NegOpen { sub: of, filter: read, message } if of == sub && *read == filter && message == bytes));
        assert!(matches!(read(Ask::NegMsg(&sub, &bytes)), ClientMessage::NegMsg { sub: of, message } if of == sub && message == bytes));
        assert!(matches!(read(Ask::NegClose(&sub)), ClientMessage::NegClose { sub: of } if of == sub));
    }

    /// Tags in one buffer are the lists that they were made of.
    #[test]
    fn tags_are_the_lists_they_were_made_of(lists in some_tags()) {
        let event = tagged(&lists);
        let tags = &event.tags;
        prop_assert_eq!((tags.len(), tags.is_empty()), (lists.len(), lists.is_empty()));
        let again: Vec<Vec<String>> = tags.iter().map(|tag| tag.iter().map(str::to_owned).collect()).collect();
        prop_assert_eq!(&again, &lists);
        prop_assert_eq!(serde_json::from_str::<Value>(&event.to_json()).expect("JSON")["tags"].clone(), json!(lists));
        for name in ["e", "d", "-", "", "long", "missing"] {
            let of: Vec<&Vec<String>> = lists.iter().filter(|list| list[0] == name).collect();
            prop_assert_eq!(tags.named(name).count(), of.len());
            prop_assert_eq!(tags.first(name).map(|tag| tag.get(1)), of.first().map(|list| list.get(1).map(String::as_str)));
            let values: Vec<&str> = of.iter().filter_map(|list| list.get(1)).map(String::as_str).collect();
            prop_assert_eq!(tags.values(name).collect::<Vec<_>>(), values);
        }
        let letters = lists.iter().filter(|list| list.len() > 1 && list[0].len() == 1 && list[0].as_bytes()[0].is_ascii_alphabetic());
        let expected: Vec<(char, &str)> = letters.map(|list| (char::from(list[0].as_bytes()[0]), list[1].as_str())).collect();
        prop_assert_eq!(tags.indexed().map(|(name, value)| (char::from(name.letter()), value)).collect::<Vec<_>>(), expected);
        let d = lists.iter().find(|list| list[0] == "d").and_then(|list| list.get(1)).map_or("", String::as_str);
        prop_assert_eq!(event.d(), d);
        prop_assert_eq!(nip70::is_protected(&event), lists.iter().any(|list| list[0] == "-"));
    }

    /// A filter says yes exactly where its JSON does, member by member.
    #[test]
    fn a_filter_means_what_its_json_says(
        ids in option::of(vec(0..3_u8, 0..3)), authors in option::of(vec(1..4_u8, 0..3)), kinds in option::of(vec(select(vec![1_i64, 7, 65_535, 65_536, 9_999_999]), 0..3)),
        tags in vec((select(vec!["t", "T", "d", "e"]), vec(0..3_u8, 0..3)), 0..3), since in option::of(-2..6_i64), until in option::of(-2..6_i64),
        by in 1..4_u8, kind in select(vec![1_u16, 7, 65_535]), at in 0..6_i64, own in vec((select(vec!["t", "T", "d", "e"]), 0..3_u8), 0..4), which in 0..3_u8,
    ) {
        let value = |name: &str, number: u8| if name == "e" { EventId::from_bytes([number; 32]).to_string() } else { number.to_string() };
        let lists: Vec<Vec<String>> = own.iter().map(|(name, number)| vec![(*name).to_owned(), value(name, *number), "more".to_owned()]).collect();
        let mut event = key(by).sign(Kind::new(kind), Seconds::new(at), Tags::new(&lists), "");
        event.id = EventId::from_bytes([which; 32]);
        let mut asked = serde_json::Map::new();
        let mut put = |name: &str, value: Option<Value>| value.map(|value| asked.insert(name.to_owned(), value));
        put("ids", ids.as_ref().map(|ids| ids.iter().map(|id| EventId::from_bytes([*id; 32]).to_string()).collect()));
        put("authors", authors.as_ref().map(|authors| authors.iter().map(|by| key(*by).public_key().to_string()).collect()));
        put("kinds", kinds.as_ref().map(|kinds| json!(kinds)));
        put("since", since.map(|since| json!(since)));
        put("until", until.map(|until| json!(until)));
        for (name, numbers) in &tags {
            put(&format!("#{name}"), Some(numbers.iter().map(|number| value(name, *number)).collect()));
        }
        let given: Value = serde_json::from_str(&event.to_json()).expect("JSON");
        let has = |list: &Value, value: &Value| list.as_array().expect("a list").contains(value);
        let holds = |(name, value): (&String, &Value)| match name.as_str() {
            "ids" => has(value, &given["id"]),
            "authors" => has(value, &given["pubkey"]),
            "kinds" => has(value, &given["kind"]),
            "since" => value.as_i64() <= given["created_at"].as_i64(),
            "until" => given["created_at"].as_i64() <= value.as_i64(),
            tag => given["tags"].as_array().expect("a list").iter().any(|own| own[0] == tag[1..] && has(value, &own[1])),
        };
        let expected = asked.iter().all(holds);
        let filter = Filter::parse(&Value::Object(asked).to_string()).expect("a filter");
        prop_assert_eq!(filter.matches(&event), expected);
        prop_assert!(!(filter.is_impossible() && expected));
    }

    /// Leading zero bits, one after the other.
    #[test]
    fn work_is_counted_bit_by_bit(zeros in 0..33_usize, byte: u8, target in option::of(0..300_u32), luck: bool) {
        let mut bytes = [0xFF; 32];
        bytes.iter_mut().take(zeros).for_each(|byte| *byte = 0);
        if let Some(next) = bytes.get_mut(zeros) { *next = byte; }
        let id = EventId::from_bytes(bytes);
        let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
        let expected = u32::try_from(bits.iter().take_while(|bit| **bit == 0).count()).expect("256 at most");
        prop_assert_eq!(nip13::difficulty(&id), expected);
        let nonce = target.map(|target| vec!["nonce".to_owned(), "1".to_owned(), target.to_string()]);
        let mut event = tagged(&nonce.into_iter().collect::<Vec<_>>());
        event.id = id;
        let commitment = if luck { Commitment::Optional } else { Commitment::Required };
        let proven = match target { Some(target) => expected.min(target), None if luck => expected, None => 0 };
        prop_assert_eq!(nip13::proven(&event, commitment), proven);
    }

    /// Moments are held within their range, whatever is added.
    #[test]
    fn moments_stay_in_their_range(at: i64, by: i64, other: i64) {
        let wide = |number: i64| i128::from(number).max(0);
        prop_assert_eq!(i128::from(Seconds::new(at).get()), wide(at));
        let sum = (wide(at) + i128::from(by)).clamp(0, i128::from(i64::MAX));
        prop_assert_eq!(i128::from(Seconds::new(at).plus(by).get()), sum);
        prop_assert_eq!(i128::from(Seconds::new(at).distance(Seconds::new(other))), (wide(at) - wide(other)).abs());
    }

    /// Of any versions there is one that stays, whichever comes first.
    #[test]
    fn one_version_stays(versions in vec((0..3_i64, 0..4_u8), 1..6), turn in 0..6_usize) {
        let make = |(at, id): &(i64, u8)| {
            let mut event = key(1).sign(Kind::METADATA, Seconds::new(*at), Tags::default(), "");
            event.id = EventId::from_bytes([*id; 32]);
            event
        };
        let stays = |versions: &[(i64, u8)]| {
            let mut kept = make(&versions[0]);
            for version in &versions[1..] {
                let next = make(version);
                if next.supersedes(kept.created_at, &kept.id) { kept = next; }
            }
            (kept.created_at.get(), kept.id.as_bytes()[0])
        };
        let mut turned = versions.clone();
        turned.rotate_left(turn % versions.len());
        let newest = versions.iter().map(|(at, _)| *at).max().expect("one");
        let lowest = versions.iter().filter(|(at, _)| *at == newest).map(|(_, id)| *id).min().expect("one");
        prop_assert_eq!((stays(&versions), stays(&turned)), ((newest, lowest), (newest, lowest)));
    }

    /// An address is its three parts, and a deletion names its author's own, canonically.
    #[test]
    fn addresses_are_three_parts(kind in select(vec![0_u16, 1, 5, 10_002, 20_001, 30_023]), by in 1..3_u8, d in text(), colon: bool) {
        let pubkey = key(by).public_key();
        let written = if colon || !d.is_empty() { format!("{kind}:{pubkey}:{d}") } else { format!("{kind}:{pubkey}") };
        let address = Address { kind: Kind::new(kind), pubkey, d: d.clone() };
        prop_assert_eq!(Address::parse(&written), Some(address.clone()));
        let deletion = tagged(&[vec!["a".to_owned(), written]]);
        let named: Vec<Address> = nip09::addresses(&deletion).collect();
        let expected = match kind {
            _ if by != 1 => vec![],
            0 | 10_002 => vec![Address { d: String::new(), ..address }],
            30_023 => vec![address],
            _ => vec![],
        };
        prop_assert_eq!(named, expected);
    }

    /// Only an author's own events go, and wraps for them; deletions and requests to vanish never.
    #[test]
    fn a_deletion_reaches_so_far(kind in select(vec![1_u16, 4, 5, 62, 1_059, 21_059, 30_023]), by in 1..4_u8, to in option::of(1..4_u8), who in 1..4_u8) {
        let recipient = to.map(|to| vec!["p".to_owned(), key(to).public_key().to_string()]);
        let event = key(by).sign(Kind::new(kind), Seconds::new(1), Tags::new(recipient), "");
        let is_wrap = kind == 1_059 || kind == 21_059;
        let expected = kind != 5 && kind != 62 && (by == who || is_wrap && to == Some(who));
        prop_assert_eq!(nip09::may_delete(&key(who).public_key(), &event), expected);
        prop_assert_eq!(nip59::is_party(&event, &key(who).public_key()), by == who || to == Some(who));
    }

    /// Expirations and amounts are digits and nothing else.
    #[test]
    fn numbers_in_tags_are_digits(text in prop_oneof!["[0-9]{0,22}", "[-+ 0-9.ex]{0,6}", text()]) {
        let is_number = !text.is_empty() && text.chars().all(|letter| letter.is_ascii_digit());
        let event = tagged(&[vec!["expiration".to_owned(), text.clone()], vec!["amount".to_owned(), text.clone()], vec!["bid".to_owned(), text.clone()]]);
        let wide = || text.trim_start_matches('0').parse::<u128>().or(if text.is_empty() { Err(()) } else { Ok(0) }).unwrap_or(u128::MAX);
        let fits = |most: u128| is_number && text.trim_start_matches('0').len() <= 20 && wide() <= most;
        prop_assert_eq!(nip40::expiration(&event).is_ok(), fits(i64::MAX as u128));
        prop_assert_eq!(nip90::amount_msat(&event).is_some(), fits(u128::from(u64::MAX)));
        prop_assert_eq!(nip90::bid_msat(&event), nip90::msat(&text));
    }

    /// Words by hand: letters and digits, everything else parts them.
    #[test]
    fn words_are_runs_of_letters_and_digits(text in "[a-cA-C0-2é \\-\"'.,:]{0,30}") {
        let mut expected: Vec<String> = Vec::new();
        let mut run = String::new();
        for letter in text.chars().chain([' ']) {
            if letter.is_alphanumeric() {
                run.extend(if letter == 'é' { 'e' } else { letter }.to_lowercase());
            } else if !run.is_empty() {
                expected.push(std::mem::take(&mut run));
            }
        }
        prop_assert_eq!(nip50::words(&text), expected);
    }

    /// Every word is shown, in whatever order and however often, and nothing else.
    #[test]
    fn each_word_is_shown_to_whom_the_order_does_not_matter(text in "([a-cA-C0-2]{1,3}[ \\-.]{0,2}){0,40}é?") {
        let mut shown = BTreeSet::new();
        nip50::visit_words(&text, |word| {
            shown.insert(word.to_owned());
        });
        prop_assert_eq!(shown, nip50::words(&text).into_iter().collect::<BTreeSet<_>>());
    }

    /// A search of plain words finds what has all of them, and none that is excluded.
    #[test]
    fn a_search_finds_what_has_all_words(wanted in vec(select(vec!["a", "B", "c1", "é"]), 0..3), excluded in vec(select(vec!["x", "a"]), 0..2), content in vec(select(vec!["a", "b", "C1", "É", "x", "ab"]), 0..6)) {
        let said: Vec<String> = wanted.iter().map(|word| (*word).to_owned()).chain(excluded.iter().map(|word| format!("-{word}"))).collect();
        let query = nip50::Query::parse(&said.join(" "));
        let note = event(1, &[], &content.join(" "));
        let has = |word: &&str| content.iter().any(|other| other.to_lowercase() == word.to_lowercase());
        prop_assert_eq!(query.matches(&note), wanted.iter().all(has) && !excluded.iter().any(has));
        // What is encrypted is never found.
        prop_assert!(!query.matches(&event(1_059, &[], &content.join(" "))));
    }

    /// Registers are the largest runs of zeros, and joining is the same as counting together.
    #[test]
    fn registers_are_the_largest_runs(one in vec(any::<[u8; 32]>(), 0..40), other in vec(any::<[u8; 32]>(), 0..40), offset in 8..24_usize, zeros in 0..9_usize) {
        let author = |bytes: &[u8; 32]| {
            let mut bytes = *bytes;
            bytes[offset + 1..].iter_mut().take(zeros).for_each(|byte| *byte = 0);
            PublicKey::from_bytes(bytes)
        };
        let counted = |authors: &[&[u8; 32]]| {
            let mut registers = HyperLogLog::with_offset(offset);
            authors.iter().for_each(|bytes| registers.add(&author(bytes)));
            registers
        };
        let all: Vec<&[u8; 32]> = one.iter().chain(&other).collect();
        let mut expected = [0_u8; 256];
        for bytes in &all {
            let bytes = *author(bytes).as_bytes();
            let bits = bytes[offset + 1..offset + 8].iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
            let run = u8::try_from(bits.take_while(|bit| *bit == 0).count()).expect("56 at most") + 1;
            let register = &mut expected[usize::from(bytes[offset])];
            *register = run.max(*register);
        }
        let whole = counted(&all);
        prop_assert_eq!(whole.registers(), &expected);
        let mut joined = counted(&one.iter().collect::<Vec<_>>());
        let second = counted(&other.iter().collect::<Vec<_>>());
        joined.merge(second.registers());
        prop_assert_eq!(joined.registers(), &expected);
        prop_assert!(joined.estimate().is_finite());
    }

    /// Two addresses are one relay, whoever asks, whatever stands around the host.
    #[test]
    fn the_same_relay_is_the_same_both_ways(
        hosts in (select(vec!["a.example", "A.Example", "a.example.", "b.example"]), select(vec!["a.example", "b.example."])),
        ports in (option::of(1..3_u16), option::of(1..3_u16)), schemes in (select(vec!["ws", "wss", "http", "https"]), select(vec!["ws", "wss"])), path in "[a-z/?#=]{0,8}",
    ) {
        let write = |scheme: &str, host: &str, port: Option<u16>| {
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            RelayUrl::parse(&format!("{scheme}://{host}{port}/{path}")).expect("an address")
        };
        let (one, other) = (write(schemes.0, hosts.0, ports.0), write(schemes.1, hosts.1, ports.1));
        let bare = |host: &str| host.trim_end_matches('.').to_lowercase();
        let expected = bare(hosts.0) == bare(hosts.1) && (ports.0 == ports.1 || ports.0.is_none() || ports.1.is_none());
        prop_assert_eq!((one.is_same(&other), other.is_same(&one)), (expected, expected));
    }

    /// A job's request, customer and status are the first that can be read.
    #[test]
    fn what_an_answer_names_is_the_first_that_can_be_read(requests in vec(option::of(0..3_u8), 0..3), customers in vec(option::of(1..4_u8), 0..3), statuses in vec(select(vec!["processing", "odd", "success"]), 0..3)) {
        let id = |number: &Option<u8>| number.map_or("nonsense".to_owned(), |number| EventId::from_bytes([number; 32]).to_string());
        let pubkey = |by: &Option<u8>| by.map_or("nonsense".to_owned(), |by| key(by).public_key().to_string());
        let tags: Vec<Vec<String>> = requests.iter().map(|number| vec!["e".to_owned(), id(number)])
            .chain(customers.iter().map(|by| vec!["p".to_owned(), pubkey(by)]))
            .chain(statuses.iter().map(|status| vec!["status".to_owned(), (*status).to_owned()])).collect();
        let answer = tagged(&tags);
        let first = |numbers: &[Option<u8>]| numbers.iter().flatten().next().copied();
        prop_assert_eq!(nip90::request_id(&answer), first(&requests).map(|number| EventId::from_bytes([number; 32])));
        prop_assert_eq!(nip90::customer(&answer), first(&customers).map(|by| key(by).public_key()));
        prop_assert_eq!(nip90::status_text(&answer), statuses.first().copied());
        prop_assert_eq!(nip59::recipients(&answer).count(), customers.iter().flatten().count());
    }
}

#[test]
fn every_kind_has_one_class() {
    for number in 0..=u16::MAX {
        let kind = Kind::new(number);
        let expected = if number == 0 || number == 3 || number / 10_000 == 1 {
            KindClass::Replaceable
        } else if number / 10_000 == 2 {
            KindClass::Ephemeral
        } else if number / 10_000 == 3 {
            KindClass::Addressable
        } else {
            KindClass::Regular
        };
        assert_eq!(kind.class(), expected, "{number}");
        assert_eq!(kind.is_ephemeral(), expected == KindClass::Ephemeral);
        assert_eq!(kind.is_versioned(), matches!(expected, KindClass::Replaceable | KindClass::Addressable));
        assert_eq!(nip90::is_request(kind), number / 1_000 == 5);
        assert_eq!(nip90::is_result(kind), number / 1_000 == 6);
        assert!(number / 1_000 != 5 || nip90::is_result(nip90::result_kind(kind)));
    }
    assert!(Kind::GIFT_WRAP.is_gift_wrap() && Kind::EPHEMERAL_GIFT_WRAP.is_gift_wrap() && !Kind::SEAL.is_gift_wrap());
}

#[test]
fn every_status_has_one_name() {
    let names = ["payment-required", "processing", "error", "success", "partial"];
    let read: BTreeSet<nip90::Status> = names.iter().filter_map(|name| nip90::Status::parse(name)).collect();
    assert_eq!(read.len(), names.len());
    assert!(names.iter().all(|name| {
        nip90::Status::parse(name).is_some_and(|status| status.as_str() == *name && status.to_string() == *name)
    }));
    assert!(["Success", "", " success", "payment_required"].iter().all(|name| nip90::Status::parse(name).is_none()));
}

#[test]
fn handlers_name_kinds_that_are_numbers() {
    let handler = key(1).sign(
        Kind::HANDLER,
        Seconds::new(1),
        tags_of(&[&["k", "5050"], &["k", "x"], &["k", "70000"], &["k"], &["k", "1"]]),
        "",
    );
    assert_eq!(nip89::supported_kinds(&handler).map(Kind::get).collect::<Vec<_>>(), [5_050, 1]);
}

/// Nesting, escapes and numbers that other readers take, and this one doesn't; and the other way round.
#[test]
fn json_is_read_strictly() {
    let id = "0".repeat(64);
    let with = |content: &str| {
        format!(
            r#"{{"id":"{id}","pubkey":"{id}","created_at":1,"kind":1,"tags":[],"content":{content},"sig":"{id}{id}"}}"#
        )
    };
    for (content, read) in [
        (r#""\ud83d\ude00""#, Some("😀")),
        (r#""\u00e9\/\b\f""#, Some("é/\u{8}\u{c}")),
        (r#""\uD83D\uDE00""#, Some("😀")),
        (r#""\ud83d""#, None),
        (r#""\ude00""#, None),
        (r#""\ud83d\u0041""#, None),
        (r#""\ud83dx""#, None),
        (r#""\u12""#, None),
        (r#""\x41""#, None),
        ("\"\t\"", None),
        ("\"\u{0}\"", None),
        ("\"", None),
        ("'a'", None),
        ("null", None),
        ("1", None),
        ("[\"a\"]", None),
    ] {
        assert_eq!(Event::parse(&with(content)).ok().map(|event| event.content).as_deref(), read, "{content}");
    }
    for depth in 1..=40 {
        let deep = format!(r#"["EVENT",{},"x"]"#, "[".repeat(depth) + &"]".repeat(depth));
        assert!(ClientMessage::parse(&deep).is_err(), "{depth}");
        let member = with("\"\"").replacen('{', &format!("{{\"extra\":{},", "[".repeat(depth) + &"]".repeat(depth)), 1);
        assert_eq!(Event::parse(&member).is_ok(), depth <= 7, "{depth}");
    }
    for number in ["01", "-", "1e3", "1.0", "+1", "0x1", "", "--1", "NaN", "1_000"] {
        assert!(Filter::parse(&format!("{{\"since\":{number}}}")).is_err(), "{number}");
    }
    for number in ["0", "-0", "-7", "9223372036854775807", "99999999999999999999"] {
        assert!(Filter::parse(&format!("{{\"since\":{number}}}")).is_ok(), "{number}");
    }
}
