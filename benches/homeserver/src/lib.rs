//! A homeserver's reading side over plain HTTP: `/events/`, `/events-stream` and resources by `pubky-host`, as
//! spec a.2 has them, filled by tests or by a generator, and able to misbehave in every way that the tests of
//! ingestion know.
//!
//! For tests and benchmarks only: anybody may write, and nothing is kept.

mod answer;
mod generate;
mod log;
mod misbehaviour;

pub use generate::{Network, Plan};
pub use misbehaviour::{Misbehaviour, Where};

use hyper_util::rt::TokioIo;
use log::Log;
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{net::TcpListener, task::JoinHandle};

/// A running homeserver. It ends when it is dropped.
#[derive(Debug)]
pub struct FakeHomeserver {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) log: Log,
    pub(crate) misbehaviours: Mutex<Vec<(Where, Misbehaviour)>>,
    requests: AtomicUsize,
}

impl FakeHomeserver {
    /// Starts one on a free port of the loopback address.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts one at an address.
    ///
    /// # Errors
    /// If the address can't be bound.
    pub async fn start_on(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let (address, shared) = (listener.local_addr()?, Arc::new(Shared::default()));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, accepting })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stores a record and writes the log. `path` begins with `/pub/`. Gives the log position.
    pub fn put(&self, user: &str, path: &str, body: impl Into<bytes::Bytes>) -> u64 {
        self.shared.log.put(user, path, body.into())
    }

    /// Removes a record and writes the log. Gives the log position.
    pub fn delete(&self, user: &str, path: &str) -> u64 {
        self.shared.log.delete(user, path)
    }

    /// Writes a line into the log that names no stored record, or another's.
    pub fn log_line(&self, verb: &'static str, uri: &str) -> u64 {
        self.shared.log.line(verb, uri)
    }

    /// Replays a generated network.
    pub fn load(&self, network: &Network) {
        for (user, path, body) in &network.records {
            self.put(user, path, body.clone());
        }
    }

    /// Misbehaves from now on, until [`FakeHomeserver::behave`]. The latest word for a place counts.
    pub fn misbehave(&self, at: Where, how: Misbehaviour) {
        self.misbehaviours().insert(0, (at, how));
    }

    /// Behaves from now on.
    pub fn behave(&self) {
        self.misbehaviours().clear();
    }

    /// How many requests it has answered or begun to answer.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }

    fn misbehaviours(&self) -> std::sync::MutexGuard<'_, Vec<(Where, Misbehaviour)>> {
        self.shared.misbehaviours.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FakeHomeserver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                // A socket without the option is slower, nothing else.
                let _ = socket.set_nodelay(true);
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = hyper::service::service_fn(move |request| {
                        shared.requests.fetch_add(1, Ordering::Relaxed);
                        answer::answer(Arc::clone(&shared), request)
                    });
                    // A client that goes away, or one that is to see a reset, ends its own connection only.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
