//! `/v0/search/*`

use super::town::{NOW, World, key, label, town, user};
use nexus_social::{
    row::{PostKind, Target},
    search::ContentQuery,
};
use serde_json::json;

#[tokio::test]
async fn users_are_found_by_name_and_key() {
    let app = town().user(4, "adam").start();
    assert_eq!(app.json("/v0/search/users/by_name/%20AD").await, json!([user(0), user(4)]));
    assert_eq!(app.json("/v0/search/users/by_name/ad?skip=1&limit=1").await, json!([user(4)]));
    let key = user(1).to_string();
    assert_eq!(app.json(&format!("/v0/search/users/by_id/{}", &key[..5])).await, json!([key]));
    let name = "Invalid input: Invalid URL: Invalid input: Username cannot be empty";
    app.refuses("/v0/search/users/by_name/%20", 400, name).await;
    let id = "Invalid input: Invalid URL: Invalid input: ID prefix must be at least 3 chars";
    app.refuses("/v0/search/users/by_id/ab", 400, id).await;
}

/// Nine users of three names; everybody is called wise by everybody before.
fn namesakes() -> World {
    let world = (0..9).fold(World::default(), |world, n| world.user(n, ["Ann", "ann", "Änne"][n % 3]));
    let pairs = (0..9).flat_map(|tagged| (0..tagged / 2).map(move |tagger| (tagger, tagged)));
    pairs.fold(world, |world, (tagger, tagged)| world.tag(tagger, Target::User(user(tagged)), "wise"))
}

#[tokio::test]
async fn users_of_one_name_or_score_are_paged_without_repeats() {
    let app = namesakes().start();
    let start = &user(0).to_string()[..3];
    let by_key = format!("/v0/search/users/by_id/{start}?");
    for (path, count) in [
        ("/v0/search/users/by_name/an?", 6),
        ("/v0/search/users/by_name/%C3%84?", 3),
        ("/v0/stream/users/username?username=ann&", 6),
        ("/v0/search/users/by_tags?tags=wise&", 7),
        ("/v0/search/users/by_tags?tags=wise,other&", 7),
        (&*by_key, app.json(&by_key).await.as_array().unwrap().len()),
    ] {
        let all = app.json(path).await;
        assert_eq!(all.as_array().unwrap().len(), count, "{path}");
        for limit in [1, 2, 4] {
            assert_eq!(app.pages(&format!("{path}limit={limit}")).await, all, "{path} by {limit}");
        }
    }
}

#[tokio::test]
async fn a_place_in_another_list_is_refused() {
    let app = namesakes().start();
    let reply = app.get("/v0/search/posts/by_tag/wise?limit=1&cursor=01").await;
    assert_eq!(reply.status, 400);
    let other = app.get("/v0/search/users/by_tags?tags=wise&limit=1").await;
    let hit = other.headers["x-next-cursor"].to_str().unwrap().to_owned();
    // The place of a hit names a user too, and so does one by key; a label's place doesn't.
    assert_eq!(
        app.get(&format!("/v0/search/users/by_id/{}?cursor={hit}", &user(0).to_string()[..3])).await.status,
        200
    );
    let nobody = format!("01{}{}", "0".repeat(16), hex("maps"));
    for path in ["by_name/an?", "by_id/opy?", "by_tags?tags=wise&"] {
        let error = "Invalid input: cursor is not one that this server gave";
        app.refuses(&format!("/v0/search/users/{path}cursor={nobody}"), 400, error).await;
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn users_are_found_by_profile_tags() {
    let app = town().start();
    let hits = app.json("/v0/search/users/by_tags?tags=kind,%20WISE,,").await;
    assert_eq!(hits, json!([{"user_id": user(0), "score": 2}, {"user_id": user(3), "score": 1}]));
    let query = "Invalid input: Failed to deserialize query string";
    app.refuses("/v0/search/users/by_tags", 400, &format!("{query}: missing field `tags`")).await;
    app.refuses("/v0/search/users/by_tags?tags=,", 400, &format!("{query}: tags: At least 1 item(s) required")).await;
    let many = "/v0/search/users/by_tags?tags=a,b,c,d,e,f";
    app.refuses(many, 400, &format!("{query}: tags: Maximum 5 items allowed")).await;
}

#[tokio::test]
async fn posts_are_found_by_tag() {
    let app = town().start();
    let hit = json!({"post_key": key(0, 1).to_string(), "score": NOW - 59_000});
    assert_eq!(app.json("/v0/search/posts/by_tag/Maps").await, json!([hit]));
    assert_eq!(app.json(&format!("/v0/search/posts/by_tag/maps?end={}", NOW - 58_999)).await, json!([]));
    assert_eq!(app.json("/v0/search/posts/by_tag/maps?sorting=total_engagement").await[0]["score"], 5);
}

/// Seven posts by two authors at the same moment, all with one label; the third user mutes the second.
fn equals() -> World {
    let world = World::default().user(0, "Ada").user(1, "Bob").user(2, "Carol").mute(2, 1);
    (0..7).fold(world, |world, n| world.post(n % 2, n, 0).tag(0, Target::Post(key(n % 2, n)), "maps"))
}

#[tokio::test]
async fn tagged_posts_of_one_score_are_paged_without_repeats() {
    let app = equals().start();
    for sorting in ["timeline", "total_engagement"] {
        let path = format!("/v0/search/posts/by_tag/maps?sorting={sorting}");
        let all = app.json(&path).await;
        assert_eq!(all.as_array().unwrap().len(), 7);
        assert_eq!(app.pages(&format!("{path}&limit=2")).await, all, "{sorting}");
    }
}

#[tokio::test]
async fn tagged_posts_of_muted_authors_are_left_out() {
    let app = equals().start();
    let path = |viewer: usize| format!("/v0/search/posts/by_tag/maps?exclude_muted=true&viewer_id={}", user(viewer));
    let left = app.json(&path(2)).await;
    let authors: Vec<_> =
        left.as_array().unwrap().iter().map(|hit| hit["post_key"].as_str().unwrap()[..52].to_owned()).collect();
    assert_eq!(authors, vec![user(0).to_string(); 4]);
    assert_eq!(app.json(&path(0)).await.as_array().unwrap().len(), 7);
    let needs = "Invalid input: `exclude_muted` requires `viewer_id`";
    app.refuses("/v0/search/posts/by_tag/maps?exclude_muted=true", 400, needs).await;
}

#[tokio::test]
async fn posts_are_found_by_words() {
    let app = town().start();
    let path = format!("/v0/search/posts/by_content?q=Maps,%20of%20x&author={}&kind=short&skip=2&limit=3", user(0));
    assert_eq!(app.json(&path).await, json!([{"post_key": key(0, 1).to_string(), "score": 1.5}]));
    let terms = ["maps", "of", "x"].map(String::from).to_vec();
    let asked = ContentQuery { terms, author: Some(user(0)), kind: Some(PostKind::Short), skip: 2, limit: 3 };
    assert_eq!(*app.searched.lock().unwrap(), [asked]);
    assert_eq!(app.json("/v0/search/posts/by_content?q=...").await, json!([]), "no word, no hit");
    app.json("/v0/search/posts/by_content?q=maps&kind=strange").await;
    assert_eq!(app.searched.lock().unwrap()[1].kind, Some(PostKind::Unknown));
}

#[tokio::test]
async fn word_queries_are_bounded() {
    let app = town().start();
    let q = "Invalid input: Failed to deserialize query string";
    for (query, error) in [
        ("", format!("{q}: missing field `q`")),
        ("q=x", format!("{q}: q: Invalid input: Search query must be at least 2 characters")),
        (
            &*format!("q={}", "x".repeat(31)),
            format!("{q}: q: Invalid input: Search query exceeds maximum length of 30 characters"),
        ),
        ("q=a+b+c+d+e", format!("{q}: q: Invalid input: Search query exceeds maximum of 4 terms")),
        ("q=maps&skip=1001", format!("{q}: Invalid input: skip exceeds maximum of 1000")),
    ] {
        app.refuses(&format!("/v0/search/posts/by_content?{query}"), 400, &error).await;
    }
}

#[tokio::test]
async fn labels_are_completed() {
    let app = town().start();
    assert_eq!(app.json("/v0/search/tags/by_prefix/MA").await, json!([label("maps")]));
    assert_eq!(app.json("/v0/search/tags/by_prefix/x").await, json!([]));
}
