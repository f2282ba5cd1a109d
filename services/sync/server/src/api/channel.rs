//! `/channel`: events out, acknowledgements in.
//!
//! Whatever ends the connection from this side ends it without a Close frame: existing clients take one as
//! goodbye for good, and come back only if the line simply breaks.

use super::{Api, Delivery, Refusal};
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use nexus_delivery::channel::{Acknowledger, Consumer, Handle};
use nexus_model::Seq;
use nexus_sync::event::with_id;
use serde::Deserialize;
use std::sync::Arc;

/// The largest message of a client, in bytes.
const MAX_MESSAGE: usize = 1 << 20;

/// Events that are written before they are flushed together.
const MAX_TOGETHER: usize = 64;

#[derive(Deserialize)]
struct Ack {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    id: u64,
}

/// Opens a channel.
pub(super) async fn open(
    State(api): State<Api>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    if api.delivery == Delivery::Webhook {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "websocket not available in webhook mode"));
    }
    let upgrade = upgrade.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    Ok(upgrade.max_message_size(MAX_MESSAGE).on_upgrade(move |socket| serve(socket, api.channel)))
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
        for seq in together.drain(..) {
            consumer.written(seq).await;
        }
    }
    Ok(())
}

/// Reads acknowledgements until the client leaves or says something that is none.
async fn receive(mut stream: SplitStream<WebSocket>, acknowledger: Acknowledger<Arc<str>>) {
    while let Some(Ok(message)) = stream.next().await {
        let text = match &message {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
            // Reading on answers a ping, and a goodbye before the stream ends.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => continue,
        };
        let Ok(Ack { kind, id }) = serde_json::from_slice(text) else { break };
        if kind == "ack" {
            acknowledger.acknowledge(Seq::new(id)).await;
        }
    }
}
