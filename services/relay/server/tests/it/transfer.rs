use crate::stand::{Adapters, NOW, relay, sign};
use nexus_nostr::{Event, Filter, Kind, Seconds};
use nexus_relay::{
    Protected,
    market::rebuild,
    ports::StorageAdapter,
    settings::{Retention, Settings},
};
use nexus_relay_server::{
    adapters::NativeRuntime,
    transfer::{Checked, ImportOptions, Offline, Order, Summary, count, export, import, offline, remove, would_remove},
};
use nexus_runtime::Clock;
use nexus_sqlite::{
    Durability,
    relay::{Settings as StoreSettings, SqliteStorage},
};
use std::{collections::BTreeMap, io, sync::Arc};

fn lines(events: &[Event]) -> String {
    events.iter().map(|event| event.to_json() + "\n").collect()
}

fn notes(count: i64) -> Vec<Event> {
    (0..count).map(|number| sign(1, 1, number, &[], &number.to_string())).collect()
}

fn forged() -> Event {
    let mut forged = sign(1, 1, 77, &[], "x");
    forged.content.push('!');
    forged
}

async fn exported(store: &impl StorageAdapter, filter: &Filter, order: Order) -> Vec<String> {
    let mut text = Vec::new();
    let written = export(store, filter, order, Seconds::new(NOW), &mut text).await.expect("memory");
    let lines: Vec<String> = String::from_utf8(text).expect("text").lines().map(str::to_owned).collect();
    assert_eq!(lines.len() as u64, written);
    lines
}

#[tokio::test]
async fn lines_that_are_left_out_are_told_and_the_rest_goes_on() {
    let (relay, ..) = relay(Settings::default()).await;
    let protected = sign(1, 1, 5, &[&["-"]], "");
    let mut text = lines(&notes(3)).into_bytes();
    text.extend_from_slice(b"\n not an event\n\xff\xfe\n{}\r\n");
    text.extend(lines(&[forged(), protected.clone()]).bytes());
    text.extend(lines(&notes(4)).trim_end().bytes());
    for batch in [1, 3, 10_000] {
        let mut told = Vec::new();
        let options = ImportOptions { batch, ..ImportOptions::default() };
        let summary = import::<Adapters>(&relay, io::Cursor::new(text.clone()), options, |number, why| {
            told.push((number, why.to_owned()))
        });
        let summary = summary.await.expect("it is read");
        let (new, known) = if batch == 1 { (4, 3) } else { (0, 7) };
        let refused = BTreeMap::from([("blocked", 1), ("invalid", 1)]);
        assert_eq!(summary, Summary { lines: 12, new, known, refused, unreadable: 3 });
        assert_eq!(summary.left_out(), 5);
        told.sort();
        assert_eq!(told.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [5, 6, 7, 8, 9]);
        assert_eq!(told[3].1, "invalid: event id does not match");
    }
    let trusting = ImportOptions { checked: Checked::Before, protected: Protected::Taken, ..ImportOptions::default() };
    let summary = import::<Adapters>(&relay, io::Cursor::new(text), trusting, |_, _| {}).await.expect("it is read");
    assert_eq!((summary.new, summary.unreadable, summary.refused.len()), (2, 3, 0));
}

/// A line without an end, as `/dev/zero` has it, costs no more memory than a long one.
#[tokio::test]
async fn lines_that_are_too_long_are_passed_over() {
    let (relay, ..) = relay(Settings::default()).await;
    let long = vec![b'x'; 5 << 20];
    let text = [lines(&notes(1)).as_bytes(), &long, b"\n", lines(&notes(2)).as_bytes(), &long].concat();
    let mut told = Vec::new();
    let summary = import::<Adapters>(&relay, io::Cursor::new(text), ImportOptions::default(), |number, why| {
        told.push((number, why.to_owned()))
    });
    let summary = summary.await.expect("it is read");
    assert_eq!(summary, Summary { lines: 5, new: 2, known: 1, refused: BTreeMap::new(), unreadable: 2 });
    let why = format!("longer than {} bytes", 4 << 20);
    assert_eq!(told, [(2, why.clone()), (5, why)]);
}

#[tokio::test]
async fn what_is_exported_is_the_same_when_it_is_imported() {
    let (first, ..) = relay(Settings::default()).await;
    let mut events = notes(700);
    events.extend((0..40).map(|number| sign(2, 7, 3, &[], &number.to_string())));
    events.push(sign(3, 1, 0, &[&["expiration", &(NOW + 1).to_string()]], ""));
    import::<Adapters>(&first, io::Cursor::new(lines(&events)), ImportOptions::default(), |_, _| {})
        .await
        .expect("memory");
    let ascending = exported(first.storage(), &Filter::new(), Order::Ascending).await;
    let mut expected = events.clone();
    expected.sort_by_key(|event| (event.created_at, event.id));
    assert_eq!(ascending, expected.iter().map(Event::to_json).collect::<Vec<_>>());
    let descending = exported(first.storage(), &Filter::new(), Order::Descending).await;
    expected.sort_by_key(|event| (std::cmp::Reverse(event.created_at), event.id));
    assert_eq!(descending, expected.iter().map(Event::to_json).collect::<Vec<_>>());
    let reactions = Filter::new().with_kinds([Kind::new(7)]).with_limit(10);
    assert_eq!(exported(first.storage(), &reactions, Order::Ascending).await.len(), 10);
    assert_eq!(count(first.storage(), &Filter::new(), Seconds::new(NOW)).await.expect("memory"), 741);
    assert_eq!(count(first.storage(), &Filter::new(), Seconds::new(NOW + 1)).await.expect("memory"), 740);
    let (second, ..) = relay(Settings::default()).await;
    let text = ascending.join("\n");
    import::<Adapters>(&second, io::Cursor::new(text), ImportOptions::default(), |_, _| {}).await.expect("memory");
    assert_eq!(exported(second.storage(), &Filter::new(), Order::Ascending).await, ascending);
}

#[tokio::test]
async fn events_are_removed_by_filter() {
    let (relay, ..) = relay(Settings::default()).await;
    let mut events = notes(1_100);
    events.push(sign(2, 7, 2_000, &[], "+"));
    import::<Adapters>(&relay, io::Cursor::new(lines(&events)), ImportOptions::default(), |_, _| {})
        .await
        .expect("memory");
    let old = Filter::new().with_until(Seconds::new(NOW - 500));
    assert_eq!(would_remove(relay.storage(), &old).await.expect("memory"), 601);
    assert_eq!(remove(relay.storage(), &old).await.expect("memory"), 601);
    assert_eq!(would_remove(relay.storage(), &Filter::new()).await.expect("memory"), 500);
    assert_eq!(remove(relay.storage(), &old).await.expect("memory"), 0);
}

#[tokio::test]
async fn a_relay_that_serves_nobody_imports_into_a_file_and_rebuilds_its_market() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || SqliteStorage::open_with(&folder.path().join("relay.sqlite"), StoreSettings::new(Durability::Normal));
    let clock = Clock::fixed(nexus_model::Timestamp::from_millis(NOW * 1_000));
    let store = Arc::new(open().expect("a store"));
    let settings = Settings { retention: Retention::of_the_market(), ..Settings::default() };
    let runtime = NativeRuntime::start(clock, 2).expect("threads");
    let relay = Arc::new(offline(store.clone(), runtime, settings).await.expect("a store"));
    let request = sign(1, 5050, 3, &[&["bid", "7"]], "");
    let mut events = notes(50);
    events.push(request.clone());
    let text = lines(&events);
    let summary =
        import::<Offline<SqliteStorage>>(&relay, io::Cursor::new(text), ImportOptions::default(), |_, _| {}).await;
    assert_eq!(summary.expect("a store").new, 51);
    let rebuilt = rebuild(&*store).await.expect("a store");
    assert_eq!((rebuilt.events, rebuilt.jobs, rebuilt.changed), (1, 1, 0));
    drop((relay, store));
    let again = open().expect("a store");
    assert_eq!(count(&again, &Filter::new(), Seconds::new(NOW)).await.expect("a store"), 51);
    assert!(again.job(&request.id).await.expect("a store").is_some());
}
