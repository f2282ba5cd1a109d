//! Mentions and collection items.

use crate::{KEYS, key};
use nexus_pubky::{PubkyId, collection_items, mentions};
use proptest::prelude::*;

#[test]
fn both_prefixes_announce_a_key() {
    let [a, b, c] = KEYS;
    let text = format!("hi pubky{a}, pk:{b} and pk:{b} and pubky{b}; not {c} nor pk: {c} nor pubky://{c}/x");
    assert_eq!(mentions(&text), [key(1), key(0)]);
    assert_eq!(mentions(&format!("pk:{}é", &a[..51])), []);
    assert_eq!(mentions(&format!("pk:{}", a.to_uppercase())), []);
}

#[test]
fn collections_list_posts() {
    let uri = format!("pubky://{}/pub/pubky.app/posts/0034A0X7NJ52A", KEYS[0]);
    let content = format!(r#"{{"name":"Maps","items":["{uri}","https://example.org"]}}"#);
    assert_eq!(collection_items(&content), [(key(0), "0034A0X7NJ52A".parse().unwrap())]);
    assert_eq!(collection_items("plain text"), []);
}

/// Every position is tried for each prefix.
fn slow_mentions(content: &str) -> Vec<PubkyId> {
    let mut users = Vec::new();
    for prefix in ["pk:", "pubky"] {
        for (at, _) in content.char_indices() {
            let rest: String = content[at..].chars().take(prefix.len() + 52).collect();
            let user = rest.strip_prefix(prefix).and_then(|key| key.parse().ok());
            users.extend(user.filter(|user| !users.contains(user)));
        }
    }
    users
}

proptest! {
    #[test]
    fn mentions_are_what_the_slow_model_finds(
        parts in prop::collection::vec(prop::sample::select(vec!["pk:", "pubky", "é", " ", "p", KEYS[0], KEYS[1]]), 0..20),
    ) {
        let text = parts.concat();
        prop_assert_eq!(mentions(&text), slow_mentions(&text));
    }

    #[test]
    fn collection_items_never_panic(text in r#"\{?("(name|items)":("x"|\["[a-z:/.]*"\]),?){0,3}\}?"#) {
        prop_assert!(collection_items(&text).is_empty());
    }
}
