//! Who answers which path.

use crate::{Running, client, site};
use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    routing::get,
};
use nexus_http::{Client, Paths, Readiness, Site, TrustedProxies};
use nexus_runtime::Clock;
use serde_json::{Value, json};

fn service(name: &'static str) -> Router {
    Router::new()
        .route("/", get(move || async move { name }))
        .route("/v0/info", get(move || async move { name }))
        .route("/same", get(move || async move { name }))
        .fallback(move || async move { (StatusCode::NOT_FOUND, name) })
}

async fn shared_port() -> Running {
    let site = Site::new(Readiness::default(), TrustedProxies::default(), &Clock::system())
        .mount("social", &[Paths::Below("/v0")], service("social"))
        .mount("relay", &[Paths::Exact("/"), Paths::Below("/api")], service("relay"));
    Running::start(site).await
}

#[tokio::test]
async fn each_path_goes_to_its_owner_and_misses_stay_there() {
    let port = shared_port().await;
    for (path, status, body) in [
        ("/", 200, "relay"),
        ("/v0/info", 200, "social"),
        ("/v0/nothing", 404, "social"),
        ("/api/nothing", 404, "relay"),
        ("/same", 404, ""),
        ("/v01", 404, ""),
    ] {
        let answer = port.get(path).await;
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (status, body), "{path}");
    }
}

#[tokio::test]
async fn a_service_of_its_own_may_replace_health() {
    let port = Running::start(site(Router::new())).await;
    assert_eq!(port.get("/health").await.json::<Value>().await.unwrap(), json!({"status": "ok"}));
    let guarded = Router::new().route("/health", get(|| async { StatusCode::UNAUTHORIZED }));
    let site = Site::new(Readiness::default(), TrustedProxies::default(), &Clock::system()).mount(
        "sync",
        &[Paths::Exact("/health")],
        guarded,
    );
    assert_eq!(Running::start(site).await.get("/health").await.status(), 401);
}

#[tokio::test]
async fn ready_names_what_is_missing() {
    let readiness = Readiness::default();
    let (first, second) = (readiness.register("social: first"), readiness.register("social: second"));
    let port = Running::start(Site::new(readiness, TrustedProxies::default(), &Clock::system())).await;
    first.reached();
    let answer = port.get("/ready").await;
    assert_eq!(answer.status(), 503);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body, json!({"ready": false, "waiting_for": ["social: second"]}));
    second.reached();
    assert_eq!(port.get("/ready").await.status(), 200);
    first.lost();
    assert!(!first.holds());
    assert_eq!(port.get("/ready").await.status(), 503);
}

#[tokio::test]
async fn requests_have_ids() {
    let echo = get(|headers: HeaderMap| async move { headers["x-request-id"].to_str().unwrap().to_owned() });
    let port = Running::start(site(Router::new().route("/id", echo))).await;
    let made = port.get("/id").await;
    let id = made.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(made.text().await.unwrap(), id);
    assert_ne!(port.get("/id").await.headers()["x-request-id"], id.as_str());
    let kept = client().get(format!("{}/id", port.url)).header("x-request-id", "mine-1").send().await.unwrap();
    assert_eq!(kept.headers()["x-request-id"], "mine-1");
    assert!(port.get("/missing").await.headers().contains_key("x-request-id"));
}

#[tokio::test]
async fn handlers_learn_whom_the_proxy_speaks_for() {
    let who = Router::new().route("/who", get(|Client(address): Client| async move { address.to_string() }));
    let proxies = TrustedProxies::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let port = Running::start(crate::site_behind(who, proxies)).await;
    assert_eq!(port.get("/who").await.text().await.unwrap(), "127.0.0.1");
    let request = client().get(format!("{}/who", port.url)).header("x-forwarded-for", "1.2.3.4");
    assert_eq!(request.send().await.unwrap().text().await.unwrap(), "1.2.3.4");
}

#[tokio::test]
async fn metrics_are_rendered_by_the_program() {
    let router = nexus_http::metrics_router(|| "up 1\n".into());
    let answer = Running::start(site(router)).await.get("/metrics").await;
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(answer.text().await.unwrap(), "up 1\n");
}
