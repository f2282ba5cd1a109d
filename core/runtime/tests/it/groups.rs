//! The thread that works in groups: order, sizes, back-pressure, its end, and its patience.

use nexus_runtime::groups::{Ending, Grouping, Patience, Stopped, start};
use proptest::prelude::*;
use std::{
    sync::{Arc, Barrier, Mutex},
    time::Duration,
};

const ALONE: Grouping = Grouping { queue: 8, group: 4 };

fn running() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    /// Every input is handled once and in order, no group grows past the input that fills it, and each asker gets
    /// the answer to its own input.
    #[test]
    fn inputs_are_handled_in_order_and_in_bounded_groups(sizes in prop::collection::vec(0usize..6, 1..60), group in 1usize..9) {
        let seen = Arc::new(Mutex::new(Vec::<Vec<(usize, usize)>>::new()));
        let sink = Arc::clone(&seen);
        let grouping = Grouping { queue: sizes.len(), group };
        let size = |input: &(usize, usize)| input.1;
        let (queue, thread) = start("test", grouping, size, move |inputs| {
            sink.lock().unwrap().push(inputs.clone());
            Ok::<_, ()>(inputs.into_iter().map(|(number, _)| number * 10).collect())
        }).unwrap();
        running().block_on(async {
            let mut waiting = Vec::new();
            for (number, &size) in sizes.iter().enumerate() {
                waiting.push(queue.place().await.unwrap().ask((number, size)));
            }
            for (number, answer) in waiting.into_iter().enumerate() {
                assert_eq!(answer.await, Ok(number * 10));
            }
            drop(queue);
            thread.ended().await.unwrap();
        });
        let groups = seen.lock().unwrap();
        let handled: Vec<_> = groups.iter().flatten().copied().collect();
        prop_assert_eq!(handled, sizes.iter().copied().enumerate().collect::<Vec<_>>());
        for inputs in groups.iter() {
            let (_, before) = inputs.split_last().unwrap();
            prop_assert!(before.iter().map(|(_, size)| size).sum::<usize>() < group, "{:?}", inputs);
        }
    }

    /// Work is done once more than it fails, or as often as patience allows.
    #[test]
    fn patience_ends(failures in 0u32..8, tries in 0u32..6, passes: bool) {
        let mut done = 0;
        let outcome = Patience { tries, wait: Duration::ZERO }.insist(|_: &String| passes, || {
            done += 1;
            if done > failures { Ok(done) } else { Err(format!("failure {done}")) }
        });
        let allowed = if passes { tries } else { 0 };
        if failures <= allowed {
            prop_assert_eq!(outcome, Ok(failures + 1));
        } else {
            prop_assert_eq!(outcome, Err(format!("failure {}", allowed + 1)));
        }
    }
}

#[tokio::test]
async fn a_full_queue_makes_its_senders_wait() {
    let gate = Arc::new(Barrier::new(2));
    let inner = Arc::clone(&gate);
    let (queue, thread) = start(
        "test",
        Grouping { queue: 1, group: 1 },
        |_: &u8| 1,
        move |inputs| {
            inner.wait();
            Ok::<_, ()>(inputs)
        },
    )
    .unwrap();
    let first = queue.place().await.unwrap().ask(1);
    let second = queue.place().await.unwrap().ask(2);
    let third = tokio::time::timeout(Duration::from_millis(50), queue.send(3)).await;
    assert!(third.is_err(), "a third input found a place beside the one at work and the one that waits");
    for answer in [first, second] {
        let gate = Arc::clone(&gate);
        tokio::task::spawn_blocking(move || gate.wait()).await.unwrap();
        answer.await.unwrap();
    }
    drop(queue);
    thread.ended().await.unwrap();
}

#[tokio::test]
async fn a_group_that_fails_ends_the_thread_and_everybody_learns_of_it() {
    for _ in 0..500 {
        let (queue, thread) = start("test", ALONE, |_: &u8| 1, |_| Err::<Vec<()>, _>("broken")).unwrap();
        assert_eq!(queue.ask(1).await, Err(Stopped));
        assert!(matches!(thread.ended().await, Err(Ending::Failed("broken"))));
        assert_eq!(queue.send(2).await, Err(Stopped), "nothing is taken once the end is told");
        assert!(queue.place().await.is_err());
    }
}

#[tokio::test]
async fn a_panic_is_an_ending_of_its_own() {
    let (queue, thread) =
        start("test", ALONE, |_: &u8| 1, |_| -> Result<Vec<()>, ()> { panic!("on purpose") }).unwrap();
    assert_eq!(queue.ask(1).await, Err(Stopped));
    assert!(matches!(thread.ended().await, Err(Ending::Panicked)));
}

#[tokio::test]
async fn what_is_queued_is_handled_when_every_handle_is_gone() {
    let handled = Arc::new(Mutex::new(0));
    let count = Arc::clone(&handled);
    let (queue, thread) = start(
        "test",
        ALONE,
        |_: &u8| 1,
        move |inputs| {
            *count.lock().unwrap() += inputs.len();
            Ok::<_, ()>(inputs)
        },
    )
    .unwrap();
    let other = queue.clone();
    for input in 0..4 {
        queue.send(input).await.unwrap();
        other.send(input).await.unwrap();
    }
    drop((queue, other));
    thread.ended().await.unwrap();
    assert_eq!(*handled.lock().unwrap(), 8);
}
