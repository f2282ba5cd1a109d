//! One WebSocket connection to a relay, with Nagle's algorithm off. Text frames only.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async,
    tungstenite::{self, Message, Utf8Bytes, client::IntoClientRequest},
};

/// Why a measurement ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The address isn't of the form `ws://host:port`.
    #[error("{0:?} is not a ws:// address with host and port")]
    Address(String),
    /// The relay can't be reached, or a file not written.
    #[error("input or output failed: {0}")]
    Io(#[from] std::io::Error),
    /// The WebSocket broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] tungstenite::Error),
    /// The relay closed the connection while answers were outstanding.
    #[error("the relay closed the connection")]
    Closed,
    /// The relay refused an event.
    #[error("the relay refused: {0}")]
    Refused(String),
    /// The relay has no events to ask for.
    #[error("the relay has no events: store some first, for instance with `ingest`")]
    Empty,
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(Box<dyn std::error::Error + Send + Sync>),
    /// A part of the measurement died.
    #[error("a task ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl Failure {
    /// What a store says went wrong.
    pub(crate) fn store(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Store(Box::new(error))
    }
}

/// An open connection.
pub(crate) struct Connection(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Connection {
    /// Connects to `url`.
    pub(crate) async fn open(url: &str) -> Result<Self, Failure> {
        let request = url.into_client_request()?;
        let authority = request.uri().authority().ok_or_else(|| Failure::Address(url.into()))?;
        let port = authority.port_u16().unwrap_or(80);
        let stream = TcpStream::connect((authority.host(), port)).await?;
        stream.set_nodelay(true)?;
        let (socket, _) = client_async(request, MaybeTlsStream::Plain(stream)).await?;
        Ok(Self(socket))
    }

    /// Queues a frame; it is sent with the next [`Connection::flush`] or when the buffer is full.
    pub(crate) async fn feed(&mut self, text: Utf8Bytes) -> Result<(), Failure> {
        Ok(self.0.feed(Message::Text(text)).await?)
    }

    /// Sends what is queued.
    pub(crate) async fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.0.flush().await?)
    }

    /// Sends a frame at once.
    pub(crate) async fn send(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), Failure> {
        Ok(self.0.send(Message::Text(text.into())).await?)
    }

    /// The next text frame.
    pub(crate) async fn next(&mut self) -> Result<Utf8Bytes, Failure> {
        loop {
            match self.0.next().await.ok_or(Failure::Closed)?? {
                Message::Text(text) => return Ok(text),
                Message::Close(_) => return Err(Failure::Closed),
                _ => {}
            }
        }
    }

    /// The next frame that begins with `["LABEL"`, passing over others such as an AUTH challenge.
    pub(crate) async fn next_of(&mut self, label: &str) -> Result<Utf8Bytes, Failure> {
        loop {
            let frame = self.next().await?;
            if label_of(&frame) == label {
                return Ok(frame);
            }
        }
    }
}

/// The first member of a relay's message.
pub(crate) fn label_of(frame: &str) -> &str {
    frame.split('"').nth(1).unwrap_or_default()
}

/// The event id and the verdict of an `OK` frame.
pub(crate) fn parse_ok(frame: &str) -> Option<(&str, bool)> {
    let id = frame.split('"').nth(3)?;
    let verdict = frame.split('"').nth(4)?;
    Some((id, verdict.contains("true")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_apart() {
        let ok = r#"["OK","ab12",true,"duplicate: \"x\""]"#;
        assert_eq!((label_of(ok), parse_ok(ok)), ("OK", Some(("ab12", true))));
        assert_eq!(parse_ok(r#"["OK","ab12",false,"invalid: true?"]"#), Some(("ab12", false)));
        assert_eq!(label_of(r#"["EOSE","s"]"#), "EOSE");
    }
}
