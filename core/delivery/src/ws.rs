//! A session over a WebSocket.
//!
//! Each change is a text frame with its JSON. `{"cursor":N}` comes first, and again in silence when the
//! session has moved on without anything to tell: a client that keeps the last `seq` or `cursor` resumes
//! there. Before a close, `{"end":"…"}` says why. What the client sends is read for signs of life alone.

use crate::{End, Frame, Session};
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use bytes::Bytes;
use futures_util::SinkExt;
use nexus_model::Seq;
use std::time::Duration;

/// The client's cursor has expired: it must read the state again.
pub const CLOSE_EXPIRED: u16 = 4410;
/// How long a client may take to answer a close.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves `session` until either side ends it. A client that doesn't answer a ping before the next one is
/// taken for gone, and one whose session is thrown out while it doesn't read is cut off.
pub async fn serve(socket: WebSocket, session: Session) {
    let evicted = session.evicted();
    let wire = Wire { socket, told: session.cursor(), unanswered: false };
    tokio::select! {
        biased;
        _ = wire.run(session) => {}
        // The session itself tells a client that still reads; this cuts off one that doesn't.
        () = async { evicted.cancelled().await; tokio::time::sleep(FAREWELL).await } => {}
    }
}

/// The client is gone, or has been told goodbye.
struct Over;

impl From<axum::Error> for Over {
    fn from(_: axum::Error) -> Self {
        Self
    }
}

struct Wire {
    socket: WebSocket,
    /// The last position that the client knows.
    told: Seq,
    unanswered: bool,
}

impl Wire {
    async fn run(mut self, mut session: Session) -> Result<(), Over> {
        self.socket.send(cursor(self.told)).await?;
        loop {
            tokio::select! {
                frames = session.next() => {
                    for frame in frames.ok_or(Over)? {
                        self.send(frame).await?;
                    }
                    self.socket.flush().await?;
                }
                message = self.socket.recv() => {
                    if let Message::Close(_) = message.ok_or(Over)?? {
                        return Err(Over);
                    }
                    self.unanswered = false;
                }
            }
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<(), Over> {
        match frame {
            Frame::Change(entry) => {
                self.told = entry.change.seq;
                let text = Utf8Bytes::try_from(entry.text).map_err(|_| Over)?;
                self.socket.feed(Message::Text(text)).await?;
            }
            Frame::Beat(seq) => self.beat(seq).await?,
            Frame::End(end) => self.close(end).await?,
        }
        Ok(())
    }

    async fn beat(&mut self, seq: Seq) -> Result<(), Over> {
        if self.unanswered {
            return Err(Over);
        }
        self.unanswered = true;
        if seq > self.told {
            self.told = seq;
            self.socket.feed(cursor(seq)).await?;
        }
        Ok(self.socket.feed(Message::Ping(Bytes::new())).await?)
    }

    async fn close(&mut self, end: End) -> Result<(), Over> {
        let code = match end {
            End::Expired { .. } => CLOSE_EXPIRED,
            End::TooSlow => close_code::POLICY,
            End::Stopping => close_code::AWAY,
            End::Unavailable => close_code::AGAIN,
        };
        self.socket.feed(Message::Text(end.to_json().into())).await?;
        self.socket.send(Message::Close(Some(CloseFrame { code, reason: end.as_str().into() }))).await?;
        let answered = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        let _ = tokio::time::timeout(FAREWELL, answered).await;
        Err(Over)
    }
}

fn cursor(seq: Seq) -> Message {
    Message::Text(format!(r#"{{"cursor":{seq}}}"#).into())
}
