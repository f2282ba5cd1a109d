//! One connection: handshake, then requests until either side has enough or the server stops.

use crate::{
    Client, ConnectionLimits, Site,
    pieces::Streams,
    stall::{Impatient, StallLimit},
    tls::Tls,
};
use axum::body::Body;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use nexus_runtime::CancellationToken;
use socket2::{SockRef, TcpKeepalive};
use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{sleep, timeout},
};

/// After how much silence the kernel asks whether the peer is there, and how often from then on.
const ASK_AFTER: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_secs(15);

/// How long a peer may leave what was sent without a sign that it has arrived, or have no room for more.
const GONE_AFTER: Duration = Duration::from_secs(120);

/// What every connection of a server shares.
pub(crate) struct Shared {
    pub(crate) site: Site,
    pub(crate) tls: Option<Tls>,
    pub(crate) limits: ConnectionLimits,
    pub(crate) stop: CancellationToken,
}

impl Shared {
    /// Serves a connection until it ends. Errors of peers are theirs: they end the connection, nothing else.
    pub(crate) async fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = prepare(&stream, &self.limits) {
            tracing::debug!(%peer, %error, "a connection keeps the system's settings");
        }
        let Some(tls) = &self.tls else { return self.speak(stream, peer, Version::Http1).await };
        match timeout(self.limits.header_timeout(), tls.acceptor().accept(stream)).await {
            Ok(Ok(secured)) => {
                let version = Version::agreed(secured.get_ref().1.alpn_protocol());
                self.speak(secured, peer, version).await;
            }
            Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
        }
    }

    async fn speak<S>(&self, stream: S, peer: SocketAddr, version: Version)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (site, began) = (self.site.clone(), Arc::new(AtomicBool::new(false)));
        let (asked, stall, streams) = (began.clone(), StallLimit::default(), Streams::default());
        let executor = streams.clone();
        let stream = TokioIo::new(Impatient::new(stream, stall.clone()));
        let answer = service_fn(move |mut request: http::Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(stall.clone());
            if request.version() == http::Version::HTTP_2 {
                request.extensions_mut().insert(streams.begin());
            }
            let site = site.clone();
            async move { Ok::<_, Infallible>(site.answer(peer, request.map(Body::new)).await) }
        });
        let ended = match version {
            Version::Http1 => {
                let connection = http1(&self.limits).serve_connection(stream, answer).with_upgrades();
                self.drive(connection, |open| open.graceful_shutdown(), &began).await
            }
            Version::Http2 => {
                let connection = http2(&self.limits, executor).serve_connection(stream, answer);
                self.drive(connection, |open| open.graceful_shutdown(), &began).await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a connection broke");
        }
    }

    /// Runs a connection to its end: its own, a stop's, or that of our patience with who never asks anything.
    async fn drive<C>(&self, connection: C, finish: fn(Pin<&mut C>), began: &AtomicBool) -> C::Output
    where
        C: Future<Output = Result<(), hyper::Error>>,
    {
        let mut connection = pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = silence(began, self.limits.header_timeout()) => return Ok(()),
            () = self.stop.cancelled() => {}
        }
        finish(connection.as_mut());
        connection.await
    }
}

/// Small messages leave at once, and a peer that vanished without a word is noticed within some two minutes: no
/// protocol here can tell one from a client that is busy.
fn prepare(stream: &TcpStream, limits: &ConnectionLimits) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(ASK_AFTER).with_interval(ASK_EVERY))?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_user_timeout(Some(GONE_AFTER))?;
        limits.max_unsent_bytes.map_or(Ok(()), |bytes| socket.set_tcp_notsent_lowat(bytes))
    }
    #[cfg(not(target_os = "linux"))]
    limits.max_unsent_bytes.map_or(Ok(()), |bytes| socket.set_send_buffer_size(bytes as usize))
}

/// Ends when no request came in time. HTTP/1 limits the time of each request's head; the wait for the first
/// bytes of an HTTP/2 connection has no other limit.
async fn silence(began: &AtomicBool, patience: Duration) {
    sleep(patience).await;
    if began.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}

/// Which HTTP a connection speaks. It is agreed on in the TLS handshake and never guessed from the first
/// bytes, because waiting for those has no time limit. Without TLS it is HTTP/1.
#[derive(Clone, Copy)]
enum Version {
    Http1,
    Http2,
}

impl Version {
    fn agreed(alpn: Option<&[u8]>) -> Self {
        if alpn == Some(b"h2") { Self::Http2 } else { Self::Http1 }
    }
}

fn http1(limits: &ConnectionLimits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout())
        .max_buf_size(limits.max_header_bytes.max(8192));
    http
}

fn http2(limits: &ConnectionLimits, streams: Streams) -> http2::Builder<Streams> {
    let mut http = http2::Builder::new(streams);
    http.timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(limits.header_timeout());
    http
}

/// How many connections each client has; one of IPv6 is its network.
#[derive(Clone, Default)]
pub(crate) struct PerClient(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl PerClient {
    /// Counts a connection, unless the client has `limit` already.
    pub(crate) fn enter(&self, client: Client, limit: usize) -> Option<Seat> {
        let address = client.bucket();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Seat { clients: self.clone(), address })
    }
}

/// A counted connection; dropping it frees its place.
pub(crate) struct Seat {
    clients: PerClient,
    address: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody but the kernel shows these to a client.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_peer_that_vanished_is_noticed_and_little_is_left_unsent() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let _client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connects");
        let (accepted, _) = listener.accept().await.expect("a connection");
        let socket = SockRef::from(&accepted);
        let unlimited = socket.tcp_notsent_lowat().expect("a number");
        prepare(&accepted, &ConnectionLimits::default()).expect("prepared");
        assert_eq!(socket.tcp_notsent_lowat().expect("a number"), unlimited);
        assert!(socket.keepalive().expect("a flag") && socket.tcp_nodelay().expect("a flag"));
        assert_eq!(socket.tcp_keepalive_time().expect("a time"), ASK_AFTER);
        assert_eq!(socket.tcp_user_timeout().expect("a time"), Some(GONE_AFTER));
        let limits = ConnectionLimits { max_unsent_bytes: Some(9_999), ..ConnectionLimits::default() };
        prepare(&accepted, &limits).expect("prepared");
        assert_eq!(socket.tcp_notsent_lowat().expect("a number"), 9_999);
    }

    /// Over sockets every client of a test has one address, so this is asked here.
    #[test]
    fn a_network_of_ipv6_has_the_places_of_one_client() {
        let clients = PerClient::default();
        let enter = |text: &str| clients.enter(Client(text.parse().expect("an address")), 1);
        let first = enter("2001:db8::1");
        assert!(first.is_some() && enter("2001:db8::2").is_none());
        let second = enter("2001:db8:0:1::1");
        assert!(second.is_some() && enter("192.0.2.1").is_some() && enter("192.0.2.1").is_some(), "dropped at once");
        drop(first);
        assert!(enter("2001:db8::2").is_some());
        drop(second);
        assert_eq!(clients.0.lock().map_or(usize::MAX, |open| open.len()), 0, "nothing is kept of who has left");
    }
}
