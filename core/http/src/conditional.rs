//! Conditional requests: an answer is named by the hash of its bytes, and a client that has it gets 304.

use axum::{
    body::{Body, HttpBody as _},
    extract::Request,
    middleware::Next,
    response::Response,
};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
};
use http_body_util::BodyExt as _;

/// Middleware that gives whole answers to GET and HEAD an `etag` and `cache-control: no-cache` (keep it, but
/// ask whether it still holds), and answers 304 to who has it. Streams and answers that bring headers of their
/// own pass unchanged.
pub async fn conditional(request: Request, next: Next) -> Response {
    let asks = matches!(*request.method(), Method::GET | Method::HEAD);
    let known: Vec<_> = request.headers().get_all(IF_NONE_MATCH).iter().cloned().collect();
    let response = next.run(request).await;
    if asks && is_plain(&response) { tag(response, &known).await } else { response }
}

fn is_plain(response: &Response) -> bool {
    let untouched = !response.headers().contains_key(ETAG) && !response.headers().contains_key(CACHE_CONTROL);
    response.status() == StatusCode::OK && untouched && response.body().size_hint().exact().is_some()
}

async fn tag(response: Response, known: &[HeaderValue]) -> Response {
    let (mut parts, body) = response.into_parts();
    // A body of known size comes from memory, so it neither fails nor waits.
    let Ok(bytes) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return Response::from_parts(parts, Body::empty());
    };
    // Weak, because the bytes on the wire depend on the compression.
    let name = format!("W/\"{}\"", &blake3::hash(&bytes).to_hex()[..32]);
    let has_it = known.iter().any(|known| is_listed(known, &name));
    if let Ok(value) = HeaderValue::from_str(&name) {
        parts.headers.insert(ETAG, value);
    }
    parts.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if !has_it {
        return Response::from_parts(parts, Body::from(bytes));
    }
    parts.status = StatusCode::NOT_MODIFIED;
    forget_body(&mut parts.headers);
    Response::from_parts(parts, Body::empty())
}

fn forget_body(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.remove(CONTENT_TYPE);
}

/// Weak comparison (RFC 9110, 8.8.3.2): the `W/` doesn't count.
fn is_listed(known: &HeaderValue, name: &str) -> bool {
    let opaque = name.trim_start_matches("W/");
    let mut listed = known.to_str().unwrap_or("").split(',').map(|tag| tag.trim());
    listed.any(|tag| tag == "*" || tag.trim_start_matches("W/") == opaque)
}
