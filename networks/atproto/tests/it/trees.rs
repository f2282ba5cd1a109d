//! The search tree, against the listed vectors and against the obvious construction.

use crate::{cid, json, text};
use nexus_atproto::car::Encoder;
use nexus_atproto::{Cid, Reason, Slice, Tree, Walk, key_height};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[test]
fn keys_have_the_listed_heights() {
    for case in json("interop/mst/key_heights.json").as_array().unwrap() {
        assert_eq!(u64::from(key_height(text(case, "key").as_bytes())), case["height"].as_u64().unwrap());
    }
}

#[test]
fn the_listed_commits_can_be_done_and_undone() {
    for case in json("interop/firehose/commit-proof-fixtures.json").as_array().unwrap() {
        let value = cid(&case["leafValue"]).unwrap();
        let list = |name: &str| -> Vec<String> {
            case[name].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect()
        };
        let mut tree = Tree::default();
        for key in list("keys") {
            assert!(tree.insert(key.as_bytes(), value).unwrap());
        }
        let mut blocks = BTreeMap::new();
        let before = tree.write_changed(&mut |cid, block| drop(blocks.insert(cid, block.to_vec())));
        assert_eq!(Some(before), cid(&case["rootBeforeCommit"]), "{}", case["comment"]);
        for key in list("adds") {
            assert!(tree.insert(key.as_bytes(), value).unwrap());
        }
        for key in list("dels") {
            assert_eq!(tree.remove(key.as_bytes()), Ok(Some(value)));
        }
        let after = tree.write_changed(&mut |cid, block| drop(blocks.insert(cid, block.to_vec())));
        assert_eq!(Some(after), cid(&case["rootAfterCommit"]), "{}", case["comment"]);

        // Undone with nothing but the blocks that a sender must include.
        let mut car = Encoder::new(after);
        for proof in case["blocksInProof"].as_array().unwrap() {
            let proof = cid(proof).unwrap();
            car.block(&proof, blocks.get(&proof).unwrap());
        }
        let car = car.into_bytes();
        let slice = Slice::parse(&car).unwrap();
        let mut tree = Tree::load(&slice, after).unwrap();
        for key in list("dels") {
            assert!(tree.insert(key.as_bytes(), value).unwrap());
        }
        for key in list("adds") {
            assert_eq!(tree.remove(key.as_bytes()), Ok(Some(value)));
        }
        assert_eq!(tree.root(), before, "{}", case["comment"]);
    }
}

/// A tree from scratch, by its definition.
fn built(records: &BTreeMap<String, Cid>) -> (Cid, Vec<u8>) {
    let mut tree = Tree::default();
    for (key, value) in records {
        assert!(tree.insert(key.as_bytes(), *value).unwrap());
    }
    let mut blocks = Vec::new();
    let root = tree.write_changed(&mut |cid, block| blocks.push((cid, block.to_vec())));
    let mut car = Encoder::new(root);
    blocks.iter().for_each(|(cid, block)| car.block(cid, block));
    (root, car.into_bytes())
}

/// The root by definition, written without looking at the code under test: the keys of the highest level
/// part the rest, which hang one level lower each, level by level.
fn defined(records: &[(&str, Cid)], height: u8) -> Option<Cid> {
    use serde_json::json;
    if records.is_empty() {
        return None;
    }
    let link = |cid: Option<Cid>| cid.map_or(json!(null), |cid| json!({"$link": cid.to_string()}));
    let child = |part: &[(&str, Cid)]| if height == 0 { None } else { defined(part, height - 1) };
    let mut parts = records.split(|(key, _)| key_height(key.as_bytes()) == height);
    let own: Vec<_> = records.iter().filter(|(key, _)| key_height(key.as_bytes()) == height).collect();
    let left = child(parts.next().unwrap());
    let (mut entries, mut previous) = (Vec::new(), "");
    for ((key, value), part) in own.into_iter().zip(parts) {
        let shared = key.bytes().zip(previous.bytes()).take_while(|(a, b)| a == b).count();
        let rest = {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD_NO_PAD.encode(&key[shared..])
        };
        entries.push(json!({"p": shared, "k": {"$bytes": rest}, "v": link(Some(*value)), "t": link(child(part))}));
        previous = key;
    }
    let node = json!({"l": link(left), "e": entries});
    Some(Cid::of_cbor(&nexus_atproto::record::from_json(&node).unwrap()))
}

fn root_by_definition(records: &BTreeMap<String, Cid>) -> Cid {
    let list: Vec<(&str, Cid)> = records.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    let top = list.iter().map(|(key, _)| key_height(key.as_bytes())).max().unwrap_or(0);
    let empty = || Cid::of_cbor(&nexus_atproto::record::from_json(&serde_json::json!({"l": null, "e": []})).unwrap());
    defined(&list, top).unwrap_or_else(empty)
}

fn records() -> impl Strategy<Value = BTreeMap<String, Cid>> {
    prop::collection::btree_map("[a-c]{1,4}/[0-9a-f]{1,6}", any::<u16>(), 0..80)
        .prop_map(|map| map.into_iter().map(|(key, n)| (key, Cid::of_cbor(&n.to_be_bytes()))).collect())
}

proptest! {
    #[test]
    fn any_history_ends_in_the_tree_by_definition(
        records in records(),
        steps in prop::collection::vec((any::<prop::sample::Index>(), "[a-c]{1,4}/[0-9a-f]{1,6}", 0..4_u8), 0..60),
    ) {
        let (mut model, mut tree) = (BTreeMap::new(), Tree::default());
        for (key, value) in &records {
            prop_assert!(tree.insert(key.as_bytes(), *value).unwrap());
            model.insert(key.clone(), *value);
        }
        for (index, fresh, step) in steps {
            let known = (!model.is_empty()).then(|| model.keys().nth(index.index(model.len())).unwrap().clone());
            let key = known.filter(|_| step > 0).unwrap_or(fresh);
            let value = Cid::of_cbor(key.as_bytes());
            match step {
                0 => prop_assert_eq!(tree.insert(key.as_bytes(), value).unwrap(), {
                    let is_new = !model.contains_key(&key);
                    model.entry(key).or_insert(value);
                    is_new
                }),
                1 => prop_assert_eq!(tree.replace(key.as_bytes(), value).unwrap(), model.get_mut(&key).map(|slot| std::mem::replace(slot, value))),
                2 => prop_assert_eq!(tree.get(key.as_bytes()).unwrap(), model.get(&key).copied()),
                _ => prop_assert_eq!(tree.remove(key.as_bytes()).unwrap(), model.remove(&key)),
            }
        }
        prop_assert_eq!(tree.root(), root_by_definition(&model));
    }

    #[test]
    fn a_walk_gives_every_record_in_order(records in records()) {
        let (root, car) = built(&records);
        prop_assert_eq!(root, root_by_definition(&records));
        let slice = Slice::parse(&car).unwrap();
        let mut walk = Walk::new(&slice, root).unwrap();
        let mut found = BTreeMap::new();
        while let Some(leaf) = walk.next_leaf().unwrap() {
            found.insert(String::from_utf8(leaf.key.to_vec()).unwrap(), leaf.value);
        }
        prop_assert_eq!(found, records);
    }

    #[test]
    fn a_walk_notices_any_missing_node(records in records(), index: prop::sample::Index) {
        let mut nodes = Vec::new();
        let mut tree = Tree::default();
        for (key, value) in &records {
            tree.insert(key.as_bytes(), *value).unwrap();
        }
        let root = tree.write_changed(&mut |cid, block| nodes.push((cid, block.to_vec())));
        let gone = index.index(nodes.len());
        let mut car = Encoder::new(root);
        nodes.iter().enumerate().filter(|(at, _)| *at != gone).for_each(|(_, (cid, block))| car.block(cid, block));
        let car = car.into_bytes();
        let slice = Slice::parse(&car).unwrap();
        let outcome = Walk::new(&slice, root).and_then(|mut walk| {
            while walk.next_leaf()?.is_some() {}
            Ok(())
        });
        prop_assert_eq!(outcome.unwrap_err().reason(), Reason::Tree);
    }
}

fn node(entries: serde_json::Value, left: Option<Cid>) -> Vec<u8> {
    let left = left.map_or(serde_json::json!(null), |cid| serde_json::json!({"$link": cid.to_string()}));
    nexus_atproto::record::from_json(&serde_json::json!({"e": entries, "l": left})).unwrap()
}

fn entry(shared: usize, key: &str, right: Option<Cid>) -> serde_json::Value {
    use base64::Engine;
    let right = right.map_or(serde_json::json!(null), |cid| serde_json::json!({"$link": cid.to_string()}));
    let key = base64::engine::general_purpose::STANDARD_NO_PAD.encode(key);
    serde_json::json!({"p": shared, "k": {"$bytes": key}, "v": {"$link": Cid::of_cbor(b"").to_string()}, "t": right})
}

fn walk_all(root: &[u8], others: &[&[u8]]) -> nexus_atproto::Result<usize> {
    let mut car = Encoder::new(Cid::of_cbor(root));
    for block in others.iter().copied().chain([root]) {
        car.block(&Cid::of_cbor(block), block);
    }
    let car = car.into_bytes();
    let slice = Slice::parse(&car)?;
    let mut walk = Walk::new(&slice, slice.root())?;
    let mut count = 0;
    while walk.next_leaf()?.is_some() {
        count += 1;
    }
    Ok(count)
}

#[test]
fn malformed_trees_are_refused() {
    use serde_json::json;
    let low: Vec<String> = (0..400).map(|n| format!("k{n:03}")).filter(|key| key_height(key.as_bytes()) == 0).collect();
    let high = (200..400).map(|n| format!("k{n:03}")).find(|key| key_height(key.as_bytes()) == 1).unwrap();
    let (a, b) = (low[0].as_str(), low[1].as_str());
    let shared = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    assert_eq!(walk_all(&node(json!([entry(0, a, None), entry(shared, &b[shared..], None)]), None), &[]), Ok(2));
    assert_eq!(walk_all(&node(json!([]), None), &[]), Ok(0));

    let leaf = node(json!([entry(0, a, None)]), None);
    let empty = node(json!([]), None);
    let leaf_cid = Some(Cid::of_cbor(&leaf));
    let bad = [
        (node(json!([entry(0, b, None), entry(shared, &a[shared..], None)]), None), "order"),
        (node(json!([entry(0, a, None), entry(0, b, None)]), None), "a prefix too short"),
        (node(json!([entry(1, a, None)]), None), "a first prefix"),
        (node(json!([entry(0, a, None), entry(shared, "", None)]), None), "an empty suffix"),
        (node(json!([entry(0, b, None)]), leaf_cid), "a child below the lowest level"),
        (node(json!([entry(0, &high, Some(Cid::of_cbor(&empty)))]), None), "an empty child"),
        (node(json!([entry(0, a, None), entry(0, &high, None)]), None), "two heights"),
        (node(json!([]), leaf_cid), "a root without keys"),
    ];
    for (root, what) in bad {
        assert_eq!(walk_all(&root, &[&leaf, &empty]).unwrap_err().reason(), Reason::Tree, "{what}");
    }
    // In order within each node, not across them.
    let (before, after) = (low.iter().find(|key| **key < high), low.iter().rfind(|key| **key > high));
    for (key, is_left) in [(before, true), (after, false)] {
        let child = node(json!([entry(0, key.unwrap(), None)]), None);
        let cid = Some(Cid::of_cbor(&child));
        let right = node(json!([entry(0, &high, if is_left { None } else { cid })]), cid.filter(|_| is_left));
        let wrong = node(json!([entry(0, &high, cid.filter(|_| is_left))]), if is_left { None } else { cid });
        assert_eq!(walk_all(&right, &[&child]), Ok(2));
        assert_eq!(walk_all(&wrong, &[&child]).unwrap_err().reason(), Reason::Tree);
    }
}
