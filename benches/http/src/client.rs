//! One kept-alive HTTP/1.1 connection.

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Why a measurement ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The server can't be reached.
    #[error("can't reach the server: {0}")]
    Connect(#[from] std::io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
    /// A request can't be written.
    #[error("a request can't be written: {0}")]
    Request(#[from] http::Error),
    /// The server refused a request that it should answer.
    #[error("{path} was answered with {status}")]
    Status {
        /// What was asked.
        path: String,
        /// What came back.
        status: StatusCode,
    },
    /// An answer isn't the JSON that it should be.
    #[error("an answer can't be read: {0}")]
    Json(#[from] serde_json::Error),
    /// There is nothing to ask for.
    #[error("the server has no posts: fill it first, for instance with `nexus db mock`")]
    Empty,
    /// A part of the measurement died.
    #[error("a task ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// A request: a path, and a body if it is a POST.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// Path and query.
    pub(crate) path: String,
    /// JSON to post.
    pub(crate) body: Option<Bytes>,
}

/// A connection.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Client {
    /// Connects.
    pub(crate) async fn open(server: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender; what breaks it is seen by the next request.
        tokio::spawn(async move { connection.await.unwrap_or_default() });
        Ok(Self { sender, host: server.to_owned() })
    }

    /// Asks and reads the whole answer.
    pub(crate) async fn ask(&mut self, ask: &Ask) -> Result<Bytes, Failure> {
        let method = if ask.body.is_some() { "POST" } else { "GET" };
        let request = Request::builder()
            .method(method)
            .uri(&ask.path)
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(ask.body.clone().unwrap_or_default()))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status.is_success() { Ok(body) } else { Err(Failure::Status { path: ask.path.clone(), status }) }
    }
}
