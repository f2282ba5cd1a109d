//! DID documents.

use crate::fixture;
use nexus_atproto::{Did, Document, Reason};
use serde_json::{Value, json};

fn did(text: &str) -> Did {
    text.parse().unwrap()
}

fn document(value: &Value) -> nexus_atproto::Result<Document> {
    Document::parse(&did("did:plc:aaaabbbbccccddddeeeeffff"), value.to_string().as_bytes())
}

#[test]
fn a_document_of_the_directory_gives_handle_server_and_key() {
    let bytes = fixture("did-docs/did_plc_doc.json");
    let document = Document::parse(&did("did:plc:ewvi7nxzyoun6zhxrhs64oiz"), &bytes).unwrap();
    assert_eq!(document.declared_handle().unwrap().as_str(), "atproto.com");
    assert_eq!(document.pds(), Some("https://bsky.social"));
    assert!(document.signing_key().is_ok());
    let mut expected: Value = serde_json::from_slice(&bytes).unwrap();
    expected.as_object_mut().unwrap().remove("@context");
    assert_eq!(serde_json::to_value(&document).unwrap(), expected);
}

#[test]
fn a_document_without_a_repo_gives_none() {
    let bytes = fixture("did-docs/did_web_doc.json");
    let document = Document::parse(&did("did:web:discover.bsky.social"), &bytes).unwrap();
    assert_eq!((document.declared_handle(), document.pds()), (None, None));
    assert_eq!(document.signing_key().unwrap_err().reason(), Reason::Identity);
}

#[test]
fn the_older_form_with_bare_fragments_is_read() {
    for name in ["alice-end", "alice-mid", "bob-end"] {
        let bytes = fixture(&format!("recorded/session-a/{name}.did.json"));
        let id: Value = serde_json::from_slice(&bytes).unwrap();
        let document = Document::parse(&did(id["id"].as_str().unwrap()), &bytes).unwrap();
        assert!(document.signing_key().is_ok());
        assert!(document.declared_handle().unwrap().as_str().ends_with(".test"));
    }
}

#[test]
fn only_own_keys_count_and_strange_parts_are_passed_over() {
    let id = "did:plc:aaaabbbbccccddddeeeeffff";
    let key = "zQ3shXjHeiBuRCKmM36cuYnm7YEMzhGnCmCyW92sRJ9pribSF";
    let method = |controller: &str| json!({"id": "#atproto", "type": "Multikey", "controller": controller, "publicKeyMultibase": key});
    let with = |methods: Value| {
        document(&json!({"id": id, "alsoKnownAs": ["at://no_handle", 7, "at://Second.Test"],
        "verificationMethod": methods, "service": null}))
    };
    let other = with(json!([method("did:plc:other")])).unwrap();
    assert!(other.signing_key().is_err());
    assert_eq!(other.declared_handle().unwrap().as_str(), "second.test");
    let first_wins = with(json!([7, method(id), {"id": "#atproto", "type": "?", "controller": id}])).unwrap();
    assert!(first_wins.signing_key().is_ok());
}

#[test]
fn what_is_far_too_long_goes_no_further() {
    let id = "did:plc:aaaabbbbccccddddeeeeffff";
    let long = "é".repeat(100_000);
    let complaint = document(&json!({"id": id, "alsoKnownAs": long})).unwrap_err().to_string();
    assert!(complaint.contains("not a document") && complaint.chars().count() < 400, "{complaint}");
    let server = |address: &str| {
        let service = json!([{"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": address}]);
        document(&json!({"id": id, "service": service})).unwrap().pds().map(str::len)
    };
    assert_eq!(server(&"a".repeat(nexus_atproto::MAX_ADDRESS)), Some(nexus_atproto::MAX_ADDRESS));
    assert_eq!(server(&"a".repeat(nexus_atproto::MAX_ADDRESS + 1)), None);
}

#[test]
fn a_document_of_another_or_of_no_sense_is_refused() {
    assert!(document(&json!({"id": "did:plc:other"})).is_err());
    assert!(document(&json!([])).is_err());
    let large = json!({"id": "did:plc:aaaabbbbccccddddeeeeffff", "x": " ".repeat(nexus_atproto::MAX_DOCUMENT)});
    assert!(document(&large).is_err());
}
