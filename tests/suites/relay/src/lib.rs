//! What every store is held to: histories at random against an obvious model, and the rules of each NIP as
//! cases. A backend is done when [`run`] ends.

mod cases;
pub mod disturbed;
mod model;
pub mod scenario;
mod world;

use model::Model;
use nexus_model::Seq;
use nexus_nostr::{EventId, Filter};
use nexus_relay::ports::{Entry, Outcome, Page, Scope, StorageAdapter};
use std::collections::BTreeSet;
pub use world::World;

/// Runs all checks, each on a store that `fresh` gives.
///
/// # Panics
/// When the store does anything else than it should.
pub async fn run<S: StorageAdapter>(fresh: impl AsyncFn() -> S, histories: u64) {
    for seed in 1..=histories {
        history(fresh().await, seed, async |store, _| store).await;
    }
    cases::replacing(&fresh).await;
    cases::deleting(&fresh().await).await;
    cases::vanishing(&fresh().await).await;
    cases::expiring(&fresh().await).await;
    cases::outlasting(&fresh().await).await;
    cases::restricted(&fresh().await).await;
    cases::feeds(&fresh().await).await;
    cases::positions(&fresh().await).await;
    cases::searching(&fresh().await).await;
    cases::records(&fresh().await).await;
    cases::jobs(&fresh().await).await;
    cases::many_jobs(&fresh().await).await;
    cases::standing(&fresh().await).await;
    cases::counting(&fresh().await).await;
    cases::rebuilding(&fresh().await).await;
    cases::forgetting(&fresh().await).await;
    cases::operators(&fresh().await).await;
}

/// A history at random, of this seed: whatever is asked of the store, the model answers the same. Between batches
/// `disturb` gets the store and a number at random; it may close the store and open it again, or have it compacted.
///
/// # Panics
/// When the store does anything else than it should.
pub async fn history<S: StorageAdapter>(mut store: S, seed: u64, disturb: impl AsyncFn(S, u64) -> S) {
    let mut world = World::new(seed);
    let mut model = Model::default();
    for _ in 0..12 {
        store = disturb(store, world.below(1_000)).await;
        let batch: Vec<_> = (0..world.below(14)).map(|_| world.event()).collect();
        let expected: Vec<_> = batch.iter().map(|event| model.store(event)).collect();
        let outcomes = store.store_batch(batch).await.expect("the store works");
        let kinds: Vec<_> = outcomes.iter().map(Outcome::as_str).collect();
        assert_eq!(kinds, expected.iter().map(Outcome::as_str).collect::<Vec<_>>(), "seed {seed}");
        for _ in 0..6 {
            compare(&store, &model, &mut world, seed).await;
        }
    }
    compare_journal(&store, &model, seed).await;
}

async fn compare<S: StorageAdapter>(store: &S, model: &Model, world: &mut World, seed: u64) {
    let scope = world.scope();
    let filters: Vec<Filter> = (0..=world.below(3)).map(|_| world.filter()).collect();
    let page = store.query(&filters, &scope).await.expect("the store works");
    let found: Vec<EventId> = page.events.iter().map(|event| event.id).collect();
    let texts: Vec<String> = filters.iter().map(Filter::to_json).collect();
    let (expected, more) = model.query(&filters, &scope);
    assert_eq!((&found, page.more), (&expected, more), "seed {seed}: {texts:?}");
    compare_within(store, &filters, &scope, &page, world.below(4_000)).await;
    let count = store.count(&filters, 20, None, &scope).await.expect("the store works");
    let all = model.count(&filters, &scope);
    assert_eq!((count.count, count.capped), (all.min(20), all > 20), "seed {seed}: {texts:?}");
    let ids = store.ids(&filters[0], 15, &scope).await.expect("the store works");
    let expected = model.query(&[filters[0].clone().with_limit(filters[0].limit().unwrap_or(15).min(15))], &scope).0;
    assert_eq!(ids.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), expected, "seed {seed}: {texts:?}");
}

/// A page of which not all texts are wanted is the same page, as far as they go.
async fn compare_within<S: StorageAdapter>(store: &S, filters: &[Filter], scope: &Scope, whole: &Page, bytes: u64) {
    let bytes = usize::try_from(bytes).expect("it is small");
    let page = store.query_within(filters, scope, bytes).await.expect("the store works");
    let (first, later) = whole.events.split_at(page.events.len());
    assert_eq!((&*page.events, page.more), (first, whole.more), "{bytes} bytes");
    assert!(first.iter().map(|event| event.json.len()).sum::<usize>() <= bytes, "{bytes} bytes");
    let later: Vec<_> = later.iter().map(|event| (event.created_at, event.id)).collect();
    assert_eq!(page.rest, later, "{bytes} bytes");
}

/// The journal's creations are exactly what is stored, and nothing is both there and removed later.
async fn compare_journal<S: StorageAdapter>(store: &S, model: &Model, seed: u64) {
    let mut after = Seq::START;
    let mut created = BTreeSet::new();
    loop {
        let entries = store.events_after(after, 7).await.expect("the store works");
        let Some(last) = entries.last().map(Entry::seq) else { break };
        assert!(entries.is_sorted_by_key(Entry::seq) && entries[0].seq() > after, "seed {seed}");
        for entry in entries {
            match entry {
                Entry::Created { stored, event } => {
                    assert_eq!((stored.id, &*stored.json), (event.id, event.to_json().as_str()), "seed {seed}");
                    created.insert(event.id);
                }
                Entry::Removed { id, .. } => assert!(!created.contains(&id), "seed {seed}"),
            }
        }
        after = last;
    }
    assert_eq!(after, store.last_seq().await.expect("the store works"), "seed {seed}");
    assert_eq!(created, model.ids(), "seed {seed}");
    let all = store.query(&[Filter::new().with_limit(1_000_000)], &Scope::operator()).await.expect("the store works");
    assert_eq!(all.events.iter().map(|event| event.id).collect::<BTreeSet<_>>(), created, "seed {seed}");
}
