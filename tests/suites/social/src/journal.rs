//! Groups, the journal, notifications and the event log.

use super::{
    post_key,
    rows::{commit, put, some_post, some_user},
    user,
};
use nexus_model::{Action, Seq, Timestamp};
use nexus_social::{
    effects::{ChangeRow, Effects, RowChange},
    notification::{NotificationBody, Notified},
    query::{Page, Position, ScoreRange},
    row::{ContentHash, Edge, PostRow, UserEdge},
    store::Store,
};

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn change(collection: &'static str, key: &str, action: Action, time: i64) -> ChangeRow {
    let (version, live, time) = ((time % 2 == 0).then_some(ContentHash([7; 32])), time % 3 == 0, at(time));
    ChangeRow { author: user(0), collection, key: key.into(), action, version, live, time }
}

fn changes(rows: Vec<ChangeRow>) -> Effects {
    Effects { changes: rows, ..Effects::default() }
}

fn follow(key: u8, time: i64) -> ChangeRow {
    change("follows", user(key).as_str(), Action::Create, time)
}

pub(super) fn changes_are_numbered_without_gaps(store: &dyn Store) {
    assert_eq!((store.last().unwrap(), store.oldest().unwrap()), (Seq::START, Seq::START));
    commit(store, changes(vec![follow(1, 1), follow(2, 2)]));
    commit(store, changes(vec![follow(3, 3)]));
    assert_eq!(store.last().unwrap(), Seq::new(3));
    let all = store.changes(Seq::START, 9).unwrap();
    assert_eq!(all.iter().map(|c| c.seq.get()).collect::<Vec<_>>(), [1, 2, 3]);
    for (read, written) in all.iter().zip([follow(1, 1), follow(2, 2), follow(3, 3)]) {
        assert_eq!((read.author, &*read.collection, &read.key), (written.author, written.collection, &written.key));
        assert_eq!((read.action, read.version, read.live), (written.action, written.version, written.live));
        assert_eq!((read.time, &read.value), (written.time, &None));
    }
    assert_eq!(store.changes(Seq::new(1), 1).unwrap(), all[1..2]);
    assert_eq!(store.changes(Seq::new(3), 9).unwrap(), []);
    assert_eq!(store.load(&mut |_| {}).unwrap(), Seq::new(3));
}

pub(super) fn a_change_has_the_value_of_the_record_only_while_it_is_the_newest(store: &dyn Store) {
    let row = some_post(1);
    let created = ChangeRow { version: row.hash, ..change("posts", row.key.id.as_str(), Action::Create, 1) };
    commit(store, Effects { rows: vec![RowChange::PutPost(row.clone())], ..changes(vec![created.clone()]) });
    let value = store.changes(Seq::START, 1).unwrap().remove(0).value.unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&value).unwrap()["content"], *row.content);
    let hash = Some(ContentHash([9; 32]));
    let edited = ChangeRow { version: hash, action: Action::Update, ..created };
    commit(store, Effects { rows: vec![RowChange::PutPost(PostRow { hash, ..row })], ..changes(vec![edited]) });
    let values = || store.changes(Seq::START, 9).unwrap().into_iter().map(|c| c.value.is_some()).collect::<Vec<_>>();
    assert_eq!(values(), [false, true]);
    let edge = Edge::Follows(UserEdge { from: user(0), to: user(2), time: at(3), created_at: 8 });
    commit(store, Effects { rows: vec![RowChange::PutEdge(edge.clone())], ..changes(vec![follow(2, 3)]) });
    assert_eq!(store.changes(Seq::new(2), 9).unwrap()[0].value.as_deref(), Some(r#"{"created_at":8}"#));
    let gone = changes(vec![change("follows", user(2).as_str(), Action::Delete, 4)]);
    commit(store, Effects { rows: vec![RowChange::RemoveEdge(edge)], ..gone });
    assert_eq!(values(), [false, true, false, false]);
}

pub(super) fn expired_changes_leave_and_numbers_go_on(store: &dyn Store) {
    commit(store, changes((1..=4).map(|n| follow(n, i64::from(n))).collect()));
    assert_eq!(store.expire_changes(at(3)).unwrap(), 2);
    assert_eq!((store.oldest().unwrap(), store.last().unwrap()), (Seq::new(2), Seq::new(4)));
    assert_eq!(store.changes(Seq::new(2), 9).unwrap().len(), 2);
    assert_eq!(store.expire_changes(at(99)).unwrap(), 2);
    assert_eq!((store.oldest().unwrap(), store.last().unwrap()), (Seq::new(4), Seq::new(4)));
    commit(store, changes(vec![follow(5, 100)]));
    assert_eq!((store.oldest().unwrap(), store.last().unwrap()), (Seq::new(4), Seq::new(5)));
}

pub(super) fn a_dropped_group_leaves_nothing(store: &dyn Store) {
    commit(store, changes(vec![follow(1, 1)]));
    let mut dropped = store.begin().unwrap();
    let effects = Effects { rows: vec![RowChange::PutUser(some_user(4))], ..changes(vec![follow(2, 2)]) };
    dropped.apply(&effects).unwrap();
    drop(dropped);
    assert_eq!(super::rows(store), []);
    assert_eq!(store.last().unwrap(), Seq::new(1));
    commit(store, effects);
    assert_eq!((super::rows(store).len(), store.last().unwrap()), (1, Seq::new(2)));
}

pub(super) fn a_group_sees_itself_and_nobody_else_does(store: &dyn Store) {
    let mut open = store.begin().unwrap();
    open.apply(&Effects { rows: vec![RowChange::PutUser(some_user(4))], ..Effects::default() }).unwrap();
    assert_eq!(open.state().user(&user(4)).unwrap(), Some(some_user(4)));
    assert_eq!(super::rows(store), []);
    open.commit().unwrap();
    assert_eq!(super::rows(store).len(), 1);
}

fn told(time: i64, by: u8) -> Notified {
    Notified { receiver: user(0), body: NotificationBody::Follow { followed_by: user(by) }, time: at(time) }
}

pub(super) fn notifications_are_a_set_with_times(store: &dyn Store) {
    let other = Notified { receiver: user(4), ..told(9, 1) };
    let first = vec![told(1, 1), told(2, 2), told(3, 3), other.clone()];
    commit(store, Effects { notifications: first, ..Effects::default() });
    commit(store, Effects { notifications: vec![told(7, 1)], ..Effects::default() });
    let read = |range, skip, limit| {
        let found = store.notifications(&user(0), range, None, Page { skip, limit }).unwrap();
        found.into_iter().map(|n| n.timestamp.millis()).collect::<Vec<_>>()
    };
    assert_eq!(read(ScoreRange::default(), 0, 9), [7, 3, 2]);
    assert_eq!(read(ScoreRange::default(), 1, 1), [3]);
    assert_eq!(read(ScoreRange { min: 2, max: 3 }, 0, 9), [3, 2]);
    let key = told(7, 1).body.key();
    assert_eq!(store.begin().unwrap().state().notification(&user(0), &key).unwrap(), Some(told(7, 1)));
    assert_eq!(store.begin().unwrap().state().notification(&user(1), &key).unwrap(), None);
    let mut all = Vec::new();
    store.load_notifications(&mut |n| all.push(n)).unwrap();
    assert_eq!(all.iter().filter(|n| n.receiver == user(0)).map(|n| n.time.millis()).collect::<Vec<_>>(), [2, 3, 7]);
    assert!(all.len() == 4 && all.contains(&other));
    let mut tied: Vec<_> = (1..4).map(|by| told(50, by)).collect();
    commit(store, Effects { notifications: tied.clone(), ..Effects::default() });
    tied.sort_by_key(|n| std::cmp::Reverse(n.body.to_json()));
    let newest = store.notifications(&user(0), ScoreRange::default(), None, Page { skip: 0, limit: 3 }).unwrap();
    assert_eq!(
        newest.into_iter().map(|n| n.body).collect::<Vec<_>>(),
        tied.into_iter().map(|n| n.body).collect::<Vec<_>>()
    );
}

pub(super) fn notifications_go_on_after_any_of_them(store: &dyn Store) {
    let told = [(1, 1), (2, 2), (2, 3), (2, 4), (3, 5)].map(|(time, by)| told(time, by));
    commit(store, Effects { notifications: told.to_vec(), ..Effects::default() });
    let read = |range, after: Option<&Position>| {
        store.notifications(&user(0), range, after, Page { skip: 0, limit: 9 }).unwrap()
    };
    let all = read(ScoreRange::default(), None);
    for (at, n) in all.iter().enumerate() {
        let place = Position { score: n.timestamp.millis(), member: n.body.to_json().into() };
        assert_eq!(read(ScoreRange::default(), Some(&place)), all[at + 1..], "after {n:?}");
        let within = all[at + 1..].iter().filter(|n| n.timestamp.millis() == 2).cloned().collect::<Vec<_>>();
        assert_eq!(read(ScoreRange { min: 2, max: 2 }, Some(&place)), within, "after {n:?}");
    }
    assert_eq!(all.len(), told.len());
}

pub(super) fn the_event_log_keeps_its_offsets(store: &dyn Store) {
    assert_eq!(store.log_length().unwrap(), 0);
    let lines: Vec<_> = (0..5).map(|n| format!("PUT {}", post_key(0, n).uri())).collect();
    commit(store, Effects { log: lines[..2].to_vec(), ..Effects::default() });
    commit(store, Effects { log: lines[2..].to_vec(), ..Effects::default() });
    assert_eq!(store.log(0, 99).unwrap(), lines);
    assert_eq!(store.log(1, 2).unwrap(), lines[1..3]);
    assert_eq!(store.log(5, 9).unwrap(), Vec::<String>::new());
    assert_eq!(store.log(u64::MAX, 9).unwrap(), Vec::<String>::new());
    put(store, vec![]);
    store.expire_changes(at(i64::MAX)).unwrap();
    assert_eq!(store.log(4, 9).unwrap(), lines[4..]);
    assert_eq!(store.log_length().unwrap(), 5);
}
