//! The retry queue, dead letters and source cursors.

use super::{rows::commit, user};
use nexus_model::Timestamp;
use nexus_social::{
    effects::{Effects, Operation, RetryChange, RetryReason, RetryRow, SourceCursor, SourceLog},
    query::Page,
    store::Store,
};

const ALL: Page = Page { skip: 0, limit: 99 };

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn retry(uri: &str, due: i64, on: Option<&str>) -> RetryRow {
    RetryRow {
        uri: uri.into(),
        operation: if due % 2 == 0 { Operation::Put } else { Operation::Delete },
        homeserver: "h".into(),
        attempts: 3,
        due: at(due),
        reason: on.map_or(RetryReason::Transient, |on| RetryReason::Dependency(on.into())),
        error: "e".into(),
    }
}

fn change(store: &dyn Store, retries: Vec<RetryChange>) {
    commit(store, Effects { retries, ..Effects::default() });
}

fn uris(rows: &[RetryRow]) -> Vec<&str> {
    rows.iter().map(|row| &*row.uri).collect()
}

pub(super) fn retries_come_by_their_time(store: &dyn Store) {
    let rows = [retry("b", 20, None), retry("a", 11, Some("x")), retry("c", 30, None)];
    change(store, rows.iter().cloned().map(RetryChange::Put).collect());
    assert_eq!(store.due(at(20), 9).unwrap(), [rows[1].clone(), rows[0].clone()]);
    assert_eq!(uris(&store.due(at(99), 1).unwrap()), ["a"]);
    assert_eq!(uris(&store.retries(Page { skip: 1, limit: 9 }).unwrap()), ["b", "c"]);
    assert_eq!(store.begin().unwrap().state().retry("a").unwrap(), Some(rows[1].clone()));
    change(store, vec![RetryChange::Put(retry("b", 5, None)), RetryChange::Remove("a".into())]);
    assert_eq!(uris(&store.retries(ALL).unwrap()), ["b", "c"]);
    assert_eq!(store.begin().unwrap().state().retry("a").unwrap(), None);
}

pub(super) fn an_arrival_makes_dependents_due(store: &dyn Store) {
    let rows = [retry("a", 50, Some("x")), retry("b", 60, Some("x")), retry("c", 70, Some("y")), retry("d", 80, None)];
    change(store, rows.iter().cloned().map(RetryChange::Put).collect());
    assert_eq!(uris(&store.begin().unwrap().state().waiting_for("x", 9).unwrap()), ["a", "b"]);
    assert_eq!(uris(&store.begin().unwrap().state().waiting_for("x", 1).unwrap()), ["a"]);
    assert_eq!(store.begin().unwrap().state().waiting_for("d", 9).unwrap(), []);
    change(store, vec![RetryChange::Release { on: "x".into(), due: at(7) }]);
    assert_eq!(uris(&store.due(at(7), 9).unwrap()), ["a", "b"]);
}

pub(super) fn dead_letters_can_be_revived(store: &dyn Store) {
    change(store, ["a", "b", "c"].map(|uri| RetryChange::Put(retry(uri, 5, None))).into());
    change(store, ["a", "b", "c"].map(|uri| RetryChange::Bury(retry(uri, 5, None))).into());
    change(store, vec![RetryChange::Bury(retry("a", 6, Some("z")))]);
    assert_eq!(store.retries(ALL).unwrap(), []);
    assert_eq!(uris(&store.dead_letters(ALL).unwrap()), ["a", "c", "b"]);
    assert_eq!(store.dead_letters(Page { skip: 0, limit: 1 }).unwrap(), [retry("a", 6, Some("z"))]);
    change(store, vec![RetryChange::Revive { uri: Some("c".into()), due: at(9) }]);
    assert_eq!(store.retries(ALL).unwrap(), [RetryRow { attempts: 0, due: at(9), ..retry("c", 5, None) }]);
    change(store, vec![RetryChange::Put(retry("b", 40, None)), RetryChange::Revive { uri: None, due: at(10) }]);
    assert_eq!(store.dead_letters(ALL).unwrap(), []);
    let queue = store.retries(ALL).unwrap();
    assert_eq!(uris(&queue), ["c", "a", "b"]);
    assert_eq!(queue[2], retry("b", 40, None), "what is in the queue already isn't replaced");
}

pub(super) fn cursors_are_kept_by_log(store: &dyn Store) {
    let whole = SourceLog::Homeserver("h".into());
    let one = SourceLog::User { homeserver: "h".into(), user: user(0) };
    let other = SourceLog::User { homeserver: "h".into(), user: user(1) };
    assert_eq!(store.cursor(&whole).unwrap(), None);
    let cursor = |log: &SourceLog, cursor| SourceCursor { log: log.clone(), cursor };
    commit(store, Effects { cursors: vec![cursor(&whole, 1), cursor(&one, u64::MAX >> 1)], ..Effects::default() });
    commit(store, Effects { cursors: vec![cursor(&whole, 9)], ..Effects::default() });
    assert_eq!(store.cursor(&whole).unwrap(), Some(9));
    assert_eq!(store.begin().unwrap().state().cursor(&one).unwrap(), Some(u64::MAX >> 1));
    assert_eq!(store.cursor(&other).unwrap(), None);
    let mut all = store.cursors().unwrap();
    all.sort_by_key(|c| c.cursor);
    assert_eq!(all, [cursor(&whole, 9), cursor(&one, u64::MAX >> 1)]);
}
