//! Forms that outlive the program: commits that are set aside, identities and how long they are believed, and texts
//! of events, whatever they hold.

use crate::world::{block, cid};
use nexus_atproto::{Cid, Did, Document, Nsid, Op, RecordPath, RepoCommit, Tid, record};
use nexus_model::{Action, Seq, Timestamp};
use nexus_sync::event::{Event, Kind, RecordChange, collection, with_id};
use nexus_sync::identity::{Found, Identity, Lifetimes, Step};
use nexus_sync::repo::Name;
use nexus_sync::rules::Collections;
use nexus_sync::store::value;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

fn path() -> impl Strategy<Value = RecordPath> {
    ("[a-z]{1,5}\\.[a-z0-9]{1,5}\\.[a-zA-Z]{1,9}", "[a-zA-Z0-9_~:-]{1,20}")
        .prop_map(|(collection, key)| format!("{collection}/{key}").parse().unwrap())
}

fn op() -> impl Strategy<Value = Op> {
    (path(), 0..3_u8, any::<u32>()).prop_map(|(path, action, number)| {
        let (action, has_record) =
            [(Action::Create, true), (Action::Update, true), (Action::Delete, false)][usize::from(action)];
        let record = has_record.then(|| block(number).into());
        Op { action, path, cid: has_record.then(|| cid(number)), record }
    })
}

fn commit() -> impl Strategy<Value = RepoCommit> {
    (any::<u32>(), 0..1_u64 << 50, prop::option::of(any::<u32>()), prop::collection::vec(op(), 0..6)).prop_map(
        |(data, rev, before, ops)| RepoCommit {
            did: "did:plc:ewvi7nxzyoun6zhxrhs64oiz".parse().unwrap(),
            rev: Tid::new(rev, 5),
            data: cid(data),
            prev_data: before.map(cid),
            ops,
        },
    )
}

fn identity(found: u8, name: u8, fetched: i64, verified: i64) -> Identity {
    let did: Did = "did:plc:a".parse().unwrap();
    let document = Document::parse(&did, br#"{"id":"did:plc:a","alsoKnownAs":["at://a.test"]}"#).unwrap();
    let document =
        [Found::Document(Arc::new(document)), Found::Nothing, Found::Failed("slow".into())][usize::from(found)].clone();
    let handle = |handle: &str| Name::Handle(handle.parse().unwrap());
    let name = [Name::Unknown, Name::Invalid, handle("a.test"), handle("b.test")][usize::from(name)].clone();
    let (fetched, verified) = (Timestamp::from_millis(fetched), Timestamp::from_millis(verified));
    Identity { did, document, fetched, name, verified }
}

proptest! {
    #[test]
    fn a_commit_that_is_set_aside_comes_back(commit in commit()) {
        prop_assert_eq!(value::decode(&value::encode(&commit)).unwrap(), commit);
    }

    #[test]
    fn one_that_was_cut_off_is_damage(commit in commit(), at: prop::sample::Index) {
        let stored = value::encode(&commit);
        let error = value::decode(&stored[..at.index(stored.len())]).unwrap_err();
        prop_assert!(!error.is_retryable());
    }

    #[test]
    fn an_event_says_what_the_record_says_in_json_that_everybody_reads(
        path in path(),
        text in "\\PC{0,20}|[\\x00-\\x1f\"\\\\\u{2028}]{0,6}",
        number: i64,
        rev in 0..1_u64 << 50,
        seq in 1..1_u64 << 53,
        is_live: bool,
    ) {
        let json = json!({"$type": path.collection(), "text": text, "n": number, "collection": "x", "deep": [{"\"collection\":\"": text}]});
        let block = record::from_json(&json).unwrap();
        let (did, rev): (Did, Tid) = ("did:plc:a".parse().unwrap(), Tid::new(rev, 1));
        let (cid, kind) = (Cid::of_cbor(&block), if is_live { Kind::Live } else { Kind::Historical });
        let change = RecordChange { did: &did, rev, path: &path, action: Action::Update, cid: Some(cid), block: Some(&block) };
        let event = Event::record(&change, kind);
        prop_assert_eq!(collection(&event.body), Some(path.collection()));
        let read: Value = serde_json::from_str(&with_id(Seq::new(seq), &event.body)).unwrap();
        let expected = json!({"id": seq, "type": "record", "record": {"live": is_live, "did": "did:plc:a", "rev": rev.to_string(),
            "collection": path.collection(), "rkey": path.rkey(), "action": "update", "record": json, "cid": cid.to_string()}});
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn what_is_known_is_believed_as_long_as_is_said(
        found in 0..3_u8,
        name in 0..4_u8,
        fetched in 0..400_000_i64,
        verified in 0..400_000_i64,
        now in 0..600_000_i64,
    ) {
        let lifetimes = Lifetimes { good: 200_000, failed: 20_000, invalid: 50_000 };
        let identity = identity(found, name, fetched, verified);
        let document_lives = if found == 0 { 200_000 } else { 20_000 };
        // The last is not what the document declares.
        let name_lives = [0, 50_000, 200_000, 0][usize::from(name)];
        // Whatever comes from the future is not believed: a clock was wrong.
        let is_old = |since: i64, lives: i64| now < since || now - since >= lives;
        let expected = match () {
            () if is_old(fetched, document_lives) => Step::FetchDocument,
            () if found == 0 && is_old(verified, name_lives) => Step::VerifyHandle,
            () => Step::Use,
        };
        prop_assert_eq!(identity.step(Timestamp::from_millis(now), lifetimes), expected);
    }

    #[test]
    fn filters_let_through_what_one_of_them_lets_through(
        filters in prop::collection::vec("[ab]\\.[ab]\\.[ab]{1,2}|[ab]\\.\\*|[ab]\\.[ab]\\.[ab]\\*|\\*| ", 0..4),
        collection in "[ab]\\.[ab]\\.[ab]{1,2}",
    ) {
        let _: Nsid = collection.parse().unwrap();
        let meant: BTreeSet<&str> = filters.iter().map(|filter| filter.trim()).filter(|filter| !filter.is_empty()).collect();
        let fits = |filter: &&str| match filter.find('*') {
            Some(star) => collection.len() >= star && collection.as_bytes()[..star] == filter.as_bytes()[..star],
            None => **filter == collection,
        };
        let read = Collections::new(filters.iter().map(String::as_str));
        prop_assert_eq!(read.wants(&collection), meant.is_empty() || meant.iter().any(fits));
    }

    #[test]
    fn fingerprints_are_equal_where_the_filters_are(
        one in prop::collection::vec("[ab]\\.c|[ab]\\.\\*|\\*", 0..4),
        two in prop::collection::vec("[ab]\\.c|[ab]\\.\\*|\\*", 0..4),
    ) {
        let print = |filters: &[String]| Collections::new(filters.iter().map(String::as_str)).fingerprint();
        let meant = |filters: &[String]| filters.iter().cloned().collect::<BTreeSet<_>>();
        prop_assert_eq!(print(&one) == print(&two), meant(&one) == meant(&two));
    }
}
