use crate::make::{event, key};
use nexus_model::Raw;
use nexus_nostr::{Error, Event, EventId, KnownPoints, PublicKey, Secp256k1, Signature, SignatureScheme, Signed};

/// From the test vectors of BIP-340: public key, message, signature, whether it holds.
const BIP_340: [(&str, &str, &str, bool); 5] = [
    (
        "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca821525f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0",
        true,
    ),
    (
        "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
        "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
        "6896bd60eeae296db48a229ff71dfe071bde413e6d43f917dc8dcf8c78de33418906d11ac976abccb20b091292bff4ea897efcb639ea871cfa95f6de339e4b0a",
        true,
    ),
    (
        "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
        "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
        "fff97bd5755eeea420453a14355235d382f6472f8568a18b2f057a14602975563cc27944640ac607cd107ae10923d9ef7a73c643e166be5ebeafa34b1ac553e2",
        false,
    ),
    (
        "eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34",
        "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
        "6cff5c3ba86c69ea4b7376f31a9bcb4f74c1976089b2d9963da2e5543e17776969e89b4c5564d00349106b8497785dd7d1d713a8ae82b32fa79d5f7fc407d39b",
        false,
    ),
    (
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30",
        "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
        "6cff5c3ba86c69ea4b7376f31a9bcb4f74c1976089b2d9963da2e5543e17776969e89b4c5564d00349106b8497785dd7d1d713a8ae82b32fa79d5f7fc407d39b",
        false,
    ),
];

fn meets_bip_340(scheme: &impl SignatureScheme) {
    for (key, id, sig, holds) in BIP_340 {
        let key: PublicKey = key.parse().expect("hex");
        let id: EventId = id.parse().expect("hex");
        let sig: Signature = sig.parse().expect("hex");
        assert_eq!(scheme.check(&id, &key, &sig).is_ok(), holds, "{key}");
    }
}

#[test]
fn libsecp256k1_meets_bip_340() {
    meets_bip_340(&Secp256k1);
}

#[test]
fn remembered_points_meet_bip_340_whoever_shares_their_place() {
    for capacity in [1, 2, 1_000] {
        let points = KnownPoints::new(capacity.try_into().expect("not zero"));
        meets_bip_340(&&points);
        meets_bip_340(&&points);
    }
}

#[cfg(feature = "k256")]
#[test]
fn k256_meets_bip_340_and_agrees_about_events() {
    meets_bip_340(&nexus_nostr::K256);
    let signed = event(1, &[], "x");
    assert!(Raw::new(signed).verify(&Signed(nexus_nostr::K256)).is_ok());
}

/// What is wrong with an event after one change to it.
fn fault(change: impl FnOnce(&mut Event)) -> Option<Error> {
    let mut event = event(1, &[&["t", "a"]], "x");
    change(&mut event);
    Raw::new(event).verify(&Signed(Secp256k1)).err()
}

#[test]
fn every_change_to_an_event_is_noticed() {
    assert_eq!(fault(|_| {}), None);
    assert_eq!(fault(|event| event.content.push('!')), Some(Error::IdMismatch));
    assert_eq!(fault(|event| event.kind = nexus_nostr::Kind::FOLLOWS), Some(Error::IdMismatch));
    assert_eq!(fault(|event| event.created_at = event.created_at.plus(1)), Some(Error::IdMismatch));
    assert_eq!(fault(|event| event.tags = nexus_nostr::Tags::new([["t", "b"]])), Some(Error::IdMismatch));
    assert_eq!(fault(|event| event.pubkey = key(2).public_key()), Some(Error::IdMismatch));
    let as_another = |event: &mut Event| {
        event.pubkey = key(2).public_key();
        event.id = event.computed_id();
    };
    assert_eq!(fault(as_another), Some(Error::BadSignature));
    let as_nobody = |event: &mut Event| {
        event.pubkey = PublicKey::from_bytes([0xff; 32]);
        event.id = event.computed_id();
    };
    assert_eq!(fault(as_nobody), Some(Error::NotAPoint));
}

#[test]
fn a_secret_key_is_not_shown() {
    assert_eq!(format!("{:?}", key(3)), format!("SigningKey(of {})", key(3).public_key()));
    assert_eq!(nexus_nostr::SigningKey::from_bytes([0; 32]).err(), Some(Error::Bad("secret key")));
}
