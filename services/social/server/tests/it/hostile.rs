//! Hostile and broken homeservers. In each case a second, good one stands beside it, and its news must come
//! through while the other one does its worst.

use crate::world::{Ground, World, Writes, eventually, key, post_path, profile_path, watcher};
use bytes::Bytes;
use nexus_fake_homeserver::{FakeHomeserver, Misbehaviour, Where};
use std::time::Duration;

/// A bad homeserver with an invited guest (1), and a good one (2).
struct Stage {
    ground: Ground,
    bad: FakeHomeserver,
    good: FakeHomeserver,
}

impl Stage {
    async fn set(at: Where, how: Misbehaviour) -> Self {
        let (bad, good) = (FakeHomeserver::start().await.unwrap(), FakeHomeserver::start().await.unwrap());
        bad.profile(1, "guest");
        bad.post(1, 1, "guest's post");
        good.profile(2, "host");
        bad.misbehave(at, how);
        Self { ground: Ground::new(), bad, good }
    }

    fn start(&self) -> World {
        self.ground.start(watcher(&[&self.bad, &self.good]))
    }

    /// News of the good homeserver comes through, three times in a row.
    async fn good_one_goes_on(&self) {
        for n in 1..=3 {
            self.good.post(2, n, "news");
            eventually("the good one goes on", || self.ground.has_post(2, n)).await;
        }
    }

    /// The bad one is asked again and again, and nothing of it comes in.
    async fn bad_one_gives_nothing(&self) {
        let asked = self.bad.requests();
        self.good_one_goes_on().await;
        eventually("asked again", || self.bad.requests() > asked).await;
        assert_eq!((self.ground.cursor(&self.bad), self.ground.name(1)), (0, None));
    }

    /// Once it behaves, it is read after all.
    async fn bad_one_reforms(&self) {
        self.bad.behave();
        eventually("the guest arrives", || self.ground.name(1).as_deref() == Some("guest")).await;
    }

    async fn a_log_that_misbehaves_is_waited_out(how: Misbehaviour) {
        let stage = Self::set(Where::Events, how).await;
        let world = stage.start();
        stage.bad_one_gives_nothing().await;
        assert!(!world.readiness.is_ready());
        stage.bad_one_reforms().await;
        eventually("caught up", || world.readiness.is_ready()).await;
        world.stop().await;
    }

    /// Only the record that is served badly is missing, for good or for now; the log itself goes on.
    async fn a_record_that_misbehaves_is_left_out(how: Misbehaviour, is_queued: bool) {
        let stage = Self::set(Where::Resource(post_path(1)), how).await;
        stage.bad.post(1, 2, "the next one");
        let world = stage.start();
        stage.good_one_goes_on().await;
        eventually("the rest of the log", || stage.ground.has_post(1, 2) && stage.ground.cursor(&stage.bad) == 3).await;
        assert!(!stage.ground.has_post(1, 1));
        assert_eq!(stage.ground.retries().iter().any(|row| row.uri.ends_with(&post_path(1))), is_queued);
        world.stop().await;
    }
}

#[tokio::test]
async fn an_endless_page() {
    Stage::a_log_that_misbehaves_is_waited_out(Misbehaviour::EndlessBody).await;
}

#[tokio::test]
async fn a_page_that_trickles() {
    Stage::a_log_that_misbehaves_is_waited_out(Misbehaviour::SlowLoris(Duration::from_millis(100))).await;
}

#[tokio::test]
async fn a_page_that_never_begins() {
    Stage::a_log_that_misbehaves_is_waited_out(Misbehaviour::Silence).await;
}

#[tokio::test]
async fn a_page_that_breaks_off() {
    Stage::a_log_that_misbehaves_is_waited_out(Misbehaviour::Reset).await;
}

#[tokio::test]
async fn a_page_of_a_million_lines() {
    let line = format!("PUT pubky://{}{}\n", key(1), profile_path());
    let long = Bytes::from(line.repeat(1_000_000));
    Stage::a_log_that_misbehaves_is_waited_out(Misbehaviour::Body(long)).await;
    let short = Bytes::from("x\n".repeat(1_000_000));
    Stage::a_log_that_misbehaves_is_waited_out(Misbehaviour::Body(short)).await;
}

#[tokio::test]
async fn a_page_of_bytes_that_are_no_text() {
    let page = Bytes::from_static(b"PUT \xff\xfe\x00\ncursor: \xff");
    Stage::a_log_that_misbehaves_is_waited_out(Misbehaviour::Body(page)).await;
}

#[tokio::test]
async fn cursors_that_stand_still_go_wild_or_are_missing() {
    let line = format!("PUT pubky://{}{}", key(1), profile_path());
    for cursor in ["", "cursor: 0", "cursor: -1", "cursor: x", "cursor: 18446744073709551615"] {
        let page = Bytes::from(format!("{line}\n{cursor}"));
        Stage::a_log_that_misbehaves_is_waited_out(Misbehaviour::Body(page)).await;
    }
}

#[tokio::test]
async fn a_cursor_never_goes_backwards() {
    let stage = Stage::set(Where::Events, Misbehaviour::Status(500)).await;
    let world = stage.start();
    stage.bad_one_reforms().await;
    eventually("all is read", || stage.ground.cursor(&stage.bad) == 2).await;
    let line = format!("DEL pubky://{}{}\ncursor: 1", key(1), profile_path());
    stage.bad.misbehave(Where::Events, Misbehaviour::Body(Bytes::from(line)));
    stage.good_one_goes_on().await;
    assert_eq!((stage.ground.cursor(&stage.bad), stage.ground.name(1).as_deref()), (2, Some("guest")));
    world.stop().await;
}

#[tokio::test]
async fn a_log_that_is_always_busy_or_limited() {
    for status in [429, 500, 503, 404] {
        Stage::a_log_that_misbehaves_is_waited_out(Misbehaviour::Status(status)).await;
    }
}

#[tokio::test]
async fn redirects_lead_nowhere() {
    let trap = FakeHomeserver::start().await.unwrap();
    for to in [format!("{}/events/", trap.url()), "http://169.254.169.254/latest/meta-data/".into()] {
        Stage::a_log_that_misbehaves_is_waited_out(Misbehaviour::Redirect(to.clone())).await;
        Stage::a_record_that_misbehaves_is_left_out(Misbehaviour::Redirect(to), false).await;
    }
    assert_eq!(trap.requests(), 0, "nobody went there");
}

#[tokio::test]
async fn an_endless_record() {
    Stage::a_record_that_misbehaves_is_left_out(Misbehaviour::EndlessBody, false).await;
}

#[tokio::test]
async fn a_record_that_claims_to_be_huge() {
    Stage::a_record_that_misbehaves_is_left_out(Misbehaviour::ClaimedLength(1 << 40), false).await;
}

#[tokio::test]
async fn a_record_that_trickles_breaks_off_or_never_begins() {
    Stage::a_record_that_misbehaves_is_left_out(Misbehaviour::SlowLoris(Duration::from_millis(100)), true).await;
    Stage::a_record_that_misbehaves_is_left_out(Misbehaviour::Reset, true).await;
    Stage::a_record_that_misbehaves_is_left_out(Misbehaviour::Silence, true).await;
}

#[tokio::test]
async fn a_record_that_is_no_text_or_nested_without_end() {
    Stage::a_record_that_misbehaves_is_left_out(Misbehaviour::Body(Bytes::from_static(b"\xff\xfe{")), false).await;
    let deep = Bytes::from(format!(r#"{{"content":{}"#, "[".repeat(1_000_000)));
    Stage::a_record_that_misbehaves_is_left_out(Misbehaviour::Body(deep), false).await;
}

#[tokio::test]
async fn a_record_that_is_limited_too_long_is_tried_later() {
    Stage::a_record_that_misbehaves_is_left_out(Misbehaviour::Status(429), true).await;
}

#[tokio::test]
async fn everything_refused_at_once() {
    let stage = Stage::set(Where::Everywhere, Misbehaviour::Reset).await;
    let world = stage.start();
    stage.bad_one_gives_nothing().await;
    stage.bad_one_reforms().await;
    world.stop().await;
}
