//! What every store must do, as one suite: an adapter's tests call [`run`] with a way to open an empty store
//! and to open the same one again.

use nexus_atproto::{Cid, Did, Document, Op, RecordPath, RepoCommit, Tid};
use nexus_model::{Action, Seq, Timestamp};
use nexus_sync::effects::{BufferChange, Effects, FORGOTTEN, IndexChange, RowChange, WholeIndex};
use nexus_sync::event::{Event, Kind};
use nexus_sync::identity::{Found, Identity};
use nexus_sync::repo::{Head, Name, Origin, Repo, RepoId, Retry, State, Status};
use nexus_sync::store::{Counts, Extent, Store, StoredEvent, value};
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

/// Runs every case on a store of its own. `open` gives an empty store; `again` closes one and opens what it
/// has left behind.
///
/// # Panics
/// If the store doesn't do what it must.
pub fn run<S: Store>(open: impl Fn() -> S, again: impl Fn(S) -> S) {
    for case in [rows, index, forgetting, order_of_keys, buffers, due, journal, expiry, the_rest, removal] {
        case(&open());
    }
    dropped(&open());
    survival(open(), again);
}

fn did(name: &str) -> Did {
    format!("did:plc:{name}").parse().expect("a DID")
}

fn path(path: &str) -> RecordPath {
    path.parse().expect("a path")
}

fn repo(name: &str) -> Repo {
    Repo::new(did(name), Origin::Asked)
}

fn put(store: &dyn Store, repo: Repo) -> Repo {
    apply(store, &repo.did, &Effects { repo: RowChange::Put(Box::new(repo.clone())), ..Effects::default() });
    store.repo(&repo.did).expect("reads").expect("is there")
}

fn apply(store: &dyn Store, did: &Did, effects: &Effects) -> Seq {
    let mut transaction = store.begin().expect("begins");
    transaction.apply(did, effects, NOW).expect("applies");
    transaction.commit().expect("commits")
}

fn event(name: &str, kind: Kind, body: &str) -> Event {
    Event { did: did(name), kind, body: body.into() }
}

fn full(name: &str) -> Repo {
    Repo {
        state: State::Error,
        status: Status::Suspended,
        name: Name::Handle("a.test".parse().expect("a handle")),
        head: Some(Head { rev: Tid::new(1_700_000_000_000_000, 3), data: Cid::of_cbor(b"tree") }),
        origin: Origin::Found,
        claims: 7,
        error: "it \"failed\"".into(),
        retries: 3,
        retry: Retry::WhenHeard(NOW.plus_millis(5)),
        ..repo(name)
    }
}

fn rows(store: &dyn Store) {
    assert_eq!(store.repo(&did("a")).expect("reads"), None);
    let stored = put(store, full("a"));
    assert_eq!(Repo { id: RepoId::default(), ..stored.clone() }, full("a"));
    assert_ne!(stored.id, RepoId::default());
    let names = [Name::Unknown, Name::Invalid, Name::Handle("b.test".parse().expect("a handle"))];
    for (name, retry) in names.into_iter().zip([Retry::Now, Retry::At(NOW), Retry::WhenHeard(NOW)]) {
        let changed = Repo { head: None, name, retry, ..stored.clone() };
        assert_eq!(put(store, changed.clone()), changed);
    }
    let other = put(store, repo("b"));
    assert_ne!(other.id, stored.id);
    assert_eq!(store.repos(RepoId::default(), 10).expect("reads").len(), 2);
    assert_eq!(store.repos(stored.id, 10).expect("reads"), [other]);
}

fn records(store: &dyn Store, repo: &Repo, changes: &[(&str, Option<&str>)]) {
    let change = |(at, text): &(&str, Option<&str>)| IndexChange {
        path: path(at),
        cid: text.map(|text| Cid::of_cbor(text.as_bytes())),
    };
    let records = changes.iter().map(change).collect();
    apply(store, &repo.did, &Effects { records, ..Effects::default() });
}

fn index(store: &dyn Store) {
    let (a, b) = (put(store, repo("a")), put(store, repo("b")));
    records(store, &a, &[("x.y.zed/1", Some("1")), ("x.y.zed/2", Some("2")), ("x.y.other/1", Some("3"))]);
    records(store, &b, &[("x.y.zed/1", Some("4"))]);
    records(store, &a, &[("x.y.zed/2", Some("5")), ("x.y.zed/1", None), ("x.y.zed/none", None)]);
    assert_eq!(store.records(a.id, "x.y.zed", "", 10).expect("reads"), [("2".into(), Cid::of_cbor(b"5"))]);
    assert_eq!(store.records(b.id, "x.y.zed", "", 10).expect("reads"), [("1".into(), Cid::of_cbor(b"4"))]);
    assert_eq!(store.records(b.id, "x.y.other", "", 10).expect("reads"), []);
    let mut collections = store.collections(a.id).expect("reads");
    collections.sort();
    assert_eq!(collections, ["x.y.other", "x.y.zed"]);
    assert_eq!(store.record_count(a.id).expect("reads"), 2);
    assert_eq!(store.counts().expect("reads"), Counts { repos: 2, records: 3, ..Counts::default() });
}

fn forgetting(store: &dyn Store) {
    let (a, b) = (put(store, repo("a")), put(store, repo("b")));
    records(store, &a, &[("x.y.zed/1", Some("1")), ("x.y.zed/2", Some("2"))]);
    records(store, &b, &[("x.y.zed/1", Some("1"))]);
    apply(store, &a.did, &Effects { index: WholeIndex::Forget, ..Effects::default() });
    let forgotten = [("1".into(), FORGOTTEN), ("2".into(), FORGOTTEN)];
    assert_eq!(store.records(a.id, "x.y.zed", "", 10).expect("reads"), forgotten);
    assert_eq!(store.records(b.id, "x.y.zed", "", 10).expect("reads"), [("1".into(), Cid::of_cbor(b"1"))]);
    assert_eq!(store.counts().expect("reads").records, 3);
}

fn order_of_keys(store: &dyn Store) {
    let repo = put(store, repo("a"));
    let keys = ["self", "A", "a", "a-b", "a.b", "a:b", "aB", "ab", "3k2", "~", "_", "a1"];
    let paths: Vec<String> = keys.iter().map(|key| format!("x.y.zed/{key}")).collect();
    records(store, &repo, &paths.iter().map(|path| (path.as_str(), Some("1"))).collect::<Vec<_>>());
    let mut sorted = keys.map(str::to_owned).to_vec();
    sorted.sort();
    let mut read: Vec<String> = Vec::new();
    loop {
        let after = read.last().cloned().unwrap_or_default();
        let page = store.records(repo.id, "x.y.zed", &after, 5).expect("reads");
        if page.is_empty() {
            break;
        }
        read.extend(page.into_iter().map(|(rkey, _)| rkey));
    }
    assert_eq!(read, sorted);
}

fn commit(name: &str, micros: u64) -> RepoCommit {
    let op = |action, at, record: Option<&str>| Op {
        action,
        path: path(at),
        cid: record.map(|record| Cid::of_cbor(record.as_bytes())),
        record: record.map(|record| record.as_bytes().into()),
    };
    RepoCommit {
        did: did(name),
        rev: Tid::new(micros, 0),
        data: Cid::of_cbor(&micros.to_be_bytes()),
        prev_data: micros.is_multiple_of(2).then(|| Cid::of_cbor(b"before")),
        ops: vec![op(Action::Create, "x.y.zed/1", Some("one")), op(Action::Delete, "x.y.zed/2", None)],
    }
}

fn buffered(store: &dyn Store, repo: &Repo) -> Vec<RepoCommit> {
    let (commits, extent) = buffered_within(store, repo, usize::MAX);
    assert_eq!(extent, Extent::Whole);
    commits
}

fn buffered_within(store: &dyn Store, repo: &Repo, most_bytes: usize) -> (Vec<RepoCommit>, Extent) {
    let transaction = store.begin().expect("begins");
    let aside = transaction.buffered(repo.id, most_bytes).expect("reads");
    (aside.commits.iter().map(|commit| RepoCommit::clone(commit)).collect(), aside.extent)
}

fn buffers(store: &dyn Store) {
    let repo = put(store, repo("a"));
    for micros in [5, 4, 9] {
        let buffer = BufferChange::Append(Arc::new(commit("a", micros)));
        apply(store, &repo.did, &Effects { buffer, ..Effects::default() });
    }
    assert_eq!(buffered(store, &repo), [commit("a", 5), commit("a", 4), commit("a", 9)]);
    assert_eq!(store.counts().expect("reads").buffered, 3);
    let two = [5, 4].map(|micros| value::encode(&commit("a", micros)).len()).iter().sum();
    for (most, count) in [(two - 1, 1), (two, 2), (two + 1, 2), (0, 0)] {
        let (commits, extent) = buffered_within(store, &repo, most);
        assert_eq!((commits, extent), ([5, 4].map(|micros| commit("a", micros))[..count].to_vec(), Extent::Cut));
    }
    apply(store, &repo.did, &Effects { buffer: BufferChange::Clear, ..Effects::default() });
    assert_eq!(buffered(store, &repo), []);
}

fn due(store: &dyn Store) {
    let later = NOW.plus_millis(1);
    let rows = [
        Repo { origin: Origin::Found, ..repo("found") },
        Repo { state: State::Error, retry: Retry::At(NOW), ..repo("failed") },
        Repo { state: State::Error, retry: Retry::WhenHeard(later), ..repo("later") },
        Repo { state: State::Desynchronized, ..repo("missed") },
        Repo { state: State::Active, ..repo("active") },
        Repo { state: State::Resyncing, ..repo("busy") },
        repo("asked"),
    ];
    for row in rows {
        put(store, row);
    }
    let names = |now, limit| -> Vec<String> {
        store.due(now, limit).expect("reads").iter().map(|repo| repo.did.id().to_owned()).collect()
    };
    assert_eq!(names(NOW, 10), ["asked", "missed", "failed", "found"]);
    assert_eq!(names(NOW, 2), ["asked", "missed"]);
    assert_eq!(names(later, 10).len(), 5);
}

fn bodies(events: &[StoredEvent]) -> Vec<(u64, &str)> {
    events.iter().map(|event| (event.seq.get(), &*event.body)).collect()
}

fn journal(store: &dyn Store) {
    assert_eq!((store.last().expect("reads"), store.oldest().expect("reads")), (Seq::START, Seq::START));
    let events = vec![event("a", Kind::Historical, "1"), event("b", Kind::Live, "2"), event("a", Kind::Live, "3")];
    assert_eq!(apply(store, &did("a"), &Effects { events, ..Effects::default() }), Seq::new(3));
    let all = store.events(Seq::START, 10).expect("reads");
    assert_eq!(bodies(&all), [(1, "1"), (2, "2"), (3, "3")]);
    assert_eq!((all[1].did.as_ref(), all[0].kind, all[1].kind), ("did:plc:b", Kind::Historical, Kind::Live));
    assert!(all.iter().all(|event| event.time == NOW));
    assert_eq!(bodies(&store.events(Seq::new(1), 1).expect("reads")), [(2, "2")]);
    assert_eq!(bodies(&store.events_of(&did("a"), Seq::START, 10).expect("reads")), [(1, "1"), (3, "3")]);
    assert_eq!(bodies(&store.events_of(&did("a"), Seq::new(1), 1).expect("reads")), [(3, "3")]);
    assert!(store.events_of(&did("c"), Seq::START, 10).expect("reads").is_empty());
}

fn expire(store: &dyn Store, through: u64, before: Timestamp, limit: usize) -> usize {
    let mut transaction = store.begin().expect("begins");
    let count = transaction.expire(Seq::new(through), before, limit).expect("expires");
    transaction.commit().expect("commits");
    count
}

fn expiry(store: &dyn Store) {
    let events = |bodies: &[&str]| Effects {
        events: bodies.iter().map(|body| event("a", Kind::Live, body)).collect(),
        ..Effects::default()
    };
    apply(store, &did("a"), &events(&["1", "2", "3", "4"]));
    assert_eq!(store.counts().expect("reads").event_bytes, 4);
    let later = NOW.plus_millis(1);
    assert_eq!(expire(store, 4, NOW, 10), 0);
    assert_eq!(expire(store, 3, later, 2), 2);
    assert_eq!(store.oldest().expect("reads"), Seq::new(2));
    assert_eq!(expire(store, 3, later, 2), 1);
    assert_eq!(bodies(&store.events(Seq::START, 10).expect("reads")), [(4, "4")]);
    assert_eq!(expire(store, 9, later, 10), 1);
    assert_eq!(store.counts().expect("reads").event_bytes, 0);
    // Numbers are never used again, even if nothing is left.
    assert_eq!((store.last().expect("reads"), store.oldest().expect("reads")), (Seq::new(4), Seq::new(4)));
    assert_eq!(apply(store, &did("a"), &events(&["5"])), Seq::new(5));
}

/// A name leaves the document of its account as it is, and says nothing of one that has had none.
fn names(store: &dyn Store) {
    let known = store.identity(&did("a")).expect("reads").expect("an identity");
    let handle = Name::Handle("a.test".parse().expect("a handle"));
    for name in [Name::Invalid, handle] {
        let mut transaction = store.begin().expect("begins");
        for account in ["a", "nobody"] {
            transaction.put_name(&did(account), &name, NOW.plus_millis(1)).expect("writes");
        }
        let named = ["a", "nobody", "stranger"].map(|account| transaction.name(&did(account)).expect("reads"));
        assert_eq!(named, [name.clone(), Name::Unknown, Name::Unknown]);
        transaction.commit().expect("commits");
        let expected = Identity { name, verified: NOW.plus_millis(1), ..known.clone() };
        assert_eq!(store.identity(&did("a")).expect("reads"), Some(expected));
        assert_eq!(store.identity(&did("nobody")).expect("reads"), None);
    }
}

/// A document leaves the name of its account as it is.
fn documents(store: &dyn Store) {
    let known = store.identity(&did("a")).expect("reads").expect("an identity");
    let document = Found::Failed("slower".into());
    let mut transaction = store.begin().expect("begins");
    transaction.put_document(&did("a"), &document, NOW.plus_millis(7)).expect("writes");
    transaction.put_document(&did("c"), &document, NOW).expect("writes");
    transaction.commit().expect("commits");
    let expected = Identity { document: document.clone(), fetched: NOW.plus_millis(7), ..known };
    assert_eq!(store.identity(&did("a")).expect("reads"), Some(expected));
    assert_eq!(store.identity(&did("c")).expect("reads"), Some(Identity::unnamed(did("c"), document, NOW)));
}

fn the_rest(store: &dyn Store) {
    let json = br##"{"id":"did:plc:a","alsoKnownAs":["at://a.test"],"verificationMethod":[{"id":"#atproto",
        "type":"Multikey","controller":"did:plc:a","publicKeyMultibase":"zQ3shXjHeiBuRCKmM36cuYnm7YEMzhGnCmCyW92sRJ9pribSF"}],
        "service":[{"id":"#atproto_pds","type":"AtprotoPersonalDataServer","serviceEndpoint":"https://pds.test"}]}"##;
    let document = Document::parse(&did("a"), json).expect("a document");
    let found = [Found::Document(Arc::new(document)), Found::Nothing, Found::Failed("slow".into())];
    for (at, found) in found.into_iter().enumerate() {
        let identity = Identity::unnamed(did("a"), found, NOW);
        let mut transaction = store.begin().expect("begins");
        transaction.put_document(&identity.did, &identity.document, NOW).expect("writes");
        transaction.put_channel("main", &[at as u8]).expect("writes");
        transaction.put_cursor("relay", &at.to_string()).expect("writes");
        transaction.commit().expect("commits");
        assert_eq!(store.identity(&did("a")).expect("reads"), Some(identity));
        assert_eq!(store.channel("main").expect("reads"), Some(vec![at as u8]));
        assert_eq!(store.cursor("relay").expect("reads"), Some(at.to_string()));
    }
    assert_eq!(store.identity(&did("b")).expect("reads"), None);
    names(store);
    documents(store);
    assert_eq!(store.channel("other").expect("reads"), None);
    let mut transaction = store.begin().expect("begins");
    transaction.put_channel("another", &[1]).expect("writes");
    transaction.commit().expect("commits");
    assert_eq!(store.channels().expect("reads"), ["another", "main"]);
    let mut transaction = store.begin().expect("begins");
    transaction.drop_channel("main").expect("writes");
    transaction.commit().expect("commits");
    assert_eq!(store.channels().expect("reads"), ["another"]);
    let mut transaction = store.begin().expect("begins");
    transaction.drop_cursor("relay").expect("writes");
    transaction.drop_cursor("none").expect("writes");
    transaction.commit().expect("commits");
    assert_eq!(store.cursor("relay").expect("reads"), None);
    assert_eq!(store.cursor("other").expect("reads"), None);
}

fn removal(store: &dyn Store) {
    let (a, b) = (put(store, repo("a")), put(store, repo("b")));
    records(store, &a, &[("x.y.zed/1", Some("1"))]);
    records(store, &b, &[("x.y.zed/1", Some("1"))]);
    let buffer = BufferChange::Append(Arc::new(commit("a", 1)));
    let events = vec![event("a", Kind::Live, "1")];
    apply(store, &a.did, &Effects { buffer, events, ..Effects::default() });
    apply(store, &a.did, &Effects { repo: RowChange::Remove(a.did.clone()), ..Effects::default() });
    assert_eq!(store.repo(&a.did).expect("reads"), None);
    assert_eq!(store.counts().expect("reads"), Counts { repos: 1, records: 1, events: 1, event_bytes: 1, buffered: 0 });
    // What comes for it later finds nothing to change.
    records(store, &a, &[("x.y.zed/2", Some("1"))]);
    assert_eq!(store.counts().expect("reads").records, 1);
    let again = put(store, repo("a"));
    assert!(again.id > b.id, "a number was used twice");
    assert_eq!(store.record_count(again.id).expect("reads"), 0);
}

/// A transaction that is not committed leaves nothing, and is seen by nobody.
fn dropped(store: &dyn Store) {
    let row = Effects { repo: RowChange::Put(Box::new(repo("a"))), ..Effects::default() };
    let mut transaction = store.begin().expect("begins");
    transaction.apply(&did("a"), &row.clone(), NOW).expect("applies");
    let events = vec![event("a", Kind::Live, "1")];
    transaction.apply(&did("a"), &Effects { events, ..Effects::default() }, NOW).expect("applies");
    assert!(transaction.repo(&did("a")).expect("reads").is_some());
    assert_eq!(store.repo(&did("a")).expect("reads"), None);
    drop(transaction);
    assert_eq!(store.counts().expect("reads"), Counts::default());
    assert_eq!(store.last().expect("reads"), Seq::START);
    let events = vec![event("a", Kind::Live, "1")];
    assert_eq!(apply(store, &did("a"), &Effects { events, ..Effects::default() }), Seq::new(1));
}

fn survival<S: Store>(store: S, again: impl Fn(S) -> S) {
    let row = put(&store, full("a"));
    records(&store, &row, &[("x.y.zed/1", Some("1"))]);
    let events = vec![event("a", Kind::Live, "1"), event("a", Kind::Live, "2")];
    let buffer = BufferChange::Append(Arc::new(commit("a", 1)));
    apply(&store, &row.did, &Effects { events, buffer, ..Effects::default() });
    expire(&store, 2, NOW.plus_millis(1), 10);
    let store = again(store);
    assert_eq!(store.repo(&row.did).expect("reads"), Some(row.clone()));
    assert_eq!(store.counts().expect("reads"), Counts { repos: 1, records: 1, buffered: 1, ..Counts::default() });
    assert_eq!((store.last().expect("reads"), store.oldest().expect("reads")), (Seq::new(2), Seq::new(2)));
    assert_eq!(buffered(&store, &row), [commit("a", 1)]);
    assert!(put(&store, repo("b")).id > row.id);
}
