//! The codecs against slow ones that are written after the specifications' text: CARs, DAG-CBOR as records use it,
//! CIDs and keys. The input is what a model makes, and real input with some bytes changed.

use crate::{fixture, json};
use nexus_atproto::car::Encoder;
use nexus_atproto::{Cid, Codec, Decoder, PublicKey, Slice, record};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Bytes as digits of base 2^`bits`, the last one filled up with zeros.
fn digits(bytes: &[u8], bits: usize) -> Vec<usize> {
    let all: Vec<usize> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| usize::from(byte >> at & 1))).collect();
    let digit = |part: &[usize]| part.iter().fold(0, |sum, bit| sum * 2 + bit) << (bits - part.len());
    all.chunks(bits).map(digit).collect()
}

fn base32(bytes: &[u8]) -> String {
    let alphabet = b"abcdefghijklmnopqrstuvwxyz234567";
    digits(bytes, 5).into_iter().map(|digit| char::from(alphabet[digit])).collect()
}

fn base64(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    digits(bytes, 6).into_iter().map(|digit| char::from(alphabet[digit])).collect()
}

/// By long division of the whole number.
fn base58(bytes: &[u8]) -> String {
    let alphabet = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let (mut number, mut text) = (bytes.to_vec(), Vec::new());
    while number.iter().any(|byte| *byte > 0) {
        let mut rest = 0;
        for byte in &mut number {
            let value = rest * 256 + usize::from(*byte);
            *byte = (value / 58) as u8;
            rest = value % 58;
        }
        text.push(alphabet[rest]);
    }
    text.extend(bytes.iter().take_while(|byte| **byte == 0).map(|_| b'1'));
    text.reverse();
    String::from_utf8(text).unwrap()
}

/// A value of DAG-CBOR.
#[derive(Debug, PartialEq)]
enum Item {
    Int(i128),
    Float(f64),
    Bool(bool),
    Null,
    Bytes(Vec<u8>),
    Text(String),
    Link(Vec<u8>),
    List(Vec<Item>),
    Map(Vec<(String, Item)>),
}

fn split<'a>(input: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(taken)
}

/// Reads one value as RFC 8949 has it, with what DAG-CBOR leaves out left out.
fn item(input: &mut &[u8]) -> Option<Item> {
    let first = split(input, 1)?[0];
    if first == 0xfb {
        return Some(Item::Float(f64::from_be_bytes(split(input, 8)?.try_into().ok()?)));
    }
    let (argument, shortest) = match first & 31 {
        info @ 0..24 => (u128::from(info), true),
        info @ 24..28 => {
            let length = 1 << (info - 24);
            let value = split(input, length)?.iter().fold(0, |sum, byte| sum * 256 + u128::from(*byte));
            let smaller = if length == 1 { 24 } else { 1 << (4 * length) };
            (value, value >= smaller)
        }
        _ => return None,
    };
    let length = usize::try_from(argument).ok();
    let read = match first >> 5 {
        0 => Item::Int(argument as i128),
        1 => Item::Int(-1 - argument as i128),
        2 => Item::Bytes(split(input, length?)?.to_vec()),
        3 => Item::Text(String::from_utf8(split(input, length?)?.to_vec()).ok()?),
        4 => Item::List((0..length?).map(|_| item(input)).collect::<Option<_>>()?),
        5 => Item::Map((0..length?).map(|_| field(input)).collect::<Option<_>>()?),
        6 if argument == 42 => match item(input)? {
            Item::Bytes(bytes) if bytes.first() == Some(&0) => Item::Link(bytes[1..].to_vec()),
            _ => return None,
        },
        7 if first == 0xf4 || first == 0xf5 => Item::Bool(first == 0xf5),
        7 if first == 0xf6 => Item::Null,
        _ => return None,
    };
    shortest.then_some(read)
}

fn field(input: &mut &[u8]) -> Option<(String, Item)> {
    match item(input)? {
        Item::Text(key) => Some((key, item(input)?)),
        _ => None,
    }
}

/// Version, codec and kind of hash, each a number of at most nine bytes that doesn't end in an empty one, and a hash
/// as long as is said.
fn is_cid_of_version_1(bytes: &[u8]) -> bool {
    let (mut rest, mut numbers) = (bytes, Vec::new());
    while numbers.len() < 4 {
        let Some(end) = rest.iter().take(9).position(|byte| *byte < 128) else { return false };
        if end > 0 && rest[end] == 0 {
            return false;
        }
        numbers.push(rest[..=end].iter().rev().fold(0_u128, |sum, byte| sum * 128 + u128::from(byte & 127)));
        rest = &rest[end + 1..];
    }
    numbers[0] == 1 && numbers[3] == rest.len() as u128
}

/// The JSON of a value, by the rules of the data model.
fn shown(item: &Item) -> Option<Value> {
    Some(match item {
        Item::Int(number) => {
            u64::try_from(*number).map(Value::from).or_else(|_| i64::try_from(*number).map(Value::from)).ok()?
        }
        Item::Float(number) => {
            let edge = 2.0_f64.powi(63);
            let is_whole = number.trunc() == *number && *number >= -edge && *number < edge;
            is_whole.then(|| json!(*number as i64))?
        }
        Item::Bool(value) => json!(value),
        Item::Null => Value::Null,
        Item::Bytes(bytes) => json!({"$bytes": base64(bytes)}),
        Item::Text(text) => json!(text),
        Item::Link(bytes) => is_cid_of_version_1(bytes).then(|| json!({"$link": format!("b{}", base32(bytes))}))?,
        Item::List(items) => items.iter().map(shown).collect::<Option<Vec<_>>>()?.into(),
        Item::Map(fields) => object(fields)?,
    })
}

fn object(fields: &[(String, Item)]) -> Option<Value> {
    let by_name: BTreeMap<&str, &Item> = fields.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let is_blob = match by_name.get("$type") {
        None => false,
        Some(Item::Text(name)) if !name.is_empty() => name == "blob",
        Some(_) => return None,
    };
    let is_whole = matches!(by_name.get("ref"), Some(Item::Link(_)))
        && matches!(by_name.get("mimeType"), Some(Item::Text(_)))
        && matches!(by_name.get("size"), Some(Item::Int(0..) | Item::Float(0.0..)))
        && fields.len() == 4;
    if by_name.len() < fields.len() || (is_blob && !is_whole) {
        return None;
    }
    let shown = fields.iter().map(|(key, value)| Some((key.clone(), shown(value)?)));
    shown.collect::<Option<serde_json::Map<_, _>>>().map(Value::Object)
}

/// The JSON of a record's block.
fn json_of(block: &[u8]) -> Option<Value> {
    let mut rest = block;
    let record = item(&mut rest)?;
    let is_record = rest.is_empty() && matches!(record, Item::Map(_));
    is_record.then(|| shown(&record))?
}

/// Records of real accounts, and the protocol's own examples of what is special.
fn blocks() -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    for name in ["cars/little.car", "recorded/session-a/alice-end.car"] {
        let mut decoder = Decoder::new(1 << 20);
        decoder.push(&fixture(name));
        while let Some((_, block)) = decoder.next_block().unwrap() {
            blocks.push(block.to_vec());
        }
    }
    let examples = json("interop/data-model/data-model-fixtures.json");
    blocks.extend(examples.as_array().unwrap().iter().map(|case| crate::base64(case["cbor_base64"].as_str().unwrap())));
    blocks
}

#[test]
fn real_records_read_alike() {
    let blocks = blocks();
    assert!(blocks.len() > 300);
    for block in blocks {
        let read = record::to_json(&block).ok().map(|text| serde_json::from_str::<Value>(&text).unwrap());
        assert_eq!(read, json_of(&block));
    }
}

/// A CAR by the text of its specification.
fn car_by_the_book(root: Cid, blocks: &[(Cid, Vec<u8>)]) -> Vec<u8> {
    let section = |bytes: Vec<u8>| {
        let (mut length, mut prefix) = (bytes.len(), Vec::new());
        while length >= 128 {
            prefix.push((length % 128 + 128) as u8);
            length /= 128;
        }
        prefix.push(length as u8);
        [prefix, bytes].concat()
    };
    let link = [&[0xd8, 42, 0x58, 37, 0][..], &root.to_bytes()].concat();
    let header = [&[0xa2, 0x65][..], b"roots", &[0x81], &link, &[0x67], b"version", &[1]].concat();
    let sections = blocks.iter().flat_map(|(cid, block)| section([&cid.to_bytes()[..], block].concat()));
    [section(header), sections.collect()].concat()
}

fn damaged(bytes: &[u8], damage: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, byte) in damage {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn changed_records_read_alike_or_are_refused_alike(
        block in prop::sample::select(blocks()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let block = damaged(&block, &damage);
        // JSON's own spelling of links and bytes inside DAG-CBOR has tests of its own.
        let spells = |name: &[u8]| block.windows(name.len()).any(|part| part == name);
        prop_assume!(!spells(b"$link") && !spells(b"$bytes"));
        let read = record::to_json(&block).ok().map(|text| serde_json::from_str::<Value>(&text).unwrap());
        prop_assert_eq!(read, json_of(&block));
    }

    #[test]
    fn cars_are_as_the_book_has_them_however_they_arrive(
        blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
        cuts in prop::collection::vec(1..400_usize, 1..10),
    ) {
        let blocks: Vec<(Cid, Vec<u8>)> = blocks.into_iter().map(|block| (Cid::of_cbor(&block), block)).collect();
        let root = blocks.first().map_or_else(|| Cid::of_cbor(b"none"), |(cid, _)| *cid);
        let mut encoder = Encoder::new(root);
        blocks.iter().for_each(|(cid, block)| encoder.block(cid, block));
        let car = encoder.into_bytes();
        prop_assert_eq!(&car, &car_by_the_book(root, &blocks));
        let slice = Slice::parse(&car).unwrap();
        prop_assert!(blocks.iter().all(|(cid, block)| slice.block(cid) == Some(block.as_slice())));
        let (mut decoder, mut read, mut rest) = (Decoder::new(1 << 10), Vec::new(), car.as_slice());
        for cut in cuts.iter().cycle().take_while(|_| !rest.is_empty()) {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            decoder.push(piece);
            rest = after;
            while let Some((cid, block)) = decoder.next_block().unwrap() {
                read.push((cid, block.to_vec()));
            }
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(decoder.finish(), Ok(root));
        prop_assert_eq!(read, blocks);
    }

    #[test]
    fn a_section_that_is_too_large_is_refused_before_it_arrives(extra in 0..100_usize, limit in 36..200_usize) {
        let block = vec![7; limit + extra];
        let cid = Cid::of_cbor(&block);
        let car = car_by_the_book(cid, &[(cid, block)]);
        let mut decoder = Decoder::new(limit);
        decoder.push(&car[..car.len() - limit - extra]);
        prop_assert!(decoder.next_block().is_err(), "36 bytes of an id come on top of the block");
    }

    #[test]
    fn cids_have_the_text_of_their_bytes(digest: [u8; 32], is_raw: bool) {
        let codec = if is_raw { Codec::Raw } else { Codec::DagCbor };
        let cid = Cid::from_parts(codec, digest);
        let bytes = [&[1, if is_raw { 0x55 } else { 0x71 }, 0x12, 32][..], &digest].concat();
        prop_assert_eq!(cid.to_bytes().to_vec(), bytes.clone());
        prop_assert_eq!(cid.to_string(), format!("b{}", base32(&bytes)));
        prop_assert_eq!((cid.to_string().parse(), cid.codec()), (Ok(cid), codec));
    }

    #[test]
    fn any_k256_key_is_read_in_each_form_and_takes_its_own_low_signatures_alone(
        secret in any::<[u8; 32]>().prop_filter_map("a key", |bytes| secp256k1::SecretKey::from_secret_bytes(bytes).ok()),
        message: Vec<u8>,
        bit in 0..512_usize,
    ) {
        let public = secret.public_key();
        let multikey = format!("z{}", base58(&[&[0xe7, 1][..], &public.serialize()].concat()));
        let bare = format!("z{}", base58(&public.serialize_uncompressed()));
        let digest: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(&message).into();
        let signature = secp256k1::ecdsa::sign(secp256k1::Message::from_digest(digest), &secret).serialize_compact();
        let mut changed = signature;
        changed[bit / 8] ^= 1 << (bit % 8);
        for key in [
            PublicKey::from_multikey(&multikey),
            PublicKey::from_did_key(&format!("did:key:{multikey}")),
            PublicKey::from_method("EcdsaSecp256k1VerificationKey2019", &bare),
        ] {
            let key = key.unwrap();
            prop_assert_eq!(key.verify(&message, &signature), Ok(()));
            prop_assert!(key.verify(&message, &changed).is_err());
            prop_assert!(key.verify(&message, &high_twin(signature)).is_err());
        }
    }
}

/// The same signature with the other `s`, which is as true and not taken.
fn high_twin(signature: [u8; 64]) -> [u8; 64] {
    let (mut twin, mut borrowed) = (signature, 0);
    for at in (0..32).rev() {
        let left = i32::from(secp256k1::constants::CURVE_ORDER[at]) - i32::from(signature[32 + at]) - borrowed;
        borrowed = i32::from(left < 0);
        twin[32 + at] = left.rem_euclid(256) as u8;
    }
    twin
}
