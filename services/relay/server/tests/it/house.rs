//! A relay in a temporary folder, on a free port, as the program would run it.

use nexus_http::{ConnectionLimits, Readiness, Server, Site, TrustedProxies};
use nexus_model::Timestamp;
use nexus_nostr::{Event, Kind, SigningKey, Tags};
use nexus_relay::ports::StorageAdapter;
use nexus_relay_server::{
    adapters::NativeRelay,
    config::{Relay, RelayAddress},
    service::{Parts, Service},
};
use nexus_runtime::{Clock, Tasks};
use nexus_sqlite::{
    Durability,
    relay::{Settings, SqliteStorage},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// When every house is built.
pub(crate) const NOW: i64 = 1_700_000_000_000;
/// What clients know the relay by.
pub(crate) const URL: &str = "wss://relay.example.com";
/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) type TestRelay = NativeRelay<SqliteStorage>;

/// A running relay.
pub(crate) struct House {
    pub(crate) relay: Arc<TestRelay>,
    pub(crate) address: SocketAddr,
    pub(crate) clock: Clock,
    _folder: TempDir,
    tasks: Tasks,
    ended: JoinHandle<()>,
}

/// The defaults, with a name.
pub(crate) fn config() -> Relay {
    Relay { url: Some(RelayAddress::try_from(URL.to_owned()).expect("an address")), ..Relay::default() }
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: Relay) -> Self {
        Self::behind(config, TrustedProxies::default()).await
    }

    /// A house whose clients are those that `proxies` name.
    pub(crate) async fn behind(config: Relay, proxies: TrustedProxies) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings::new(Durability::Normal);
        let store = SqliteStorage::open_with(&folder.path().join("relay.sqlite"), settings).expect("a store");
        let clock = Clock::fixed(Timestamp::from_millis(NOW));
        let parts = Parts { config, store: Arc::new(store), clock: clock.clone(), judge: None, processors: 2 };
        let service = Service::build(parts).await.expect("a service");
        let site = Site::new(Readiness::default(), proxies, &clock);
        let (router, paths) = service.router();
        let site = site.mount("relay", paths, router);
        let limits = ConnectionLimits { header_timeout_secs: 1, ..ConnectionLimits::default() };
        let server = Server::bind(([127, 0, 0, 1], 0).into(), limits, None).await.expect("a port");
        let (address, tasks, relay) = (server.address(), Tasks::new(), service.relay());
        service.run(&tasks);
        tasks.spawn("http", |stop| server.serve(site, stop));
        let all = tasks.clone();
        let ended = tokio::spawn(async move { all.finish().await.expect("no task fails") });
        Self { relay, address, clock, _folder: folder, tasks, ended }
    }

    /// Waits until what is stored was passed on.
    pub(crate) async fn settled(&self) {
        let settled = async {
            while self.relay.delivered() < self.relay.storage().last_seq().await.expect("a store") {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("everything is passed on");
    }

    /// Waits until `condition` holds.
    pub(crate) async fn until(&self, what: &str, condition: impl AsyncFn(&Self) -> bool) {
        let holds = async {
            while !condition(self).await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, holds).await.unwrap_or_else(|_| panic!("{what}"));
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Begins to stop.
    pub(crate) fn stop(&self) {
        self.tasks.stop();
    }

    /// Waits until everything has ended.
    pub(crate) async fn ended(self) {
        tokio::time::timeout(PATIENCE, self.ended).await.expect("it ends").expect("no panic");
    }
}

pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes([number; 32]).expect("small numbers are valid keys")
}

/// An event by key `by`, dated at the house's time.
pub(crate) fn event(by: u8, kind: u16, tags: &[&[&str]], content: &str) -> Event {
    let tags = Tags::new(tags.iter().map(|tag| tag.iter().copied()));
    key(by).sign(Kind::new(kind), Timestamp::from_millis(NOW).into(), tags, content)
}
