//! Normal forms of resources.

use nexus_pubky::ResourceUri;
use proptest::prelude::*;

fn normal(uri: &str) -> String {
    ResourceUri::normalize(uri).unwrap().to_string()
}

#[test]
fn the_specs_vectors() {
    assert_eq!(normal("HTTP://Ex.Org:80/a?b=1#c"), "http://ex.org/a?b=1");
    assert_eq!(normal("https://u:p@ex.org"), "https://ex.org/");
    assert_eq!(normal("nostr:note1xyz#f"), "nostr:note1xyz");
}

#[test]
fn other_schemes() {
    assert_eq!(normal("Geo:48.2,16.3;U=1#x"), "geo:48.2,16.3;U=1");
    assert_eq!(normal("isbn:978-3"), "isbn:978-3");
    assert_eq!(normal("Pubky://ABC:443/pub/Other/x#f"), "pubky://abc/pub/Other/x");
    assert_eq!(normal("HTTP://[bad/Path"), "http://[bad/Path");
    assert_eq!(ResourceUri::normalize("https://ex.org:443/").unwrap().scheme(), "https");
    for bad in ["", "no colon", "1x:[", ":x", "é:[x"] {
        assert!(ResourceUri::normalize(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_id_is_half_a_hash() {
    let uri = ResourceUri::normalize("https://ex.org").unwrap();
    assert_eq!(uri.id().as_str(), &blake3::hash(b"https://ex.org/").to_hex()[..32]);
}

proptest! {
    #[test]
    fn a_normal_form_is_its_own(uri in "([A-Za-z]{1,5}:(//)?)?[A-Za-z0-9@:/?#.%é \\[\\]-]{0,30}") {
        if let Ok(once) = ResourceUri::normalize(&uri) {
            let twice = ResourceUri::normalize(once.as_str()).unwrap();
            prop_assert_eq!(&twice, &once);
            prop_assert!(once.as_str().starts_with(&once.scheme().to_ascii_lowercase()));
        }
    }
}
