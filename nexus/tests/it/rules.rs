//! What the operator lets in, from the file to the API and the metrics.

use crate::program::Program;
use nexus_fake_homeserver::FakeHomeserver;
use pubky_app_specs::{PubkyAppTag, traits::HashId as _};
use std::fs;

const ADA: &str = "8pinxxgqs41n4aididenw5apqp1urfmzdztr8jt4abrkdn435ewo";
const BOB: &str = "o4dksfbqk85ogzdb5osziw6befigbuxmuxkuxq8434q89uj56uyy";

/// The first rule that matches decides: Ada may write what others may not.
const RULES: &str = "
[[social.rules]]
action = 'allow'
users = ['8pinxxgqs41n4aididenw5apqp1urfmzdztr8jt4abrkdn435ewo']
[[social.rules]]
words = ['spam']
[[social.rules]]
kinds = ['long']
[[social.rules]]
labels = ['bad']
[[social.rules]]
apps = ['mapky']
";

fn post(n: usize) -> String {
    format!("/pub/pubky.app/posts/0034A0X7NJ5{n}A")
}

fn write(homeserver: &FakeHomeserver, author: &str, n: usize, kind: &str, content: &str) {
    homeserver.put(author, &post(n), format!(r#"{{"content":"{content}","kind":"{kind}"}}"#));
}

fn tag(homeserver: &FakeHomeserver, app: &str, uri: &str, label: &str) {
    let tag = PubkyAppTag::new(uri.to_owned(), label.to_owned());
    let path = format!("/pub/{app}/tags/{}", tag.create_id());
    homeserver.put(BOB, &path, serde_json::to_string(&tag).unwrap());
}

#[tokio::test]
async fn rules_let_in_and_keep_out() {
    let (directory, homeserver) = (tempfile::tempdir().unwrap(), FakeHomeserver::start().await.unwrap());
    fs::write(directory.path().join("nexus.toml"), RULES).unwrap();
    for (user, name) in [(ADA, "Ada"), (BOB, "Bob")] {
        homeserver.put(user, "/pub/pubky.app/profile.json", format!(r#"{{"name":"{name}"}}"#));
    }
    write(&homeserver, ADA, 1, "long", "SPAM among friends");
    write(&homeserver, BOB, 2, "short", "Buy my Spam");
    write(&homeserver, BOB, 3, "long", "an essay");
    write(&homeserver, BOB, 4, "short", "a word");
    let first = format!("pubky://{ADA}{}", post(1));
    tag(&homeserver, "pubky.app", &first, "bad");
    tag(&homeserver, "mapky", "https://ex.org/", "place");
    tag(&homeserver, "pubky.app", &first, "good");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let metrics = format!("server.metrics_bind=127.0.0.1:{port}");
    let program = Program::following(directory.path(), &homeserver.url(), &["--set", &metrics]);
    let view = |user: &str, n: usize| format!("/v0/post/{user}/{}", &post(n)[21..]);
    program.until(&view(ADA, 1), |_, text| text.contains("good")).await;
    assert_eq!(program.json(&format!("{}/tags", view(ADA, 1))).await.as_array().unwrap().len(), 1, "no bad one");
    for (n, status) in [(2, 404), (3, 404), (4, 200)] {
        assert_eq!(program.get(&view(BOB, n)).await.0, status, "post {n}");
    }
    assert_eq!(program.json("/v0/stream/resources/ids").await["resource_ids"], serde_json::json!([]));
    let metrics = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.unwrap().text().await.unwrap();
    let counted = metrics.lines().find(|line| line.contains(r#"reason="rule""#)).unwrap_or_default();
    assert!(counted.ends_with(" 4"), "four were refused by rules: {counted:?} in\n{metrics}");
}
