//! `/v0/bootstrap/*`

use super::town::{key, time, town, user};
use nexus_social::notification::NotificationBody;
use serde_json::{Value, json};

fn names(users: &Value) -> Vec<&str> {
    users.as_array().unwrap().iter().map(|view| view["details"]["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_known_user_gets_everything() {
    let app = town().notify(1, NotificationBody::Follow { followed_by: user(0) }, 7).start();
    let screen = app.json(&format!("/v0/bootstrap/{}", user(1))).await;
    assert_eq!(screen["indexed"], true);
    let stream: Value =
        [key(3, 5), key(2, 4), key(0, 2), key(0, 1)].iter().map(|post| json!(post.to_string())).collect();
    assert_eq!(screen["ids"]["stream"], stream);
    let posts = screen["posts"].as_array().unwrap();
    assert_eq!((posts.len(), &posts[4]["details"]["uri"]), (5, &json!(key(1, 3).uri())), "the reply comes last");
    assert_eq!(posts[3]["bookmark"]["indexed_at"], time(4000).millis(), "seen by the user");
    assert_eq!(screen["files"][0]["name"], "map.png");
    let mut users = names(&screen["users"]);
    users.sort_unstable();
    assert_eq!(users, ["Ada", "Bob", "Carol", "Dave"]);
    assert_eq!(screen["ids"]["hot_tags"][0]["label"], "maps");
    assert_eq!(screen["ids"]["influencers"].as_array().unwrap().len(), 3);
    assert_eq!(screen["notifications"][0]["body"]["followed_by"], json!(user(0)));
}

#[tokio::test]
async fn a_stranger_gets_what_everybody_sees() {
    let app = town().notify(9, NotificationBody::Follow { followed_by: user(0) }, 7).start();
    let screen = app.json(&format!("/v0/bootstrap/{}", user(9))).await;
    assert_eq!(screen["indexed"], false);
    assert_eq!((&screen["ids"]["recommended"], &screen["notifications"]), (&json!([]), &json!([])));
    assert_eq!(screen["posts"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_light_screen_has_no_texts_and_lacks_nothing_else() {
    let app = town().start();
    let path = format!("/v0/bootstrap/{}", user(1));
    let (mut whole, light) = (app.json(&path).await, app.json(&format!("{path}?content=uri")).await);
    for post in whole["posts"].as_array_mut().unwrap() {
        let details = post["details"].as_object_mut().unwrap();
        for member in ["content", "attachments", "lock"] {
            assert!(details.remove(member).is_some());
        }
    }
    assert_eq!(light, whole);
}

#[tokio::test]
async fn parts_can_be_bounded_or_left_out() {
    let app = town().start();
    let path = |query: &str| format!("/v0/bootstrap/{}?{query}", user(1));
    let none = app.json(&path("posts=0&hot_tags=0&recommended=0&notifications=0")).await;
    assert_eq!(
        (&none["posts"], &none["ids"]["hot_tags"], &none["ids"]["stream"]),
        (&json!([]), &json!([]), &json!([]))
    );
    let few = app.json(&path("posts=2&replies=0")).await;
    assert_eq!(few["posts"].as_array().unwrap().len(), 2);
    assert_eq!(app.json(&path("replies=0")).await["posts"].as_array().unwrap().len(), 4);
    let text = "Invalid input: Failed to deserialize query string: posts: Invalid input: count exceeds maximum of 50";
    app.refuses(&path("posts=51"), 400, text).await;
}
