//! Random histories of the sync service's file, beside the store in memory: whatever is at hand of what was read and
//! committed lately, readers and the open group see what the file says.

use nexus_atproto::{Cid, Did, RecordPath, Tid};
use nexus_model::{Seq, Timestamp};
use nexus_sqlite::sync::SyncStore;
use nexus_sync::effects::{Effects, IndexChange, RowChange};
use nexus_sync::event::{Event, Kind};
use nexus_sync::repo::{Head, Name, Origin, Repo, RepoId, State};
use nexus_sync::store::{Memory, Store, Transaction};
use proptest::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const REPOS: usize = 4;

#[derive(Clone, Debug)]
enum Change {
    Add(usize),
    Follow(usize, u32),
    Lose(usize),
    Name(usize, u32),
    Remove(usize),
    Tell(usize, u32, usize),
    Expire(u64),
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Change>),
    /// The group fails before its end.
    Drop(Vec<Change>),
    Read(usize),
    /// The program ends and begins again.
    Reopen,
}

fn change() -> impl Strategy<Value = Change> {
    let which = 0..REPOS;
    prop_oneof![
        3 => which.clone().prop_map(Change::Add),
        6 => (which.clone(), 0..4_u32).prop_map(|(which, rev)| Change::Follow(which, rev)),
        1 => which.clone().prop_map(Change::Lose),
        1 => (which.clone(), 0..4_u32).prop_map(|(which, name)| Change::Name(which, name)),
        1 => which.clone().prop_map(Change::Remove),
        6 => (which, any::<u32>(), prop_oneof![9 => 0..300_usize, 1 => Just(3 << 20)])
            .prop_map(|(which, number, length)| Change::Tell(which, number, length)),
        1 => (0..40_u64).prop_map(Change::Expire),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let changes = || prop::collection::vec(change(), 0..8);
    prop_oneof![
        6 => changes().prop_map(Step::Commit),
        2 => changes().prop_map(Step::Drop),
        4 => (0..REPOS).prop_map(Step::Read),
        1 => Just(Step::Reopen),
    ]
}

fn did(which: usize) -> Did {
    format!("did:plc:{which}").parse().unwrap()
}

fn path(number: u32) -> RecordPath {
    format!("x.y.zed/{}", number % 7).parse().unwrap()
}

/// The row as a decision would leave it, or `None` if it decides nothing.
fn decided(known: Option<Repo>, which: usize, change: &Change) -> Option<RowChange> {
    let put = |repo| Some(RowChange::Put(Box::new(repo)));
    match (change, known) {
        (Change::Add(_), None) => put(Repo::new(did(which), Origin::Asked)),
        (Change::Follow(_, rev), Some(repo)) => {
            let head = Some(Head { rev: Tid::new(u64::from(*rev), 0), data: Cid::of_cbor(&rev.to_be_bytes()) });
            put(Repo { head, state: State::Active, ..repo })
        }
        (Change::Lose(_), Some(repo)) => put(Repo { state: State::Desynchronized, retries: repo.retries + 1, ..repo }),
        (Change::Name(_, name), Some(repo)) => {
            put(Repo { name: Name::Handle(format!("n{name}.test").parse().unwrap()), ..repo })
        }
        (Change::Remove(_), _) => Some(RowChange::Remove(did(which))),
        _ => None,
    }
}

/// Carries a change out, and gives what the group saw of the repo before it.
fn apply(transaction: &mut dyn Transaction, change: &Change) -> Option<Repo> {
    let (Change::Add(which)
    | Change::Follow(which, _)
    | Change::Lose(which)
    | Change::Name(which, _)
    | Change::Remove(which)
    | Change::Tell(which, ..)) = *change
    else {
        let Change::Expire(through) = *change else { unreachable!("the only one that is about no repo") };
        transaction.expire(Seq::new(through), Timestamp::from_millis(i64::MAX), 5).unwrap();
        return None;
    };
    let known = transaction.repo(&did(which)).unwrap();
    let mut effects = Effects::default();
    if let Change::Tell(_, number, length) = *change {
        let body = format!("\"n\":{number}{}", " ".repeat(length));
        effects.events = vec![Event { did: did(which), kind: Kind::Live, body: body.into() }];
        let cid = (number % 3 > 0).then(|| Cid::of_cbor(&number.to_be_bytes()));
        effects.records = vec![IndexChange { path: path(number), cid }];
    } else if let Some(row) = decided(known.clone(), which, change) {
        effects.repo = row;
    }
    transaction.apply(&did(which), &effects, Timestamp::from_millis(7)).unwrap();
    known
}

/// What both are asked.
fn told(store: &dyn Store) -> impl PartialEq + std::fmt::Debug + use<> {
    let (last, oldest) = (store.last().unwrap(), store.oldest().unwrap());
    let pages: Vec<_> = (0..=last.get() + 1).map(|after| store.events(Seq::new(after), 3).unwrap()).collect();
    let own: Vec<_> = (0..REPOS).map(|which| store.events_of(&did(which), Seq::START, 100).unwrap()).collect();
    let rows: Vec<_> = (0..REPOS).map(|which| store.repo(&did(which)).unwrap()).collect();
    let all = store.repos(RepoId::default(), 100).unwrap();
    (last, oldest, pages, own, rows, all, store.counts().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn what_is_at_hand_is_what_is_stored(steps in prop::collection::vec(step(), 1..30)) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sync.db");
        let (mut store, model) = (SyncStore::open(&file).unwrap(), Memory::default());
        for step in steps {
            match step {
                Step::Commit(changes) => {
                    let (mut own, mut other) = (store.begin().unwrap(), model.begin().unwrap());
                    for change in &changes {
                        prop_assert_eq!(apply(&mut *own, change), apply(&mut *other, change));
                    }
                    prop_assert_eq!(own.commit().unwrap(), other.commit().unwrap());
                }
                Step::Drop(changes) => {
                    let mut own = store.begin().unwrap();
                    changes.iter().for_each(|change| drop(apply(&mut *own, change)));
                }
                Step::Read(which) => prop_assert_eq!(store.repo(&did(which)).unwrap(), model.repo(&did(which)).unwrap()),
                Step::Reopen => {
                    drop(store);
                    store = SyncStore::open(&file).unwrap();
                }
            }
        }
        prop_assert_eq!(told(&store), told(&model));
        drop(store);
        prop_assert_eq!(told(&SyncStore::open(&file).unwrap()), told(&model));
    }
}

#[test]
fn who_was_told_of_a_commit_reads_it() {
    const COMMITS: u64 = 300;
    let folder = tempfile::tempdir().unwrap();
    let store = SyncStore::open(&folder.path().join("sync.db")).unwrap();
    let (done, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    let told = done.load(Ordering::SeqCst);
                    let claims = store.repo(&did(0)).unwrap().map_or(0, |repo| repo.claims);
                    assert!(claims >= told, "{claims} of {told}");
                    let last = store.last().unwrap();
                    let newest =
                        store.events(Seq::new(told), 1_000).unwrap().last().map_or(told, |event| event.seq.get());
                    assert!(last.get() >= told && newest >= last.get(), "{last}, {newest} of {told}");
                }
            });
        }
        for number in 1..=COMMITS {
            let mut transaction = store.begin().unwrap();
            let known = transaction.repo(&did(0)).unwrap().unwrap_or_else(|| Repo::new(did(0), Origin::Asked));
            let event = Event { did: did(0), kind: Kind::Live, body: number.to_string().into() };
            let row = RowChange::Put(Box::new(Repo { claims: known.claims + 1, ..known }));
            let effects = Effects { repo: row, events: vec![event], ..Effects::default() };
            transaction.apply(&did(0), &effects, Timestamp::from_millis(0)).unwrap();
            transaction.commit().unwrap();
            done.store(number, Ordering::SeqCst);
        }
        is_over.store(true, Ordering::SeqCst);
    });
    assert_eq!(store.repo(&did(0)).unwrap().unwrap().claims, COMMITS);
}
