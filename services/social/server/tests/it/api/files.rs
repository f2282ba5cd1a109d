//! `/v0/files/*`

use super::town::{id, town, user};
use axum::http::Method;
use serde_json::json;

fn uri(owner: usize, n: usize) -> String {
    format!("pubky://{}/pub/pubky.app/files/{}", user(owner), id(n))
}

#[tokio::test]
async fn a_file_is_found_by_its_encoded_uri() {
    let app = town().start();
    let file = app.json(&format!("/v0/files/file/{}", uri(0, 50).replace(':', "%3A").replace('/', "%2F"))).await;
    assert_eq!((&file["uri"], &file["owner_id"], &file["size"]), (&json!(uri(0, 50)), &json!(user(0)), &json!(81_234)));
    assert_eq!(file["metadata"], json!(null));
    let unknown = uri(0, 51).replace(':', "%3A").replace('/', "%2F");
    app.refuses(&format!("/v0/files/file/{unknown}"), 404, "File not found.").await;
    app.refuses("/v0/files/file/x", 400, "Invalid input: Malformed file URI").await;
}

#[tokio::test]
async fn files_by_ids_come_in_order_without_the_unknown() {
    let app = town().file(1, 51).start();
    let body = json!({"uris": [uri(1, 51), "nonsense", uri(0, 99), uri(0, 50)]});
    let files = app.post("/v0/files/by_ids", &body).await.json();
    assert_eq!(files.as_array().unwrap().len(), 2);
    assert_eq!((&files[0]["uri"], &files[1]["uri"]), (&json!(uri(1, 51)), &json!(uri(0, 50))));
}

#[tokio::test]
async fn bodies_are_refused_in_the_known_words() {
    let app = town().start();
    let json = [("content-type", "application/json")];
    let target = "Invalid input: Failed to deserialize the JSON body into the target type";
    let many = json!({"uris": vec!["x"; 101]}).to_string();
    for (headers, body, error) in [
        (&json[..], r#"{"uris":[]}"#, format!("{target}: uris: At least 1 item(s) required at line 1 column 11")),
        (&json[..], &*many, format!("{target}: uris: Maximum 100 items allowed at line 1 column {}", many.len())),
        (&json[..], "{}", format!("{target}: missing field `uris` at line 1 column 2")),
        (&[][..], "{}", "Invalid input: Expected request with `Content-Type: application/json`".into()),
    ] {
        let reply = app.ask(Method::POST, "/v0/files/by_ids", headers, body).await;
        assert_eq!((reply.status, reply.json()), (400, json!({"error": error})), "{body:.30}");
    }
}
