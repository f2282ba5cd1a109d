//! The protocol's own lists of names that are and are not well formed, keys, and signatures.

use crate::{base64, fixture, json, text};
use nexus_atproto::{Did, Nsid, PublicKey, Reason, RecordKey};
use std::str::FromStr;

fn lines(name: &str) -> Vec<String> {
    let all = String::from_utf8(fixture(name)).unwrap();
    all.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

fn check<T: FromStr>(what: &str) {
    for line in lines(&format!("interop/syntax/{what}_syntax_valid.txt")) {
        assert!(line.parse::<T>().is_ok(), "{what} refused: {line:?}");
    }
    for line in lines(&format!("interop/syntax/{what}_syntax_invalid.txt")) {
        assert!(line.parse::<T>().is_err(), "{what} taken: {line:?}");
    }
}

#[test]
fn names_are_taken_and_refused_as_listed() {
    check::<Did>("did");
    check::<Nsid>("nsid");
    check::<RecordKey>("recordkey");
}

#[test]
fn signatures_are_taken_and_refused_as_listed() {
    for case in json("interop/crypto/signature-fixtures.json").as_array().unwrap() {
        let (message, signature) = (base64(text(case, "messageBase64")), base64(text(case, "signatureBase64")));
        let valid = case["validSignature"].as_bool().unwrap();
        let did = PublicKey::from_did_key(text(case, "publicKeyDid")).unwrap();
        let method = PublicKey::from_method(text(case, "didDocSuite"), text(case, "publicKeyMultibase")).unwrap();
        for key in [did, method] {
            let verdict = key.verify(&message, &signature);
            assert_eq!(verdict.is_ok(), valid, "{}", text(case, "comment"));
            assert!(verdict.is_ok_and(|()| true) || key.verify(&message, &signature).unwrap_err().may_be_stale_key());
            assert_eq!(key.verify(b"other", &signature).unwrap_err().reason(), Reason::Signature);
        }
    }
}

#[test]
fn listed_keys_verify_what_their_owners_sign() {
    for case in json("interop/crypto/w3c_didkey_K256.json").as_array().unwrap() {
        let mut secret = [0; 32];
        for (byte, hex) in secret.iter_mut().zip(text(case, "privateKeyBytesHex").as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap();
        }
        let secret = secp256k1::SecretKey::from_secret_bytes(secret).unwrap();
        let digest = <sha2::Sha256 as sha2::Digest>::digest(b"message");
        let signature = secp256k1::ecdsa::sign(secp256k1::Message::from_digest(digest.into()), &secret);
        let key = PublicKey::from_did_key(text(case, "publicDidKey")).unwrap();
        assert_eq!(key.verify(b"message", &signature.serialize_compact()), Ok(()));
    }
}
