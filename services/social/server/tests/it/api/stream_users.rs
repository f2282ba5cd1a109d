//! `/v0/stream/users*`

use super::town::{World, id, town, user};
use serde_json::{Value, json};

fn ids(users: &[usize]) -> Value {
    users.iter().map(|n| json!(user(*n))).collect()
}

#[tokio::test]
async fn sources_give_what_they_promise() {
    let app = town().start();
    for (query, expected) in [
        (format!("user_id={}", user(0)), ids(&[1])),
        (format!("source=following&user_id={}", user(1)), ids(&[0, 2])),
        (format!("source=following&user_id={}&skip=1&limit=1", user(1)), ids(&[2])),
        (format!("source=friends&user_id={}", user(0)), ids(&[1])),
        (format!("source=post_replies&author_id={}&post_id={}", user(0), id(1)), ids(&[1])),
        (format!("source=recommended&user_id={}", user(0)), ids(&[])),
        (format!("source=starter_pack&tags=kind,wise&viewer_id={}", user(3)), ids(&[0])),
    ] {
        assert_eq!(app.json(&format!("/v0/stream/users/ids?{query}")).await, expected, "{query}");
        let views = app.json(&format!("/v0/stream/users?{query}")).await;
        let shown: Value = views.as_array().unwrap().iter().map(|view| view["details"]["id"].clone()).collect();
        assert_eq!(shown, expected, "{query}");
    }
    let followed = app.json("/v0/stream/users/ids?source=most_followed").await;
    assert_eq!(followed.as_array().unwrap().len(), 4);
    let influencers = app.json("/v0/stream/users/ids?source=influencers&limit=2").await;
    assert_eq!(influencers.as_array().unwrap().len(), 2);
    let near = format!("/v0/stream/users/ids?source=influencers&user_id={}&timeframe=today&reach=wot_1", user(0));
    assert_eq!(app.json(&near).await, ids(&[1]));
    assert_eq!(app.json("/v0/stream/users/ids?source=influencers&preview=true").await.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_depth_filters_the_tags_of_views() {
    let app = town().start();
    let path =
        |depth: &str| format!("/v0/stream/users?source=followers&user_id={}&viewer_id={}{depth}", user(1), user(2));
    let all = app.json(&path("")).await;
    assert_eq!(all[0]["tags"].as_array().unwrap().len(), 2);
    assert_eq!(app.json(&path("&depth=1")).await[0]["tags"].as_array().unwrap().len(), 1);
    assert_eq!(app.json(&path("&depth=9")).await, all, "other depths are ignored here");
}

#[tokio::test]
async fn what_a_source_needs_is_named() {
    let app = town().start();
    let reach = "user_id query param must be provided for source 'influencers' when reach is specified";
    let moderated = "tag label 'violence' is a moderation label and cannot be used with source 'starter_pack'";
    let replies = format!("source=post_replies&author_id={}", user(0));
    for (query, error) in [
        ("", "user_id query param must be provided for source 'followers'"),
        ("source=recommended", "user_id query param must be provided for source 'recommended'"),
        ("source=influencers&reach=wot", reach),
        ("source=post_replies", "author_id query param must be provided for source 'post_replies'"),
        (&*replies, "post_id query param must be provided for source 'post_replies'"),
        ("source=starter_pack", "tags query param must be provided for source 'starter_pack'"),
        (
            "source=most_followed&tags=a",
            "tags query param is only supported for source 'starter_pack', not 'most_followed'",
        ),
        ("source=starter_pack&tags=a,violence", moderated),
        ("source=starter_pack&tags=a&skip=101", "skip must be at most 100 for source 'starter_pack'"),
    ] {
        for path in ["/v0/stream/users", "/v0/stream/users/ids"] {
            app.refuses(&format!("{path}?{query}"), 400, &format!("Invalid input: {error}")).await;
        }
    }
    let text = "Invalid input: Failed to deserialize query string: Invalid input: limit exceeds maximum of 20";
    app.refuses("/v0/stream/users?limit=21", 400, text).await;
}

#[tokio::test]
async fn users_are_streamed_by_name() {
    let app = World::default().user(0, "Ann").user(1, "anton").user(2, "Bert").follow(2, 0).start();
    let views = app.json(&format!("/v0/stream/users/username?username=AN&viewer_id={}", user(2))).await;
    assert_eq!(views.as_array().unwrap().len(), 2);
    assert_eq!(views[0]["relationship"], json!({"following": true, "followed_by": false}));
    let q = "Invalid input: Failed to deserialize query string";
    app.refuses("/v0/stream/users/username", 400, &format!("{q}: missing field `username`")).await;
    let empty = format!("{q}: username: Invalid input: Username cannot be empty");
    app.refuses("/v0/stream/users/username?username=+", 400, &empty).await;
}

#[tokio::test]
async fn by_ids_keeps_the_order_of_the_request() {
    let app = town().start();
    let body = json!({"user_ids": [user(3), user(9), user(0)], "viewer_id": user(2), "depth": 1});
    let views = app.post("/v0/stream/users/by_ids", &body).await.json();
    assert_eq!((&views[0]["details"]["name"], &views[1]["details"]["name"]), (&json!("Dave"), &json!("Ada")));
    assert_eq!(views[1]["tags"].as_array().unwrap().len(), 1);
    let reply = app.post("/v0/stream/users/by_ids", &json!({"user_ids": []})).await;
    let error = "Invalid input: Failed to deserialize the JSON body into the target type: user_ids: At least 1 item(s) \
                 required at line 1 column 15";
    assert_eq!((reply.status, reply.json()), (400, json!({"error": error})));
}
