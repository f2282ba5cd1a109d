//! A listener: accepts connections within its limits, and drains them when it is told to stop.

use crate::{
    Client, ConnectionLimits, Error, Site, TlsFiles,
    connection::{PerClient, Seat, Shared},
    tls::{Certificate, Tls},
};
use nexus_runtime::CancellationToken;
use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};

/// A bound port that doesn't answer yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
    limits: ConnectionLimits,
}

impl Server {
    /// Listens on `address`; port 0 takes a free one. Connections wait until [`Server::serve`].
    ///
    /// # Errors
    /// If the address can't be had or the certificate can't be used.
    pub async fn bind(address: SocketAddr, limits: ConnectionLimits, tls: Option<TlsFiles>) -> Result<Self, Error> {
        Self::bind_to(address, limits, tls.map(Tls::load).transpose()?).await
    }

    /// Like [`bind`](Self::bind), with TLS that proves what `identity` says and never changes. Which HTTP is spoken is
    /// agreed on as with certificates.
    ///
    /// # Errors
    /// If the address can't be had.
    pub async fn bind_as(
        address: SocketAddr,
        limits: ConnectionLimits,
        identity: rustls::ServerConfig,
    ) -> Result<Self, Error> {
        Self::bind_to(address, limits, Some(Tls::fixed(identity))).await
    }

    async fn bind_to(address: SocketAddr, limits: ConnectionLimits, tls: Option<Tls>) -> Result<Self, Error> {
        let failed = |source| Error::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, tls, limits })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients reach it.
    pub fn url(&self) -> String {
        self.url_at(self.address)
    }

    /// Where clients on this machine reach it, also when it listens on every interface.
    pub fn local_url(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        self.url_at(SocketAddr::new(ip, self.address.port()))
    }

    fn url_at(&self, address: SocketAddr) -> String {
        format!("{}://{address}", if self.tls.is_some() { "https" } else { "http" })
    }

    /// Answers with `site` until `stop`; then accepts no more, finishes what is open within the drain time and
    /// cuts the rest.
    ///
    /// # Errors
    /// None; the type fits `Tasks::spawn`.
    pub async fn serve(self, site: Site, stop: CancellationToken) -> Result<(), Infallible> {
        let certificate = self.tls.as_ref().and_then(Tls::certificate).cloned();
        let shared = Arc::new(Shared { site, tls: self.tls, limits: self.limits.clone(), stop: stop.clone() });
        let mut open = JoinSet::new();
        tokio::select! {
            () = accept(&self.listener, &shared, &mut open) => {}
            () = reload(certificate) => {}
            () = stop.cancelled() => {}
        }
        drop(self.listener);
        drain(open, self.limits.drain()).await;
        Ok(())
    }
}

/// Looks at the certificate's files now and then, without end.
async fn reload(certificate: Option<Certificate>) {
    let Some(certificate) = certificate else { return std::future::pending().await };
    loop {
        sleep(Duration::from_secs(certificate.reload_secs().max(1))).await;
        let certificate = certificate.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || certificate.reload()).await {
            tracing::warn!(%error, "the look at the certificate failed");
        }
    }
}

async fn accept(listener: &TcpListener, shared: &Arc<Shared>, open: &mut JoinSet<()>) {
    let places = Arc::new(Semaphore::new(shared.limits.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
    let clients = PerClient::default();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        while open.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, peer)) => begin(stream, peer, place, &clients, shared, open),
            Err(error) => pause_after(&error).await,
        }
    }
}

/// Out of file descriptors or the like: the loop must neither end nor spin.
async fn pause_after(error: &std::io::Error) {
    tracing::warn!(%error, "can't accept a connection");
    sleep(Duration::from_millis(50)).await;
}

fn begin(
    stream: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
    clients: &PerClient,
    shared: &Arc<Shared>,
    open: &mut JoinSet<()>,
) {
    let Some(seat) = seat(peer, clients, shared) else {
        metrics::counter!("http_connections_refused_total").increment(1);
        return;
    };
    let shared = shared.clone();
    open.spawn(async move {
        metrics::gauge!("http_connections").increment(1);
        shared.serve(stream, peer).await;
        metrics::gauge!("http_connections").decrement(1);
        drop((seat, place));
    });
}

/// A place for the client; trusted proxies have as many as they like.
fn seat(peer: SocketAddr, clients: &PerClient, shared: &Shared) -> Option<Option<Seat>> {
    if shared.site.proxies().contains(peer.ip()) {
        return Some(None);
    }
    clients.enter(Client(peer.ip().to_canonical()), shared.limits.max_connections_per_client).map(Some)
}

async fn drain(mut open: JoinSet<()>, patience: Duration) {
    let all_ended = async { while open.join_next().await.is_some() {} };
    if timeout(patience, all_ended).await.is_err() {
        tracing::warn!(connections = open.len(), "cut connections that did not end in time");
        open.shutdown().await;
    }
}
