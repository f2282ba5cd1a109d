//! One homeserver: how it is reached, its open connections, and how many requests it gets at once.

use super::directory::{At, Directory, DirectoryError, Route, Security};
use crate::config::HomeserverAt;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use nexus_outgoing::ChosenBy;
use nexus_pubky::{Authority, PubkyId};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;

/// An open connection, waiting for a request.
pub(crate) type Connection = SendRequest<Empty<Bytes>>;

/// How long a looked-up route is used.
const ROUTE_HOLDS: Duration = Duration::from_secs(60);

/// A homeserver that is read.
pub(crate) struct Homeserver {
    /// Its key or base URL, as cursors and mappings name it.
    pub(crate) name: Arc<str>,
    /// Why it may speak for users.
    pub(crate) authority: Authority,
    /// What `Host` says.
    pub(crate) host: String,
    /// What paths begin with: empty, unless a base URL has a path.
    pub(crate) prefix: String,
    /// How many requests it gets at once.
    pub(crate) permits: Semaphore,
    chosen_by: ChosenBy,
    target: Target,
    idle: Mutex<Vec<Connection>>,
    routed: Mutex<Option<(Instant, Route)>>,
}

enum Target {
    Key(PubkyId),
    Fixed(Route),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("the address is not on the public internet")]
    Forbidden,
    #[error("connecting took too long")]
    Slow,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

impl Homeserver {
    /// A homeserver that the configuration names.
    pub(crate) fn configured(at: &HomeserverAt, requests: usize) -> Result<Self, url::ParseError> {
        match at {
            HomeserverAt::Key(key) => Ok(Self::by_key(*key, ChosenBy::Operator, requests)),
            HomeserverAt::Url(url) => Self::by_url(url, requests),
        }
    }

    /// A homeserver that is found through pkarr.
    pub(crate) fn by_key(key: PubkyId, chosen_by: ChosenBy, requests: usize) -> Self {
        let parts = (key.as_str().into(), key.to_string(), String::new());
        Self::new(parts, Authority::Pkarr, chosen_by, Target::Key(key), requests)
    }

    fn by_url(text: &str, requests: usize) -> Result<Self, url::ParseError> {
        let url = url::Url::parse(text)?;
        let name = url.host_str().ok_or(url::ParseError::EmptyHost)?.to_owned();
        let port = url.port_or_known_default().ok_or(url::ParseError::InvalidPort)?;
        let security = if url.scheme() == "https" { Security::WebPki(name.clone()) } else { Security::Plain };
        let host = url.port().map_or_else(|| name.clone(), |port| format!("{name}:{port}"));
        let parts = (text.into(), host, url.path().trim_end_matches('/').to_owned());
        let route = Route { at: At::Name(name, port), security };
        Ok(Self::new(parts, Authority::Configured, ChosenBy::Operator, Target::Fixed(route), requests))
    }

    fn new(
        (name, host, prefix): (Arc<str>, String, String),
        authority: Authority,
        chosen_by: ChosenBy,
        target: Target,
        requests: usize,
    ) -> Self {
        let permits = Semaphore::new(requests);
        let (idle, routed) = (Mutex::default(), Mutex::default());
        Self { name, authority, host, prefix, permits, chosen_by, target, idle, routed }
    }

    /// A connection that is ready: an idle one, or a new one.
    pub(crate) async fn connection(&self, network: &Network) -> Result<Connection, ConnectError> {
        loop {
            let idle = locked(&self.idle).pop();
            let Some(mut connection) = idle else { return self.connect(network).await };
            if connection.ready().await.is_ok() {
                return Ok(connection);
            }
        }
    }

    /// Opens a new connection.
    pub(crate) async fn connect(&self, network: &Network) -> Result<Connection, ConnectError> {
        timeout(network.patience, self.open(network)).await.unwrap_or(Err(ConnectError::Slow))
    }

    /// Takes a connection back whose answer was read to its end.
    pub(crate) fn keep(&self, connection: Connection) {
        locked(&self.idle).push(connection);
    }

    async fn open(&self, network: &Network) -> Result<Connection, ConnectError> {
        let route = self.route(&*network.directory).await?;
        let socket = match self.reach(&route.at).await {
            Ok(socket) => socket,
            Err(error) => {
                *locked(&self.routed) = None;
                return Err(error);
            }
        };
        socket.set_nodelay(true)?;
        match &route.security {
            Security::Plain => http(socket).await,
            Security::WebPki(name) => http(network.web.connect(server(name)?, socket).await?).await,
            Security::RawKey(key) => {
                let config = network.raw_key(*key)?;
                http(TlsConnector::from(config).connect(server(key.as_str())?, socket).await?).await
            }
        }
    }

    async fn route(&self, directory: &dyn Directory) -> Result<Route, DirectoryError> {
        let key = match &self.target {
            Target::Fixed(route) => return Ok(route.clone()),
            Target::Key(key) => key,
        };
        if let Some((since, route)) = &*locked(&self.routed)
            && since.elapsed() < ROUTE_HOLDS
        {
            return Ok(route.clone());
        }
        let route = directory.route(key).await?;
        *locked(&self.routed) = Some((Instant::now(), route.clone()));
        Ok(route)
    }

    /// Connects to the first address that is allowed and answers. What was checked is what is connected to: a
    /// name is looked up once.
    async fn reach(&self, at: &At) -> Result<TcpStream, ConnectError> {
        let addresses: Vec<SocketAddr> = match at {
            At::Addresses(addresses) => addresses.clone(),
            At::Name(name, port) => tokio::net::lookup_host((name.as_str(), *port)).await?.collect(),
        };
        self.chosen_by.connect(addresses).await.map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => ConnectError::Forbidden,
            _ => error.into(),
        })
    }
}

/// Begins HTTP on a stream. The task that drives it ends with the connection's handle.
async fn http<S>(stream: S) -> Result<Connection, ConnectError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (connection, driver) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // What goes wrong on a connection is told to the request that it carries.
        let _ = driver.await;
    });
    Ok(connection)
}

fn server(name: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).map_err(io::Error::other)
}

/// What connecting needs beside the homeserver.
pub(crate) struct Network {
    pub(crate) directory: Arc<dyn Directory>,
    patience: Duration,
    web: TlsConnector,
}

impl Network {
    /// Connects within `patience`.
    pub(crate) fn new(directory: Arc<dyn Directory>, patience: Duration) -> Result<Self, rustls::Error> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let web = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let web = TlsConnector::from(Arc::new(web.with_root_certificates(roots).with_no_client_auth()));
        Ok(Self { directory, patience, web })
    }

    /// TLS that accepts `key` and nobody else.
    fn raw_key(&self, key: PubkyId) -> io::Result<Arc<ClientConfig>> {
        super::raw_key::config(key).map(Arc::new).map_err(io::Error::other)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each holds one value that is replaced whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
