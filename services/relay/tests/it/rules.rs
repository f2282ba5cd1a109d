use nexus_model::Timestamp;
use nexus_nostr::{Event, Filter, Kind, PublicKey, Seconds, SigningKey, Tags, nip::nip13::Commitment};
use nexus_relay::{
    ports::{Record, RecordKind},
    rules::{
        admission::{self, Admission},
        lists::Lists,
        rates::{Buckets, Drawer, Use},
        reading::{self, Purpose},
    },
    settings::{Limits, Pow, Rate, Rates, ReadPolicy, Requirement, Retention, Scrape, Settings, Switch, WritePolicy},
};

const NOW: Seconds = Seconds::new(1_700_000_000);

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes([number; 32]).expect("a key")
}

fn event(kind: u16, tags: &[&[&str]], content: &str) -> Event {
    let tags = Tags::new(tags.iter().map(|tag| tag.iter().copied()));
    key(1).sign(Kind::new(kind), NOW, tags, content)
}

fn admit(event: &Event, settings: &Settings) -> Result<Admission, String> {
    admission::check(event, &[], settings, &Lists::default(), NOW).map_err(|reason| reason.to_string())
}

#[test]
fn each_limit_holds_at_its_edge() {
    let limits = Limits { event_bytes: 600, tags: 2, tag_value_bytes: 3, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let refused = |text: &str| Err(format!("invalid: {text}"));
    let stored = Ok(Admission::Store(None));
    assert_eq!(admit(&event(1, &[&["a"], &["b"]], ""), &settings), stored);
    assert_eq!(admit(&event(1, &[&["a"], &["b"], &["c"]], ""), &settings), refused("too many tags"));
    assert_eq!(admit(&event(1, &[&["t", "abc"]], ""), &settings), stored);
    assert_eq!(admit(&event(1, &[&["t", "abcd"]], ""), &settings), refused("a tag value is too long"));
    assert_eq!(admit(&event(1, &[&["long", "abcd"]], ""), &settings), stored);
    let room = 600 - event(1, &[], "").to_json().len();
    assert_eq!(admit(&event(1, &[], &"x".repeat(room)), &settings), stored);
    assert_eq!(admit(&event(1, &[], &"x".repeat(room + 1)), &settings), refused("event is too large"));
}

#[test]
fn old_events_are_refused_where_the_operator_says_so() {
    let settings = Settings { limits: Limits { past: 10, ..Limits::default() }, ..Settings::default() };
    let aged =
        |age: i64| admission::check(&event(1, &[], ""), &[], &settings, &Lists::default(), NOW.plus(age)).is_ok();
    assert!(aged(10) && !aged(11));
}

#[test]
fn work_is_demanded_by_kind() {
    let pow = Pow { min: 0, kinds: vec![(Kind::NOTE, 250)], commitment: Commitment::Required };
    let settings = Settings { pow, ..Settings::default() };
    assert_eq!(admit(&event(1, &[], ""), &settings), Err("pow: difficulty 0 is less than 250".to_owned()));
    assert_eq!(admit(&event(7, &[], ""), &settings), Ok(Admission::Store(None)));
}

#[test]
fn retention_shortens_an_expiration_and_never_lengthens_it() {
    let settings = Settings { retention: Retention::of_the_market(), ..Settings::default() };
    let day = 86_400;
    let ends = |kind: u16, after: i64| {
        let end = NOW.plus(after).to_string();
        admit(&event(kind, &[&["expiration", &end]], ""), &settings)
    };
    assert_eq!(ends(5050, 10), Ok(Admission::Store(Some(NOW.plus(10)))));
    assert_eq!(ends(7000, 2 * day), Ok(Admission::Store(Some(NOW.plus(day)))));
    assert_eq!(ends(6050, 30 * day), Ok(Admission::Store(Some(NOW.plus(7 * day)))));
    assert_eq!(admit(&event(31_990, &[], ""), &settings), Ok(Admission::Store(None)));
}

#[test]
fn what_the_operator_does_not_want_is_refused() {
    let write = WritePolicy { bare_seals: Switch::Off, ..WritePolicy::default() };
    let settings = Settings { write, ..Settings::default() };
    assert!(admit(&event(13, &[], ""), &settings).is_err());
    assert_eq!(admit(&event(1, &[&["-"]], ""), &settings), Err("blocked: event marked as protected".to_owned()));
    assert_eq!(admit(&event(20_000, &[], ""), &settings), Ok(Admission::PassOn));
    assert!(admit(&event(27_235, &[], ""), &settings).is_err());
}

fn lists(kind: RecordKind, keys: &[&str]) -> Lists {
    let records: Vec<Record> = keys.iter().map(|key| Record { key: (*key).to_owned(), value: String::new() }).collect();
    let mut lists = Lists::default();
    lists.read(kind, &records);
    lists
}

#[test]
fn lists_keep_out_and_let_in() {
    let note = event(1, &[], "");
    let profile = event(0, &[], "");
    let (author, id) = (note.pubkey.to_string(), note.id.to_string());
    let always = [Kind::METADATA];
    let check = |lists: &Lists, event: &Event, client: &[PublicKey]| {
        lists.check(event, client, &always).map_err(|reason| reason.prefix.as_str())
    };
    assert_eq!(check(&lists(RecordKind::BannedPubkey, &[&author]), &profile, &[]), Err("blocked"));
    assert_eq!(check(&lists(RecordKind::BannedEvent, &[&id]), &note, &[]), Err("blocked"));
    assert_eq!(check(&lists(RecordKind::BannedKind, &["1"]), &note, &[]), Err("restricted"));
    assert_eq!(check(&lists(RecordKind::AllowedKind, &["7"]), &note, &[]), Err("restricted"));
    assert_eq!(check(&lists(RecordKind::AllowedKind, &["1"]), &note, &[]), Ok(()));
    let other = key(2).public_key();
    let members = lists(RecordKind::AllowedPubkey, &[&other.to_string()]);
    assert_eq!(check(&members, &note, &[]), Err("restricted"));
    assert_eq!(check(&members, &profile, &[]), Ok(()));
    assert_eq!(check(&lists(RecordKind::BannedPubkey, &[&other.to_string()]), &note, &[other]), Err("blocked"));
}

#[test]
fn addresses_are_blocked_alone_or_by_network() {
    let lists = lists(RecordKind::BlockedIp, &["192.0.2.1", "10.0.0.0/8", "2001:db8::/32", "0.0.0.0/40", "nonsense"]);
    let blocks = |ip: &str| lists.blocks(ip.parse().expect("an address"));
    assert!(blocks("192.0.2.1") && blocks("10.255.0.1") && blocks("2001:db8::1") && blocks("::ffff:10.0.0.1"));
    assert!(!blocks("192.0.2.2") && !blocks("11.0.0.1") && !blocks("2001:db9::1"));
}

#[test]
fn a_bucket_fills_with_time_and_not_beyond() {
    let rates = Rates { queries: Rate { burst: 2, per_minute: 60 }, remembered: 4, ..Rates::default() };
    let buckets = Buckets::default();
    let ip = |number: u8| Drawer::address([192, 0, 2, number].into(), Use::Query);
    let draw = |drawer, millis| buckets.draw(drawer, &rates, 1, Timestamp::from_millis(millis));
    assert_eq!([0, 0, 0, 999, 1_000, 1_000].map(|at| draw(ip(1), at)), [true, true, false, false, true, false]);
    assert_eq!([60_000, 60_000, 60_000].map(|at| draw(ip(1), at)), [true, true, false]);
    assert!((2..100).all(|number| draw(ip(number), 60_000)));
    let off = Rates::off();
    assert!((0..1_000).all(|_| buckets.draw(ip(1), &off, 1, Timestamp::from_millis(0))));
}

#[test]
fn neighbours_in_a_network_of_version_6_share_a_bucket() {
    let drawer = |ip: &str| Drawer::address(ip.parse().expect("an address"), Use::Message);
    assert_eq!(drawer("2001:db8::1"), drawer("2001:db8::ffff:2"));
    assert_ne!(drawer("2001:db8::1"), drawer("2001:db8:0:1::1"));
    assert_eq!(drawer("::ffff:192.0.2.1"), drawer("192.0.2.1"));
    assert_eq!(drawer("::ffff:127.0.0.1"), drawer("127.0.0.1"));
    assert_ne!(drawer("::1"), drawer("::2"), "this machine is nobody's neighbour");
}

#[test]
fn scrapes_are_answered_as_the_operator_says() {
    let prepare = |scrape: Scrape, json: &str| {
        let settings = Settings { read: ReadPolicy { scrape, ..ReadPolicy::default() }, ..Settings::default() };
        reading::prepare(vec![Filter::parse(json).expect("a filter")], Purpose::Events, &[], &settings).is_ok()
    };
    assert!(prepare(Scrape::Allowed, "{}"));
    assert!(!prepare(Scrape::Denied, r#"{"kinds":[1],"limit":1}"#) && prepare(Scrape::Denied, r##"{"#t":["x"]}"##));
    assert!(prepare(Scrape::Limited, r#"{"limit":100}"#) && !prepare(Scrape::Limited, r#"{"limit":101}"#));
    assert!(prepare(Scrape::Limited, r#"{"since":0,"until":7200}"#) && !prepare(Scrape::Limited, r#"{"since":0}"#));
}

#[test]
fn limits_of_filters_are_set() {
    let prepare = |json: &str| {
        let filters = vec![Filter::parse(json).expect("a filter")];
        let prepared = reading::prepare(filters, Purpose::Events, &[], &Settings::default());
        prepared.map(|filters| filters[0].limit()).map_err(|reason| reason.to_string())
    };
    assert_eq!(prepare("{}"), Ok(Some(500)));
    assert_eq!(prepare(r#"{"limit":5000}"#), Ok(Some(1_000)));
    assert_eq!(prepare(r#"{"limit":0}"#), Ok(Some(0)));
    let values = |count: usize| (0..count).map(|value| format!("\"{value}\"")).collect::<Vec<_>>().join(",");
    assert_eq!(prepare(&format!(r##"{{"#t":[{}]}}"##, values(2_000))), Ok(Some(500)));
    assert!(prepare(&format!(r##"{{"#t":[{}]}}"##, values(2_001))).is_err());
}

#[test]
fn kinds_may_be_closed_to_readers_or_to_strangers() {
    let ask = |filter: Filter, client: &[PublicKey], read: &ReadPolicy| {
        let settings = Settings { read: read.clone(), ..Settings::default() };
        let prepared = reading::prepare(vec![filter], Purpose::Events, client, &settings);
        prepared.map(drop).map_err(|reason| reason.prefix.as_str())
    };
    let kinds = |kinds: &[u16]| Filter::new().with_kinds(kinds.iter().copied().map(Kind::new));
    let me = [key(1).public_key()];
    let allowed = ReadPolicy { allowed_kinds: vec![0..=3, 5000..=7000], ..ReadPolicy::default() };
    for (filter, expected) in [
        (kinds(&[0, 3, 5050]), Ok(())),
        (kinds(&[1, 4]), Err("restricted")),
        (Filter::new(), Err("restricted")),
        (kinds(&[]), Ok(())),
    ] {
        assert_eq!(ask(filter, &me, &allowed), expected);
    }
    let proven = ReadPolicy { auth_kinds: vec![1059..=1059], ..ReadPolicy::default() };
    assert_eq!(ask(kinds(&[1, 1059]), &[], &proven), Err("auth-required"));
    assert_eq!(ask(Filter::new(), &[], &proven), Err("auth-required"));
    assert_eq!(ask(kinds(&[1]), &[], &proven), Ok(()));
    assert_eq!(ask(kinds(&[1, 1059]), &me, &proven), Ok(()));
    let named = ReadPolicy { author_or_tag: Requirement::Required, ..ReadPolicy::default() };
    assert_eq!(ask(kinds(&[1]), &[], &named), Err("restricted"));
    assert_eq!(ask(kinds(&[1]).with_authors(me), &[], &named), Ok(()));
    assert_eq!(ask(Filter::new().with_ids([event(1, &[], "").id]), &[], &named), Ok(()));
}
