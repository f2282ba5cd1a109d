//! What a hostile or broken homeserver does.

use crate::answer::{Body, full, streamed};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Response, StatusCode, header};
use std::{io, time::Duration};

/// To which requests a misbehaviour applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// Every request.
    Everywhere,
    /// `/events/`.
    Events,
    /// `/events-stream`.
    Stream,
    /// Every resource.
    Resources,
    /// The resources whose path ends like this.
    Resource(String),
}

impl Where {
    pub(crate) fn concerns(&self, path: &str) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Events => path == "/events/",
            Self::Stream => path == "/events-stream",
            Self::Resources => path.starts_with("/pub/"),
            Self::Resource(end) => path.starts_with("/pub/") && path.ends_with(end),
        }
    }
}

/// How it misbehaves.
#[derive(Clone, Debug)]
pub enum Misbehaviour {
    /// A body that never ends, as fast as it is taken.
    EndlessBody,
    /// One byte at a time, with a pause after each.
    SlowLoris(Duration),
    /// Takes the request and never answers.
    Silence,
    /// Sends a client elsewhere.
    Redirect(String),
    /// An answer with this status, and `retry-after: 0`.
    Status(u16),
    /// These bytes, whatever was asked for.
    Body(Bytes),
    /// States this length, whatever follows.
    ClaimedLength(u64),
    /// Half an answer, and then the connection is gone.
    Reset,
}

impl Misbehaviour {
    pub(crate) async fn answer(self) -> Response<Body> {
        match self {
            Self::EndlessBody => streamed(stream::repeat_with(|| Ok(Bytes::from_static(&[b'x'; 65536])))),
            Self::SlowLoris(pause) => streamed(stream::repeat(()).then(move |()| async move {
                tokio::time::sleep(pause).await;
                Ok(Bytes::from_static(b" "))
            })),
            Self::Silence => std::future::pending().await,
            Self::Redirect(to) => with_header(StatusCode::FOUND, header::LOCATION, &to),
            Self::Status(code) => {
                let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                with_header(status, header::RETRY_AFTER, "0")
            }
            Self::Body(bytes) => full(StatusCode::OK, bytes),
            Self::ClaimedLength(length) => {
                let mut answer = streamed(stream::pending());
                answer.headers_mut().insert(header::CONTENT_LENGTH, length.into());
                answer
            }
            Self::Reset => streamed(stream::iter([
                Ok(Bytes::from_static(b"{\"name\":")),
                Err(io::Error::from(io::ErrorKind::ConnectionReset)),
            ])),
        }
    }
}

fn with_header(status: StatusCode, name: header::HeaderName, value: &str) -> Response<Body> {
    let mut answer = full(status, Bytes::new());
    if let Ok(value) = value.parse() {
        answer.headers_mut().insert(name, value);
    }
    answer
}
