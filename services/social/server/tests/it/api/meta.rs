//! `/v0/info`, `/v0/events`, `/v0/ingest`

use super::town::{town, user};
use axum::http::Method;
use nexus_social::{effects::Effects, store::Store as _};
use serde_json::json;
use std::sync::atomic::Ordering::SeqCst;

#[tokio::test]
async fn info_says_what_this_is() {
    let info = town().start().json("/v0/info").await;
    let names: Vec<_> = info.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "description",
        "homepage",
        "license",
        "name",
        "repository",
        "version",
        "commit_hash",
        "last_index_snapshot",
        "base_file_url",
    ];
    assert_eq!(names, expected);
    assert_eq!(info["last_index_snapshot"], "2026-09-21 14:13:20");
    assert_eq!(info["base_file_url"], "/files");
    assert_eq!((&info["name"], &info["version"], &info["license"]), (&json!("town"), &json!("1.2.3"), &json!("MIT")));
    assert_eq!(info["homepage"], "https://town.example/");
    assert_eq!(info["commit_hash"], "unknown", "of a build that doesn't know its commit");
}

#[tokio::test]
async fn events_are_lines_and_a_cursor() {
    let app = town().with(|effects| effects.log = ["PUT a", "PUT b", "DEL a"].map(String::from).to_vec()).start();
    let reply = app.get("/v0/events").await;
    assert_eq!(reply.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(reply.text, "PUT a\nPUT b\nDEL a\ncursor: 3");
    assert_eq!(app.get("/v0/events?cursor=1&limit=1").await.text, "PUT b\ncursor: 2");
    assert_eq!(app.get("/v0/events?cursor=9").await.text, "cursor: 9");
    let q = "Invalid input: Failed to deserialize query string";
    let limit = format!("{q}: limit: Invalid input: limit must be at least 1");
    app.refuses("/v0/events?limit=0", 400, &limit).await;
    app.refuses("/v0/events?cursor=x", 400, &format!("{q}: cursor: invalid digit found in string")).await;
}

#[tokio::test]
async fn events_are_shown_once_the_index_has_them() {
    let app = town().with(|effects| effects.log = ["PUT a", "PUT b"].map(String::from).to_vec()).start();
    let mut group = app.store.begin().unwrap();
    group.apply(&Effects { log: vec!["PUT c".to_owned()], ..Effects::default() }).unwrap();
    group.commit().unwrap();
    assert_eq!(app.get("/v0/events").await.text, "PUT a\nPUT b\ncursor: 2");
    assert_eq!(app.get("/v0/events?cursor=2").await.text, "cursor: 2");
    app.logged.fetch_add(1, SeqCst);
    assert_eq!(app.get("/v0/events?cursor=1").await.text, "PUT b\nPUT c\ncursor: 3");
}

#[tokio::test]
async fn ingestion_is_asked_for() {
    let app = town().start();
    let put = |n| app.ask(Method::PUT, Box::leak(format!("/v0/ingest/{}", user(n)).into_boxed_str()), &[], "");
    let done = put(9).await;
    assert_eq!((done.status, done.text.as_str()), (200, ""));
    // Who is known is not asked for, whatever would come of it.
    for known in [1, 2] {
        let done = put(known).await;
        assert_eq!((done.status, done.text.as_str()), (200, ""));
    }
    let refused = put(7).await;
    let error = json!({"error": "Forbidden: Homeserver is blacklisted: bad-home"});
    assert_eq!((refused.status, refused.json()), (403, error));
    let failed = put(8).await;
    assert_eq!((failed.status, failed.json()), (500, json!({"error": "Internal server error: no route"})));
}
