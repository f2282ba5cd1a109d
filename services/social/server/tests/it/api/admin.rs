//! `/admin/social/*`

use super::town::{App, time, town};
use axum::http::Method;
use nexus_social::{
    effects::{Operation, RetryChange, RetryReason, RetryRow, SourceCursor, SourceLog},
    query::Page,
    store::Store as _,
};
use serde_json::{Value, json};

fn row(uri: &str, reason: RetryReason) -> RetryRow {
    let (operation, homeserver) = (Operation::Put, "home".into());
    RetryRow { uri: uri.into(), operation, homeserver, attempts: 3, due: time(0), reason, error: "no".into() }
}

fn office() -> App {
    let waiting = row("pubky://a", RetryReason::Dependency("pubky://b".into()));
    let later = RetryRow { due: time(90_000), ..waiting };
    let dead = row("pubky://c", RetryReason::Transient);
    town()
        .with(|effects| {
            effects.retries = vec![RetryChange::Put(later), RetryChange::Bury(dead)];
            effects.cursors = vec![SourceCursor { log: SourceLog::Homeserver("home".into()), cursor: 7 }];
        })
        .start()
}

async fn ask(app: &App, method: Method, path: &str, body: &Value) -> (u16, String) {
    let headers = [("authorization", "Bearer token"), ("content-type", "application/json")];
    let reply = app.ask(method, &format!("/admin/social/{path}"), &headers, &body.to_string()).await;
    (reply.status, reply.text)
}

async fn list(app: &App, path: &str) -> Value {
    let (status, text) = ask(app, Method::GET, path, &json!(null)).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn nobody_gets_in_without_the_token() {
    let app = office();
    for path in ["dead-letters", "retries", "cursors", "jobs"] {
        assert_eq!(app.get(&format!("/admin/social/{path}")).await.status, 401, "{path}");
    }
    for path in ["dead-letters/retry", "jobs/trust-recompute/run"] {
        assert_eq!(app.post(&format!("/admin/social/{path}"), &json!({})).await.status, 401, "{path}");
    }
}

#[test]
fn the_routes_are_documented_as_the_operators() {
    let document = serde_json::to_value(nexus_social_server::api::documents().v0).unwrap();
    assert_eq!(document["components"]["securitySchemes"]["admin"], json!({"type": "http", "scheme": "bearer"}));
    let paths = document["paths"].as_object().unwrap();
    for (path, method) in [
        ("dead-letters", "get"),
        ("dead-letters/retry", "post"),
        ("retries", "get"),
        ("retries/retry", "post"),
        ("cursors", "get"),
        ("jobs", "get"),
        ("jobs/{name}/run", "post"),
    ] {
        let operation = &paths[&format!("/admin/social/{path}")][method];
        assert_eq!(operation["security"], json!([{"admin": []}]), "{path}");
        for status in ["401", "403"] {
            assert!(operation["responses"][status].is_object(), "{path} {status}");
        }
    }
    assert!(paths.iter().all(|(path, _)| path.starts_with("/v0") || path.starts_with("/admin/social/")));
}

#[tokio::test]
async fn queues_and_cursors_are_listed() {
    let app = office();
    let expected = json!({
        "uri": "pubky://a", "operation": "PUT", "homeserver": "home", "attempts": 3, "due": time(90_000).millis(),
        "waits_for": "pubky://b", "error": "no",
    });
    assert_eq!(list(&app, "retries").await, json!([expected]));
    assert_eq!(list(&app, "dead-letters").await[0]["waits_for"], json!(null));
    assert_eq!(list(&app, "cursors").await, json!([{"homeserver": "home", "user": null, "cursor": 7}]));
}

#[tokio::test]
async fn a_dead_letter_goes_back_into_the_queue() {
    let app = office();
    let none = json!({"uri": "pubky://none"});
    assert_eq!(ask(&app, Method::POST, "dead-letters/retry", &none).await.0, 204);
    assert_eq!(list(&app, "dead-letters").await.as_array().unwrap().len(), 1);
    assert_eq!(ask(&app, Method::POST, "dead-letters/retry", &json!({})).await, (204, String::new()));
    assert_eq!(list(&app, "dead-letters").await, json!([]));
    let due = app.store.due(app.clock.now(), 10).unwrap();
    assert_eq!((due.len(), &*due[0].uri, due[0].attempts), (1, "pubky://c", 0));
}

#[tokio::test]
async fn an_entry_of_the_queue_becomes_due() {
    let app = office();
    let (status, text) = ask(&app, Method::POST, "retries/retry", &json!({"uri": "pubky://none"})).await;
    assert_eq!((status, text.as_str()), (404, r#"{"error":"Retry not found: pubky://none"}"#));
    assert_eq!(ask(&app, Method::POST, "retries/retry", &json!({"uri": "pubky://a"})).await.0, 204);
    let rows = app.store.retries(Page { skip: 0, limit: 10 }).unwrap();
    assert_eq!((rows[0].due, rows[0].attempts), (app.clock.now(), 3));
}

#[tokio::test]
async fn a_job_is_begun_once_and_shown_while_it_runs() {
    let app = office();
    let job =
        |runs: Value| json!([{"name": "trust-recompute", "cron": "0 0 4 * * *", "deadline": 60_000, "runs": runs}]);
    assert_eq!(list(&app, "jobs").await, job(json!([])));
    let (status, text) = ask(&app, Method::POST, "jobs/trust-recompute/run", &json!(null)).await;
    let run = json!({
        "number": 1, "asked_by": "operator", "began": app.clock.now().millis(), "ended": null,
        "users": null, "rounds": null, "error": null,
    });
    assert_eq!((status, serde_json::from_str::<Value>(&text).unwrap()), (202, run.clone()));
    assert_eq!(list(&app, "jobs").await, job(json!([run])));
    let again = ask(&app, Method::POST, "jobs/trust-recompute/run", &json!(null)).await;
    assert_eq!(again, (409, r#"{"error":"trust-recompute runs already"}"#.into()));
}

#[tokio::test]
async fn a_job_that_is_unknown_or_comes_too_late_is_refused() {
    let app = office();
    let unknown = ask(&app, Method::POST, "jobs/dance/run", &json!(null)).await;
    assert_eq!(unknown, (404, r#"{"error":"there is no job \"dance\"; there is trust-recompute"}"#.into()));
    let router = app.router();
    drop(app.asked);
    let request = axum::http::Request::post("/admin/social/jobs/trust-recompute/run");
    let request = request.header("authorization", "Bearer token").body(axum::body::Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(router, request).await.unwrap();
    assert_eq!(response.status().as_u16(), 503, "nobody works any more");
}
