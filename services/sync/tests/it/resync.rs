//! A whole copy beside the index, against the obvious difference of two maps.

use crate::world::{Records, Repo, cid, path};
use nexus_atproto::{Cid, Reason};
use nexus_model::Action;
use nexus_sync::effects::IndexChange;
use nexus_sync::resync::{Batch, Error, Known, Portions, Resync};
use nexus_sync::rules::Collections;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Index = BTreeMap<String, Cid>;

/// An index in a map, read as it is now.
struct Shelves<'i>(&'i Index);

impl Known for Shelves<'_> {
    type Error = std::convert::Infallible;

    fn collections(&mut self) -> Result<Vec<String>, Self::Error> {
        let mut all: Vec<_> = self.0.keys().map(|at| path(at).collection().to_owned()).collect();
        all.dedup();
        Ok(all)
    }

    fn records(&mut self, collection: &str, after: &str, limit: usize) -> Result<Vec<(String, Cid)>, Self::Error> {
        let own = self.0.iter().map(|(at, cid)| (path(at), *cid)).filter(|(at, _)| at.collection() == collection);
        let mut own: Vec<_> =
            own.map(|(at, cid)| (at.rkey().to_owned(), cid)).filter(|(key, _)| key.as_str() > after).collect();
        own.sort();
        own.truncate(limit);
        Ok(own)
    }
}

fn batches(repo: &Repo, index: &Index, filters: &Collections, portions: Portions) -> Result<Vec<Batch>, Reason> {
    let copy = repo.copy();
    let mut resync = Resync::new(copy.state, copy.blocks, Shelves(index), filters, portions).map_err(reason)?;
    let mut all = Vec::new();
    while let Some(batch) = resync.next_batch().map_err(reason)? {
        all.push(batch.into_inner());
    }
    Ok(all)
}

fn reason(error: Error<std::convert::Infallible>) -> Reason {
    match error {
        Error::Repo(error) => error.reason(),
        Error::Index(never) => match never {},
    }
}

fn store(index: &mut Index, changes: &[IndexChange]) {
    for IndexChange { path, cid } in changes {
        match cid {
            Some(cid) => index.insert(path.to_string(), *cid),
            None => index.remove(path.as_str()),
        };
    }
}

/// What was told, without the words.
fn told(batches: &[Batch]) -> Vec<(String, Action)> {
    let event = |body: &str| {
        let value: serde_json::Value = serde_json::from_str(&format!("{{{body}")).unwrap();
        let record = &value["record"];
        assert_eq!(record["live"], false);
        let at = format!("{}/{}", record["collection"].as_str().unwrap(), record["rkey"].as_str().unwrap());
        (at, serde_json::from_value(record["action"].clone()).unwrap())
    };
    batches.iter().flat_map(|batch| &batch.events).map(|known| event(&known.body)).collect()
}

/// The obvious difference.
fn difference(records: &Records, index: &Index, filters: &Collections) -> BTreeMap<String, Action> {
    let wanted = |at: &str| filters.wants(path(at).collection());
    let here = records.iter().filter(|(at, _)| wanted(at)).filter_map(|(at, number)| match index.get(at) {
        None => Some((at.clone(), Action::Create)),
        Some(known) if *known != cid(*number) => Some((at.clone(), Action::Update)),
        Some(_) => None,
    });
    let gone =
        index.keys().filter(|at| wanted(at) && !records.contains_key(*at)).map(|at| (at.clone(), Action::Delete));
    here.chain(gone).collect()
}

/// Collections whose names begin alike: the order of the tree is not the order of collection and key.
fn records() -> impl Strategy<Value = Records> {
    let at = ("a\\.b\\.c|a\\.b\\.c\\.d|a\\.b\\.c-d\\.e|z\\.b\\.c", "[0-9a-c._~-]{1,2}");
    let at = at.prop_map(|(collection, key)| format!("{collection}/{key}"));
    let valid = at.prop_filter("a path", |at| at.parse::<nexus_atproto::RecordPath>().is_ok());
    prop::collection::btree_map(valid, 0..4_u32, 0..40)
}

fn filters() -> impl Strategy<Value = Collections> {
    prop::sample::select(vec![&[][..], &["a.b.c"], &["a.b.c*"], &["z.*", "a.b.c.d"]])
        .prop_map(|filters| Collections::new(filters.iter().copied()))
}

proptest! {
    #[test]
    fn what_differs_is_told_and_nothing_else(
        here in records(),
        known in records(),
        filters in filters(),
        changes in 1..8_usize,
        page in 1..8_usize,
    ) {
        let mut repo = Repo::new("a");
        repo.records = here;
        let mut index: Index = known.iter().map(|(at, number)| (at.clone(), cid(*number))).collect();
        let portions = Portions { changes, page, ..Portions::default() };
        let batches = batches(&repo, &index, &filters, portions).unwrap();
        let told = told(&batches);
        prop_assert_eq!(told.iter().cloned().collect::<BTreeMap<_, _>>(), difference(&repo.records, &index, &filters));
        prop_assert_eq!(told.len(), difference(&repo.records, &index, &filters).len());
        // Deletes of one collection may close a batch, which they may make longer.
        batches.iter().for_each(|batch| store(&mut index, &batch.records));
        let wanted: Index = repo.records.iter().filter(|(at, _)| filters.wants(path(at).collection()))
            .map(|(at, number)| (at.clone(), cid(*number))).collect();
        prop_assert_eq!(index, wanted);
    }

    #[test]
    fn a_resync_that_was_cut_short_is_completed_by_the_next(here in records(), known in records(), done in 0..6_usize) {
        let mut repo = Repo::new("a");
        repo.records = here;
        let filters = Collections::default();
        let mut index: Index = known.iter().map(|(at, number)| (at.clone(), cid(*number))).collect();
        let portions = Portions { changes: 3, page: 2, ..Portions::default() };
        let expected = difference(&repo.records, &index, &filters);
        let mut all = batches(&repo, &index, &filters, portions).unwrap();
        all.truncate(done);
        all.iter().for_each(|batch| store(&mut index, &batch.records));
        all.extend(batches(&repo, &index, &filters, portions).unwrap());
        let told = told(&all);
        prop_assert_eq!(told.len(), expected.len());
        prop_assert_eq!(told.into_iter().collect::<BTreeMap<_, _>>(), expected);
    }
}

#[test]
fn a_copy_without_one_of_its_records_is_not_whole() {
    let mut repo = Repo::new("a");
    repo.records = (0..50).map(|n| (format!("x.y.zed/{n}"), n)).collect();
    let (mut copy, filters, index) = (repo.copy(), Collections::default(), Index::new());
    copy.blocks.0.remove(&cid(30));
    let mut resync = Resync::new(copy.state, copy.blocks, Shelves(&index), &filters, Portions::default()).unwrap();
    assert_eq!(reason(resync.next_batch().unwrap_err()), Reason::Tree);
}
