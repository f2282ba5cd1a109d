//! Tasks: nobody is forgotten, the first failure is told, and a stop waits for everybody.

use nexus_runtime::{Tasks, groups::Stopped};
use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A task that drains when it is told to stop, and says so.
fn drain(tasks: &Tasks, drained: &Arc<AtomicUsize>) {
    let drained = Arc::clone(drained);
    tasks.spawn("drains", |stop| async move {
        stop.cancelled().await;
        tokio::task::yield_now().await;
        drained.fetch_add(1, Ordering::SeqCst);
        Ok::<_, Infallible>(())
    });
}

#[tokio::test]
async fn a_stop_waits_for_every_task() {
    let (tasks, drained) = (Tasks::new(), Arc::default());
    (0..100).for_each(|_| drain(&tasks, &drained));
    tasks.stop();
    tasks.finish().await.unwrap();
    assert_eq!(drained.load(Ordering::SeqCst), 100);
}

/// A source that is added while the program runs is drained like those that were there from the start.
#[tokio::test]
async fn a_task_may_start_others_even_when_all_is_about_to_stop() {
    let (tasks, drained) = (Tasks::new(), Arc::default());
    let (inner, count) = (tasks.clone(), Arc::clone(&drained));
    tasks.spawn("starts others", |stop| async move {
        drain(&inner, &count);
        stop.cancelled().await;
        drain(&inner, &count);
        Ok::<_, Infallible>(())
    });
    let finished = tokio::spawn({
        let tasks = tasks.clone();
        async move { tasks.finish().await.is_ok() }
    });
    tokio::task::yield_now().await;
    tasks.stop();
    assert!(timeout(PATIENCE, finished).await.unwrap().unwrap());
    assert_eq!(drained.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn one_failure_stops_the_others_and_is_told() {
    let (tasks, drained) = (Tasks::new(), Arc::default());
    drain(&tasks, &drained);
    tasks.spawn("fails", |_| async { Err(io::Error::other("no disk")) });
    let failure = tasks.finish().await.unwrap_err();
    assert_eq!((failure.task, failure.cause.to_string().as_str()), ("fails", "no disk"));
    assert_eq!(failure.to_string(), "task fails failed");
    assert_eq!(drained.load(Ordering::SeqCst), 1, "the other had time to drain");
    assert!(tasks.token().is_cancelled());
}

/// What follows from a failure is not taken for its cause.
#[tokio::test]
async fn of_several_failures_the_first_is_told() {
    let tasks = Tasks::new();
    tasks.spawn("second", |stop| async move {
        stop.cancelled().await;
        Err(io::Error::other("the first one's writer is gone"))
    });
    tasks.spawn("first", |_| async { Err(io::Error::other("no disk")) });
    assert_eq!(tasks.finish().await.unwrap_err().task, "first");
}

#[tokio::test]
async fn a_failure_while_everything_stops_is_told_too() {
    let tasks = Tasks::new();
    tasks.spawn("drains badly", |stop| async move {
        stop.cancelled().await;
        Err(io::Error::other("the last commit failed"))
    });
    tasks.stop();
    assert_eq!(tasks.finish().await.unwrap_err().task, "drains badly");
}

#[tokio::test]
async fn a_panic_is_a_failure() {
    let tasks = Tasks::new();
    tasks.spawn("panics", |_| async {
        assert!(std::env::args().count() == 0, "on purpose");
        Ok::<_, io::Error>(())
    });
    let failure = timeout(PATIENCE, tasks.finish()).await.unwrap().unwrap_err();
    assert_eq!(failure.task, "panics");
    assert!(failure.cause.to_string().contains("panic"), "{}", failure.cause);
}

#[tokio::test]
async fn a_task_that_is_done_stops_nobody() {
    let tasks = Tasks::new();
    let (done, is_done) = oneshot::channel();
    tasks.spawn("ends at once", |_| async move {
        let _ = done.send(());
        Ok::<_, Infallible>(())
    });
    is_done.await.unwrap();
    let finishing = timeout(Duration::from_millis(50), tasks.finish()).await;
    assert!(finishing.is_err(), "without a stop or a failure there is no end");
    tasks.stop();
    timeout(PATIENCE, tasks.finish()).await.unwrap().unwrap();
}

#[tokio::test]
async fn tasks_run_before_anybody_waits_for_them() {
    let tasks = Tasks::new();
    let (said, mut heard) = mpsc::channel(1);
    tasks.spawn("says", |_| async move { said.send("hello").await });
    assert_eq!(timeout(PATIENCE, heard.recv()).await.unwrap(), Some("hello"));
    tasks.stop();
    tasks.finish().await.unwrap();
}

#[tokio::test]
async fn whoever_gives_up_waiting_may_wait_again() {
    let (tasks, go) = (Tasks::new(), Arc::new(Notify::new()));
    let gate = Arc::clone(&go);
    tasks.spawn("is slow", |stop| async move {
        stop.cancelled().await;
        gate.notified().await;
        Ok::<_, Infallible>(())
    });
    tasks.stop();
    assert!(timeout(Duration::from_millis(50), tasks.finish()).await.is_err());
    go.notify_one();
    timeout(PATIENCE, tasks.finish()).await.expect("nothing was lost with the first wait").unwrap();
}

/// Whoever writes to a writer that has failed may notice it before the writer has told why.
#[tokio::test]
async fn the_failure_that_is_told_is_the_cause_and_not_what_came_of_it() {
    #[derive(Debug, thiserror::Error)]
    #[error(transparent)]
    struct Source(#[from] Stopped);

    for order in [["source", "writer", "other"], ["writer", "source", "other"]] {
        let tasks = Tasks::new();
        let (first, second) = (oneshot::channel::<()>(), oneshot::channel::<()>());
        let mut before = [None, Some(first.1), Some(second.1)];
        let mut after = [Some(first.0), Some(second.0), None];
        for (place, name) in order.into_iter().enumerate() {
            let (wait, tell) = (before[place].take(), after[place].take());
            tasks.spawn(name, |_| async move {
                if let Some(wait) = wait {
                    wait.await.ok();
                }
                let failure: Box<dyn std::error::Error + Send + Sync> = match name {
                    "source" => Box::new(Source(Stopped)),
                    _ => Box::new(io::Error::other("the disk is full")),
                };
                // The next one fails once this one has been noted.
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    tell.map(|tell| tell.send(()))
                });
                Err::<(), _>(failure)
            });
        }
        assert_eq!(timeout(PATIENCE, tasks.finish()).await.unwrap().unwrap_err().task, "writer", "{order:?}");
    }
}
