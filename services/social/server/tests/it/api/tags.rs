//! `/v0/tags/*`

use super::town::{NOW, World, hash, key, town, user};
use serde_json::json;

#[tokio::test]
async fn a_tag_is_found_by_tagger_and_id() {
    let app = town().start();
    let tag = app.json(&format!("/v0/tags/{}/{}", user(1), hash(1))).await;
    assert_eq!(tag, json!({"uri": key(0, 1).uri(), "label": "maps", "indexed_at": NOW - 59_999}));
    let on_user = app.json(&format!("/v0/tags/{}/{}", user(1), hash(4))).await;
    assert_eq!(on_user["uri"], format!("pubky://{}/pub/pubky.app/profile.json", user(0)));
}

#[tokio::test]
async fn a_tag_of_another_app_is_found_too() {
    let uri = "https://ex.org/map";
    let place = nexus_pubky::ResourceUri::normalize(uri).unwrap().id();
    let app = World::default()
        .user(0, "Ada")
        .resource(uri)
        .app_tag(0, nexus_social::row::Target::Resource(place), "maps", Some("mapky"))
        .start();
    let tag = app.json(&format!("/v0/tags/{}/{}", user(0), hash(1))).await;
    assert_eq!(tag, json!({"uri": uri, "label": "maps", "indexed_at": NOW - 59_999}));
}

#[tokio::test]
async fn an_unknown_tag_is_404_even_when_its_id_is_none() {
    let app = town().start();
    let error = format!("Tag {} of {} not found", hash(1), user(2));
    app.refuses(&format!("/v0/tags/{}/{}", user(2), hash(1)), 404, &error).await;
    app.refuses("/v0/tags/x/y", 404, "Tag y of x not found").await;
}

#[tokio::test]
async fn hot_tags_count_posts_and_taggers() {
    let app = town().tag(1, nexus_social::row::Target::Post(key(0, 2)), "art").start();
    let hot = app.json("/v0/tags/hot").await;
    assert_eq!(
        hot[0],
        json!({"label": "art", "taggers_id": [user(1), user(3)], "tagged_count": 2, "taggers_count": 2})
    );
    assert_eq!(hot[1]["label"], "maps");
    assert_eq!(
        app.json("/v0/tags/hot?skip=1&limit=1&taggers_limit=1").await[0]["taggers_id"].as_array().unwrap().len(),
        1
    );
    let near = app.json(&format!("/v0/tags/hot?user_id={}&reach=following&timeframe=today", user(2))).await;
    assert_eq!(near, json!([{"label": "art", "taggers_id": [user(3)], "tagged_count": 1, "taggers_count": 1}]));
}

#[tokio::test]
async fn taggers_of_a_label_are_the_latest_first() {
    let app = town().start();
    assert_eq!(app.json("/v0/tags/taggers/maps").await, json!([user(2), user(1)]));
    assert_eq!(app.json("/v0/tags/taggers/maps?limit=1&skip=1").await, json!([user(1)]));
    let near = format!("/v0/tags/taggers/maps?user_id={}&reach=wot_1", user(0));
    assert_eq!(app.json(&near).await, json!([user(1)]));
}

#[tokio::test]
async fn user_and_reach_come_together() {
    let app = town().start();
    for path in ["/v0/tags/hot", "/v0/tags/taggers/maps"] {
        let text = "Invalid input: user_id and reach should be both provided together";
        app.refuses(&format!("{path}?reach=wot"), 400, text).await;
        app.refuses(&format!("{path}?user_id={}", user(0)), 400, text).await;
    }
    let text = "Invalid input: Failed to deserialize query string: timeframe: unknown variant `x`, expected one of \
                `today`, `this_week`, `this_month`, `all_time`";
    app.refuses("/v0/tags/hot?timeframe=x", 400, text).await;
    let text = "Invalid input: Failed to deserialize query string: Invalid input: limit exceeds maximum of 40";
    app.refuses("/v0/tags/hot?limit=41", 400, text).await;
}
