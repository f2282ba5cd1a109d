//! Addresses: the strict reading agrees with `pubky-app-specs` wherever it says yes.

use crate::KEYS;
use nexus_pubky::{Address, AddressError, Path};
use proptest::prelude::*;
use pubky_app_specs::ExtendedParsedUri;

const TS: &str = "0034A0X7NJ52A";
const HID: &str = "8Z8CWH8NVYQY39ZEBFGKQWWEKG";

fn paths() -> Vec<String> {
    let [key, other, _] = KEYS;
    ["profile.json", "last_read", &format!("posts/{TS}"), &format!("files/{TS}"), &format!("follows/{other}")]
        .into_iter()
        .chain([&*format!("mutes/{other}"), &format!("bookmarks/{HID}"), &format!("tags/{HID}")])
        .chain([&*format!("feeds/{HID}"), &format!("blobs/{HID}")])
        .map(|path| format!("pubky://{key}/pub/pubky.app/{path}"))
        .chain([format!("pubky://{key}/pub/maps.example/tags/{HID}")])
        .collect()
}

#[test]
fn every_known_path_is_its_own_text() {
    for uri in paths() {
        let address = Address::from_canonical(&uri).unwrap();
        assert_eq!(address.to_string(), uri);
        assert_eq!(uri.parse::<Address>(), Ok(address));
    }
}

#[test]
fn what_is_not_indexed_is_told_apart() {
    let at = |path: &str| Address::from_canonical(&format!("pubky://{}/pub/{path}", KEYS[0])).unwrap_err().reason();
    assert_eq!(at("pubky.app/unknown/x"), "unknown_path");
    assert_eq!(at("pubky.app/posts"), "unknown_path");
    assert_eq!(at(&format!("pubky.app/posts/{TS}/more")), "unknown_path");
    assert_eq!(at("pubky.app/posts/short"), "invalid_id");
    assert_eq!(at("other.app/posts/x"), "unknown_path");
    assert_eq!(at(&format!("/tags/{HID}")), "unknown_path");
    assert_eq!(at(&format!("../tags/{HID}")), "unknown_path");
    assert_eq!(Address::from_canonical("https://example.org/pub/x/y/z").unwrap_err(), AddressError::NotPubky);
    assert_eq!(Address::from_canonical("pubky://x/pub/pubky.app/profile.json").unwrap_err().reason(), "invalid_id");
}

#[test]
fn a_user_may_write_more_loosely_than_a_log() {
    let uri = format!("PUBKY://{}/pub/pubky.app/./posts/{TS}?x#y", KEYS[0]);
    assert!(Address::from_canonical(&uri).is_err());
    assert_eq!(uri.parse::<Address>().unwrap().path, Path::Post(TS.parse().unwrap()));
}

/// Whatever is read strictly is what `pubky-app-specs` reads, and reading never panics.
fn reads_like_app_specs(uri: &str) {
    let lenient: Result<Address, _> = uri.parse();
    if let Ok(address) = Address::from_canonical(uri) {
        assert_eq!(address.to_string(), uri);
        assert_eq!(lenient.as_ref(), Ok(&address));
        let specs = ExtendedParsedUri::try_from(uri).unwrap();
        assert_eq!(specs.try_to_uri_str().unwrap(), uri);
    }
    if lenient.is_ok() {
        assert!(ExtendedParsedUri::try_from(uri).is_ok());
    }
}

proptest! {
    #[test]
    fn strict_agrees_with_app_specs(
        start in prop::sample::select(paths()),
        cut in 0usize..120,
        insert in "[./?#%A-Za-z0-9é ]{0,4}",
    ) {
        let cut = cut.min(start.len());
        reads_like_app_specs(&format!("{}{insert}{}", &start[..cut], &start[cut..]));
    }

    #[test]
    fn apps_of_any_name(app in "[ -~é]{0,8}") {
        reads_like_app_specs(&format!("pubky://{}/pub/{app}/tags/{HID}", KEYS[0]));
    }

    #[test]
    fn arbitrary_text_never_panics(text in ".{0,200}") {
        reads_like_app_specs(&text);
    }
}
