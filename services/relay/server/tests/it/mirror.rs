use crate::stand::{Adapters, NOW, Served, TestRelay, key, relay, serve, sign, speaking};
use axum::{
    Router as Routes,
    extract::ws::{Message, WebSocketUpgrade},
    routing::any,
};
use nexus_journal::Head;
use nexus_model::{Raw, Timestamp};
use nexus_nostr::{Event, EventId, Filter, Kind, SigningKey, nip::nip42::RelayUrl};
use nexus_relay::{
    Asker, Intake, Protected, Terms,
    ports::{Source, StorageAdapter},
    settings::{Auth, Requirement, Settings},
};
use nexus_relay_server::{
    mirror::{Direction, Link, LinkError, LinkOptions, Method, Report, Router, Stream, SyncError, SyncOptions, sync},
    plugin,
};
use nexus_runtime::Clock;
use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

struct Node {
    relay: Arc<TestRelay>,
    head: Arc<Head>,
    served: Served,
}

async fn node(settings: Settings) -> Node {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (relay, head, _) = relay(settings).await;
    let served = serve(speaking(relay.clone())).await;
    Node { relay, head, served }
}

/// A relay that wants to know who asks.
fn private() -> Settings {
    Settings {
        urls: RelayUrl::parse("ws://127.0.0.1").into_iter().collect(),
        auth: Auth { required: Requirement::Required, ..Auth::default() },
        ..Settings::default()
    }
}

impl Node {
    fn url(&self) -> String {
        self.served.url.replace("http://", "ws://")
    }

    async fn publish(&self, event: &Event) {
        let terms = Terms { source: &Source::Import, protected: Protected::Taken, judge: None };
        let taken = self.relay.take_in(vec![Raw::new(event.clone())], terms).await.expect("memory");
        assert_ne!(taken, [Intake::Known]);
    }

    async fn ids(&self) -> BTreeSet<EventId> {
        let stored = self.relay.storage().query_events(&Filter::new()).await.expect("memory");
        stored.iter().map(|stored| stored.id).collect()
    }

    async fn has(&self, event: &Event) -> bool {
        self.relay.storage().event_exists(&event.id).await.expect("memory")
    }
}

fn link_options(key: Option<SigningKey>) -> LinkOptions {
    let clock = Clock::fixed(Timestamp::from_millis(NOW * 1_000));
    LinkOptions { key, patience: Duration::from_secs(20), clock }
}

fn note(number: i64) -> Event {
    sign(1, 1, number, &[], "a note")
}

async fn level(from: &Node, url: &str, options: &SyncOptions, key: Option<SigningKey>) -> Report {
    let mut link = Link::connect(url, link_options(key)).await.expect("a connection");
    sync::<Adapters>(&from.relay, &mut link, options).await.expect("both are level")
}

fn options(filter: Filter, direction: Direction) -> SyncOptions {
    SyncOptions { filter, direction, protected: Protected::Refused }
}

async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it holds in the end");
}

#[tokio::test]
async fn two_relays_are_brought_level_by_negentropy() {
    let (here, there) = (node(Settings::default()).await, node(Settings::default()).await);
    for number in 0..400 {
        if number % 3 != 0 {
            here.publish(&note(number)).await;
        }
        if number % 3 != 1 {
            there.publish(&note(number)).await;
        }
    }
    let down = level(&here, &there.url(), &options(Filter::new(), Direction::Down), None).await;
    assert_eq!((down.method, down.new, down.sent.taken), (Method::Negentropy, 134, 0));
    let both = level(&here, &there.url(), &options(Filter::new(), Direction::Both), None).await;
    assert_eq!((both.new, both.sent.taken, both.sent.refused), (0, 133, 0));
    assert_eq!(here.ids().await, there.ids().await);
    let again = level(&here, &there.url(), &options(Filter::new(), Direction::Both), None).await;
    assert_eq!(again, Report::default());
}

#[tokio::test]
async fn only_what_the_filter_names_is_brought_level_and_nothing_private_by_the_way() {
    let (here, there) = (node(Settings::default()).await, node(Settings::default()).await);
    let like = sign(1, 7, 0, &[], "+");
    let whisper = sign(1, 4, 0, &[&["p", &key(2).public_key().to_string()]], "?");
    for event in [&note(1), &like, &whisper] {
        here.publish(event).await;
    }
    let kinds = |kinds: &[u16]| Filter::new().with_kinds(kinds.iter().copied().map(Kind::new));
    level(&here, &there.url(), &options(kinds(&[7]), Direction::Up), None).await;
    assert_eq!(there.ids().await, BTreeSet::from([like.id]));
    level(&here, &there.url(), &options(Filter::new(), Direction::Up), None).await;
    assert!(there.has(&note(1)).await && !there.has(&whisper).await);
    // A stranger may not negotiate about private messages; they are sent all the same if the operator wants that.
    level(&here, &there.url(), &options(kinds(&[1, 4]), Direction::Up), Some(key(1))).await;
}

#[tokio::test]
async fn a_relay_that_wants_to_know_who_asks_is_told() {
    let (here, there) = (node(Settings::default()).await, node(private()).await);
    there.publish(&note(1)).await;
    here.publish(&note(2)).await;
    let both = options(Filter::new(), Direction::Both);
    let report = level(&here, &there.url(), &both, Some(key(9))).await;
    assert_eq!((report.method, report.new, report.sent.taken), (Method::Negentropy, 1, 1));
    let mut link = Link::connect(&there.url(), link_options(None)).await.expect("a connection");
    let refused = sync::<Adapters>(&here.relay, &mut link, &both).await.expect_err("a stranger");
    assert!(refused.to_string().contains("auth-required"), "{refused}");
}

/// A relay in front of another that knows nothing of negentropy.
async fn old_fashioned(behind: &Node) -> Served {
    let url = behind.url();
    let routes = Routes::new().route(
        "/",
        any(async move |upgrade: WebSocketUpgrade| {
            upgrade.on_upgrade(async move |mut near| {
                use futures_util::{SinkExt, StreamExt};
                use tokio_tungstenite::tungstenite::Message as Far;
                let (mut far, _) = tokio_tungstenite::connect_async(&url).await.expect("a connection");
                loop {
                    tokio::select! {
                        Some(Ok(message)) = near.recv() => match message {
                            Message::Text(text) if text.starts_with("[\"NEG") => {
                                let notice = Message::text(r#"["NOTICE","unknown message type"]"#);
                                if near.send(notice).await.is_err() { return }
                            }
                            Message::Text(text) => far.send(Far::text(text.as_str())).await.expect("it is there"),
                            Message::Close(_) => return,
                            _ => {}
                        },
                        Some(Ok(Far::Text(text))) = far.next() => {
                            if near.send(Message::text(text.as_str())).await.is_err() { return }
                        }
                        else => return,
                    }
                }
            })
        }),
    );
    serve(routes).await
}

#[tokio::test]
async fn an_old_fashioned_relay_is_read_page_by_page() {
    let mut small = Settings::default();
    (small.limits.limit, small.limits.boundary) = (7, 0);
    let (here, there) = (node(Settings::default()).await, node(small).await);
    for number in 0..40 {
        // Five of one second each, fewer than a page.
        there.publish(&sign(1, 1, number / 5, &[], &number.to_string())).await;
    }
    here.publish(&note(100)).await;
    let front = old_fashioned(&there).await;
    let url = front.url.replace("http://", "ws://");
    let report = level(&here, &url, &options(Filter::new(), Direction::Both), None).await;
    assert_eq!((report.method, report.new, report.sent.taken), (Method::Paging, 40, 1));
    assert_eq!(here.ids().await, there.ids().await);
}

/// A relay that listens to nobody, and tells the same three events in the subscription `sub` without an end.
async fn endless(sub: &'static str) -> Served {
    let texts: Vec<String> = (1..4).map(|number| format!(r#"["EVENT","{sub}",{}]"#, note(number).to_json())).collect();
    let routes = Routes::new().route(
        "/",
        any(async move |upgrade: WebSocketUpgrade| {
            upgrade.on_upgrade(async move |mut socket| {
                for text in texts.iter().cycle() {
                    if socket.send(Message::text(text.as_str())).await.is_err() {
                        return;
                    }
                }
            })
        }),
    );
    serve(routes).await
}

#[tokio::test]
async fn a_relay_that_talks_without_an_end_is_not_heard_for_ever() {
    let here = node(Settings::default()).await;
    let told = async |sub: &'static str| {
        let there = endless(sub).await;
        let patience = Duration::from_millis(300);
        let options = LinkOptions { patience, ..link_options(None) };
        let mut link = Link::connect(&there.url.replace("http://", "ws://"), options).await.expect("a connection");
        let level =
            async { sync::<Adapters>(&here.relay, &mut link, &self::options(Filter::new(), Direction::Down)).await };
        tokio::time::timeout(Duration::from_secs(60), level).await.expect("it ends")
    };
    let report = told("nexus-page").await.expect("what comes is taken");
    assert_eq!((report.method, report.new), (Method::Paging, 3));
    let silent = told("something else").await;
    assert!(matches!(silent, Err(SyncError::Link(LinkError::Silent))), "{silent:?}");
}

/// A router that runs, with streams that can be changed.
struct Routing {
    streams: watch::Sender<Vec<Stream>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Routing {
    fn start(node: &Node, streams: Vec<Stream>, key: Option<SigningKey>) -> Self {
        let (streams, changed) = watch::channel(streams);
        let stop = CancellationToken::new();
        let router = Router::<Adapters>::new(node.relay.clone(), node.head.watch(), link_options(key));
        let router = router.with_pauses(Duration::from_millis(20), Duration::from_millis(200));
        let running = router.run(changed, stop.clone());
        let task = tokio::spawn(async { running.await.expect("the store works") });
        Self { streams, stop, task }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.expect("it ends well");
    }
}

fn stream(name: &str, direction: Direction, url: String) -> Stream {
    Stream {
        name: name.to_owned(),
        direction,
        urls: vec![url],
        filter: Filter::new(),
        plugin_down: None,
        plugin_up: None,
        catch_up: false,
        protected: Protected::Refused,
    }
}

/// Waits until a stream is there: it has a subscription at the other end.
fn followed(node: &Node) -> impl Future<Output = ()> {
    use nexus_relay::ports::{CacheAdapter, WebSocketAdapter};
    eventually(async || {
        let connections = node.relay.sockets().connections();
        for conn in connections {
            if !node.relay.cache().get_subscriptions(conn).await.expect("memory").is_empty() {
                return true;
            }
        }
        false
    })
}

#[tokio::test]
async fn two_relays_that_follow_one_another_have_the_same_and_send_nothing_back() {
    let (here, there) = (node(Settings::default()).await, node(Settings::default()).await);
    let routing = Routing::start(&here, vec![stream("both", Direction::Both, there.url())], None);
    let back = Routing::start(&there, vec![stream("back", Direction::Both, here.url())], None);
    followed(&there).await;
    followed(&here).await;
    for number in 0..50 {
        let node = if number % 2 == 0 { &here } else { &there };
        node.publish(&note(number)).await;
    }
    eventually(async || here.ids().await.len() == 50 && there.ids().await.len() == 50).await;
    assert_eq!(here.ids().await, there.ids().await);
    routing.end().await;
    back.end().await;
}

/// A relay that takes everything, counts events by id, and sends what it is told to: `live` to whoever follows it,
/// `past` to whoever reads it page by page, as it knows nothing of negentropy.
async fn counter(live: Vec<Event>, past: Vec<Event>) -> (Served, Arc<std::sync::Mutex<Vec<String>>>) {
    let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noting = heard.clone();
    let routes = Routes::new().route(
        "/",
        any(async move |upgrade: WebSocketUpgrade| {
            upgrade.on_upgrade(async move |mut socket| {
                while let Some(Ok(Message::Text(text))) = socket.recv().await {
                    let message: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                    let answers: Vec<String> = match message[0].as_str() {
                        Some("EVENT") => {
                            let id = message[1]["id"].as_str().expect("an id").to_owned();
                            noting.lock().expect("no panic").push(id.clone());
                            vec![format!(r#"["OK","{id}",true,""]"#)]
                        }
                        Some("NEG-OPEN") => vec![r#"["NOTICE","unknown message type"]"#.to_owned()],
                        Some("REQ") => {
                            let events = if message[2]["limit"] == 0 { &live } else { &past };
                            let shown =
                                events.iter().map(|event| format!(r#"["EVENT",{},{}]"#, message[1], event.to_json()));
                            shown.chain([format!(r#"["EOSE",{}]"#, message[1])]).collect()
                        }
                        _ => Vec::new(),
                    };
                    for answer in answers {
                        if socket.send(Message::text(answer)).await.is_err() {
                            return;
                        }
                    }
                }
            })
        }),
    );
    (serve(routes).await, heard)
}

#[tokio::test]
async fn an_event_is_never_sent_back_to_where_it_came_from() {
    let here = node(Settings::default()).await;
    let (theirs, ours) = (note(1), note(2));
    let mut forged = note(3);
    forged.content.push('!');
    let (served, heard) = counter(vec![theirs.clone(), forged.clone()], Vec::new()).await;
    let routing = Routing::start(&here, vec![stream("s", Direction::Both, served.url.replace("http", "ws"))], None);
    eventually(async || here.has(&theirs).await).await;
    here.publish(&ours).await;
    eventually(async || !heard.lock().expect("no panic").is_empty()).await;
    assert_eq!(*heard.lock().expect("no panic"), [ours.id.to_string()]);
    assert!(!here.has(&forged).await);
    routing.end().await;
}

#[tokio::test]
async fn a_stream_catches_up_whenever_it_connects_and_connects_again() {
    let here = node(Settings::default()).await;
    let there = node(private()).await;
    there.publish(&note(1)).await;
    let mut wanted = stream("s", Direction::Down, there.url());
    wanted.catch_up = true;
    let routing = Routing::start(&here, vec![wanted], Some(key(9)));
    eventually(async || here.has(&note(1)).await).await;
    for conn in nexus_relay::ports::WebSocketAdapter::connections(there.relay.sockets()) {
        let _ = nexus_relay::ports::WebSocketAdapter::close(there.relay.sockets(), conn, 1001, "");
    }
    there.publish(&note(2)).await;
    eventually(async || here.has(&note(2)).await).await;
    there.publish(&note(3)).await;
    eventually(async || here.has(&note(3)).await).await;
    routing.end().await;
}

#[tokio::test]
async fn what_could_not_be_sent_is_sent_when_the_link_is_back() {
    let here = node(Settings::default()).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("an address");
    let routing = Routing::start(&here, vec![stream("s", Direction::Up, format!("ws://{address}/"))], None);
    let (caller, _) = silent.accept().await.expect("it calls");
    drop(caller);
    here.publish(&note(1)).await;
    drop(silent);
    let (heard, listener) = (Arc::new(std::sync::Mutex::new(Vec::new())), tokio::net::TcpListener::bind(address).await);
    let noting = heard.clone();
    let listener = listener.expect("the same port");
    let server = tokio::spawn(async move {
        use futures_util::StreamExt;
        let (stream, _) = listener.accept().await.expect("it calls again");
        let mut socket = tokio_tungstenite::accept_async(stream).await.expect("a WebSocket");
        while let Some(Ok(message)) = socket.next().await {
            noting.lock().expect("no panic").push(message.into_text().expect("text").to_string());
        }
    });
    eventually(async || heard.lock().expect("no panic").iter().any(|text| text.contains(&note(1).id.to_string())))
        .await;
    routing.end().await;
    server.abort();
}

#[tokio::test]
async fn what_a_stream_caught_up_with_is_not_sent_back_either() {
    let here = node(Settings::default()).await;
    let (theirs, ours) = (note(1), note(2));
    let (served, heard) = counter(Vec::new(), vec![theirs.clone()]).await;
    let mut wanted = stream("s", Direction::Both, served.url.replace("http", "ws"));
    wanted.catch_up = true;
    let routing = Routing::start(&here, vec![wanted], None);
    eventually(async || here.has(&theirs).await).await;
    here.publish(&ours).await;
    eventually(async || !heard.lock().expect("no panic").is_empty()).await;
    assert_eq!(*heard.lock().expect("no panic"), [ours.id.to_string()]);
    routing.end().await;
}

/// A plugin that refuses what calls itself spam.
fn against_spam(folder: &tempfile::TempDir) -> Option<plugin::Options> {
    let script = folder.path().join("plugin.py");
    let code = "import json, sys\nfor line in sys.stdin:\n    event = json.loads(line)['event']\n    \
                ok = 'spam' not in event['content']\n    \
                print(json.dumps({'id': event['id'], 'action': 'accept' if ok else 'reject'}), flush=True)\n";
    std::fs::write(&script, code).expect("a file");
    Some(plugin::Options::new(format!("python3 {}", script.display())))
}

#[tokio::test]
async fn plugins_judge_what_comes_and_what_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let judge = against_spam(&folder);
    let here = node(Settings::default()).await;
    let (good, spam) = (sign(1, 1, 1, &[], "good"), sign(1, 1, 2, &[], "spam"));
    let (served, heard) = counter(vec![spam.clone(), good.clone()], Vec::new()).await;
    let mut wanted = stream("s", Direction::Both, served.url.replace("http", "ws"));
    (wanted.plugin_down, wanted.plugin_up) = (judge.clone(), judge);
    let routing = Routing::start(&here, vec![wanted], None);
    eventually(async || here.has(&good).await).await;
    assert!(!here.has(&spam).await);
    let (first, second) = (sign(2, 1, 1, &[], "spam too"), sign(2, 1, 1, &[], "good too"));
    here.publish(&first).await;
    here.publish(&second).await;
    eventually(async || !heard.lock().expect("no panic").is_empty()).await;
    assert_eq!(*heard.lock().expect("no panic"), [second.id.to_string()]);
    routing.end().await;
}

#[tokio::test]
async fn plugins_judge_what_a_stream_catches_up_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let judge = against_spam(&folder);
    let (here, there) = (node(Settings::default()).await, node(Settings::default()).await);
    let (good, spam) = (sign(1, 1, 1, &[], "good"), sign(1, 1, 2, &[], "spam"));
    let (own, held_back) = (sign(2, 1, 1, &[], "good too"), sign(2, 1, 2, &[], "spam too"));
    for (node, events) in [(&there, [&good, &spam]), (&here, [&own, &held_back])] {
        node.publish(events[0]).await;
        node.publish(events[1]).await;
    }
    let mut wanted = stream("s", Direction::Both, there.url());
    (wanted.plugin_down, wanted.plugin_up, wanted.catch_up) = (judge.clone(), judge, true);
    let routing = Routing::start(&here, vec![wanted], None);
    // What is sent after the catching up is there after it.
    eventually(async || here.has(&good).await && there.has(&own).await).await;
    here.publish(&note(9)).await;
    eventually(async || there.has(&note(9)).await).await;
    assert!(!here.has(&spam).await && !there.has(&held_back).await);
    routing.end().await;
}

#[tokio::test]
async fn streams_change_while_others_go_on() {
    let here = node(Settings::default()).await;
    let (first, second) = (node(Settings::default()).await, node(Settings::default()).await);
    let to_first = stream("first", Direction::Down, first.url());
    let routing = Routing::start(&here, vec![to_first.clone()], None);
    followed(&first).await;
    let connected = || nexus_relay::ports::WebSocketAdapter::connections(first.relay.sockets());
    let before = connected();
    let to_second = stream("second", Direction::Down, second.url());
    routing.streams.send(vec![to_first, to_second.clone()]).expect("it listens");
    followed(&second).await;
    assert_eq!(connected(), before);
    second.publish(&note(2)).await;
    eventually(async || here.has(&note(2)).await).await;
    routing.streams.send(vec![to_second]).expect("it listens");
    eventually(async || connected().is_empty()).await;
    second.publish(&note(3)).await;
    eventually(async || here.has(&note(3)).await).await;
    let nobody = Asker::default();
    assert_eq!(here.relay.let_ask(&nobody), Ok(()));
    routing.end().await;
}

#[tokio::test]
async fn a_relay_follows_the_streams_of_its_configuration() {
    use crate::house::{House, config};
    use nexus_relay_server::config::{self as settings, RelayAddress};
    let _ = rustls::crypto::ring::default_provider().install_default();
    let there = House::new().await;
    let url = RelayAddress::try_from(format!("ws://{}", there.address)).expect("an address");
    let followed = settings::Stream { urls: vec![url], catch_up: true, ..settings::Stream::default() };
    let streams = vec![followed].into();
    let here = House::with(settings::Relay { streams, ..config() }).await;
    let terms = Terms { source: &Source::Import, protected: Protected::Refused, judge: None };
    for number in 0..3 {
        there.relay.take_in(vec![Raw::new(note(number))], terms).await.expect("a store");
        eventually(async || here.relay.storage().event_exists(&note(number).id).await.expect("a store")).await;
    }
    for house in [here, there] {
        house.stop();
        house.ended().await;
    }
}
