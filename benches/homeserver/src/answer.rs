//! Answers, in the formats of spec a.2.

use crate::{
    Shared,
    log::{Entry, Stored},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use std::{
    fmt::Write,
    io,
    sync::{Arc, PoisonError},
};
use tokio::sync::watch;

pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// Most entries of a page, and what is given when nobody asks for a number.
const PAGE: std::ops::RangeInclusive<usize> = 100..=1000;

pub(crate) fn full(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut answer = Response::new(Full::new(body.into()).map_err(|never| match never {}).boxed());
    *answer.status_mut() = status;
    answer
}

pub(crate) fn streamed(bytes: impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static) -> Response<Body> {
    Response::new(BodyExt::boxed(StreamBody::new(bytes.map(|piece| piece.map(Frame::data)))))
}

pub(crate) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let path = request.uri().path().to_owned();
    let hostile = {
        let known = shared.misbehaviours.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(at, _)| at.concerns(&path)).map(|(_, how)| how.clone())
    };
    if let Some(hostile) = hostile {
        return Ok(hostile.answer().await);
    }
    let query = request.uri().query().unwrap_or_default().to_owned();
    match (request.method(), &*path) {
        (&Method::GET, "/events/") => Ok(events(&shared.log.read(), &query)),
        (&Method::GET, "/events-stream") => Ok(events_stream(&shared, &query)),
        (&Method::GET, _) => Ok(resource(&shared, &request)),
        (&Method::PUT, _) => put(&shared, request).await,
        _ => Ok(full(StatusCode::METHOD_NOT_ALLOWED, "")),
    }
}

fn values<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    query.split('&').filter_map(move |pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, v)| v))
}

fn number(query: &str, name: &str, default: usize) -> Option<usize> {
    values(query, name).next().map_or(Some(default), |text| text.parse().ok())
}

fn events(stored: &Stored, query: &str) -> Response<Body> {
    let (cursor, limit) = (number(query, "cursor", 0), number(query, "limit", *PAGE.start()));
    let (Some(cursor), Some(limit)) = (cursor, limit) else { return full(StatusCode::BAD_REQUEST, "bad cursor") };
    let after = stored.entries.get(cursor..).unwrap_or_default();
    let page = &after[..after.len().min(limit.min(*PAGE.end()))];
    let mut body = String::new();
    for entry in page {
        let _ = writeln!(body, "{} {}", entry.verb, entry.uri);
    }
    if !page.is_empty() {
        let _ = write!(body, "cursor: {}", cursor + page.len());
    }
    full(StatusCode::OK, body)
}

fn host<T>(request: &Request<T>) -> Option<&str> {
    let header = request.headers().get("pubky-host").and_then(|value| value.to_str().ok());
    header.or_else(|| values(request.uri().query().unwrap_or_default(), "pubky-host").next())
}

fn resource<T>(shared: &Shared, request: &Request<T>) -> Response<Body> {
    let Some(user) = host(request) else { return full(StatusCode::BAD_REQUEST, "no pubky-host") };
    let uri = format!("pubky://{user}{}", request.uri().path());
    let Some(body) = shared.log.read().records.get(&uri).cloned() else { return full(StatusCode::NOT_FOUND, "") };
    full(StatusCode::OK, body)
}

async fn put(shared: &Shared, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let Some(user) = host(&request).map(str::to_owned) else { return Ok(full(StatusCode::BAD_REQUEST, "")) };
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let position = shared.log.put(&user, &path, body);
    Ok(full(StatusCode::CREATED, position.to_string()))
}

/// Where a stream stands: which users from where, and the next entry to look at.
struct Reading {
    users: Vec<(String, usize)>,
    next: usize,
    left: usize,
    shared: Arc<Shared>,
    head: watch::Receiver<usize>,
    live: bool,
}

fn events_stream(shared: &Arc<Shared>, query: &str) -> Response<Body> {
    let users: Option<Vec<(String, usize)>> = values(query, "user").map(user_and_cursor).collect();
    let Some(users) = users.filter(|users| (1..=50).contains(&users.len())) else {
        return full(StatusCode::BAD_REQUEST, "bad users");
    };
    let is_known = |user: &str| shared.log.read().entries.iter().any(|entry| entry.is_of(user));
    if !users.iter().all(|(user, _)| is_known(user)) {
        return full(StatusCode::NOT_FOUND, "Not Found");
    }
    let next = users.iter().map(|(_, cursor)| *cursor).min().unwrap_or_default();
    let left = number(query, "limit", usize::MAX).unwrap_or(usize::MAX);
    let live = values(query, "live").next() == Some("true");
    let reading = Reading { users, next, left, head: shared.log.watch(), shared: Arc::clone(shared), live };
    let mut answer = streamed(stream::unfold(reading, |mut reading| async move {
        let piece = reading.piece().await?;
        Some((Ok(piece), reading))
    }));
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/event-stream"));
    answer
}

fn user_and_cursor(value: &str) -> Option<(String, usize)> {
    let (user, cursor) = value.split_once([':']).or_else(|| value.split_once("%3A")).unwrap_or((value, "0"));
    Some((user.to_owned(), cursor.parse().ok()?))
}

impl Reading {
    async fn piece(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.ready() {
                return Some(piece);
            }
            if !self.live || self.left == 0 {
                return None;
            }
            let next = self.next;
            self.head.wait_for(|head| *head > next).await.ok()?;
        }
    }

    /// What there is now, in one piece of bounded size.
    fn ready(&mut self) -> Option<Bytes> {
        let shared = Arc::clone(&self.shared);
        let stored = shared.log.read();
        let mut text = String::new();
        while self.left > 0 && text.len() < 65536 {
            let Some(entry) = stored.entries.get(self.next) else { break };
            self.next += 1;
            if self.users.iter().any(|(user, cursor)| entry.is_of(user) && self.next > *cursor) {
                self.left -= 1;
                event(&mut text, entry, self.next);
            }
        }
        (!text.is_empty()).then(|| text.into())
    }
}

fn event(text: &mut String, entry: &Entry, cursor: usize) {
    let _ = writeln!(text, "event: {}\ndata: {}\ndata: cursor: {cursor}", entry.verb, entry.uri);
    if let Some(hash) = entry.hash.filter(|_| entry.verb == "PUT") {
        let _ = writeln!(text, "data: content_hash: {}", BASE64_STANDARD.encode(hash));
    }
    text.push('\n');
}
