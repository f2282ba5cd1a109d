//! What surrounds a post.

use super::town::{World, id, key, post_path, town, user};
use serde_json::json;

fn chain() -> World {
    let world = town().reply(2, 6, 5000, key(1, 3)).reply(0, 7, 6000, key(2, 6));
    world.reply(3, 8, 7000, key(1, 3))
}

#[tokio::test]
async fn a_thread_has_ancestors_and_replies() {
    let app = chain().start();
    let thread = app.json(&format!("{}/thread?viewer_id={}", post_path(1, 3), user(1))).await;
    assert_eq!(thread["ancestors"][0]["details"]["id"], json!(id(1)));
    assert_eq!(thread["ancestors"][0]["tags"][0]["relationship"], true);
    assert_eq!(thread["post"]["details"]["id"], json!(id(3)));
    let replies = thread["replies"].as_array().unwrap();
    let shown: Vec<_> =
        replies.iter().map(|reply| (reply["depth"].clone(), reply["post"]["details"]["id"].clone())).collect();
    assert_eq!(shown, [(json!(1), json!(id(6))), (json!(2), json!(id(7))), (json!(1), json!(id(8)))]);
    assert_eq!(thread["truncated"], false);
}

#[tokio::test]
async fn a_thread_is_bounded() {
    let app = chain().start();
    let path = |query: &str| format!("{}/thread?{query}", post_path(1, 3));
    let small = app.json(&path("ancestors=0&replies=1")).await;
    assert_eq!((&small["ancestors"], &small["truncated"]), (&json!([]), &json!(true)));
    assert_eq!(small["replies"].as_array().unwrap().len(), 1);
    assert_eq!(app.json(&path("depth=1")).await["replies"].as_array().unwrap().len(), 2);
    let text =
        "Invalid input: Failed to deserialize query string: replies: Invalid input: count exceeds maximum of 200";
    app.refuses(&path("replies=201"), 400, text).await;
}

#[tokio::test]
async fn a_light_thread_has_no_texts() {
    let app = chain().start();
    let path = format!("{}/thread", post_path(1, 3));
    let (whole, light) = (app.json(&path).await, app.json(&format!("{path}?content=uri")).await);
    assert!(!light.to_string().contains("\"content\""));
    for (post, thin) in [
        (&whole["post"], &light["post"]),
        (&whole["ancestors"][0], &light["ancestors"][0]),
        (&whole["replies"][1]["post"], &light["replies"][1]["post"]),
    ] {
        assert!(post["details"]["content"].is_string());
        assert_eq!((&post["details"]["uri"], &post["counts"]), (&thin["details"]["uri"], &thin["counts"]));
        assert_eq!(post["details"]["content_hash"], thin["details"]["content_hash"]);
    }
    let text =
        "Invalid input: Failed to deserialize query string: content: unknown variant `x`, expected `full` or `uri`";
    app.refuses(&format!("{path}?content=x"), 400, text).await;
}

#[tokio::test]
async fn reposts_are_keys_oldest_first() {
    let app = town().repost(3, 9, 9000, key(0, 1)).repost(2, 8, 9000, key(0, 1)).start();
    let path = format!("{}/reposts", post_path(0, 1));
    let mut at_once = [key(2, 8).to_string(), key(3, 9).to_string()];
    at_once.sort();
    let all = json!([key(2, 4).to_string(), at_once[0], at_once[1]]);
    assert_eq!(app.json(&path).await, all);
    assert_eq!(app.json(&format!("{path}?skip=1&limit=1")).await, json!([at_once[0]]));
    for limit in 1..=4 {
        assert_eq!(app.pages(&format!("{path}?limit={limit}")).await, all, "pages of {limit}");
    }
    assert_eq!(app.get(&format!("{path}?cursor=x")).await.status, 400);
}
