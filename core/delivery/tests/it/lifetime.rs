//! How sessions begin, sleep and end.

use crate::journal::{MemoryJournal, Wants, tail_of};
use nexus_delivery::{End, Frame, Limits, Refusal, Session, Start};
use nexus_model::Seq;
use nexus_runtime::CancellationToken;
use std::time::Duration;

fn limits() -> Limits {
    Limits { page: 4, ring_changes: 4, sessions: 3, sessions_per_client: 2, ..Limits::default() }
}

async fn only(session: &mut Session) -> Frame {
    let mut frames = session.next().await.expect("not ended");
    assert_eq!(frames.len(), 1, "{frames:?}");
    frames.remove(0)
}

#[tokio::test(start_paused = true)]
async fn in_silence_a_session_tells_how_far_it_has_looked() {
    let journal = MemoryJournal::new();
    let tail = tail_of(&journal, limits()).await;
    let mut session = tail.subscribe("c", Wants::author("ada"), Start::Now).unwrap();
    journal.append("bob", "posts", 1);
    tail.pull().await.unwrap();
    let begun = tokio::time::Instant::now();
    assert!(matches!(only(&mut session).await, Frame::Beat(seq) if seq == Seq::new(1)));
    assert_eq!(begun.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_running_tail_wakes_who_waits_and_ends_everybody_when_it_stops() {
    let journal = MemoryJournal::new();
    let tail = tail_of(&journal, limits()).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(tail.clone().run(stop.clone()));
    let mut session = tail.subscribe("c", Wants::author("ada"), Start::Now).unwrap();
    let waits = tokio::spawn(async move { (only(&mut session).await, session) });
    journal.append("bob", "posts", 1);
    journal.append("ada", "posts", 1);
    let (frame, mut session) = waits.await.unwrap();
    assert!(matches!(frame, Frame::Change(entry) if entry.change.seq == Seq::new(2)));

    stop.cancel();
    assert!(matches!(only(&mut session).await, Frame::End(End::Stopping)));
    assert!(session.next().await.is_none());
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_the_journal_no_longer_keeps_is_told_to_read_again() {
    let journal = MemoryJournal::new();
    journal.append_many("ada", 9);
    journal.expire(Seq::new(5));
    let tail = tail_of(&journal, limits()).await;
    for lost in [Seq::new(4), Seq::new(10)] {
        let mut session = tail.subscribe("c", Wants::everything(), Start::After(lost)).unwrap();
        assert!(matches!(only(&mut session).await, Frame::End(End::Expired { oldest }) if oldest == Seq::new(5)));
    }
    let mut session = tail.subscribe("c", Wants::everything(), Start::After(Seq::new(5))).unwrap();
    assert_eq!(session.next().await.unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_session_learns_that_the_journal_dropped_what_the_tail_never_saw() {
    let journal = MemoryJournal::new();
    let tail = tail_of(&journal, limits()).await;
    let mut session = tail.subscribe("c", Wants::author("ada"), Start::Now).unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(1), session.next()).await.is_err());
    journal.append_many("bob", 9);
    journal.expire(Seq::new(5));
    tail.pull().await.unwrap();
    assert!(matches!(only(&mut session).await, Frame::End(End::Expired { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_fails_ends_who_must_read_it_and_nobody_else() {
    let journal = MemoryJournal::new();
    journal.append_many("ada", 9);
    let tail = tail_of(&journal, limits()).await;
    let mut behind = tail.subscribe("c", Wants::everything(), Start::After(Seq::START)).unwrap();
    let mut current = tail.subscribe("c", Wants::everything(), Start::Now).unwrap();
    journal.break_down();
    assert!(matches!(only(&mut behind).await, Frame::End(End::Unavailable)));
    assert!(matches!(only(&mut current).await, Frame::Beat(_)));
}

#[tokio::test]
async fn there_are_only_so_many_sessions_and_a_place_is_free_again_at_once() {
    let tail = tail_of(&MemoryJournal::new(), limits()).await;
    let open = |client| tail.subscribe(client, Wants::everything(), Start::Now);
    let first = open("ada").unwrap();
    let _second = open("ada").unwrap();
    assert_eq!(open("ada").unwrap_err(), Refusal::ClientFull);
    let _third = open("bob").unwrap();
    assert_eq!(open("eve").unwrap_err(), Refusal::Full);
    drop(first);
    assert_eq!(tail.sessions(), 2);
    assert!(open("ada").is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_is_far_behind_and_barely_moves_is_thrown_out_and_nobody_else() {
    let journal = MemoryJournal::new();
    let tail = tail_of(&journal, Limits { lag: 50, progress: 20, batch_bytes: 1, ..limits() }).await;
    let start = |client| tail.subscribe(client, Wants::everything(), Start::Now).unwrap();
    let (mut stuck, mut slow, mut idle) = (start("a"), start("b"), start("c"));
    assert!(tokio::time::timeout(Duration::from_millis(1), idle.next()).await.is_err(), "sleeps");
    journal.append_many("ada", 100);
    let stop = CancellationToken::new();
    tokio::spawn(tail.clone().run(stop.clone()));
    let mut read = 0;
    while tail.sessions() == 3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        read += slow.next().await.unwrap().len();
        while idle.cursor() < tail.position() {
            idle.next().await.unwrap();
        }
    }
    assert!(stuck.evicted().is_cancelled());
    assert!(matches!(only(&mut stuck).await, Frame::End(End::TooSlow)));
    assert!(read >= 30, "the slow one still read: {read}");
    assert!(matches!(only(&mut slow).await, Frame::Change(_)));
    stop.cancel();
}
