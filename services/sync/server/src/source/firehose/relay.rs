//! Reading one relay: connecting, and again; telling what is hostile from what is to be verified; never more in work
//! than allowed. What is over that stays in the socket, so that a relay that sends faster than its messages are
//! handled is held back by TCP, and no other relay is.

use super::shard::Told;
use super::stream::{Attempt, Job, Stream};
use crate::source::patience::Backoff;
use crate::source::{Random, measure, settings};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use nexus_atproto::{Did, Frame, Reason};
use nexus_runtime::CancellationToken;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Until a connection is open.
const CONNECT: Duration = Duration::from_secs(15);

/// A connection that was open for this long was a good one: the next is tried at once.
const GOOD: Duration = Duration::from_secs(60);

/// What a message in work takes beside its own bytes.
const OVERHEAD: usize = 1_024;

/// Refused cursors until the stream is begun at its newest message.
const FUTURE_CURSORS: u32 = 3;

/// Messages in a row that can't be read until the connection is given up.
const BAD_IN_A_ROW: u32 = 100;

/// Above the size of messages that are handled, so that one over it is dropped and not the connection.
const ROOM: usize = 16 << 20;

/// Reads one relay.
pub(super) struct Relay {
    pub(super) stream: Arc<Stream>,
    pub(super) settings: settings::Firehose,
    pub(super) user_agent: String,
    pub(super) random: Random,
    pub(super) shards: Vec<mpsc::UnboundedSender<Told>>,
    /// Sends all messages about one account to one shard; the same for all relays.
    pub(super) hasher: RandomState,
    pub(super) permits: Arc<Semaphore>,
    pub(super) received: measure::Received,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The service stops.
    Stopping,
    /// It could not be opened.
    Unreachable,
    /// It was closed, or broke.
    Closed,
    /// Nothing came for too long.
    Silent,
    /// The relay doesn't know the position that was asked for.
    FutureCursor,
    /// The relay gave up for another reason.
    GivenUp,
    /// What comes is no firehose.
    Strange,
    /// A message that no connection survives.
    TooLarge,
}

impl Ended {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Stopping => "stopping",
            Self::Unreachable => "unreachable",
            Self::Closed => "closed",
            Self::Silent => "silent",
            Self::FutureCursor => "future_cursor",
            Self::GivenUp => "given_up",
            Self::Strange => "strange",
            Self::TooLarge => "too_large",
        }
    }
}

impl Relay {
    /// Reads until the service stops.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::default();
        let mut refused = 0;
        loop {
            let begun = Instant::now();
            let ended = self.connect_and_read(&stop).await;
            if ended == Ended::Stopping {
                return;
            }
            measure::stream(&self.stream.relay, ended.as_str());
            tracing::info!(relay = %self.stream.relay, why = ended.as_str(), "a connection to a relay ended");
            refused = if ended == Ended::FutureCursor { refused + 1 } else { 0 };
            if refused >= FUTURE_CURSORS {
                tracing::warn!(relay = %self.stream.relay, "the relay doesn't know our position: its newest message is next");
                self.stream.tide().forget_newest();
                refused = 0;
            }
            if ended == Ended::TooLarge {
                self.stream.tide().skip_next();
            }
            if begun.elapsed() >= GOOD {
                backoff.reset();
            } else if backoff.failures() > 0 || ended == Ended::Unreachable {
                self.stream.connected.lost();
            }
            tokio::select! {
                () = sleep(backoff.next(&self.random)) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn connect_and_read(&self, stop: &CancellationToken) -> Ended {
        let opened = tokio::select! {
            opened = timeout(CONNECT, self.open()) => opened,
            () = stop.cancelled() => return Ended::Stopping,
        };
        match opened {
            Ok(Ok(socket)) => {
                self.stream.connected.reached();
                self.read(socket, stop).await
            }
            Ok(Err(error)) => {
                tracing::debug!(relay = %self.stream.relay, %error, "a relay can't be reached");
                Ended::Unreachable
            }
            Err(_) => Ended::Unreachable,
        }
    }

    async fn open(&self) -> Result<Socket, tungstenite::Error> {
        let mut request = url(&self.stream.relay, self.stream.tide().newest()).into_client_request()?;
        if let Ok(agent) = HeaderValue::from_str(&self.user_agent) {
            request.headers_mut().insert("User-Agent", agent);
        }
        let most = Some(self.settings.max_message.saturating_add(ROOM));
        let config = WebSocketConfig::default().max_message_size(most).max_frame_size(most);
        Ok(connect_async_with_config(request, Some(config), true).await?.0)
    }

    async fn read(&self, mut socket: Socket, stop: &CancellationToken) -> Ended {
        let mut heard = Instant::now();
        let mut ping = interval(self.settings.silence / 2);
        let mut bad = 0;
        loop {
            let message = tokio::select! {
                biased;
                () = stop.cancelled() => return Ended::Stopping,
                message = socket.next() => message,
                _ = ping.tick() => {
                    if heard.elapsed() >= self.settings.silence {
                        return Ended::Silent;
                    }
                    // A connection that takes no ping is noticed by its silence.
                    let _ = timeout(self.settings.silence / 4, socket.send(Message::Ping(Bytes::new()))).await;
                    continue;
                }
            };
            heard = Instant::now();
            let ended = match message {
                Some(Ok(Message::Binary(message))) => self.take(message, &mut bad, stop).await,
                Some(Ok(Message::Text(_))) => Some(Ended::Strange),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => None,
                Some(Err(tungstenite::Error::Capacity(_))) => Some(Ended::TooLarge),
                Some(Ok(Message::Close(_)) | Err(_)) | None => Some(Ended::Closed),
            };
            if let Some(ended) = ended {
                return ended;
            }
        }
    }

    /// Takes a message. Gives the reason if it ends the connection.
    async fn take(&self, message: Bytes, bad: &mut u32, stop: &CancellationToken) -> Option<Ended> {
        self.received.count();
        if message.len() > self.settings.max_message {
            measure::rejected("message_size");
            return None;
        }
        let frame = match Frame::parse(&message) {
            Ok(frame) => frame,
            Err(error) => {
                measure::rejected("message");
                tracing::debug!(relay = %self.stream.relay, %error, "a message can't be read");
                *bad += 1;
                return (*bad >= BAD_IN_A_ROW).then_some(Ended::Strange);
            }
        };
        *bad = 0;
        match &frame {
            Frame::Info(notice) => {
                let is_gap = notice.name == "OutdatedCursor";
                measure::stream(&self.stream.relay, if is_gap { "outdated_cursor" } else { "info" });
                tracing::warn!(relay = %self.stream.relay, name = notice.name, "a relay says something about its stream");
                return None;
            }
            Frame::Error(notice) => {
                tracing::warn!(relay = %self.stream.relay, name = notice.name, "a relay gives up");
                measure::stream(
                    &self.stream.relay,
                    if notice.name == "ConsumerTooSlow" { "too_slow" } else { "error" },
                );
                return Some(if notice.name == "FutureCursor" { Ended::FutureCursor } else { Ended::GivenUp });
            }
            Frame::Unknown(_) => return None,
            Frame::Commit(_) | Frame::Sync(_) | Frame::Identity(_) | Frame::Account(_) => {}
        }
        let (Some(position), Some(account)) = (frame.seq(), frame.account()) else { return None };
        let Ok(did) = account.parse() else {
            measure::rejected(Reason::Syntax.as_str());
            return None;
        };
        self.hand_on(message, position, did, stop).await
    }

    fn shard(&self, did: &Did) -> usize {
        let shards = self.shards.len() as u64;
        usize::try_from(self.hasher.hash_one(did) % shards).unwrap_or_default()
    }

    async fn hand_on(&self, message: Bytes, position: i64, did: Did, stop: &CancellationToken) -> Option<Ended> {
        let weight = (message.len() + OVERHEAD).min(self.settings.in_work);
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        let permit = tokio::select! {
            permit = Arc::clone(&self.permits).acquire_many_owned(weight) => permit,
            () = stop.cancelled() => return Some(Ended::Stopping),
        };
        // The semaphore is never closed.
        let Ok(permit) = permit else { return Some(Ended::Stopping) };
        let ticket = self.stream.tide().enter(position);
        let shard = self.shards.get(self.shard(&did))?;
        let job = Job { stream: Arc::clone(&self.stream), did, ticket, message, permit, attempt: Attempt::First };
        // A shard ends early only when the store fails, and then everything stops.
        shard.send(Told::Job(job)).err().map(|_| Ended::Stopping)
    }
}

/// The address of a relay's stream from behind `position`.
fn url(relay: &str, position: Option<i64>) -> String {
    let relay = relay.trim_end_matches('/');
    let (scheme, host) = relay.split_once("://").unwrap_or(("https", relay));
    let scheme = if matches!(scheme, "http" | "ws") { "ws" } else { "wss" };
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    let cursor = position.map(|position| format!("?cursor={position}"));
    format!("{scheme}://{host}/xrpc/com.atproto.sync.subscribeRepos{}", cursor.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_the_streams_whatever_the_configuration_says() {
        let path = "/xrpc/com.atproto.sync.subscribeRepos";
        assert_eq!(url("https://relay.net", None), format!("wss://relay.net{path}"));
        assert_eq!(url("http://127.0.0.1:80/x?y", Some(7)), format!("ws://127.0.0.1:80{path}?cursor=7"));
        assert_eq!(url("https://relay.net/", Some(0)), format!("wss://relay.net{path}?cursor=0"));
    }
}
