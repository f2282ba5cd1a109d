//! Upstream's quirks, by their numbers in section h of the spec: each is fixed or kept as issue 2 decides. Those that
//! have no part in the API, or a test of their own elsewhere, are left out: 8 and 15 (`decide`), 17 (`statics`), 19.

use super::town::{NOW, World, hash, id, key, town, user};
use nexus_pubky::ResourceUri;
use nexus_social::{
    effects::RowChange,
    row::{Edge, Profile, Target, UserRow, UserState},
};
use serde_json::{Value, json};

const DAY: i64 = 86_400_000;

fn keys(posts: &[(usize, usize)]) -> Value {
    posts.iter().map(|(author, post)| json!(key(*author, *post).to_string())).collect()
}

async fn stream(world: World, query: &str) -> Value {
    world.start().json(&format!("/v0/stream/posts/keys?{query}")).await["post_keys"].clone()
}

/// Ada's posts 1 and 2, and Bob's reply 3, all labelled "art"; post 1 has a reply and two more labels.
fn gallery() -> World {
    let world = World::default().user(0, "Ada").user(1, "Bob").post(0, 1, 0).post(0, 2, 10).reply(1, 3, 20, key(0, 1));
    let world = [(0, 1), (0, 2), (1, 3)]
        .into_iter()
        .fold(world, |world, (author, post)| world.tag(0, Target::Post(key(author, post)), "art"));
    world.tag(0, Target::Post(key(0, 1)), "fun").tag(1, Target::Post(key(0, 1)), "fun")
}

#[tokio::test]
async fn quirk_1_replies_with_tags_are_filtered() {
    let replies = format!("source=author_replies&author_id={}", user(1));
    assert_eq!(stream(gallery(), &format!("{replies}&tags=art")).await, keys(&[(1, 3)]));
    assert_eq!(stream(gallery(), &format!("{replies}&tags=fun")).await, json!([]));
}

#[tokio::test]
async fn quirk_2_all_with_tags_means_the_same_for_any_number_of_them() {
    for tags in ["art", "art,fun", "fun,art,none"] {
        let query = |rest: &str| format!("tags={tags}{rest}");
        assert_eq!(stream(gallery(), &query("")).await, keys(&[(0, 2), (0, 1)]), "no replies, {tags}");
        assert_eq!(stream(gallery(), &query("&order=ascending")).await, keys(&[(0, 1), (0, 2)]), "{tags}");
        let by_engagement = query("&sorting=total_engagement");
        let app = gallery().start();
        let page = app.json(&format!("/v0/stream/posts/keys?limit=1&{by_engagement}")).await;
        assert_eq!((&page["post_keys"], &page["last_post_score"]), (&keys(&[(0, 1)]), &json!(4)), "{tags}");
    }
}

#[tokio::test]
async fn quirk_3_reach_honours_order() {
    let world = || gallery().user(2, "Carol").follow(2, 0).follow(2, 1).post(1, 4, 30);
    let query = format!("source=following&observer_id={}", user(2));
    assert_eq!(stream(world(), &query).await, keys(&[(1, 4), (0, 2), (0, 1)]));
    assert_eq!(stream(world(), &format!("{query}&order=ascending")).await, keys(&[(0, 1), (0, 2), (1, 4)]));
}

#[tokio::test]
async fn quirk_4_start_and_end_are_a_range_in_either_order() {
    let (low, high) = (NOW - 60_000, NOW - 59_995);
    for source in ["source=all", "source=all&kind=short", "source=all&tags=art"] {
        for order in ["ascending", "descending"] {
            for (start, end) in [(low, high), (high, low)] {
                let query = format!("{source}&order={order}&start={start}&end={end}");
                assert_eq!(stream(gallery(), &query).await, keys(&[(0, 1)]), "{query}");
            }
        }
    }
}

#[tokio::test]
async fn quirk_5_hot_tags_cap_the_list_and_not_the_count() {
    let world = (0..16).fold(World::default().user(0, "Ada").post(0, 1, 0), |world, n| {
        world.user(n, "Somebody").tag(n, Target::Post(key(0, 1)), "art")
    });
    let hot = world.start().json("/v0/tags/hot?taggers_limit=5&timeframe=today").await;
    assert_eq!((&hot[0]["taggers_count"], hot[0]["taggers_id"].as_array().unwrap().len()), (&json!(16), 5));
}

#[tokio::test]
async fn quirk_6_influencers_of_a_day_wrote_on_that_day() {
    let world = (0..3).fold(World::default(), |world, n| world.user(n, "Somebody"));
    let app = world.follow(2, 0).follow(2, 1).post(0, 1, 0).post(1, 2, -8 * DAY).start();
    let path = |frame: &str| format!("/v0/stream/users/ids?source=influencers&timeframe={frame}");
    assert_eq!(app.json(&path("today")).await, json!([user(0)]));
    assert_eq!(app.json(&path("this_month")).await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn quirk_7_engagement_of_a_label_is_engagement() {
    let hits = gallery().start().json("/v0/search/posts/by_tag/art?sorting=total_engagement").await;
    assert_eq!(hits[0], json!({"post_key": key(0, 1).to_string(), "score": 4}));
}

#[tokio::test]
async fn quirk_9_two_authors_may_use_one_id() {
    let app = World::default().user(0, "Ada").user(1, "Bob").post(0, 1, 0).reply(1, 1, 5, key(0, 1)).start();
    for author in [0, 1] {
        let details = app.json(&format!("/v0/post/{}/{}/details", user(author), id(1))).await;
        assert_eq!(details["author"], json!(user(author)));
    }
    assert_eq!(app.json(&format!("/v0/post/{}/{}/counts", user(0), id(1))).await["replies"], 1);
}

#[tokio::test]
async fn quirk_10_trusted_taggers_need_no_earlier_question() {
    let path = format!("/v0/user/{}/taggers/wise?viewer_id={}&depth=1", user(0), user(2));
    assert_eq!(town().start().json(&path).await, json!({"users": [user(3)], "relationship": false}));
}

#[tokio::test]
async fn quirk_12_names_go_on_with_any_letter() {
    let names = ["Jo", "joß", "JOÉ", "Jö", "jo🙂", "Joan"];
    let world = names.iter().enumerate().fold(World::default(), |world, (n, name)| world.user(n, name));
    let found = world.start().json("/v0/search/users/by_name/jo").await;
    assert_eq!(found, json!([user(0), user(5), user(1), user(2), user(4)]));
}

#[tokio::test]
async fn quirk_13_labels_are_completed_as_long_as_anything_carries_them() {
    let profiles = World::default().user(0, "Ada").tag(0, Target::User(user(0)), "maps").start();
    assert_eq!(profiles.json("/v0/search/tags/by_prefix/ma").await, json!(["maps"]), "on a profile alone");
    let both = || World::default().user(0, "Ada").post(0, 1, 0).tag(0, Target::User(user(0)), "maps");
    let untagged = both().tag(0, Target::Post(key(0, 1)), "maps").with(|effects| untag(effects, 2));
    assert_eq!(untagged.start().json("/v0/search/tags/by_prefix/ma").await, json!(["maps"]));
    let bare = both().with(|effects| untag(effects, 1));
    assert_eq!(bare.start().json("/v0/search/tags/by_prefix/ma").await, json!([]));
}

/// Takes the `n`-th tag back.
fn untag(effects: &mut nexus_social::effects::Effects, n: usize) {
    let is_it = |row: &&RowChange| matches!(row, RowChange::PutEdge(Edge::Tagged(tag)) if tag.id == hash(n));
    let Some(RowChange::PutEdge(edge)) = effects.rows.iter().find(is_it).cloned() else { panic!("no tag {n}") };
    effects.rows.push(RowChange::RemoveEdge(edge));
}

#[tokio::test]
async fn quirk_14_a_resource_counts_each_tagger_once_and_goes_with_its_last_tag() {
    let place = ResourceUri::normalize("https://ex.org/").unwrap().id();
    let tagged = || {
        let world = World::default().user(0, "Ada").resource("https://ex.org/");
        let world = world.app_tag(0, Target::Resource(place), "art", Some("mapky"));
        world.app_tag(0, Target::Resource(place), "art", Some("eventky"))
    };
    let view = tagged().start().json("/v0/stream/resources?sorting=taggers_count").await;
    assert_eq!(view[0]["tags"][0]["taggers_count"], 1);
    let ids = "/v0/stream/resources/ids?sorting=taggers_count";
    assert_eq!(tagged().start().json(ids).await["last_score"], 1);
    let gone = tagged().with(|effects| {
        untag(effects, 1);
        untag(effects, 2);
        effects.rows.push(RowChange::RemoveResource(place));
    });
    assert_eq!(gone.start().json(ids).await["resource_ids"], json!([]));
}

#[tokio::test]
async fn quirk_16_no_attachments_are_null() {
    let world = World::default().user(0, "Ada").written(0, 1, 0, |post| post.attachments = Some(Vec::new()));
    let details = world.start().json(&format!("/v0/post/{}/{}/details", user(0), id(1))).await;
    assert_eq!(details["attachments"], json!(null));
}

#[tokio::test]
async fn quirk_18_urls_of_files_are_json_within_a_string() {
    let app = town().start();
    let uri = format!("pubky%3A%2F%2F{}%2Fpub%2Fpubky.app%2Ffiles%2F{}", user(0), id(50));
    let file = app.json(&format!("/v0/files/file/{uri}")).await;
    let urls: Value = serde_json::from_str(file["urls"].as_str().unwrap()).unwrap();
    assert_eq!(urls["main"], format!("{}/{}/main", user(0), id(50)));
}

#[tokio::test]
async fn quirk_20_a_stub_is_known_by_its_key_and_is_not_found_by_name() {
    let name = user(0).to_string();
    let profile = Profile { name: name.clone(), bio: None, image: None, links: None, status: None };
    let indexed_at = super::town::time(0);
    let stub = UserRow { id: user(0), state: UserState::Stub, profile, indexed_at, hash: None };
    let app = World::default().with(|effects| effects.rows.push(RowChange::PutUser(stub))).start();
    assert_eq!(app.json(&format!("/v0/user/{}/details", user(0))).await["name"], json!(name));
    for search in ["by_name", "by_id"] {
        assert_eq!(app.json(&format!("/v0/search/users/{search}/{}", &name[..6])).await, json!([]), "{search}");
    }
}

#[tokio::test]
async fn quirks_11_and_21_lists_of_tags_are_in_order_and_bounded_from_the_first_question_on() {
    let path = format!("/v0/post/{}/{}/tags", user(0), id(1));
    for _ in 0..2 {
        let app = town().start();
        let one = app.json(&format!("{path}?limit_tags=1&limit_taggers=1")).await;
        let expected = json!([{"label": "maps", "taggers": [user(1)], "taggers_count": 2, "relationship": false}]);
        assert_eq!(one, expected);
        assert_eq!(app.json(&format!("{path}?skip_tags=1")).await[0]["label"], "art");
    }
}
