//! Configured homeservers: history, news, dependencies, restarts, and who may speak for whom.

use crate::world::{Ground, Writes, eventually, key, post_path, post_uri, profile_path, watcher};
use nexus_config::{Bounded, Size, Span};
use nexus_fake_homeserver::{FakeHomeserver, Misbehaviour, Network, Plan, Where};
use nexus_social::{
    effects::RetryReason,
    input::Input,
    row::UserState,
    store::{Store, Stored},
};
use nexus_social_server::config::{HomeserverAt, Key, Watcher};

#[tokio::test]
async fn history_is_read_and_news_follows() {
    let (at, ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
    at.profile(1, "ann");
    at.post(1, 1, "hello");
    let world = ground.start(watcher(&[&at]));
    eventually("caught up", || world.readiness.is_ready()).await;
    assert_eq!((ground.name(1).as_deref(), ground.has_post(1, 1)), (Some("ann"), true));
    assert_eq!(ground.host(1).unwrap().homeserver.as_ref(), at.url());
    at.delete(key(1).as_str(), &post_path(1));
    at.post(1, 2, "again");
    eventually("the news", || ground.has_post(1, 2) && !ground.has_post(1, 1)).await;
    eventually("the cursor", || ground.cursor(&at) == 4).await;
    world.stop().await;
}

#[tokio::test]
async fn nothing_configured_is_ready() {
    let world = Ground::new().start(watcher(&[]));
    assert!(world.readiness.is_ready());
    world.stop().await;
}

#[tokio::test]
async fn several_pages_and_several_homeservers_at_once() {
    let (one, two, ground) =
        (FakeHomeserver::start().await.unwrap(), FakeHomeserver::start().await.unwrap(), Ground::new());
    one.load(&Network::generate(Plan { events: 300, users: 20, seed: 1 }));
    two.load(&Network::generate(Plan { events: 200, users: 20, seed: 2 }));
    let world =
        ground.start(nexus_social_server::config::Watcher { events_limit: Bounded::of(7), ..watcher(&[&one, &two]) });
    eventually("caught up", || world.readiness.is_ready()).await;
    assert_eq!((ground.cursor(&one), ground.cursor(&two)), (300, 200));
    let users = ground.rows().iter().filter(|row| matches!(row, nexus_social::store::Stored::User(_))).count();
    assert_eq!(users, 40);
    world.stop().await;
}

#[tokio::test]
async fn a_restart_goes_on_at_the_durable_cursor() {
    let (at, ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
    at.profile(1, "ann");
    let world = ground.start(watcher(&[&at]));
    eventually("the first part", || ground.cursor(&at) == 1).await;
    world.stop().await;
    let asked = at.requests();
    at.post(1, 1, "meanwhile");
    let world = ground.start(watcher(&[&at]));
    eventually("the second part", || ground.has_post(1, 1)).await;
    world.stop().await;
    assert!(at.requests() > asked);
    assert_eq!(ground.posts().len(), 1);
}

#[tokio::test]
async fn what_waits_for_another_record_runs_when_it_arrives() {
    let (at, ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
    at.profile(1, "ann");
    at.profile(2, "bob");
    at.reply(2, 1, &post_uri(1, 1));
    let world = ground.start(watcher(&[&at]));
    eventually(
        "it waits",
        || matches!(ground.retries().as_slice(), [one] if one.reason == RetryReason::Dependency(post_uri(1, 1).into())),
    )
    .await;
    // The timer of this ground is ten minutes: only the arrival can bring it.
    at.post(1, 1, "the parent");
    eventually("it is there", || ground.has_post(2, 1) && ground.retries().is_empty()).await;
    world.stop().await;
}

#[tokio::test]
async fn a_failure_that_passes_is_tried_again() {
    let (at, ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
    at.profile(1, "ann");
    at.post(1, 1, "hello");
    at.misbehave(Where::Resource(post_path(1)), Misbehaviour::Status(503));
    let world = ground.start(watcher(&[&at]));
    eventually("it is queued", || ground.retries().len() == 1 && ground.cursor(&at) == 2).await;
    at.behave();
    eventually("it is there", || ground.has_post(1, 1) && ground.retries().is_empty()).await;
    world.stop().await;
}

#[tokio::test]
async fn what_was_to_be_tried_again_is_after_a_restart() {
    let (at, mut ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
    ground.policy.retry.transient_ms = 600_000;
    for (user, name) in [(1, "ann"), (2, "bob")] {
        at.profile(user, name);
    }
    at.post(1, 1, "refused for now");
    at.misbehave(Where::Resource(post_path(1)), Misbehaviour::Status(503));
    at.reply(2, 2, &post_uri(1, 3));
    let world = ground.start(watcher(&[&at]));
    eventually("both are queued", || ground.retries().len() == 2 && ground.cursor(&at) == 4).await;
    world.stop().await;
    at.behave();
    at.post(1, 3, "the parent");
    let world = ground.start(watcher(&[&at]));
    eventually("what waited for it came with it", || ground.has_post(2, 2) && ground.retries().len() == 1).await;
    assert_eq!(world.writer.ask(Input::Hurry(post_uri(1, 1).into())).await.map(|_| ()), Ok(()));
    eventually("what failed is tried when it is due", || ground.has_post(1, 1) && ground.retries().is_empty()).await;
    world.stop().await;
}

#[tokio::test]
async fn pages_and_records_are_as_large_as_the_settings_allow() {
    let (at, ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
    at.profile(1, "ann");
    at.post(1, 1, &"long ".repeat(300));
    let fits = at.post(1, 2, "short");
    let small = || Watcher { max_record_size: Size::of(1024), ..watcher(&[&at]) };
    let world = ground.start(small());
    eventually("the log is read", || ground.cursor(&at) == fits).await;
    assert_eq!((ground.has_post(1, 1), ground.has_post(1, 2), ground.retries().len()), (false, true, 0));
    world.stop().await;
    let last = (3..20).fold(fits, |_, n| at.post(1, n, "one of many"));
    let asked = at.requests();
    let world = ground.start(Watcher { max_page_size: Size::of(1024), ..watcher(&[&at]) });
    eventually("the page is refused, and asked for again", || at.requests() > asked + 2).await;
    assert_eq!(ground.cursor(&at), fits);
    world.stop().await;
    let world =
        ground.start(Watcher { max_page_size: Size::of(1024), events_limit: Bounded::of(5), ..watcher(&[&at]) });
    eventually("smaller pages are read", || ground.cursor(&at) == last).await;
    world.stop().await;
}

#[tokio::test]
async fn a_homeserver_that_comes_back_is_read_from_where_it_was() {
    let ground = Ground::new();
    let at = FakeHomeserver::start().await.unwrap();
    let address = at.address();
    at.profile(1, "ann");
    let world = ground.start(watcher(&[&at]));
    eventually("the first part", || ground.cursor(&at) == 1).await;
    at.misbehave(Where::Events, Misbehaviour::Status(500));
    at.post(1, 1, "during the outage");
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!((ground.cursor(&at), address), (1, at.address()));
    at.behave();
    eventually("the second part", || ground.has_post(1, 1)).await;
    world.stop().await;
}

#[tokio::test]
async fn newcomers_are_bound_though_their_log_was_left_off_while_the_writer_was_busy() {
    // The queue is full either at a profile or at the mapping that follows it: a few times, so that both happen.
    for _ in 0..4 {
        let (at, ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
        for user in 1..=250 {
            at.profile(user, "new");
        }
        let other_writer = ground.store.begin().unwrap();
        let world = ground.start(Watcher { poll_max: Span::of(10), ..watcher(&[&at]) });
        eventually("the queue is full", || at.requests() > 220).await;
        at.misbehave(Where::Events, Misbehaviour::Status(500));
        let asked = at.requests();
        eventually("the log is left off", || at.requests() > asked + 2).await;
        drop(other_writer);
        at.behave();
        let bound = || ground.rows().iter().filter(|row| matches!(row, Stored::Host(_))).count();
        eventually("everybody is bound", || ground.cursor(&at) >= 250 && bound() == 250).await;
        world.stop().await;
    }
}

#[tokio::test]
async fn what_is_not_indexed_is_passed_over() {
    let (at, ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
    let user = key(1);
    at.put(user.as_str(), "/pub/pubky.app/last_read", "{}");
    at.put(user.as_str(), "/pub/other.app/notes/1", "{}");
    at.put(user.as_str(), &profile_path(), r#"{"name":"x"}"#);
    at.log_line("PATCH", "nonsense");
    at.log_line("PUT", &post_uri(1, 9));
    at.post(1, 1, "nobody wrote this");
    at.profile(2, "bob");
    let world = ground.start(watcher(&[&at]));
    eventually("caught up", || world.readiness.is_ready()).await;
    assert_eq!((ground.name(1), ground.name(2).as_deref(), ground.cursor(&at)), (None, Some("bob"), 7));
    let waiting: Vec<_> = ground.retries().iter().map(|row| row.uri.to_string()).collect();
    assert_eq!(waiting, [post_uri(1, 1)], "a post without an author waits, what is gone or invalid does not");
    world.stop().await;
}

#[tokio::test]
async fn a_homeserver_by_key_speaks_only_for_those_who_live_there() {
    let (at, ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
    ground.signposts.is_at(90, at.address());
    ground.signposts.lives_at(1, 90);
    ground.signposts.lives_at(2, 91);
    at.profile(1, "ann");
    at.profile(2, "forged");
    at.profile(3, "unknown");
    let mut by_key = watcher(&[]);
    by_key.homeservers = vec![HomeserverAt::Key(key(90))];
    let world = ground.start(by_key);
    eventually("caught up", || world.readiness.is_ready()).await;
    assert_eq!((ground.name(1).as_deref(), ground.name(2), ground.name(3)), (Some("ann"), None, None));
    assert_eq!(ground.host(1).unwrap().homeserver.as_ref(), key(90).as_str());
    ground.signposts.lives_at(3, 90);
    eventually("found after all", || ground.name(3).as_deref() == Some("unknown")).await;
    world.stop().await;
}

#[tokio::test]
async fn a_long_history_of_an_unknown_user_is_one_question() {
    let (at, ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
    ground.signposts.is_at(90, at.address());
    ground.signposts.lives_at(1, 90);
    for n in 1..40 {
        at.post(3, n, "who am I");
    }
    at.profile(1, "ann");
    let mut by_key = watcher(&[]);
    by_key.homeservers = vec![HomeserverAt::Key(key(90))];
    by_key.resolver_interval = nexus_config::Span::of(600_000);
    let world = ground.start(by_key);
    eventually("caught up", || world.readiness.is_ready()).await;
    assert_eq!((ground.retries().len(), ground.signposts.asked()), (39, 2), "one question for each user");
    world.stop().await;
}

#[tokio::test]
async fn the_blacklist_is_never_fetched_from() {
    let (at, ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
    at.profile(1, "banned");
    at.profile(2, "bob");
    let mut careful = watcher(&[&at]);
    careful.blacklist = vec![Key(key(1))];
    let world = ground.start(careful);
    eventually("caught up", || world.readiness.is_ready()).await;
    assert_eq!((ground.name(1), ground.name(2).as_deref()), (None, Some("bob")));
    world.stop().await;
}

#[tokio::test]
async fn a_deleted_profile_leaves_a_tombstone() {
    let (at, ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
    at.profile(1, "ann");
    let world = ground.start(watcher(&[&at]));
    eventually("bound", || ground.host(1).is_some()).await;
    at.delete(key(1).as_str(), &profile_path());
    eventually("deleted", || ground.user(1).is_some_and(|user| user.state == UserState::Deleted)).await;
    at.profile(1, "ann again");
    eventually("revived", || ground.name(1).as_deref() == Some("ann again")).await;
    world.stop().await;
}
