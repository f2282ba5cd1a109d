//! The writer's thread: order, groups, back-pressure, and its end.

use crate::{
    failing::Failing,
    world::{Ground, key, watcher},
};
use nexus_model::Timestamp;
use nexus_runtime::{
    Clock,
    groups::{Ending, Grouping, Stopped},
};
use nexus_social::{
    effects::{SourceCursor, SourceLog},
    input::{Input, Verdict},
    row::HostRow,
    store::{self, Memory, Store},
    writer::Writer,
};
use nexus_social_server::{
    blobs::Blobs,
    source::Followups,
    writer::{WriterHandle, WriterParts, WriterThread, start},
};
use std::sync::{Arc, atomic::Ordering::SeqCst};

fn hosted(n: u8) -> Input {
    let (user, homeserver) = (key(n), key(90).as_str().into());
    Input::Hosted(HostRow { user, homeserver, resolved_at: Timestamp::from_millis(1), stale: false })
}

fn read(cursor: u64) -> Input {
    Input::Read(SourceCursor { log: SourceLog::Homeserver("x".into()), cursor })
}

#[tokio::test]
async fn what_is_answered_is_durable() {
    let ground = Ground::new();
    let world = ground.start(watcher(&[]));
    assert!(matches!(world.writer.ask(hosted(1)).await, Ok(Verdict::Done { .. })));
    assert!(ground.host(1).is_some());
    assert_eq!(world.writer.ask(hosted(1)).await, Ok(Verdict::Unchanged));
    world.stop().await;
}

#[tokio::test]
async fn everything_queued_is_handled_in_order_before_the_end() {
    let ground = Ground::new();
    let world = ground.start(watcher(&[]));
    // More than the queue holds: the sender waits, and nothing is lost.
    for cursor in 1..=2000 {
        world.writer.send(read(cursor)).await.unwrap();
    }
    world.stop().await;
    assert_eq!(ground.store.cursor(&SourceLog::Homeserver("x".into())).unwrap(), Some(2000));
}

#[tokio::test]
async fn a_cursor_that_goes_backwards_is_refused() {
    let ground = Ground::new();
    let world = ground.start(watcher(&[]));
    world.writer.ask(read(5)).await.unwrap();
    assert!(matches!(world.writer.ask(read(4)).await, Ok(Verdict::Refused(_))));
    world.stop().await;
}

/// A writer on such a store.
fn failing(failures: u32) -> (Arc<Failing>, WriterHandle, WriterThread, tempfile::TempDir) {
    let store = Arc::new(Failing::over(Arc::new(Memory::new())));
    store.begins.store(failures, SeqCst);
    let files = tempfile::tempdir().unwrap();
    let parts = WriterParts {
        writer: Writer::new(Arc::default()),
        store: Arc::<Failing>::clone(&store),
        blobs: Arc::new(Blobs::open(files.path(), 0).unwrap()),
        clock: Clock::system(),
        publish: Box::new(|_| {}),
        followups: Followups::pair().0,
    };
    let (handle, thread) = start(parts, Grouping { queue: 8, group: 4 }).unwrap();
    (store, handle, thread, files)
}

#[tokio::test]
async fn a_group_survives_a_store_that_fails_for_a_moment() {
    let (store, handle, thread, _files) = failing(2);
    assert!(matches!(handle.ask(read(1)).await, Ok(Verdict::Done { .. })));
    drop(handle);
    thread.ended().await.unwrap();
    assert_eq!(store.cursor(&SourceLog::Homeserver("x".into())).unwrap(), Some(1));
}

#[tokio::test]
async fn a_store_that_fails_for_good_stops_everything_loudly() {
    let (store, handle, thread, _files) = failing(u32::MAX);
    assert_eq!(handle.ask(read(1)).await, Err(Stopped));
    assert!(matches!(thread.ended().await, Err(Ending::Failed(store::Error::Backend(_)))));
    assert_eq!(handle.send(read(2)).await, Err(Stopped));
    assert_eq!(store.cursors().unwrap(), []);
}
