//! `/v0/stream/users*`

use super::town::{World, id, key, town, user};
use nexus_pubky::PubkyId;
use nexus_social::{
    effects::RowChange,
    row::{Edge, Target},
};
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

/// Eight users who all follow the first at the same moment, and whom nobody follows.
fn followers() -> World {
    let world = (0..9).fold(World::default(), |world, n| world.user(n, "Somebody"));
    (1..9).fold(world, |world, n| world.follow(n, 0)).mute(9, 3).mute(9, 0)
}

#[tokio::test]
async fn cursors_neither_repeat_nor_skip() {
    let world = (1..8).fold(followers(), |world, n| world.post(n, n, 0).tag(0, Target::User(user(n)), "kind"));
    let app = world.start();
    let related = format!("source=followers&user_id={}", user(0));
    for source in [&*related, "source=most_followed", "source=influencers", "source=starter_pack&tags=kind"] {
        for path in ["/v0/stream/users", "/v0/stream/users/ids"] {
            let all = app.json(&format!("{path}?{source}&limit=20")).await;
            assert!(all.as_array().unwrap().len() > 6, "{source}");
            assert_eq!(app.pages(&format!("{path}?{source}&limit=3")).await, all, "{path} {source}");
        }
    }
}

#[tokio::test]
async fn a_cursor_stays_where_it_is_while_followers_come_and_go() {
    let app = followers().start();
    let path = |query: &str| format!("/v0/stream/users/ids?source=followers&user_id={}&limit=20{query}", user(0));
    let first = app.get(&path("").replace("limit=20", "limit=3")).await;
    let cursor = first.headers["x-next-cursor"].to_str().unwrap().to_owned();
    let rest = app.json(&path(&format!("&cursor={cursor}"))).await;
    let gone: PubkyId = first.json()[2].as_str().unwrap().parse().unwrap();
    let without = followers().with(|effects| {
        effects.rows.retain(|row| !matches!(row, RowChange::PutEdge(Edge::Follows(edge)) if edge.from == gone));
    });
    assert_eq!(without.start().json(&path(&format!("&cursor={cursor}"))).await, rest, "the one it names is gone");
}

#[tokio::test]
async fn samples_have_no_cursor() {
    let app = followers().start();
    for query in ["source=influencers&preview=true&limit=3", "source=most_followed&limit=20"] {
        let reply = app.get(&format!("/v0/stream/users/ids?{query}")).await;
        assert_eq!((reply.status, reply.headers.get("x-next-cursor")), (200, None), "{query}");
    }
    let text =
        "Invalid input: Failed to deserialize query string: Invalid input: cursor is not one that this server gave";
    app.refuses("/v0/stream/users?source=most_followed&cursor=zz", 400, text).await;
}

#[tokio::test]
async fn muted_users_are_left_out_of_every_source() {
    let app = followers().user(9, "Viewer").tag(1, Target::User(user(3)), "kind").reply(3, 1, 5, key(0, 0)).start();
    let viewer = format!("viewer_id={}", user(9));
    for source in [
        format!("source=followers&user_id={}", user(0)),
        "source=most_followed".into(),
        "source=influencers".into(),
        "source=starter_pack&tags=kind".into(),
        format!("source=post_replies&author_id={}&post_id={}", user(0), id(0)),
    ] {
        let path = format!("/v0/stream/users/ids?{source}&limit=20&{viewer}");
        let names =
            |all: &Value| all.as_array().unwrap().iter().any(|id| [json!(user(0)), json!(user(3))].contains(id));
        assert!(names(&app.json(&path).await), "{source} has somebody to leave out");
        assert!(!names(&app.json(&format!("{path}&exclude_muted=true")).await), "{source}");
    }
    let needs = "Invalid input: `exclude_muted` requires `viewer_id`";
    app.refuses("/v0/stream/users?source=most_followed&exclude_muted=true", 400, needs).await;
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
    let muting = World::default().user(0, "Ann").user(1, "anton").user(2, "Bert").mute(2, 0).start();
    let path = format!("/v0/stream/users/username?username=an&limit=1&viewer_id={}", user(2));
    assert_eq!(muting.json(&path).await[0]["details"]["name"], "Ann");
    assert_eq!(muting.json(&format!("{path}&exclude_muted=true")).await[0]["details"]["name"], "anton");
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
