//! A client that speaks through another implementation of WebSockets.

use crate::house::{House, PATIENCE};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use nexus_nostr::Event;
use std::{collections::VecDeque, net::SocketAddr};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::CloseFrame},
};

/// What a ping carries.
const MARK: &[u8] = b"up to now";

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What came and nobody asked for yet.
    pub(crate) waiting: VecDeque<String>,
    pub(crate) closed: Option<CloseFrame>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::connect_to(format!("ws://{address}/")).await
    }

    pub(crate) async fn connect_to(url: impl IntoClientRequest + Unpin) -> Self {
        let (socket, _) = connect_async(url).await.expect("a connection");
        Self { socket, waiting: VecDeque::new(), closed: None }
    }

    /// A client that has read its challenge.
    pub(crate) async fn greeted(house: &House) -> (Self, String) {
        let mut client = Self::connect(house.address).await;
        let first: Vec<String> = serde_json::from_str(&client.read().await.expect("a challenge")).expect("JSON");
        assert_eq!(first[0], "AUTH");
        (client, first[1].clone())
    }

    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        // A connection that is gone is noticed when its answer is missing.
        let _ = self.socket.send(Message::text(text.into())).await;
    }

    pub(crate) async fn publish(&mut self, event: &Event) {
        self.send(format!(r#"["EVENT",{}]"#, event.to_json())).await;
    }

    /// The next text, or `None` at the end of the connection.
    pub(crate) async fn read(&mut self) -> Option<String> {
        if let Some(text) = self.waiting.pop_front() {
            return Some(text);
        }
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("something comes in time");
            match next {
                Some(Ok(Message::Text(text))) => return Some(text.to_string()),
                Some(Ok(Message::Close(frame))) => self.closed = frame,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Publishes, and gives the answer.
    pub(crate) async fn told(&mut self, event: &Event) -> String {
        self.publish(event).await;
        self.read().await.expect("an answer")
    }

    /// Everything that has come up to now: the answer to a ping comes after it.
    pub(crate) async fn gather(&mut self, house: &House) {
        house.settled().await;
        let _ = self.socket.send(Message::Ping(Bytes::from_static(MARK))).await;
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("something comes in time");
            match next {
                Some(Ok(Message::Text(text))) => self.waiting.push_back(text.to_string()),
                Some(Ok(Message::Pong(mark))) if mark == MARK => return,
                Some(Ok(Message::Close(frame))) => self.closed = frame,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            }
        }
    }
}
