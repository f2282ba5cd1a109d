//! Users of other homeservers: discovered, streamed, moved, lost; and homeservers that are not what they seem.

use crate::{
    failing::Failing,
    world::{Ground, Writes, eventually, key, post_path, post_uri, profile_path, watcher},
};
use bytes::Bytes;
use nexus_config::Bounded;
use nexus_fake_homeserver::{FakeHomeserver, Misbehaviour, Where};
use nexus_social::row::UserState;
use nexus_social_server::{
    config::{Key, Network, Watcher},
    source::Ingested,
};
use std::sync::{Arc, atomic::Ordering::SeqCst};

/// A configured homeserver where user 1 lives, and an external one, number 90, where 2 and 3 live.
struct Stage {
    ground: Ground,
    home: FakeHomeserver,
    away: FakeHomeserver,
}

impl Stage {
    async fn set() -> Self {
        let (home, away) = (FakeHomeserver::start().await.unwrap(), FakeHomeserver::start().await.unwrap());
        let ground = Ground::new();
        ground.signposts.is_at(90, away.address());
        home.profile(1, "ann");
        for user in [2, 3] {
            ground.signposts.lives_at(user, 90);
            away.profile(user, "guest");
        }
        Self { ground, home, away }
    }

    fn watcher(&self) -> Watcher {
        watcher(&[&self.home])
    }
}

#[tokio::test]
async fn a_followed_stranger_is_found_and_streamed() {
    let stage = Stage::set().await;
    stage.away.post(2, 1, "history");
    stage.home.follow(1, 2);
    let world = stage.ground.start(stage.watcher());
    eventually("history", || stage.ground.has_post(2, 1) && stage.ground.name(2).as_deref() == Some("guest")).await;
    eventually("the follow", || stage.ground.edges() == 1 && stage.ground.retries().is_empty()).await;
    assert_eq!(stage.ground.host(2).unwrap().homeserver.as_ref(), key(90).as_str());
    let asked = stage.away.requests();
    stage.away.post(2, 2, "live");
    eventually("news", || stage.ground.has_post(2, 2)).await;
    eventually("the cursor", || stage.ground.user_cursor(90, 2) == 4).await;
    assert!(stage.away.requests() <= asked + 2, "one stream tells it all: only the record was asked for");
    assert_eq!(stage.ground.name(3), None, "nobody named the other user");
    stage.home.reply(1, 1, &post_uri(3, 7));
    eventually("the next one joins", || stage.ground.name(3).as_deref() == Some("guest")).await;
    world.stop().await;
}

#[tokio::test]
async fn ingest_by_key() {
    let stage = Stage::set().await;
    let mut careful = stage.watcher();
    careful.blacklist = vec![Key(key(3)), Key(key(91))];
    stage.ground.signposts.lives_at(4, 91);
    let world = stage.ground.start(careful);
    let ingest = |user: u8| {
        let ingestor = world.ingestor.clone();
        async move { ingestor.ingest(&key(user)).await.unwrap() }
    };
    assert_eq!(ingest(2).await, Ingested::Bound);
    assert_eq!(ingest(2).await, Ingested::Known);
    assert_eq!(ingest(3).await, Ingested::Blacklisted(key(3).as_str().into()));
    assert_eq!(ingest(4).await, Ingested::Blacklisted(key(91).as_str().into()));
    assert_eq!(ingest(5).await, Ingested::NotFound);
    assert_eq!(stage.ground.user(2).map(|user| user.state), Some(UserState::Stub));
    eventually("followed", || stage.ground.name(2).as_deref() == Some("guest")).await;
    world.stop().await;
}

#[tokio::test]
async fn a_user_of_a_configured_homeserver_is_not_sought_elsewhere() {
    let stage = Stage::set().await;
    stage.ground.signposts.lives_at(1, 90);
    let world = stage.ground.start(stage.watcher());
    eventually("read at home", || stage.ground.name(1).as_deref() == Some("ann")).await;
    stage.home.profile(5, "new");
    stage.ground.signposts.lives_at(5, 90);
    eventually("the newcomer", || stage.ground.name(5).is_some()).await;
    assert_eq!(stage.ground.host(5).unwrap().homeserver.as_ref(), stage.home.url());
    world.stop().await;
}

#[tokio::test]
async fn a_user_who_moves_is_followed_to_the_new_homeserver() {
    let stage = Stage::set().await;
    let new = FakeHomeserver::start().await.unwrap();
    stage.ground.signposts.is_at(91, new.address());
    let mut quick = stage.watcher();
    quick.resolver_ttl = nexus_config::Span::of(1_000);
    let world = stage.ground.start(quick);
    world.ingestor.ingest(&key(2)).await.unwrap();
    eventually("at the old one", || stage.ground.name(2).as_deref() == Some("guest")).await;
    new.profile(2, "moved");
    new.post(2, 1, "from the new place");
    stage.ground.signposts.lives_at(2, 91);
    eventually("at the new one", || stage.ground.name(2).as_deref() == Some("moved") && stage.ground.has_post(2, 1))
        .await;
    stage.away.post(2, 2, "from the old place");
    new.post(2, 3, "more");
    eventually("more", || stage.ground.has_post(2, 3)).await;
    assert!(!stage.ground.has_post(2, 2), "the old homeserver no longer speaks for the user");
    stage.ground.signposts.lives_nowhere(2);
    eventually("in doubt", || stage.ground.host(2).unwrap().stale).await;
    stage.ground.signposts.lives_at(2, 91);
    eventually("confirmed", || !stage.ground.host(2).unwrap().stale).await;
    world.stop().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_read_for_a_moment_is_waited_for() {
    let stage = Stage::set().await;
    let store = Arc::new(Failing::over(Arc::clone(&stage.ground.store)));
    store.reads.store(6, SeqCst);
    let world = stage.ground.start_on(Arc::<Failing>::clone(&store), stage.watcher());
    eventually("it is read again", || store.reads.load(SeqCst) == 0).await;
    stage.home.follow(1, 2);
    eventually("the follow", || stage.ground.edges() == 1 && stage.ground.retries().is_empty()).await;
    eventually("looked up by the rounds", || stage.ground.host(2).is_some()).await;
    world.stop().await;
}

#[tokio::test]
async fn one_unknown_user_does_not_stop_the_others() {
    let stage = Stage::set().await;
    stage.ground.signposts.lives_at(4, 90);
    let world = stage.ground.start(stage.watcher());
    for user in [4, 2, 3] {
        assert_eq!(world.ingestor.ingest(&key(user)).await.unwrap(), Ingested::Bound);
    }
    eventually("the known ones", || [2, 3].iter().all(|user| stage.ground.name(*user).as_deref() == Some("guest")))
        .await;
    stage.away.profile(4, "late");
    eventually("the late one", || stage.ground.name(4).as_deref() == Some("late")).await;
    world.stop().await;
}

/// What a hostile stream says changes nothing, and the configured homeserver's news come through.
async fn a_stream_that_misbehaves_is_left_alone(how: Misbehaviour) {
    let stage = Stage::set().await;
    stage.away.misbehave(Where::Stream, how);
    stage.home.follow(1, 2);
    let world = stage.ground.start(stage.watcher());
    eventually("bound", || stage.ground.host(2).is_some()).await;
    for n in 1..=3 {
        stage.home.post(1, n, "news");
        eventually("home goes on", || stage.ground.has_post(1, n)).await;
    }
    assert_eq!((stage.ground.user_cursor(90, 2), stage.ground.name(3)), (0, None));
    stage.away.behave();
    eventually("read after all", || stage.ground.name(2).as_deref() == Some("guest")).await;
    world.stop().await;
}

fn event(user: u8, path: &str, cursor: u64) -> String {
    format!("event: DEL\ndata: pubky://{}{path}\ndata: cursor: {cursor}\n\n", key(user))
}

#[tokio::test]
async fn a_stream_with_events_of_others() {
    let body = event(3, &profile_path(), 5);
    a_stream_that_misbehaves_is_left_alone(Misbehaviour::Body(Bytes::from(body))).await;
}

#[tokio::test]
async fn a_stream_whose_cursors_go_backwards() {
    let body = event(2, &post_path(1), 0);
    a_stream_that_misbehaves_is_left_alone(Misbehaviour::Body(Bytes::from(body))).await;
}

#[tokio::test]
async fn an_event_out_of_order_rejects_what_is_checked_with_it() {
    for (batch, read) in [(50, 0), (2, 2)] {
        let stage = Stage::set().await;
        let told: String = [1, 2, 3, 2].map(|cursor| event(2, &post_path(1), cursor)).concat();
        stage.away.misbehave(Where::Stream, Misbehaviour::Body(Bytes::from(told)));
        let mut watcher = stage.watcher();
        watcher.key_based_events_limit = nexus_config::Bounded::of(batch);
        let world = stage.ground.start(watcher);
        world.ingestor.ingest(&key(2)).await.unwrap();
        let asked = stage.away.requests();
        eventually("asked again", || stage.away.requests() > asked + 2).await;
        assert_eq!(stage.ground.user_cursor(90, 2), read, "in batches of {batch}");
        world.stop().await;
    }
}

#[tokio::test]
async fn streams_without_end_sense_or_patience() {
    for how in [
        Misbehaviour::EndlessBody,
        Misbehaviour::Body(Bytes::from(": nothing\n\n".repeat(200_000))),
        Misbehaviour::Body(Bytes::from_static(b"event: PUT\ndata: \xff\n\n")),
        Misbehaviour::Status(500),
        Misbehaviour::Reset,
        Misbehaviour::Silence,
        Misbehaviour::Redirect("http://127.0.0.1:1/".into()),
    ] {
        a_stream_that_misbehaves_is_left_alone(how).await;
    }
}

#[tokio::test]
async fn strangers_lead_nobody_into_private_networks() {
    let stage = Stage::set().await;
    let mut careful = stage.watcher();
    careful.private_networks = Network::Refuse;
    stage.home.follow(1, 2);
    let world = stage.ground.start(careful);
    eventually("bound", || stage.ground.host(2).is_some()).await;
    for n in 1..=5 {
        stage.home.post(1, n, "news");
        eventually("home, at a private address by the operator's word, goes on", || stage.ground.has_post(1, n)).await;
    }
    assert_eq!(stage.away.requests(), 0, "no connection was made");
    world.stop().await;
}

#[tokio::test]
async fn strangers_are_left_alone_where_nobody_elsewhere_is_followed() {
    let stage = Stage::set().await;
    let world = stage.ground.start(Watcher { follow_external: false, ..stage.watcher() });
    stage.home.follow(1, 2);
    eventually("it waits for the stranger", || stage.ground.retries().len() == 1).await;
    let last = stage.home.post(1, 1, "news");
    eventually("the log goes on", || stage.ground.cursor(&stage.home) == last).await;
    assert_eq!((stage.away.requests(), stage.ground.signposts.asked(), stage.ground.host(2)), (0, 0, None));
    world.stop().await;
}

#[tokio::test]
async fn no_more_homeservers_are_followed_than_the_settings_allow_those_with_most_users_first() {
    let (stage, third) = (Stage::set().await, FakeHomeserver::start().await.unwrap());
    stage.ground.signposts.is_at(91, third.address());
    stage.ground.signposts.lives_at(4, 91);
    third.profile(4, "alone");
    let everybody = stage.ground.start(stage.watcher());
    for user in [2, 3, 4] {
        everybody.ingestor.ingest(&key(user)).await.unwrap();
    }
    eventually("all are followed", || {
        [2, 3, 4].iter().all(|user| stage.ground.name(*user).is_some_and(|name| name != "[DELETED]"))
    })
    .await;
    everybody.stop().await;
    let asked = third.requests();
    let world = stage.ground.start(Watcher { monitored_homeservers_limit: Bounded::of(1), ..stage.watcher() });
    third.post(4, 1, "to nobody");
    stage.away.post(2, 1, "news");
    stage.away.post(3, 1, "news");
    eventually("the larger one is followed", || stage.ground.has_post(2, 1) && stage.ground.has_post(3, 1)).await;
    assert_eq!((third.requests(), stage.ground.has_post(4, 1)), (asked, false));
    world.stop().await;
}
