//! The API by key: found through pkarr and proven by TLS, with pkarr's own client on the other end.

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use nexus_http::{ConnectionLimits, Paths, Readiness, Server, Site, TrustedProxies};
use nexus_model::Timestamp;
use nexus_pubky::PubkyId;
use nexus_runtime::{CancellationToken, Clock};
use nexus_social_server::{
    config::{self, Pkarr, Watcher},
    keyed::Keyed,
    source::PkarrDirectory,
};
use pkarr::{InMemoryCache, Keypair, PublicKey, SignedPacket, dns::rdata::SVCB};
use std::{
    collections::HashMap,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch};

/// A pkarr relay: keeps one packet for each key, and counts what it is given.
#[derive(Clone)]
struct Relay {
    packets: Arc<Mutex<HashMap<String, Bytes>>>,
    puts: watch::Sender<usize>,
    /// How many publications it refuses first.
    refusals: usize,
}

impl Relay {
    /// A relay and where it is.
    async fn start(refusals: usize) -> (Self, String) {
        let relay = Self { packets: Arc::default(), puts: watch::Sender::new(0), refusals };
        let router = Router::new().route("/{key}", get(Self::get).put(Self::put)).with_state(relay.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router).await });
        (relay, url)
    }

    async fn get(State(relay): State<Self>, Path(key): Path<String>) -> Result<Bytes, StatusCode> {
        relay.packets.lock().unwrap().get(&key).cloned().ok_or(StatusCode::NOT_FOUND)
    }

    async fn put(State(relay): State<Self>, Path(key): Path<String>, packet: Bytes) -> StatusCode {
        let count = *relay.puts.borrow() + 1;
        let taken = count > relay.refusals;
        if taken {
            relay.packets.lock().unwrap().insert(key, packet);
        }
        relay.puts.send_replace(count);
        if taken { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    }

    /// Waits for so many publications.
    async fn until(&self, puts: usize) {
        let mut told = self.puts.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(20), told.wait_for(|count| *count >= puts)).await;
        waited.expect("it is published in time").unwrap();
    }
}

/// A key in a folder of its own, published as `change` has it.
fn keyed(folder: &TempDir, relay: &str, change: impl FnOnce(&mut config::Keyed)) -> Keyed {
    let bind = Some("127.0.0.1:0".parse().unwrap());
    let mut settings = config::Keyed { bind, publish: true, ..config::Keyed::default() };
    change(&mut settings);
    let watcher = Watcher { pkarr: Pkarr::Relays, pkarr_relays: vec![relay.into()], ..Watcher::default() };
    let (directory, clock) = (Arc::new(PkarrDirectory::new(&watcher)), Clock::system());
    Keyed::open(&settings, &folder.path().join("secret"), directory, clock).unwrap().unwrap()
}

/// Serves one path, and gives the address.
async fn serve(keyed: &Keyed) -> SocketAddr {
    let limits = ConnectionLimits::default();
    let server = Server::bind_as(keyed.bind().address(), limits, keyed.tls()).await.unwrap();
    let (address, clock) = (server.address(), Clock::fixed(Timestamp::from_millis(0)));
    let router = Router::new().route("/v0/info", get(|| async { "hello" }));
    let site = Site::new(Readiness::default(), TrustedProxies::default(), &clock);
    let site = site.mount("social", &[Paths::Below("/v0")], router);
    tokio::spawn(server.serve(site, CancellationToken::new()));
    address
}

fn built(pkarr: &pkarr::ClientBuilder) -> reqwest::Client {
    reqwest::ClientBuilder::from(pkarr.build().unwrap()).build().unwrap()
}

/// A client that finds keys through one relay.
fn client(relay: &str) -> reqwest::Client {
    let mut pkarr = pkarr::Client::builder();
    pkarr.no_dht().relays(&[relay]).unwrap();
    built(&pkarr)
}

/// A client that takes `pair`'s holder to be at `address`.
fn misled(pair: &Keypair, address: SocketAddr) -> reqwest::Client {
    let mut service = SVCB::new(1, ".".try_into().unwrap());
    service.set_port(address.port());
    let records = SignedPacket::builder().https(".".try_into().unwrap(), service, 3600);
    let packet = records.address(".".try_into().unwrap(), address.ip(), 3600).sign(pair).unwrap();
    let cache = Arc::new(InMemoryCache::new(NonZeroUsize::MIN));
    pkarr::Cache::put(&*cache, &pair.public_key().into(), &packet);
    let mut pkarr = pkarr::Client::builder();
    pkarr.no_dht().relays(&["http://127.0.0.1:9"]).unwrap().cache(cache);
    built(&pkarr)
}

fn at(key: &PubkyId) -> String {
    format!("https://{key}/v0/info")
}

#[tokio::test]
async fn a_client_that_knows_the_key_alone_is_answered() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (folder, (relay, url)) = (TempDir::new().unwrap(), Relay::start(0).await);
    let keyed = keyed(&folder, &url, |_| {});
    let (key, address, stop) = (keyed.key(), serve(&keyed).await, CancellationToken::new());
    let publishing = tokio::spawn(keyed.publish(address, stop.clone()));
    relay.until(1).await;
    assert_eq!(client(&url).get(at(&key)).send().await.unwrap().text().await.unwrap(), "hello");
    stop.cancel();
    publishing.await.unwrap().unwrap();
}

#[tokio::test]
async fn whoever_lacks_the_key_is_not_taken_for_its_holder() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = TempDir::new().unwrap();
    let keyed = keyed(&folder, "http://127.0.0.1:9", |settings| settings.publish = false);
    let address = serve(&keyed).await;
    let own = Keypair::from_secret_key_file(&folder.path().join("secret")).unwrap();
    let reply = misled(&own, address).get(at(&keyed.key())).send().await.unwrap();
    assert_eq!(reply.text().await.unwrap(), "hello", "the way to the server is right");
    let other = Keypair::random();
    let refused = misled(&other, address).get(at(&other.to_z32().parse().unwrap())).send().await;
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test]
async fn it_is_published_again_and_again_after_failures_too() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (folder, (relay, url)) = (TempDir::new().unwrap(), Relay::start(1).await);
    let keyed = keyed(&folder, &url, |settings| {
        settings.republish = nexus_config::Span::of(1_000);
        settings.public_ip = Some("192.0.2.7".parse().unwrap());
    });
    let (key, stop) = (keyed.key(), CancellationToken::new());
    let publishing = tokio::spawn(keyed.publish("127.0.0.1:8081".parse().unwrap(), stop.clone()));
    let packet = || {
        let payload = relay.packets.lock().unwrap()[key.as_str()].clone();
        SignedPacket::from_relay_payload(&PublicKey::try_from(key.as_str()).unwrap(), &payload).unwrap()
    };
    relay.until(2).await;
    let first = packet();
    relay.until(3).await;
    assert!(packet().timestamp() > first.timestamp(), "the second packet replaces the first");
    let shown: Vec<_> = first.all_resource_records().map(|record| format!("{:?}", record.rdata)).collect();
    assert!(shown.iter().any(|record| record.contains("8081")), "{shown:?}");
    stop.cancel();
    publishing.await.unwrap().unwrap();
}

#[tokio::test]
async fn nothing_is_published_unless_that_is_wanted() {
    let (folder, (relay, url)) = (TempDir::new().unwrap(), Relay::start(0).await);
    let keyed = keyed(&folder, &url, |settings| settings.publish = false);
    keyed.publish("127.0.0.1:1".parse().unwrap(), CancellationToken::new()).await.unwrap();
    assert_eq!(*relay.puts.borrow(), 0);
}

#[test]
fn what_cannot_be_published_is_told() {
    let bind = |text: &str| Some(text.parse().unwrap());
    let settings = |bind, publish| config::Keyed { bind, publish, ..config::Keyed::default() };
    let needs = |settings: &config::Keyed, pkarr| settings.problem(pkarr).unwrap_or_default().to_owned();
    assert_eq!(needs(&settings(None, false), Pkarr::Off), "");
    assert!(needs(&settings(None, true), Pkarr::Public).contains("social.keyed.bind"));
    assert!(needs(&settings(bind("127.0.0.1:1"), true), Pkarr::Off).contains("social.watcher.pkarr"));
    let wide = settings(bind(":1"), true);
    assert!(needs(&wide, Pkarr::Public).contains("social.keyed.public_ip"));
    let named = config::Keyed { public_ip: Some("192.0.2.7".parse().unwrap()), ..wide };
    assert_eq!(needs(&named, Pkarr::Public), "");
}
