//! `/v0/post/*`

use super::town::{NOW, hash, id, key, post_path, town, user};
use nexus_social::row::Target;
use serde_json::json;

#[tokio::test]
async fn a_post_view_has_upstream_s_shape() {
    let app = town().start();
    let view = app.json(&format!("{}?viewer_id={}", post_path(0, 1), user(1))).await;
    let uri = key(0, 1).uri();
    let details = json!({
        "content": "about maps", "id": id(1), "indexed_at": NOW - 59_000, "author": user(0), "kind": "short",
        "uri": uri, "attachments": [format!("pubky://{}/pub/pubky.app/files/{}", user(0), id(50))], "lock": null,
        "homeserver": "home", "content_hash": "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=",
    });
    let counts = json!({"tags": 3, "unique_tags": 2, "replies": 1, "reposts": 1});
    let tags = json!([
        {"label": "maps", "taggers": [user(1), user(2)], "taggers_count": 2, "relationship": true},
        {"label": "art", "taggers": [user(3)], "taggers_count": 1, "relationship": false},
    ]);
    let bookmark = json!({"id": hash(1), "indexed_at": NOW - 56_000});
    let relationships = json!({"replied": null, "reposted": null, "mentioned": []});
    assert_eq!(
        view,
        json!({
            "details": details, "counts": counts, "tags": tags, "relationships": relationships, "bookmark": bookmark,
        })
    );
    assert_eq!(app.json(&format!("{}/details", post_path(0, 1))).await, details);
    assert_eq!(app.json(&format!("{}/counts", post_path(0, 1))).await, counts);
    assert_eq!(app.json(&format!("{}/tags?viewer_id={}", post_path(0, 1), user(1))).await, tags);
    assert_eq!(app.json(&format!("{}/bookmark?viewer_id={}", post_path(0, 1), user(1))).await, bookmark);
    let reply = app.json(&post_path(1, 3)).await;
    assert_eq!((&reply["relationships"]["replied"], &reply["bookmark"]), (&json!(uri), &json!(null)));
}

#[tokio::test]
async fn files_come_along_when_they_are_asked_for() {
    let app = town().start();
    let with = app.json(&format!("{}?include_attachment_metadata=true", post_path(0, 1))).await;
    let file = &with["attachments_metadata"][0];
    assert_eq!(file["name"], "map.png");
    let urls: serde_json::Value = serde_json::from_str(file["urls"].as_str().unwrap()).unwrap();
    assert_eq!(urls["small"], format!("{}/{}/small", user(0), id(50)));
    let without = app.json(&format!("{}?include_attachment_metadata=true", post_path(0, 2))).await;
    assert!(without.get("attachments_metadata").is_none());
    let text = "Invalid input: Failed to deserialize query string: include_attachment_metadata: provided string was \
                not `true` or `false`";
    app.refuses(&format!("{}?include_attachment_metadata=1", post_path(0, 1)), 400, text).await;
}

#[tokio::test]
async fn a_light_view_has_everything_but_the_text() {
    let app = town().start();
    let full = app.json(&post_path(0, 1)).await;
    let light = app.json(&format!("{}?content=uri", post_path(0, 1))).await;
    for absent in ["content", "attachments", "lock"] {
        assert!(light["details"].get(absent).is_none(), "{absent}");
    }
    for same in ["id", "author", "kind", "uri", "indexed_at", "homeserver", "content_hash"] {
        assert_eq!(light["details"][same], full["details"][same], "{same}");
    }
    for same in ["counts", "tags", "relationships", "bookmark"] {
        assert_eq!(light[same], full[same], "{same}");
    }
    let text = "Invalid input: Failed to deserialize query string: content: unknown variant `x`, expected `full` or \
                `uri`";
    app.refuses(&format!("{}?content=x", post_path(0, 1)), 400, text).await;
}

#[tokio::test]
async fn unknown_posts_are_404_by_author_and_id() {
    let app = town().start();
    let error = format!("Post not found: {} {}", user(0), id(9));
    for rest in ["", "/details", "/counts", "/bookmark", "/tags", "/thread", "/reposts"] {
        app.refuses(&format!("{}{rest}", post_path(0, 9)), 404, &error).await;
    }
    let unmarked = format!("Post not found: {} {}", user(0), id(1));
    app.refuses(&format!("{}/bookmark", post_path(0, 1)), 404, &unmarked).await;
    app.refuses(&format!("{}/bookmark?viewer_id={}", post_path(0, 1), user(2)), 404, &unmarked).await;
}

#[tokio::test]
async fn a_bad_post_id_is_400_with_two_prefixes() {
    let text = "Invalid input: Invalid URL: Invalid input: Invalid input: \
                Validation Error: Invalid ID length: must be 13 characters";
    town().start().refuses(&format!("/v0/post/{}/short", user(0)), 400, text).await;
}

#[tokio::test]
async fn tags_are_bounded_and_trusted_ones_are_complete() {
    let app = town().start();
    let path = format!("{}/tags", post_path(0, 1));
    assert_eq!(app.json(&format!("{path}?limit_tags=1&limit_taggers=1")).await[0]["taggers"], json!([user(1)]));
    assert_eq!(app.json(&format!("{path}?skip_tags=1")).await[0]["label"], "art");
    let trusted = app.json(&format!("{path}?viewer_id={}&depth=1", user(2))).await;
    assert_eq!(trusted, json!([{"label": "art", "taggers": [user(3)], "taggers_count": 1, "relationship": false}]));
    app.refuses(&format!("{path}?depth=1"), 400, "Invalid input: `depth` requires `viewer_id`").await;
}

#[tokio::test]
async fn labels_and_taggers_of_a_post_go_on_page_after_page() {
    let on = Target::Post(key(0, 1));
    let labelled = ["a", "b", "c"].into_iter().fold(town(), |world, label| world.tag(3, on, label));
    let app = (3..8).fold(labelled, |world, n| world.tag(n, on, "maps")).start();
    let (tags, taggers) = (format!("{}/tags", post_path(0, 1)), format!("{}/taggers/maps", post_path(0, 1)));
    for trust in [String::new(), format!("viewer_id={}&depth=3&", user(0))] {
        let all = app.json(&format!("{tags}?{trust}")).await;
        assert!(all.as_array().unwrap().len() > 3, "{all}");
        for limit in 1..=6 {
            assert_eq!(app.pages(&format!("{tags}?{trust}limit_tags={limit}")).await, all, "pages of {limit}");
        }
    }
    let all = app.json(&taggers).await["users"].clone();
    assert_eq!(all.as_array().unwrap().len(), 7);
    for limit in 1..=8 {
        assert_eq!(app.pages_in("users", &format!("{taggers}?limit={limit}")).await, all, "pages of {limit}");
    }
    for path in [tags, taggers] {
        assert_eq!(app.get(&format!("{path}?cursor=x")).await.status, 400);
    }
}

#[tokio::test]
async fn taggers_ignore_depth() {
    let app = town().start();
    let path = format!("{}/taggers/maps", post_path(0, 1));
    let both = json!({"users": [user(1), user(2)], "relationship": true});
    assert_eq!(app.json(&format!("{path}?viewer_id={}&depth=1", user(2))).await, both);
    assert_eq!(app.json(&format!("{path}?depth=9&skip=1")).await, json!({"users": [user(2)], "relationship": false}));
    let none = json!({"users": [], "relationship": false});
    assert_eq!(app.json(&format!("{}/taggers/none", post_path(0, 1))).await, none);
}
