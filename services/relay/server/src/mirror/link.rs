//! A connection to another relay, as its client.

use futures_util::{FutureExt, SinkExt, StreamExt};
use nexus_nostr::{Ask, EventId, Kind, Reply, Seconds, SigningKey, Tags};
use nexus_runtime::Clock;
use std::{collections::VecDeque, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{self, Message, protocol::WebSocketConfig},
};

/// How large a message of another relay may be, in bytes.
const MAX_MESSAGE: usize = 4 << 20;

/// How long a challenge is waited for that must be answered.
const CHALLENGE: Duration = Duration::from_secs(2);
/// Messages that may wait while something else is waited for.
const MAX_ASIDE: usize = 10_000;

/// How another relay is spoken with.
#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// The key with which this relay says who it is, if it has one.
    pub key: Option<SigningKey>,
    /// How long the other side may take to answer.
    pub patience: Duration,
    /// Tells the time.
    pub clock: Clock,
}

/// A connection to another relay.
#[derive(Debug)]
pub struct Link {
    url: String,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    options: LinkOptions,
    proof: Proof,
    /// What came while something else was waited for.
    aside: Aside,
}

/// Messages that wait while something else is waited for. When there are too many the rest is dropped: a stream gets it
/// when it catches up.
#[derive(Debug, Default)]
struct Aside {
    replies: VecDeque<Reply>,
    dropped: usize,
}

impl Aside {
    fn put(&mut self, reply: Reply) {
        if self.replies.len() < MAX_ASIDE {
            self.replies.push_back(reply);
        } else {
            self.dropped += 1;
        }
    }

    /// Puts `others` before those that wait already.
    fn put_first(&mut self, others: Self, url: &str) {
        if others.dropped > 0 {
            tracing::warn!(url, dropped = others.dropped, "another relay says too much at once");
        }
        let later = std::mem::replace(&mut self.replies, others.replies);
        later.into_iter().for_each(|reply| self.put(reply));
    }
}

/// How far this side has proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    None,
    Sent(EventId),
    Accepted,
}

/// Why a link failed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The connection can't be made, or broke.
    #[error("the connection failed")]
    Socket(#[source] Box<tungstenite::Error>),
    /// The other side closed the connection.
    #[error("the other relay closed the connection")]
    Closed,
    /// The other side doesn't answer.
    #[error("the other relay doesn't answer")]
    Silent,
}

impl From<tungstenite::Error> for LinkError {
    fn from(error: tungstenite::Error) -> Self {
        Self::Socket(Box::new(error))
    }
}

impl Link {
    /// Connects to the relay at `url`, `ws://` or `wss://`.
    ///
    /// # Errors
    /// If the connection can't be made in time.
    pub async fn connect(url: &str, options: LinkOptions) -> Result<Self, LinkError> {
        let config = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        let connecting = connect_async_with_config(url, Some(config), true);
        let (socket, _) = timeout(options.patience, connecting).await.map_err(|_| LinkError::Silent)??;
        Ok(Self { url: url.to_owned(), socket, options, proof: Proof::None, aside: Aside::default() })
    }

    /// The other relay's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(super) async fn send(&mut self, ask: Ask<'_>) -> Result<(), LinkError> {
        self.send_text(ask.to_json()).await
    }

    async fn send_text(&mut self, text: String) -> Result<(), LinkError> {
        let sending = self.socket.send(Message::text(text));
        timeout(self.options.patience, sending).await.map_err(|_| LinkError::Silent)?.map_err(Into::into)
    }

    /// The next message, however long it takes. Authentication is answered on the way, and what can't be read is
    /// passed over. May be cancelled without losing a message.
    pub(super) async fn listen(&mut self) -> Result<Reply, LinkError> {
        if let Some(reply) = self.aside.replies.pop_front() {
            return Ok(reply);
        }
        loop {
            if let Some(reply) = self.read().await? {
                return Ok(reply);
            }
        }
    }

    /// The next message, if the other side has one ready.
    pub(super) fn listen_now(&mut self) -> Option<Result<Reply, LinkError>> {
        self.listen().now_or_never()
    }

    /// The next message that `wanted` takes, which must come in time whatever else is said. The others wait for
    /// [`Link::listen`].
    pub(super) async fn answer_to<T>(
        &mut self,
        mut wanted: impl FnMut(Reply) -> Result<T, Reply>,
    ) -> Result<T, LinkError> {
        let (mut others, patience) = (Aside::default(), self.options.patience);
        let waiting = async {
            loop {
                match wanted(self.listen().await?) {
                    Ok(answer) => return Ok(answer),
                    Err(other) => others.put(other),
                }
            }
        };
        let answer = timeout(patience, waiting).await.unwrap_or(Err(LinkError::Silent));
        self.aside.put_first(others, &self.url);
        answer
    }

    /// Puts a message back that was not what was waited for.
    pub(super) fn put_aside(&mut self, reply: Reply) {
        self.aside.put(reply);
    }

    /// True once the other side believes who this is: then what was refused before may be asked again. Waits for
    /// a challenge and its answer, if neither was there.
    pub(super) async fn authenticate(&mut self) -> Result<bool, LinkError> {
        if self.options.key.is_none() || self.proof == Proof::Accepted {
            return Ok(self.proof == Proof::Accepted);
        }
        let patience = match self.proof {
            Proof::None => self.options.patience.min(CHALLENGE),
            _ => self.options.patience,
        };
        let waiting = async {
            while self.proof != Proof::Accepted {
                if let Some(reply) = self.read().await? {
                    self.aside.put(reply);
                }
            }
            Ok(true)
        };
        timeout(patience, waiting).await.unwrap_or(Ok(false))
    }

    /// Ends the connection politely.
    pub(super) async fn close(mut self) {
        // Whoever closes doesn't care whether the other side hears it.
        let _ = timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }

    /// Reads one message; `None` if it was only between the two connections.
    async fn read(&mut self) -> Result<Option<Reply>, LinkError> {
        let message = self.socket.next().await.ok_or(LinkError::Closed)??;
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return Err(LinkError::Closed),
            _ => return Ok(None),
        };
        match Reply::parse(&text) {
            Ok(Reply::Auth(challenge)) => self.prove(&challenge).await.map(|()| None),
            Ok(Reply::Ok { id, taken, message }) if self.proof == Proof::Sent(id) => {
                self.proof = if taken { Proof::Accepted } else { Proof::None };
                if !taken {
                    tracing::warn!(url = self.url, message, "another relay doesn't believe who this is");
                }
                Ok(None)
            }
            Ok(reply) => Ok(Some(reply)),
            Err(error) => {
                tracing::debug!(url = self.url, %error, "a message of another relay can't be read");
                Ok(None)
            }
        }
    }

    async fn prove(&mut self, challenge: &str) -> Result<(), LinkError> {
        let Some(key) = &self.options.key else { return Ok(()) };
        let tags = Tags::new([["relay", &self.url], ["challenge", challenge]]);
        let event = key.sign(Kind::AUTH, Seconds::from(self.options.clock.now()), tags, "");
        self.proof = Proof::Sent(event.id);
        self.send_text(Ask::Auth(&event).to_json()).await
    }
}
