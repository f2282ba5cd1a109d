//! A service that listens on a port of its own.

use nexus_atproto::Did;
use nexus_delivery::channel::{Config, Driver, Handle, Settlement};
use nexus_http::Readiness;
use nexus_journal::Head;
use nexus_model::{Seq, Timestamp};
use nexus_runtime::{CancellationToken, Clock};
use nexus_sync::effects::Effects;
use nexus_sync::event::{Event, Kind};
use nexus_sync::rules::Rules;
use nexus_sync::store::{Memory, Store};
use nexus_sync_server::api::{Api, Delivery, Health, Means, Password};
use nexus_sync_server::consumers::{Consumers, Desk, DeskParts};
use nexus_sync_server::source::{self, Room, Sources};
use nexus_sync_server::{SyncOutbox, WriterHandle, start};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) channel: Handle<Arc<str>>,
    pub(crate) consumers: Consumers,
    pub(crate) writer: WriterHandle,
    head: Arc<Head>,
    stop: CancellationToken,
    driver: JoinHandle<()>,
}

pub(crate) const ACKNOWLEDGED: Settlement = Settlement::Acknowledged { retry_millis: None };

/// Sources that are never started: a directory that is away, and no relay.
fn sources(store: &Arc<dyn Store>, writer: &WriterHandle) -> Sources {
    let folder = std::env::temp_dir();
    let parts = source::Parts {
        settings: source::Settings::new(Vec::new(), "http://127.0.0.1:9", folder, "nexus/test"),
        rules: Arc::new(Rules::default()),
        store: Arc::clone(store),
        writer: writer.clone(),
        clock: Clock::system(),
        random: Arc::new(|_| 0),
        readiness: Readiness::default(),
        room: watch::channel(Room::Open).1,
    };
    Sources::new(parts).unwrap()
}

impl Service {
    pub(crate) async fn start(password: Password, settlement: Settlement) -> Self {
        Self::start_on(Arc::new(Memory::default()), password, settlement).await
    }

    pub(crate) async fn start_with(delivery: Delivery) -> Self {
        Self::open(Arc::new(Memory::default()), Password::new(None, Health::Guarded), ACKNOWLEDGED, delivery).await
    }

    pub(crate) async fn start_on(store: Arc<dyn Store>, password: Password, settlement: Settlement) -> Self {
        Self::open(store, password, settlement, Delivery::Channel).await
    }

    async fn open(store: Arc<dyn Store>, password: Password, settlement: Settlement, delivery: Delivery) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let head = Arc::new(Head::new(store.last().unwrap()));
        let (writer, _) =
            start(Arc::clone(&store), Arc::new(Rules::default()), Clock::system(), Arc::clone(&head)).unwrap();
        let outbox = SyncOutbox::new(Arc::clone(&store), writer.clone(), Arc::clone(&head), "main");
        let settled = SyncOutbox::settled(&*store, "main").unwrap();
        let config = Config { settlement, store_millis: 20, ..Config::default() };
        let (driver, channel) = Driver::new(outbox, config, settled, Clock::system());
        let (desk, consumers) = Desk::new(DeskParts {
            store: Arc::clone(&store),
            writer: writer.clone(),
            head: Arc::clone(&head),
            config,
            max: 2,
            clock: Clock::system(),
        });
        let stop = CancellationToken::new();
        let (running, serving) = (driver.run(stop.clone()), desk.run(stop.clone()));
        let driver = tokio::spawn(async move {
            let (ran, served) = tokio::join!(running, serving);
            ran.unwrap();
            served.unwrap();
        });
        let sources = sources(&store, &writer);
        let means = Means {
            store: Arc::clone(&store),
            writer: writer.clone(),
            channel: channel.clone(),
            consumers: consumers.clone(),
            identities: sources.identities(),
            cursors: sources.cursors(),
            added: Arc::default(),
            clock: Clock::fixed(Timestamp::from_millis(90_500)),
        };
        let router = Api { means, password, delivery }.router();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, store, channel, consumers, writer, head, stop, driver }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Appends an event as a commit would.
    pub(crate) fn append(&self, name: &str, kind: Kind, body: &str) {
        let did: Did = format!("did:plc:{name}").parse().unwrap();
        let event = Event { did: did.clone(), kind, body: body.into() };
        let mut transaction = self.store.begin().unwrap();
        let effects = Effects { events: vec![event], ..Effects::default() };
        transaction.apply(&did, &effects, Timestamp::from_millis(0)).unwrap();
        let last: Seq = transaction.commit().unwrap();
        self.head.advance(last);
    }

    /// Ends the channel, as a shutdown does.
    pub(crate) async fn stop(self) -> Arc<dyn Store> {
        self.stop.cancel();
        self.driver.await.unwrap();
        self.store
    }
}
