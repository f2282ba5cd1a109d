//! 304 for who has the answer already.

use crate::{Running, client, site};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, StatusCode},
    middleware::from_fn,
    routing::get,
};
use nexus_http::{Layers, conditional};

async fn start() -> Running {
    let router = Router::new()
        .route("/", get(|headers: HeaderMap| async move { format!("{:?}", headers.get("x-say")).repeat(50) }))
        .route("/own", get(|| async { ([("cache-control", "max-age=9")], "x") }))
        .route("/stream", get(|| async { Body::from_stream(futures()) }))
        .route("/gone", get(|| async { (StatusCode::NOT_FOUND, "gone") }))
        .layer(from_fn(conditional));
    Running::start(site(Layers::default().apply(router))).await
}

fn futures() -> impl futures_util::Stream<Item = Result<&'static str, std::io::Error>> {
    futures_util::stream::iter([Ok("a"), Ok("b")])
}

#[tokio::test]
async fn the_same_answer_is_sent_once() {
    let port = start().await;
    let first = port.get("/").await;
    assert_eq!(first.headers()["cache-control"], "no-cache");
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    let again = |known: String| client().get(&port.url).header("if-none-match", known).send();
    for known in [tag.clone(), format!("\"x\", {tag}"), tag.replace("W/", ""), "*".into()] {
        let answer = again(known).await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["etag"]), (304, &tag.parse().unwrap()));
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        assert_eq!(answer.text().await.unwrap(), "");
    }
    assert_eq!(again("\"other\"".into()).await.unwrap().status(), 200);
    let lines = client().get(&port.url).header("if-none-match", "\"other\"").header("if-none-match", &tag);
    assert_eq!(lines.send().await.unwrap().status(), 304, "a list may stand on several lines");
    let changed = client().get(&port.url).header("x-say", "1").header("if-none-match", &tag).send().await.unwrap();
    assert_eq!(changed.status(), 200);
    let head = client().head(&port.url).header("if-none-match", &tag).send().await.unwrap();
    assert_eq!(head.status(), 304);
}

#[tokio::test]
async fn streams_errors_and_own_headers_pass() {
    let port = start().await;
    for path in ["/stream", "/gone", "/own"] {
        assert!(!port.get(path).await.headers().contains_key("etag"), "{path}");
    }
    assert_eq!(port.get("/stream").await.text().await.unwrap(), "ab");
    assert_eq!(port.get("/own").await.headers()["cache-control"], "max-age=9");
}
