//! The writer's thread: order, groups, back-pressure, and its end.

use crate::world::{Ground, key, watcher};
use nexus_model::Timestamp;
use nexus_social::{
    effects::{SourceCursor, SourceLog},
    input::{Input, Verdict},
    row::HostRow,
    store::Store,
};

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
