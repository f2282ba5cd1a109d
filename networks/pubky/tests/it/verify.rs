//! What is believed of a served body, compared with `PubkyAppObject::from_uri`.

use crate::{KEYS, key};
use bytes::Bytes;
use nexus_model::{Raw, Verified};
use nexus_pubky::{Authority, Content, Fetched, Invalid, Record, Schema};
use proptest::prelude::*;
use pubky_app_specs::{
    PubkyAppObject, PubkyAppPost, PubkyAppPostKind, PubkyAppTag, traits::HashId, traits::TimestampId,
};

fn verify(uri: &str, body: &[u8], announced: Option<[u8; 32]>) -> Result<Verified<Content>, Invalid> {
    let address = uri.parse().unwrap();
    let fetched = Fetched { address, authority: Authority::Configured, body: Bytes::copy_from_slice(body), announced };
    Raw::new(fetched).verify(&Schema::default())
}

fn uri(path: &str) -> String {
    format!("pubky://{}/pub/{path}", KEYS[0])
}

#[test]
fn a_post_with_its_hash_is_believed() {
    let post = PubkyAppPost::new("hello".into(), PubkyAppPostKind::Short, None, None, None);
    let body = serde_json::to_vec(&post).unwrap();
    let (hash, at) = (*blake3::hash(&body).as_bytes(), uri(&format!("pubky.app/posts/{}", post.create_id())));
    let content = verify(&at, &body, Some(hash)).unwrap().into_inner();
    assert!(matches!(&content.record, Record::Post(read) if read.content == "hello"));
    assert_eq!((content.hash, content.authority), (hash, Authority::Configured));
    assert_eq!(verify(&at, &body, Some([0; 32])).unwrap_err(), Invalid::Hash);
}

#[test]
fn universal_tags_have_the_tags_schema() {
    let tag = PubkyAppTag::new("https://example.org/".into(), "maps".into());
    let body = serde_json::to_vec(&tag).unwrap();
    let good = uri(&format!("maps.example/tags/{}", tag.create_id()));
    assert!(matches!(verify(&good, &body, None).unwrap().get().record, Record::Tag(_)));
    let other_id = PubkyAppTag::new("https://example.org/".into(), "other".into()).create_id();
    let bad = verify(&uri(&format!("maps.example/tags/{other_id}")), &body, None).unwrap_err();
    assert_eq!(bad.reason(), "schema");
}

#[test]
fn hostile_bodies_are_refused() {
    let profile = uri("pubky.app/profile.json");
    let reason = |body: &[u8]| verify(&profile, body, None).unwrap_err().reason();
    assert_eq!(reason(&vec![b' '; Schema::default().max_bytes + 1]), "record_too_large");
    assert_eq!(reason(b"\xff\xfe"), "schema");
    assert_eq!(reason("[".repeat(1_000_000).as_bytes()), "schema");
    assert_eq!(reason(format!(r#"{{"x":{}"#, "{\"a\":".repeat(200_000)).as_bytes()), "schema");
    let blob = verify(&uri("pubky.app/blobs/8Z8CWH8NVYQY39ZEBFGKQWWEKG"), b"x", None);
    assert_eq!(blob.unwrap_err(), Invalid::NotARecord);
}

/// The verdict is that of `pubky-app-specs`, and no body makes either panic.
fn agrees_with_app_specs(path: &str, body: &[u8]) {
    let uri = uri(path);
    let ours = verify(&uri, body, None).is_ok();
    assert_eq!(ours, PubkyAppObject::from_uri(&uri, body).is_ok(), "{uri} {body:?}");
}

proptest! {
    #[test]
    fn verdicts_are_those_of_app_specs(
        path in prop::sample::select(vec![
            "pubky.app/profile.json", "pubky.app/posts/0034A0X7NJ52A", "pubky.app/files/0034A0X7NJ52A",
            "pubky.app/tags/8Z8CWH8NVYQY39ZEBFGKQWWEKG", "pubky.app/bookmarks/8Z8CWH8NVYQY39ZEBFGKQWWEKG",
            "pubky.app/follows/pxnu33x7jtpx9ar1ytsi4yxbp6a5o36gwhffs8zoxmbuptici1jy",
        ]),
        body in prop_oneof![
            r#"\{("(name|content|kind|uri|label|created_at|size|src)":("[a-z ]{0,60}"|-?[0-9]{1,20}|null|\[\]),?){0,5}\}"#
                .prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..100),
        ],
    ) {
        agrees_with_app_specs(path, &body);
    }

    #[test]
    fn names_are_judged_like_app_specs(name in ".{0,60}") {
        agrees_with_app_specs("pubky.app/profile.json", &serde_json::to_vec(&serde_json::json!({"name": name})).unwrap());
    }
}

#[test]
fn keys_of_the_fixtures_are_valid() {
    assert_eq!(key(2).as_str(), KEYS[2]);
}
