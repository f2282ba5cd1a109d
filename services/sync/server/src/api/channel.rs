//! `/channel`: events out, acknowledgements in.
//!
//! Whatever ends the connection from this side ends it without a Close frame: existing clients take one as
//! goodbye for good, and come back only if the line simply breaks.

use super::{Api, Delivery, Refusal};
use crate::consumers::{ConsumerName, Refused, Wanted};
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt};
use nexus_delivery::channel::{Acknowledger, Consumer, Handle};
use nexus_model::Seq;
use nexus_sync::event::with_id;
use serde::Deserialize;
use std::borrow::Cow;
use std::mem;
use std::sync::Arc;

/// The largest message of a client, in bytes.
const MAX_MESSAGE: usize = 1 << 20;

/// Events that are written before they are flushed together, and acknowledgements that are handed on together.
const MAX_TOGETHER: usize = 256;

/// What of a client's messages is read at once, in bytes: they are small, and each read clears as much before.
const READ_BUFFER: usize = 16 << 10;

/// Which events a connection wants. All of this is beyond the original, whose clients say nothing.
#[derive(Deserialize)]
pub(super) struct Choice {
    /// The consumer that it speaks for; without one, it shares the outbox with all the others.
    consumer: Option<String>,
    /// The collections that this consumer wants, between commas.
    collections: Option<String>,
    /// The last event that this consumer has seen: those after it come again.
    seq: Option<u64>,
}

#[derive(Deserialize)]
struct Ack<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    id: u64,
    /// Several at once, which the original doesn't know.
    #[serde(default)]
    ids: Vec<u64>,
}

/// Opens a channel.
pub(super) async fn open(
    State(api): State<Api>,
    choice: Result<Query<Choice>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let wanted = choice?.0.wanted()?;
    if wanted.is_none() && api.delivery == Delivery::Webhook {
        return Err(bad("websocket not available in webhook mode"));
    }
    let upgrade = upgrade.map_err(|error| bad(error.to_string()))?;
    let channel = match wanted {
        Some(wanted) => api.means.consumers.join(wanted).await?,
        None => api.means.channel,
    };
    let upgrade = upgrade.max_message_size(MAX_MESSAGE).read_buffer_size(READ_BUFFER);
    Ok(upgrade.on_upgrade(move |socket| serve(socket, channel)))
}

/// Gives up a named consumer.
pub(super) async fn give_up(
    State(api): State<Api>,
    choice: Result<Query<Choice>, QueryRejection>,
) -> Result<(), Refusal> {
    let wanted = choice?.0.wanted()?.ok_or_else(|| bad("which consumer?"))?;
    Ok(api.means.consumers.give_up(wanted.name).await?)
}

impl Choice {
    fn wanted(self) -> Result<Option<Wanted>, Refusal> {
        let Some(consumer) = self.consumer else {
            let alone = self.collections.is_none() && self.seq.is_none();
            return if alone { Ok(None) } else { Err(bad("collections and seq belong to a consumer")) };
        };
        let name =
            ConsumerName::parse(&consumer).ok_or_else(|| bad("a consumer's name is 1 to 64 of A-Z a-z 0-9 - _ ."))?;
        Ok(Some(Wanted { name, collections: self.collections, after: self.seq.map(Seq::new) }))
    }
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, message)
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let status = match refused {
            Refused::Gone { .. } => StatusCode::GONE,
            Refused::Busy | Refused::TooMany { .. } => StatusCode::CONFLICT,
            Refused::Ahead { .. } => StatusCode::BAD_REQUEST,
            Refused::Failed(_) => return Self::internal(&refused),
        };
        Self::new(status, refused.to_string())
    }
}

async fn serve(socket: WebSocket, channel: Handle<Arc<str>>) {
    let Some(consumer) = channel.join().await else { return };
    let acknowledger = consumer.acknowledger();
    let (sink, stream) = socket.split();
    tokio::select! {
        _ = send(sink, consumer) => {}
        () = receive(stream, acknowledger) => {}
    }
}

/// Writes events until the line breaks or the channel ends.
async fn send(mut sink: SplitSink<WebSocket, Message>, mut consumer: Consumer<Arc<str>>) -> Result<(), axum::Error> {
    let mut together = Vec::with_capacity(MAX_TOGETHER);
    while let Some((seq, body)) = consumer.next().await {
        let mut next = Some((seq, body));
        while let Some((seq, body)) = next {
            sink.feed(Message::Text(with_id(seq, &body).into())).await?;
            together.push(seq);
            next = if together.len() < MAX_TOGETHER { consumer.try_next() } else { None };
        }
        sink.flush().await?;
        consumer.written(mem::take(&mut together)).await;
    }
    Ok(())
}

/// Reads acknowledgements until the client leaves or says something that is none.
async fn receive(mut stream: SplitStream<WebSocket>, acknowledger: Acknowledger<Arc<str>>) {
    let mut settled = Vec::new();
    loop {
        let ready = if settled.is_empty() { Some(stream.next().await) } else { stream.next().now_or_never() };
        let is_over = match &ready {
            Some(Some(Ok(message))) => read(message, &mut settled).is_err(),
            Some(Some(Err(_)) | None) => true,
            None => false,
        };
        // What was there already goes together.
        if is_over || ready.is_none() || settled.len() >= MAX_TOGETHER {
            acknowledger.acknowledge(mem::take(&mut settled)).await;
        }
        if is_over {
            return;
        }
    }
}

/// Adds what a message settles to `settled`.
fn read(message: &Message, settled: &mut Vec<Seq>) -> Result<(), serde_json::Error> {
    let text = match message {
        Message::Text(text) => text.as_bytes(),
        Message::Binary(bytes) => bytes,
        // Reading on answers a ping, and a goodbye before the stream ends.
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => return Ok(()),
    };
    let Ack { kind, id, ids } = serde_json::from_slice(text)?;
    if kind == "ack" {
        settled.extend(ids.into_iter().chain([id]).map(Seq::new));
    }
    Ok(())
}
