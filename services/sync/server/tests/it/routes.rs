//! Every route: what it answers, and how it refuses.

use crate::service::{ACKNOWLEDGED, Service};
use nexus_sync::event::Kind;
use nexus_sync_server::api::{Delivery, Health, Password};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

async fn open() -> Service {
    Service::start(Password::new(None, Health::Guarded), ACKNOWLEDGED).await
}

async fn get(service: &Service, path: &str) -> (StatusCode, Value) {
    let response = Client::new().get(service.url(path)).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

async fn post(service: &Service, path: &str, body: &str) -> Response {
    let request = Client::new().post(service.url(path)).header("Content-Type", "application/json; charset=UTF-8");
    request.body(body.to_owned()).send().await.unwrap()
}

#[tokio::test]
async fn repos_are_added_and_removed_under_both_names() {
    let service = open().await;
    for (path, dids, count) in [
        ("/repos/add", r#"["did:plc:a","did:plc:b","did:plc:a"]"#, 2),
        ("/add-repos", r#"["did:plc:c"]"#, 3),
        ("/repos/add", "[]", 3),
        ("/repos/remove", r#"["did:plc:a","did:plc:unknown"]"#, 2),
        ("/remove-repos", r#"["did:plc:b"]"#, 1),
    ] {
        let response = post(&service, path, &format!(r#"{{"dids":{dids}}}"#)).await;
        assert_eq!((response.status(), response.text().await.unwrap().as_str()), (StatusCode::OK, ""), "{path}");
        assert_eq!(get(&service, "/stats/repo-count").await, (StatusCode::OK, json!({"repo_count": count})));
    }
    assert_eq!(post(&service, "/repos/add", "{}").await.status(), StatusCode::OK);
    let many: Vec<_> = (0..5_000).map(|n| format!("did:plc:n{n}")).collect();
    assert_eq!(post(&service, "/repos/add", &json!({"dids": many}).to_string()).await.status(), StatusCode::OK);
    assert_eq!(get(&service, "/stats/repo-count").await.1, json!({"repo_count": 5_001}));
}

#[tokio::test]
async fn bodies_that_make_no_sense_are_refused() {
    let service = open().await;
    for body in ["{", r#"{"dids":7}"#, r#"{"dids":["did:plc:a","junk"]}"#] {
        let response = post(&service, "/repos/add", body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert!(response.json::<Value>().await.unwrap()["message"].is_string());
    }
    for path in ["/info/%FF", "/resolve/%FF", "/channel?consumer=a&seq=x"] {
        let (status, said) = get(&service, path).await;
        assert_eq!((status, said["message"].is_string()), (StatusCode::BAD_REQUEST, true), "{path}: {said}");
    }
    let plain = Client::new().post(service.url("/repos/add")).body("{}").send().await.unwrap();
    assert_eq!(plain.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(get(&service, "/stats/repo-count").await.1, json!({"repo_count": 0}));
}

#[tokio::test]
async fn what_is_known_of_a_repo_is_told() {
    let service = open().await;
    post(&service, "/repos/add", r#"{"dids":["did:plc:a"]}"#).await;
    let known = json!({"did": "did:plc:a", "handle": "", "state": "pending", "rev": "", "error": "", "retries": 0,
        "records": 0, "status": "active"});
    assert_eq!(get(&service, "/info/did:plc:a").await, (StatusCode::OK, known.clone()));
    assert_eq!(get(&service, "/info/did%3Aplc%3Aa").await, (StatusCode::OK, known));
    for unknown in ["/info/did:plc:b", "/info/junk"] {
        assert_eq!(get(&service, unknown).await, (StatusCode::NOT_FOUND, json!({"message": "repo not found"})));
    }
}

#[tokio::test]
async fn numbers_and_refusals_have_the_originals_shape() {
    let service = open().await;
    service.append("a", Kind::Live, "\"type\":\"x\"}");
    service.append("b", Kind::Live, "\"type\":\"x\"}");
    assert_eq!(get(&service, "/health").await.1, json!({"status": "ok"}));
    assert_eq!(get(&service, "/stats/record-count").await.1, json!({"record_count": 0}));
    assert_eq!(get(&service, "/stats/resync-buffer").await.1, json!({"resync_buffer": 0}));
    let outbox = async {
        while get(&service, "/stats/outbox-buffer").await.1 != json!({"outbox_buffer": 2}) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), outbox).await.unwrap();
    let shown = json!({"unsettled": 2, "under_way": 0, "connections": 0, "oldest_seconds": 90.5});
    assert_eq!(get(&service, "/stats/outbox").await, (StatusCode::OK, shown));
    assert_eq!(get(&service, "/nowhere").await, (StatusCode::NOT_FOUND, json!({"message": "Not Found"})));
    assert_eq!(
        get(&service, "/repos/add").await,
        (StatusCode::METHOD_NOT_ALLOWED, json!({"message": "Method Not Allowed"}))
    );
    assert_eq!(get(&service, "/channel").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn documents_and_cursors_have_the_originals_shapes() {
    let service = Service::start_with(Delivery::Channel).await;
    assert_eq!(get(&service, "/stats/cursors").await.1, json!({"firehose": 0, "list_repos": ""}));
    let idle = json!({"unsettled": 0, "under_way": 0, "connections": 0, "oldest_seconds": 0.0});
    assert_eq!(get(&service, "/stats/outbox").await.1, idle);
    let refused = (StatusCode::BAD_REQUEST, json!({"message": "improperly formatted DID"}));
    assert_eq!(get(&service, "/resolve/ada").await, refused);
    let away = (StatusCode::INTERNAL_SERVER_ERROR, json!({"message": "failed to resolve DID"}));
    assert_eq!(get(&service, "/resolve/did%3Aplc%3Aewvi7nxzyoun6zhxrhs64oiz").await, away);
}

#[tokio::test]
async fn with_a_webhook_there_is_no_channel() {
    let service = Service::start_with(Delivery::Webhook).await;
    let refused = json!({"message": "websocket not available in webhook mode"});
    assert_eq!(get(&service, "/channel").await, (StatusCode::BAD_REQUEST, refused));
}

#[tokio::test]
async fn a_password_guards_every_path() {
    let service = Service::start(Password::new(Some("s3cret"), Health::Guarded), ACKNOWLEDGED).await;
    for (method, path) in
        [(Method::GET, "/health"), (Method::GET, "/nowhere"), (Method::POST, "/repos/add"), (Method::GET, "/channel")]
    {
        let request = |user: &str, password: &str| {
            Client::new().request(method.clone(), service.url(path)).basic_auth(user, Some(password)).send()
        };
        for refused in [
            Client::new().request(method.clone(), service.url(path)).send().await,
            request("admin", "wrong").await,
            request("root", "s3cret").await,
        ] {
            let refused = refused.unwrap();
            assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(refused.headers()["www-authenticate"], r#"Basic realm="admin", charset="UTF-8""#);
            assert_eq!(refused.json::<Value>().await.unwrap()["error"], "Unauthorized");
        }
        assert_ne!(request("admin", "s3cret").await.unwrap().status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    let open = Service::start(Password::new(Some("s3cret"), Health::Open), ACKNOWLEDGED).await;
    assert_eq!(get(&open, "/health").await.0, StatusCode::OK);
    assert_eq!(get(&open, "/stats/repo-count").await.0, StatusCode::UNAUTHORIZED);
}
