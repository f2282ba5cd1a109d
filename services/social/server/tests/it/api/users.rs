//! `/v0/user/*`

use super::town::{NOW, World, hash, key, time, town, user};
use nexus_social::{notification::NotificationBody, row::Target};
use serde_json::{Value, json};

fn ids(users: &[usize]) -> Value {
    users.iter().map(|n| json!(user(*n))).collect()
}

#[tokio::test]
async fn a_user_view_has_upstream_s_shape() {
    let app = town().start();
    let view = app.json(&format!("/v0/user/{}?viewer_id={}", user(0), user(1))).await;
    let details = json!({
        "name": "Ada", "bio": null, "id": user(0), "links": null, "status": null, "image": null,
        "indexed_at": NOW - 60_000, "homeserver": "home", "content_hash": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
    });
    let counts = json!({
        "tagged": 0, "tags": 2, "unique_tags": 2, "posts": 2, "replies": 0, "collections": 0, "following": 1,
        "followers": 1, "friends": 1, "bookmarks": 0,
    });
    let tags = json!([
        {"label": "wise", "taggers": [user(3)], "taggers_count": 1, "relationship": false},
        {"label": "kind", "taggers": [user(1)], "taggers_count": 1, "relationship": true},
    ]);
    let relationship = json!({"following": true, "followed_by": true});
    assert_eq!(view, json!({"details": details, "counts": counts, "tags": tags, "relationship": relationship}));
    assert_eq!(app.json(&format!("/v0/user/{}/details", user(0))).await, details);
    assert_eq!(app.json(&format!("/v0/user/{}/counts", user(0))).await, counts);
    assert_eq!(app.json(&format!("/v0/user/{}/relationship/{}", user(0), user(1))).await, relationship);
}

#[tokio::test]
async fn unknown_users_are_404_by_name() {
    let app = town().start();
    let nobody = user(9);
    let error = format!("User not found: {nobody}");
    for rest in ["", "/details", "/counts", "/followers", "/following", "/friends", "/tags"] {
        app.refuses(&format!("/v0/user/{nobody}{rest}"), 404, &error).await;
    }
    app.refuses(&format!("/v0/user/{nobody}/relationship/{}", user(0)), 404, &error).await;
    app.refuses(&format!("/v0/user/{}/path/{nobody}", user(0)), 404, &error).await;
    assert_eq!(app.json(&format!("/v0/user/{nobody}/notifications")).await, json!([]));
    let nothing = json!({"users": [], "relationship": false});
    assert_eq!(app.json(&format!("/v0/user/{nobody}/taggers/kind")).await, nothing);
}

#[tokio::test]
async fn bad_ids_are_400_in_the_known_words() {
    let app = town().start();
    let text = "Invalid input: Invalid URL: Validation Error: the string is not \
                52 utf chars";
    app.refuses("/v0/user/x", 400, text).await;
    let text = "Invalid input: Failed to deserialize query string: viewer_id: Validation Error: the string is not 52 \
                utf chars";
    app.refuses(&format!("/v0/user/{}?viewer_id=", user(0)), 400, text).await;
}

#[tokio::test]
async fn follow_lists_are_paged_within_bounds() {
    let app = (2..6).fold(World::default().user(0, "Ada"), |world, n| world.user(n, "Fan").follow(n, 0)).start();
    let path = format!("/v0/user/{}/followers", user(0));
    assert_eq!(app.json(&path).await.as_array().unwrap().len(), 4);
    assert_eq!(app.json(&format!("{path}?skip=1&limit=2")).await.as_array().unwrap().len(), 2);
    assert_eq!(app.json(&format!("/v0/user/{}/following", user(0))).await, json!([]));
    for limit in 1..=5 {
        assert_eq!(app.pages(&format!("{path}?limit={limit}")).await, app.json(&path).await, "pages of {limit}");
    }
    let query = "Invalid input: Failed to deserialize query string: Invalid input";
    for (bad, reason) in [
        ("limit=0", "limit must be at least 1"),
        ("limit=201", "limit exceeds maximum of 200"),
        ("skip=10001", "skip exceeds maximum of 10000"),
        ("limit=x", "invalid digit found in string"),
    ] {
        app.refuses(&format!("{path}?{bad}"), 400, &format!("{query}: {reason}")).await;
    }
    let town = town().start();
    assert_eq!(town.json(&format!("/v0/user/{}/friends", user(0))).await, ids(&[1]));
    assert_eq!(town.json(&format!("/v0/user/{}/following", user(1))).await, ids(&[0, 2]));
}

#[tokio::test]
async fn tags_go_through_the_web_of_trust() {
    let app = town().start();
    let path = format!("/v0/user/{}/tags", user(0));
    assert_eq!(app.json(&path).await.as_array().unwrap().len(), 2);
    let trusted = app.json(&format!("{path}?viewer_id={}&depth=1", user(2))).await;
    assert_eq!((trusted.as_array().unwrap().len(), &trusted[0]["label"]), (1, &json!("wise")));
    let view = app.json(&format!("/v0/user/{}?viewer_id={}&depth=1", user(0), user(2))).await;
    assert_eq!(view["tags"], trusted);
    let taggers = app.json(&format!("/v0/user/{}/taggers/kind?viewer_id={}&depth=1", user(0), user(2))).await;
    assert_eq!(taggers, json!({"users": [], "relationship": false}));
    let all = app.json(&format!("/v0/user/{}/taggers/%20KIND?viewer_id={}", user(0), user(1))).await;
    assert_eq!(all, json!({"users": [user(1)], "relationship": true}));
    assert_eq!(app.json(&format!("{path}?limit_tags=1&skip_tags=1")).await[0]["label"], "kind");
}

#[tokio::test]
async fn labels_and_taggers_of_a_user_go_on_page_after_page() {
    let on = Target::User(user(0));
    let labelled = ["a", "b", "c"].into_iter().fold(town(), |world, label| world.tag(3, on, label));
    let app = (3..8).fold(labelled, |world, n| world.tag(n, on, "kind")).start();
    for trust in [String::new(), format!("viewer_id={}&depth=1&", user(2))] {
        let path = format!("/v0/user/{}/tags?{trust}", user(0));
        let all = app.json(&path).await;
        assert!(all.as_array().unwrap().len() > 3, "{all}");
        let taggers = format!("/v0/user/{}/taggers/kind?{trust}", user(0));
        let users = app.json(&taggers).await["users"].clone();
        for limit in 1..=7 {
            assert_eq!(app.pages(&format!("{path}limit_tags={limit}")).await, all, "pages of {limit}");
            assert_eq!(app.pages_in("users", &format!("{taggers}limit={limit}")).await, users, "pages of {limit}");
        }
    }
}

#[tokio::test]
async fn depth_and_limits_are_checked() {
    let app = town().start();
    for path in [format!("/v0/user/{}", user(0)), format!("/v0/user/{}/tags", user(0))] {
        app.refuses(&format!("{path}?depth=2"), 400, "Invalid input: `depth` requires `viewer_id`").await;
        let out = format!("{path}?viewer_id={}&depth=4", user(1));
        app.refuses(&out, 400, "Invalid input: `depth` must be between 1 and 3").await;
    }
    let text = "Invalid input: Failed to deserialize query string: limit_tags: Invalid input: limit exceeds maximum \
                of 100";
    app.refuses(&format!("/v0/user/{}/tags?limit_tags=101", user(0)), 400, text).await;
    let long = "x".repeat(21);
    let reply = app.get(&format!("/v0/user/{}/taggers/{long}", user(0))).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text.contains("exceeds maximum length of 20 characters"), "{reply:?}");
}

#[tokio::test]
async fn notifications_come_newest_first_within_a_range() {
    let follow = |n| NotificationBody::Follow { followed_by: user(n) };
    let app = town().notify(0, follow(1), 10).notify(0, follow(2), 20).notify(0, follow(3), 30).start();
    let path = format!("/v0/user/{}/notifications", user(0));
    let all = app.json(&path).await;
    let body = json!({"type": "follow", "followed_by": user(3)});
    assert_eq!(all[0], json!({"timestamp": time(30).millis(), "body": body}));
    assert_eq!(all.as_array().unwrap().len(), 3);
    let range = format!("{path}?start={}&end={}.5", time(20).millis(), time(10).millis());
    assert_eq!(app.json(&range).await, json!([all[1]]));
    assert_eq!(app.json(&format!("{path}?skip=1&limit=1")).await, json!([all[1]]));
}

#[tokio::test]
async fn notifications_of_one_moment_are_each_told_once_page_after_page() {
    let follow = |n| NotificationBody::Follow { followed_by: user(n) };
    let world = (1..8).fold(town(), |world, n| world.notify(0, follow(n), if n < 7 { 10 } else { 20 }));
    let (app, path) = (world.start(), format!("/v0/user/{}/notifications", user(0)));
    for limit in 1..=8 {
        assert_eq!(app.pages(&format!("{path}?limit={limit}")).await, app.json(&path).await, "pages of {limit}");
    }
    assert_eq!(app.get(&format!("{path}?cursor=x")).await.status, 400);
}

#[tokio::test]
async fn a_path_is_the_shortest_chain_of_follows() {
    let app = town().start();
    let path = |to: usize, query: &str| format!("/v0/user/{}/path/{}{query}", user(0), user(to));
    assert_eq!(app.json(&path(3, "")).await, json!({"distance": 3, "path": ids(&[0, 1, 2, 3])}));
    assert_eq!(app.json(&path(3, "?max_distance=2")).await, json!({"distance": null, "path": []}));
    assert_eq!(app.json(&path(0, "")).await, json!({"distance": 0, "path": ids(&[0])}));
    let text = "Invalid input: Failed to deserialize query string: max_distance: Invalid input: limit exceeds maximum \
                of 6";
    app.refuses(&path(3, "?max_distance=7"), 400, text).await;
}

#[test]
fn the_town_is_made_of_valid_ids() {
    assert_ne!(user(0), user(1));
    assert_ne!(key(0, 1), key(0, 2));
    assert_ne!(hash(1), hash(2));
}
