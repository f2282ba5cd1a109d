//! CORS, compression, sizes, times and panics, as they reach a client.

use crate::{Running, builder, client, site};
use axum::{
    Router,
    http::{Method, StatusCode},
    response::IntoResponse,
    routing::{get, post},
};
use nexus_http::{Compression, Cors, Layers};
use std::time::Duration;

fn routes() -> Router {
    Router::new()
        .route("/get", get(|| async { "x".repeat(4096) }))
        .route("/post", post(|body: String| async move { body.len().to_string() }))
        .route("/panic", get(|| async { assert!(std::env::args().count() == 0, "on purpose") }))
        .route("/slow", get(std::future::pending::<()>))
}

async fn start(layers: Layers) -> Running {
    Running::start(site(layers.apply(routes()))).await
}

#[tokio::test]
async fn every_answer_is_open_to_browsers() {
    let port = start(Layers::default()).await;
    for path in ["/get", "/post", "/panic", "/missing"] {
        assert_eq!(port.get(path).await.headers()["access-control-allow-origin"], "*", "{path}");
    }
    let asked = client().request(Method::OPTIONS, format!("{}/get", port.url)).header("origin", "https://app.example");
    let answer = asked.header("access-control-request-method", "GET").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    for (name, value) in
        [("access-control-allow-methods", "*"), ("access-control-allow-headers", "*"), ("allow", "GET,HEAD")]
    {
        assert_eq!(answer.headers()[name], value, "{name}");
    }
    let closed = start(Layers { cors: Cors::None, ..Layers::default() }).await;
    assert!(!closed.get("/get").await.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn answers_are_compressed_as_asked() {
    let port = start(Layers::default()).await;
    for encoding in ["gzip", "br", "deflate", "zstd"] {
        let plain = builder().no_gzip().no_brotli().build().unwrap();
        let answer = plain.get(format!("{}/get", port.url)).header("accept-encoding", encoding).send().await.unwrap();
        assert_eq!(answer.headers()["content-encoding"], encoding);
        assert!(answer.headers().get_all("vary").iter().any(|v| v == "accept-encoding"));
        assert!(answer.bytes().await.unwrap().len() < 1000);
    }
    let plain = start(Layers { compression: Compression::Off, ..Layers::default() }).await;
    assert_eq!(plain.get("/get").await.content_length(), Some(4096));
}

#[tokio::test]
async fn head_has_the_headers_of_get() {
    let port = start(Layers { compression: Compression::Off, ..Layers::default() }).await;
    let answer = client().head(format!("{}/get", port.url)).send().await.unwrap();
    assert_eq!((answer.status(), &answer.headers()["content-length"]), (StatusCode::OK, &"4096".parse().unwrap()));
    assert_eq!(answer.bytes().await.unwrap().len(), 0);
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_413() {
    let port = start(Layers { body_limit: 10, ..Layers::default() }).await;
    let send = |length| client().post(format!("{}/post", port.url)).body("x".repeat(length)).send();
    assert_eq!(send(10).await.unwrap().text().await.unwrap(), "10");
    let refused = send(11).await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.text().await.unwrap().as_str()), (413, "length limit exceeded"));
}

#[tokio::test]
async fn a_handler_that_never_answers_is_408() {
    let port = start(Layers { timeout: Duration::from_millis(50), ..Layers::default() }).await;
    let answer = port.get("/slow").await;
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (408, ""));
}

#[tokio::test]
async fn a_panic_is_the_service_s_own_500() {
    let panicked = || (StatusCode::INTERNAL_SERVER_ERROR, "oh").into_response();
    let port = start(Layers { panicked, ..Layers::default() }).await;
    let answer = port.get("/panic").await;
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (500, "oh"));
    assert_eq!(port.get("/get").await.status(), 200, "the server goes on");
    assert_eq!(start(Layers::default()).await.get("/panic").await.status(), 500);
}

#[tokio::test]
async fn a_wrong_method_is_405_without_a_body() {
    let port = start(Layers::default()).await;
    let answer = client().delete(format!("{}/get", port.url)).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (405, ""));
}
