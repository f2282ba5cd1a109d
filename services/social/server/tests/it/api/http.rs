//! What holds for every endpoint: CORS, methods, compression, 304, limits, documentation.

use super::town::{NOW, town, user};
use axum::http::Method;
use nexus_http::{BucketConfig, RateLimitConfig};
use serde_json::json;

#[tokio::test]
async fn errors_too_are_open_to_browsers() {
    let app = town().start();
    for (path, status) in
        [("/v0/info", 200), ("/v0/user/x", 400), (&*format!("/v0/user/{}", user(9)), 404), ("/v0/nothing", 404)]
    {
        let reply = app.get(path).await;
        assert_eq!((reply.status, &reply.headers["access-control-allow-origin"]), (status, &"*".parse().unwrap()));
    }
    let missing = app.get("/v0/nothing").await;
    assert_eq!(missing.text, "");
    let wrong = app.ask(Method::DELETE, "/v0/info", &[], "").await;
    assert_eq!((wrong.status, wrong.text.as_str()), (405, ""));
}

#[tokio::test]
async fn a_preflight_is_answered_as_upstream_does() {
    let headers = [("origin", "https://pubky.app"), ("access-control-request-method", "GET")];
    let reply = town().start().ask(Method::OPTIONS, "/v0/info", &headers, "").await;
    assert_eq!(reply.status, 200);
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "*"),
        ("access-control-allow-headers", "*"),
        ("allow", "GET,HEAD"),
    ] {
        assert_eq!(reply.headers[name], value, "{name}");
    }
}

#[tokio::test]
async fn head_works_for_every_get() {
    let app = town().start();
    for path in ["/v0/info", "/v0/stream/posts", "/v0/tags/hot"] {
        let reply = app.ask(Method::HEAD, path, &[], "").await;
        assert_eq!((reply.status, reply.text.as_str()), (200, ""), "{path}");
        assert_eq!(reply.headers["content-type"], "application/json");
    }
}

#[tokio::test]
async fn answers_are_compressed_and_named() {
    let app = town().start();
    let reply = app.ask(Method::GET, "/v0/stream/posts", &[("accept-encoding", "br")], "").await;
    assert_eq!(reply.headers["content-encoding"], "br");
    assert!(reply.headers.get_all("vary").iter().any(|value| value == "accept-encoding"));
    let tag = reply.headers["etag"].to_str().unwrap();
    assert_eq!(reply.headers["cache-control"], "no-cache");
    let again = app.ask(Method::GET, "/v0/stream/posts", &[("if-none-match", tag)], "").await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    let changed = town().post(0, 30, 9000).start();
    assert_eq!(changed.ask(Method::GET, "/v0/stream/posts", &[("if-none-match", tag)], "").await.status, 200);
}

#[tokio::test]
async fn unknown_parameters_are_ignored() {
    assert_eq!(town().start().get("/v0/stream/posts/keys?who=knows&limit=1").await.status, 200);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413() {
    let app = town().start();
    let body = json!({"uris": ["x".repeat(1024 * 1024)]});
    let reply = app.post("/v0/files/by_ids", &body).await;
    assert_eq!((reply.status, reply.text.as_str()), (413, "length limit exceeded"));
}

#[tokio::test]
async fn expensive_requests_have_a_bucket_of_their_own() {
    let limits = RateLimitConfig {
        enabled: true,
        default_bucket: BucketConfig { rate: 60, burst: 2 },
        expensive_bucket: BucketConfig { rate: 60, burst: 1 },
        ..RateLimitConfig::default()
    };
    let app = town().limited(limits);
    assert_eq!(app.get("/v0/tags/hot").await.status, 200);
    let reply = app.get(&format!("/v0/bootstrap/{}", user(0))).await;
    assert_eq!((reply.status, &reply.headers["retry-after"], reply.text.as_str()), (429, &"1".parse().unwrap(), ""));
    assert_eq!(app.get("/v0/info").await.status, 200);
    assert_eq!(app.get("/v0/info").await.status, 200);
    assert_eq!(app.get("/v0/info").await.status, 429);
    app.clock.advance(1_000);
    assert_eq!(app.get("/v0/tags/hot").await.status, 200);
    assert_eq!(app.clock.now().millis(), NOW + 1_000);
}

#[tokio::test]
async fn the_documentation_is_where_clients_look() {
    let app = town().start();
    let reply = app.get("/swagger-ui").await;
    assert_eq!((reply.status, &reply.headers["location"]), (303, &"/swagger-ui/".parse().unwrap()));
    assert!(app.get("/swagger-ui/").await.text.contains("swagger-ui"));
    for path in ["/api-docs/v0/openapi.json", "/api-docs/static/openapi.json"] {
        assert_eq!(app.json(path).await["openapi"], "3.1.0", "{path}");
    }
    assert_eq!(app.get("/").await.status, 404);
}
