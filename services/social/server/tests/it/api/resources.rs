//! `/v0/resource/*` and `/v0/stream/resources*`

use super::town::{NOW, World, town, user};
use nexus_pubky::{ResourceId, ResourceUri};
use nexus_social::row::Target;
use serde_json::json;

fn resource(uri: &str) -> ResourceId {
    ResourceUri::normalize(uri).unwrap().id()
}

fn tagged(world: World, tagger: usize, uri: &str, label: &str, app: &str) -> World {
    world.resource(uri).app_tag(tagger, Target::Resource(resource(uri)), label, Some(app))
}

fn web() -> World {
    let world = tagged(town(), 1, "https://ex.org/", "maps", "mapky");
    let world = tagged(world, 2, "https://ex.org/", "maps", "mapky");
    let world = tagged(world, 2, "https://ex.org/b", "art", "eventky");
    tagged(world, 3, "isbn:123", "maps", "mapky")
}

#[tokio::test]
async fn a_resource_is_found_by_id_and_by_any_spelling() {
    let app = web().start();
    let id = resource("https://ex.org/");
    let by_id = app.json(&format!("/v0/resource/{id}/tags?viewer_id={}", user(1))).await;
    let details = json!({"id": id, "uri": "https://ex.org/", "scheme": "https", "indexed_at": NOW - 60_000});
    let tags = json!([{"label": "maps", "taggers": [user(1), user(2)], "taggers_count": 2, "relationship": true}]);
    assert_eq!(by_id, json!({"resource": details, "tags": tags}));
    let by_uri = app.json("/v0/resource/by-uri?uri=HTTPS%3A%2F%2Fu%3Ap%40Ex.Org%3A443%23f").await;
    assert_eq!(by_uri["resource"], by_id["resource"]);
    let taggers = app.json(&format!("/v0/resource/{id}/tags/maps/taggers?viewer_id={}&skip=1", user(2))).await;
    assert_eq!(taggers, json!({"users": [user(2)], "relationship": true}));
}

#[tokio::test]
async fn labels_and_taggers_of_a_resource_go_on_page_after_page() {
    let uri = "https://ex.org/";
    let labelled = ["a", "b", "c"].into_iter().fold(web(), |world, label| tagged(world, 3, uri, label, "mapky"));
    let app = (3..8).fold(labelled, |world, n| tagged(world, n, uri, "maps", "mapky")).start();
    let at = format!("/v0/resource/{}/tags", resource(uri));
    let (all, by_maps) = (app.json(&at).await, app.json(&format!("{at}/maps/taggers")).await);
    assert_eq!((all["tags"].as_array().unwrap().len(), by_maps["users"].as_array().unwrap().len()), (4, 7));
    for limit in 1..=8 {
        for tags in [format!("{at}?limit_tags={limit}"), format!("/v0/resource/by-uri?uri={uri}&limit_tags={limit}")] {
            assert_eq!(app.pages_in("tags", &tags).await, all["tags"], "{tags}");
        }
        let taggers = format!("{at}/maps/taggers?limit={limit}");
        assert_eq!(app.pages_in("users", &taggers).await, by_maps["users"], "{taggers}");
    }
}

#[tokio::test]
async fn what_is_no_resource_is_refused() {
    let app = web().start();
    let unknown = resource("https://nowhere.example/");
    app.refuses(&format!("/v0/resource/{unknown}/tags"), 404, &format!("Resource not found: {unknown}")).await;
    let text = "Invalid input: Invalid URL: Invalid input: resource_id must \
                be 32-char lowercase hex, got: X";
    app.refuses("/v0/resource/X/tags", 400, text).await;
    let long = format!("/v0/resource/by-uri?uri=https://ex.org/{}", "x".repeat(2048));
    app.refuses(&long, 400, "Invalid input: URI too long (max 2048 bytes)").await;
    let depth = "Invalid input: `depth` is not supported for resource tags";
    app.refuses(&format!("/v0/resource/{unknown}/tags?depth=1"), 400, depth).await;
    app.refuses("/v0/resource/by-uri?uri=https://ex.org/&depth=1", 400, depth).await;
    let text = "Invalid input: Failed to deserialize query string: missing field `uri`";
    app.refuses("/v0/resource/by-uri", 400, text).await;
}

#[tokio::test]
async fn streams_are_filtered_and_paged_by_cursor() {
    let app = web().start();
    let (first, second, third) = (resource("https://ex.org/"), resource("https://ex.org/b"), resource("isbn:123"));
    let all = app.json("/v0/stream/resources/ids").await;
    assert_eq!(all["resource_ids"], json!([third, second, first]));
    assert!(all.get("next_cursor").is_none());
    assert_eq!(app.json("/v0/stream/resources/ids?app=eventky").await["resource_ids"], json!([second]));
    assert_eq!(
        app.json("/v0/stream/resources/ids?tags=maps&order=ascending").await["resource_ids"],
        json!([first, third])
    );
    let counted = app.json("/v0/stream/resources/ids?sorting=taggers_count&limit=1").await;
    assert_eq!((&counted["resource_ids"], &counted["last_score"]), (&json!([first]), &json!(2)));
    assert_eq!(app.pages_in("resource_ids", "/v0/stream/resources/ids?limit=1").await, all["resource_ids"]);
}

#[tokio::test]
async fn a_stream_shows_views() {
    let app = web().start();
    let reply = app.get(&format!("/v0/stream/resources?limit=1&viewer_id={}", user(3))).await;
    assert!(reply.headers.contains_key("x-next-cursor"));
    let details = json!({"id": resource("isbn:123"), "uri": "isbn:123", "scheme": "isbn", "indexed_at": NOW - 60_000});
    let tags = json!([{"label": "maps", "taggers": [user(3)], "taggers_count": 1, "relationship": true}]);
    assert_eq!(reply.json(), json!([{"details": details, "tags": tags, "taggers_count": 1}]));
    assert!(!app.get("/v0/stream/resources?limit=4").await.headers.contains_key("x-next-cursor"));
    let empty = app.json("/v0/stream/resources/ids?tags=nothing").await;
    assert_eq!(empty, json!({"resource_ids": [], "last_score": null}));
}
