//! Requests to homeservers: pages, records, blobs and streams, each within its limits. Redirects are never
//! followed, so nothing leads a request to another address than the one that was checked.

use super::homeserver::{ConnectError, Connection, Homeserver, Network};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use nexus_pubky::{Page, PageError, PageParser, PubkyId};
use std::time::Duration;
use tokio::{
    sync::SemaphorePermit,
    time::{Instant, timeout, timeout_at},
};

/// Slowest body that is waited for, in bytes a second, once twice the patience for one piece is over.
const SLOWEST: u64 = 16 * 1024;

/// How long is waited after each 429 until it is taken for an answer.
const PATIENCE_WITH_LIMITS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(3)];

/// Reads homeservers.
pub(crate) struct Client {
    network: Network,
    limits: Limits,
}

/// How much and how long is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Until an answer begins, and between two pieces of it.
    pub(crate) patience: Duration,
    /// Bytes of a page.
    pub(crate) page: usize,
    /// Bytes of a record.
    pub(crate) record: usize,
    /// Bytes of a blob.
    pub(crate) blob: u64,
}

/// Why a homeserver gave nothing that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("no connection: {0}")]
    Connect(#[from] ConnectError),
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
    #[error("the answer came too slowly")]
    Slow,
    #[error("an answer of more than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("a redirect, which is never followed")]
    Redirect,
    #[error("status {0}")]
    Status(StatusCode),
    #[error("not a valid URL: {0}")]
    Url(#[from] http::Error),
    #[error(transparent)]
    Page(#[from] PageError),
}

/// What is to be done about a failure (spec a.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The homeserver as a whole can't be read: stop and replay.
    Unreachable,
    /// This may pass: try again later.
    Later,
    /// This will never be: drop it.
    Never,
}

impl FetchError {
    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Connect(_) | Self::Page(_) => Class::Unreachable,
            Self::Broken(_) | Self::Slow => Class::Later,
            Self::Status(status) if status.is_server_error() => Class::Later,
            Self::Status(StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) => Class::Later,
            Self::TooLarge { .. } | Self::Redirect | Self::Status(_) | Self::Url(_) => Class::Never,
        }
    }

    /// The reason as a metric's label.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Connect(ConnectError::Forbidden) => "private_address",
            Self::Connect(_) => "unreachable",
            Self::Broken(_) => "broken",
            Self::Slow => "slow",
            Self::TooLarge { .. } => "too_large",
            Self::Redirect => "redirect",
            Self::Status(StatusCode::NOT_FOUND) => "not_found",
            Self::Status(StatusCode::TOO_MANY_REQUESTS) => "rate_limited",
            Self::Status(_) => "status",
            Self::Url(_) => "url",
            Self::Page(error) => error.reason(),
        }
    }

    pub(crate) fn is_status(&self, status: StatusCode) -> bool {
        matches!(self, Self::Status(found) if *found == status)
    }
}

type Result<T> = std::result::Result<T, FetchError>;

impl Client {
    pub(crate) const fn new(network: Network, limits: Limits) -> Self {
        Self { network, limits }
    }

    /// A page of the whole log after `cursor`.
    pub(crate) async fn page(&self, at: &Homeserver, cursor: u64, limit: usize) -> Result<Page> {
        let mut answer = self.get(at, &format!("/events/?cursor={cursor}&limit={limit}"), None).await?;
        let mut parser = PageParser::new(limit, self.limits.page);
        while let Some(piece) = answer.piece().await? {
            parser.feed(&piece)?;
        }
        Ok(parser.finish(cursor, cursor)?)
    }

    /// A record's bytes, and the hash that the server states for them.
    pub(crate) async fn record(&self, at: &Homeserver, user: &PubkyId, path: &str) -> Result<Record> {
        let answer = self.get(at, path, Some(user)).await?;
        let announced = answer.hash();
        Ok(Record { body: answer.whole(self.limits.record).await?, announced })
    }

    /// A blob, to be read piece by piece. What it claims to be is within the limit; what comes must be counted.
    pub(crate) async fn blob<'a>(&self, at: &'a Homeserver, user: &PubkyId, path: &str) -> Result<Answer<'a>> {
        let answer = self.get(at, path, Some(user)).await?;
        answer.within(self.limits.blob)?;
        Ok(answer)
    }

    /// Most bytes of a blob.
    pub(crate) const fn blob_limit(&self) -> u64 {
        self.limits.blob
    }

    /// The live stream of some users. It takes none of the homeserver's permits, since it stays.
    pub(crate) async fn stream<'a>(&self, at: &'a Homeserver, query: &str) -> Result<Answer<'a>> {
        self.ask(at, &format!("/events-stream?{query}"), None, None).await
    }

    /// True if the homeserver knows the user.
    pub(crate) async fn hosts(&self, at: &Homeserver, user: &PubkyId) -> Result<bool> {
        match self.get(at, &format!("/events-stream?user={user}&limit=1"), None).await {
            Ok(_) => Ok(true),
            Err(FetchError::Status(StatusCode::NOT_FOUND)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn get<'a>(&self, at: &'a Homeserver, path: &str, user: Option<&PubkyId>) -> Result<Answer<'a>> {
        // The semaphore is never closed.
        let permit = at.permits.acquire().await.ok();
        self.ask(at, path, user, permit).await
    }

    async fn ask<'a>(
        &self,
        at: &'a Homeserver,
        path: &str,
        user: Option<&PubkyId>,
        permit: Option<SemaphorePermit<'a>>,
    ) -> Result<Answer<'a>> {
        let mut connection = at.connection(&self.network).await?;
        let answer = match self.send(&mut connection, request(at, path, user)?).await {
            // A kept connection may have been closed from the other side meanwhile: that is nobody's failure.
            Err(FetchError::Broken(error))
                if error.is_closed() || error.is_canceled() || error.is_incomplete_message() =>
            {
                connection = at.connect(&self.network).await?;
                self.send(&mut connection, request(at, path, user)?).await?
            }
            answer => answer?,
        };
        let (head, body) = answer.into_parts();
        let pace = Pace { patience: self.limits.patience, since: Instant::now(), received: 0 };
        let answer = Answer { at, headers: head.headers, body, connection: Some(connection), pace, _permit: permit };
        match head.status {
            StatusCode::OK => Ok(answer),
            status if status.is_redirection() => Err(FetchError::Redirect),
            status => {
                answer.discard().await;
                Err(FetchError::Status(status))
            }
        }
    }

    async fn send(
        &self,
        connection: &mut Connection,
        request: Request<Empty<Bytes>>,
    ) -> Result<http::Response<Incoming>> {
        let sent = timeout(self.limits.patience, connection.send_request(request)).await;
        Ok(sent.map_err(|_| FetchError::Slow)??)
    }
}

/// Asks again, a little later, while the homeserver says that it is asked too often.
pub(crate) async fn patiently<T, F: Future<Output = Result<T>>>(ask: impl Fn() -> F) -> Result<T> {
    for pause in PATIENCE_WITH_LIMITS {
        match ask().await {
            Err(error) if error.is_status(StatusCode::TOO_MANY_REQUESTS) => tokio::time::sleep(pause).await,
            answer => return answer,
        }
    }
    ask().await
}

/// A record as it was served.
pub(crate) struct Record {
    pub(crate) body: Bytes,
    pub(crate) announced: Option<[u8; 32]>,
}

fn request(at: &Homeserver, path: &str, user: Option<&PubkyId>) -> Result<Request<Empty<Bytes>>> {
    let mut request = Request::get(format!("{}{path}", at.prefix)).header(header::HOST, &at.host);
    if let Some(user) = user {
        request = request.header("pubky-host", user.as_str());
    }
    Ok(request.body(Empty::new())?)
}

/// An answer whose body is still to be read.
pub(crate) struct Answer<'a> {
    at: &'a Homeserver,
    headers: HeaderMap,
    body: Incoming,
    connection: Option<Connection>,
    pace: Pace,
    _permit: Option<SemaphorePermit<'a>>,
}

/// How fast a body must come.
struct Pace {
    patience: Duration,
    since: Instant,
    received: u64,
}

impl Pace {
    fn deadline(&self) -> Instant {
        let earned = Duration::from_millis(self.received.saturating_mul(1000) / SLOWEST);
        (Instant::now() + self.patience).min(self.since + 2 * self.patience + earned)
    }
}

impl Answer<'_> {
    /// The next piece of the body. After the last one, the connection can carry another request.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>> {
        let deadline = self.pace.deadline();
        self.piece_until(deadline).await
    }

    /// The next piece of a body that may pause for as long as `silence`.
    pub(crate) async fn piece_within(&mut self, silence: Duration) -> Result<Option<Bytes>> {
        self.piece_until(Instant::now() + silence).await
    }

    async fn piece_until(&mut self, deadline: Instant) -> Result<Option<Bytes>> {
        loop {
            let frame = timeout_at(deadline, self.body.frame()).await.map_err(|_| FetchError::Slow)?;
            let Some(frame) = frame else {
                self.connection.take().into_iter().for_each(|connection| self.at.keep(connection));
                return Ok(None);
            };
            if let Ok(piece) = frame?.into_data() {
                self.pace.received += piece.len() as u64;
                return Ok(Some(piece));
            }
        }
    }

    /// The BLAKE3 hash that the `etag` states, if it is one.
    fn hash(&self) -> Option<[u8; 32]> {
        let tag = self.headers.get(header::ETAG)?.to_str().ok()?;
        BASE64_STANDARD.decode(tag.trim_matches('"')).ok()?.try_into().ok()
    }

    fn within(&self, limit: u64) -> Result<()> {
        if self.body.size_hint().lower() > limit { Err(FetchError::TooLarge { limit }) } else { Ok(()) }
    }

    async fn whole(mut self, limit: usize) -> Result<Bytes> {
        let most = limit as u64;
        self.within(most)?;
        let mut first = None;
        let mut rest = BytesMut::new();
        while let Some(piece) = self.piece().await? {
            if self.pace.received > most {
                return Err(FetchError::TooLarge { limit: most });
            }
            match first {
                None => first = Some(piece),
                Some(_) => rest.extend_from_slice(&piece),
            }
        }
        Ok(match first {
            None => Bytes::new(),
            Some(first) if rest.is_empty() => first,
            Some(first) => [first, rest.freeze()].concat().into(),
        })
    }

    /// Reads over a short body, so that its connection can be kept; a long one costs the connection.
    async fn discard(mut self) {
        if self.body.size_hint().upper().is_some_and(|size| size <= 4096) {
            while let Ok(Some(_)) = self.piece().await {}
        }
    }
}
