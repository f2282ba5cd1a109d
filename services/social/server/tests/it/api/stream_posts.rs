//! `/v0/stream/posts*`

use super::town::{App, NOW, World, id, key, town, user};
use nexus_social::row::{PostKey, PostKind, Target};
use serde_json::{Value, json};

fn keys(posts: &[PostKey]) -> Value {
    posts.iter().map(|post| json!(post.to_string())).collect()
}

async fn stream(app: &App, query: &str) -> Value {
    app.json(&format!("/v0/stream/posts/keys?{query}")).await["post_keys"].clone()
}

#[tokio::test]
async fn sources_give_what_they_promise() {
    let app = town().start();
    let (ada, bob) = (user(0), user(1));
    for (query, expected) in [
        (String::new(), vec![key(3, 5), key(2, 4), key(0, 2), key(0, 1)]),
        ("order=ascending".into(), vec![key(0, 1), key(0, 2), key(2, 4), key(3, 5)]),
        (format!("source=following&observer_id={bob}"), vec![key(2, 4), key(0, 2), key(0, 1)]),
        (format!("source=followers&observer_id={ada}"), vec![]),
        (format!("source=friends&observer_id={bob}"), vec![key(0, 2), key(0, 1)]),
        (format!("source=bookmarks&observer_id={bob}"), vec![key(0, 1)]),
        (format!("source=author&author_id={ada}"), vec![key(0, 2), key(0, 1)]),
        (format!("source=author_replies&author_id={bob}"), vec![key(1, 3)]),
        (format!("source=post_replies&author_id={ada}&post_id={}", id(1)), vec![key(1, 3)]),
        (format!("source=wot&observer_id={ada}"), vec![key(2, 4)]),
        (format!("source=wot&observer_id={ada}&depth=3"), vec![key(3, 5), key(2, 4)]),
        (format!("source=wot_domain&observer_id={bob}&domain_tags=kind&depth=0"), vec![key(0, 2), key(0, 1)]),
        ("tags=maps,none".into(), vec![key(0, 1)]),
        ("kind=long".into(), vec![key(0, 2)]),
        ("kind=whatever".into(), vec![]),
        ("exclude_kinds=LONG,link".into(), vec![key(3, 5), key(2, 4), key(0, 1)]),
        ("sorting=total_engagement&limit=1".into(), vec![key(0, 1)]),
        (format!("exclude_muted=true&viewer_id={ada}"), vec![key(3, 5), key(0, 2), key(0, 1)]),
        (format!("start={}&end={}", NOW - 58_000, NOW - 58_000), vec![key(0, 2)]),
        (format!("source=author&author_id={}", user(9)), vec![]),
        ("skip=1&limit=2".into(), vec![key(2, 4), key(0, 2)]),
    ] {
        assert_eq!(stream(&app, &query).await, keys(&expected), "{query}");
    }
}

#[tokio::test]
async fn keys_and_views_agree_and_an_empty_page_has_no_score() {
    let app = town().start();
    let page = app.json("/v0/stream/posts/keys?limit=2").await;
    assert_eq!(page["last_post_score"], NOW - 57_000);
    let reply = app.get(&format!("/v0/stream/posts?limit=2&viewer_id={}", user(1))).await;
    assert_eq!(reply.headers["x-next-cursor"], page["next_cursor"].as_str().unwrap());
    assert_eq!(reply.headers["access-control-expose-headers"], "*", "pages may read the cursor");
    let views = reply.json();
    assert_eq!(views[1]["relationships"]["reposted"], key(0, 1).uri());
    let empty = app.json("/v0/stream/posts/keys?kind=video").await;
    assert_eq!(empty, json!({"post_keys": [], "last_post_score": null}));
    assert_eq!(app.json("/v0/stream/posts?kind=video").await, json!([]));
    let light = app.json("/v0/stream/posts?content=uri&limit=1").await;
    assert_eq!((&light[0]["details"]["uri"], light[0]["details"].get("content")), (&json!(key(3, 5).uri()), None));
    let files = app.json("/v0/stream/posts?include_attachment_metadata=true&tags=maps").await;
    assert_eq!(files[0]["attachments_metadata"][0]["name"], "map.png");
}

/// Twelve posts by three authors, all at the same moment.
fn crowd() -> World {
    let world = (0..3).fold(World::default(), |world, n| world.user(n, "Somebody"));
    (0..12).fold(world, |world, n| world.post(n % 3, n, 0))
}

#[tokio::test]
async fn cursors_neither_repeat_nor_skip_equal_scores() {
    let app = crowd().start();
    for order in ["ascending", "descending"] {
        let all = stream(&app, &format!("order={order}&limit=50")).await;
        assert_eq!(all.as_array().unwrap().len(), 12);
        for size in [1, 5, 6, 12] {
            let path = format!("/v0/stream/posts/keys?order={order}&limit={size}");
            assert_eq!(app.pages_in("post_keys", &path).await, all, "{order}, {size} a page");
        }
    }
}

#[tokio::test]
async fn a_cursor_stays_where_it_is_while_posts_arrive() {
    let app = crowd().start();
    let first = app.json("/v0/stream/posts/keys?limit=5").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = stream(&app, &format!("limit=50&cursor={cursor}")).await;
    let grown = crowd().post(0, 50, 5000).start();
    assert_eq!(stream(&grown, &format!("limit=50&cursor={cursor}")).await, rest);
    let text =
        "Invalid input: Failed to deserialize query string: Invalid input: cursor is not one that this server gave";
    for bad in ["x", "", "00ff"] {
        app.refuses(&format!("/v0/stream/posts?cursor={bad}"), 400, text).await;
    }
}

#[tokio::test]
async fn a_collection_keeps_its_curator_s_order() {
    let items = [key(0, 1).uri(), key(8, 8).uri(), key(3, 5).uri()];
    let content = json!({"name": "Best", "items": items}).to_string();
    let collection = |row: &mut nexus_social::row::PostRow| {
        row.kind = PostKind::Collection;
        row.content = content;
    };
    let app = town().written(2, 20, 8000, collection).start();
    let source = format!("source=collection&author_id={}&post_id={}", user(2), id(20));
    let page = app.json(&format!("/v0/stream/posts/keys?{source}")).await;
    assert_eq!(page, json!({"post_keys": keys(&[key(0, 1), key(8, 8), key(3, 5)]), "last_post_score": null}));
    assert_eq!(app.json(&format!("/v0/stream/posts?{source}")).await.as_array().unwrap().len(), 2, "the known ones");
    for given in
        ["tags=a", "kind=short", "exclude_kinds=long", "sorting=timeline", "order=ascending", "start=1", "end=1"]
    {
        let name = given.split('=').next().unwrap();
        let error = format!("Invalid input: `{name}` is not supported with `source=collection`");
        app.refuses(&format!("/v0/stream/posts?{source}&{given}"), 400, &error).await;
    }
}

#[tokio::test]
async fn what_a_source_needs_is_named() {
    let app = town().start();
    let kinds = "`kind` and `exclude_kinds` are not supported with `source=post_replies` or `source=author_replies`";
    let ada = user(0);
    for (query, error) in [
        ("source=following".into(), "source 'following' requires 'observer_id' parameter"),
        ("source=bookmarks".into(), "source 'bookmarks' requires 'observer_id' parameter"),
        ("source=author".into(), "source 'author' requires 'author_id' parameter"),
        ("source=post_replies".into(), "source 'post_replies' requires both 'post_id' and 'author_id' parameters"),
        (format!("source=wot_domain&observer_id={ada}"), "source 'wot_domain' requires 'domain_tags' parameter"),
        (format!("source=wot&observer_id={ada}&depth=0"), "`depth` must be between 1 and 3"),
        (format!("source=wot_domain&observer_id={ada}&domain_tags=a&depth=4"), "`depth` must be between 0 and 3"),
        ("kind=short&exclude_kinds=long".into(), "`kind` and `exclude_kinds` are mutually exclusive"),
        (format!("source=author_replies&author_id={ada}&kind=short"), kinds),
        ("exclude_muted=true".into(), "`exclude_muted` requires `viewer_id`"),
    ] {
        for path in ["/v0/stream/posts", "/v0/stream/posts/keys"] {
            app.refuses(&format!("{path}?{query}"), 400, &format!("Invalid input: {error}")).await;
        }
    }
}

#[tokio::test]
async fn what_is_no_value_is_refused_in_the_known_words() {
    let app = town().start();
    let q = "Invalid input: Failed to deserialize query string";
    for (query, error) in [
        (
            "source=x",
            "source: unknown variant `x`, expected one of `post_replies`, `following`, `followers`, `friends`, \
             `bookmarks`, `author`, `author_replies`, `collection`, `wot`, `wot_domain`, `all`",
        ),
        ("limit=51", "Invalid input: limit exceeds maximum of 50"),
        ("tags=", "tags: At least 1 item(s) required"),
        ("tags=a,b,c,d,e,f", "tags: Maximum 5 items allowed"),
        ("exclude_kinds=", "exclude_kinds: At least 1 item(s) required"),
        ("exclude_kinds=strange", "exclude_kinds: Invalid content kind: strange"),
        ("start=x", "Invalid input: invalid float literal"),
    ] {
        app.refuses(&format!("/v0/stream/posts?{query}"), 400, &format!("{q}: {error}")).await;
    }
}

#[tokio::test]
async fn by_ids_keeps_the_order_of_the_request() {
    let app = town().start();
    let body = json!({"post_ids": keys(&[key(3, 5), key(9, 9), key(0, 1)]), "viewer_id": user(1)});
    let posts = app.post("/v0/stream/posts/by_ids", &body).await.json();
    let ids: Vec<_> = posts.as_array().unwrap().iter().map(|post| post["details"]["id"].clone()).collect();
    assert_eq!(ids, [json!(id(5)), json!(id(1))]);
    assert_eq!(posts[1]["bookmark"]["indexed_at"], NOW - 56_000);
    let with_files = json!({"post_ids": keys(&[key(0, 1)]), "include_attachment_metadata": true});
    let posts = app.post("/v0/stream/posts/by_ids", &with_files).await.json();
    assert_eq!(posts[0]["attachments_metadata"][0]["name"], "map.png");
    let light = json!({"post_ids": keys(&[key(0, 1)]), "content": "uri"});
    assert!(app.post("/v0/stream/posts/by_ids", &light).await.json()[0]["details"].get("content").is_none());
    for bad in [json!({"post_ids": []}), json!({"post_ids": ["x"]}), json!({"post_ids": ["x:y"]})] {
        assert_eq!(app.post("/v0/stream/posts/by_ids", &bad).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn replies_can_be_filtered_by_tag() {
    let app = town().tag(0, Target::Post(key(1, 3)), "good").start();
    let source = format!("source=post_replies&author_id={}&post_id={}", user(0), id(1));
    assert_eq!(stream(&app, &format!("{source}&tags=good")).await, keys(&[key(1, 3)]));
    assert_eq!(stream(&app, &format!("{source}&tags=bad")).await, keys(&[]));
}
