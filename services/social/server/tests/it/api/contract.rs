//! Our OpenAPI document against upstream's: path by path, parameter by parameter, schema by schema. Shapes are
//! compared with references resolved and prose left out. Every difference is listed here with its reason; one
//! that isn't listed fails, and so does an entry that no longer holds.
//!
//! The fixtures are upstream's documents (Pubky Nexus 0.4.1, MIT).

use nexus_social_server::api;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const UPSTREAM: &str = include_str!("../../fixtures/pubky-openapi.json");

fn ours() -> Value {
    serde_json::to_value(api::documents().v0).unwrap()
}

fn upstream() -> Value {
    serde_json::from_str(UPSTREAM).unwrap()
}

/// Names of schemas that both documents have: these are compared once, where they are defined.
type Named = BTreeSet<String>;

fn named(document: &Value) -> Named {
    document["components"]["schemas"].as_object().unwrap().keys().cloned().collect()
}

/// A shape without prose. References to schemas that only one document has are replaced by what they refer to.
fn shape(document: &Value, both: &Named, value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            if let Some(name) = members.get("$ref").and_then(Value::as_str) {
                let name = name.rsplit('/').next().unwrap();
                let known = both.contains(name).then(|| json!({"$ref": name}));
                return known.unwrap_or_else(|| shape(document, both, &document["components"]["schemas"][name]));
            }
            let prose = |name: &str, value: &Value| {
                ["description", "example", "examples", "title", "propertyNames"].contains(&name)
                    && (!value.is_object() || name == "propertyNames")
            };
            let plain = members.iter().filter(|(name, value)| !prose(name, value));
            normal(plain.map(|(name, value)| (name.clone(), shape(document, both, value))).collect())
        }
        Value::Array(items) => items.iter().map(|item| shape(document, both, item)).collect(),
        other => other.clone(),
    }
}

/// Spellings of one meaning: `oneOf` with null, the order of lists, numbers as floats.
fn normal(mut members: Map<String, Value>) -> Value {
    if let Some(other) = nullable(&members) {
        return normal(other);
    }
    for name in ["required", "oneOf", "type"] {
        if let Some(Value::Array(items)) = members.get_mut(name) {
            items.sort_by_key(ToString::to_string);
        }
    }
    for name in ["minimum", "maximum"] {
        if let Some(number) = members.get(name).and_then(Value::as_f64) {
            members.insert(name.into(), json!(number));
        }
    }
    let sorted: BTreeMap<_, _> = members.into_iter().collect();
    json!(sorted)
}

/// The one choice besides `null`, marked as such.
fn nullable(members: &Map<String, Value>) -> Option<Map<String, Value>> {
    let choices = members.get("oneOf")?.as_array()?;
    let (nulls, others): (Vec<_>, Vec<_>) = choices.iter().partition(|choice| **choice == json!({"type": "null"}));
    let [other] = others[..] else { return None };
    let mut other = other.as_object()?.clone();
    match other.get("type").cloned() {
        _ if nulls.is_empty() => {}
        Some(name) => drop(other.insert("type".into(), json!([name, "null"]))),
        None => drop(other.insert("nullable".into(), json!(true))),
    }
    Some(other)
}

/// A parameter that may be absent is sometimes written as one that may be null.
fn forget_null(schema: &mut Value) {
    let Some(types) = schema.get_mut("type") else { return };
    if let Some([one, other]) = types.as_array().map(Vec::as_slice) {
        *types = if one == "null" { other.clone() } else { one.clone() };
    }
}

/// Everything that is compared: a name for each fact, and the fact.
fn facts(document: &Value, both: &Named) -> BTreeMap<String, Value> {
    let mut facts = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let at = format!("{method} {path}");
            facts.insert(at.clone(), json!([operation["operationId"], operation["tags"]]));
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = format!("{at} ?{}", parameter["name"].as_str().unwrap());
                let required = parameter["required"].as_bool().unwrap_or_default();
                let place = parameter["in"].clone();
                let mut schema = shape(document, both, &parameter["schema"]);
                if !required {
                    forget_null(&mut schema);
                }
                facts.insert(name, json!({"in": place, "required": required, "schema": schema}));
            }
            if let Some(body) = operation.get("requestBody") {
                facts.insert(format!("{at} body"), shape(document, both, &body["content"]));
            }
            for (status, response) in operation["responses"].as_object().unwrap() {
                facts.insert(format!("{at} {status}"), shape(document, both, &response["content"]));
            }
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        facts.insert(format!("schema {name}"), shape(document, both, schema));
    }
    facts
}

/// The facts of both documents, ours first.
fn documents() -> (BTreeMap<String, Value>, BTreeMap<String, Value>) {
    let (ours, upstream) = (ours(), upstream());
    // A key is plain text, by either name.
    let both = named(&ours).intersection(&named(&upstream)).filter(|name| *name != "PubkyId").cloned().collect();
    (facts(&ours, &both), facts(&upstream, &both))
}

/// Where the documents differ: `+` only ours, `-` only upstream's, `~` both and unlike.
fn differences() -> BTreeSet<String> {
    let (ours, theirs) = documents();
    let names: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    let compare = |name: &&String| match (ours.get(*name), theirs.get(*name)) {
        (Some(a), Some(b)) if a == b => None,
        (Some(_), Some(_)) => Some(format!("~ {name}")),
        (Some(_), None) => Some(format!("+ {name}")),
        (None, _) => Some(format!("- {name}")),
    };
    names.iter().filter_map(compare).collect()
}

/// Differences that are meant, by a prefix of their names, and why.
const MEANT: &[(&str, &str)] = &[
    ("+ get /admin/social/", "beyond upstream: the operator's view of queues and cursors"),
    ("+ post /admin/social/", "beyond upstream: what the operator may do about them"),
    ("+ schema DeadLetterChoice", "part of an endpoint beyond upstream"),
    ("+ schema RetryChoice", "part of an endpoint beyond upstream"),
    ("+ schema RetryView", "part of an endpoint beyond upstream"),
    ("+ schema AskedBy", "part of an endpoint beyond upstream"),
    ("+ schema Job", "part of an endpoint beyond upstream"),
    ("+ schema SourceCursorView", "part of an endpoint beyond upstream"),
    ("+ get /v0/bootstrap/{user_id} ", "beyond upstream: each part is bounded by a parameter, which can be refused"),
    ("+ get /v0/live", "beyond upstream: changes as they happen"),
    ("+ get /v0/post/{author_id}/{post_id} ?content", "beyond upstream: light mode"),
    ("+ get /v0/post/{author_id}/{post_id}/reposts", "beyond upstream: who reposted"),
    ("+ get /v0/post/{author_id}/{post_id}/thread", "beyond upstream: ancestors and replies"),
    ("+ get /v0/user/{user_id}/path/{to_id}", "beyond upstream: how two users are connected"),
    ("+ get /v0/user/{user_id}/followers ?cursor", "beyond upstream: cursors for equal scores"),
    ("+ get /v0/user/{user_id}/following ?cursor", "beyond upstream: cursors for equal scores"),
    ("+ get /v0/user/{user_id}/friends ?cursor", "beyond upstream: cursors for equal scores"),
    ("+ get /v0/user/{user_id}/notifications ?cursor", "beyond upstream: cursors for equal scores"),
    ("+ get /v0/user/{user_id}/tags ?cursor", "beyond upstream: cursors for equal numbers"),
    ("+ get /v0/user/{user_id}/taggers/{label} ?cursor", "beyond upstream: cursors for equal times"),
    ("+ get /v0/post/{author_id}/{post_id}/tags ?cursor", "beyond upstream: cursors for equal numbers"),
    ("+ get /v0/post/{author_id}/{post_id}/taggers/{label} ?cursor", "beyond upstream: cursors for equal times"),
    ("+ get /v0/resource/{resource_id}/tags ?cursor", "beyond upstream: cursors for equal numbers"),
    ("+ get /v0/resource/by-uri ?cursor", "beyond upstream: cursors for equal numbers"),
    ("+ get /v0/resource/{resource_id}/tags/{label}/taggers ?cursor", "beyond upstream: cursors for equal times"),
    ("+ get /v0/stream/users ?cursor", "beyond upstream: cursors for equal scores"),
    ("+ get /v0/stream/users/ids ?cursor", "beyond upstream: cursors for equal scores"),
    ("+ get /v0/search/posts/by_tag/{tag} ?cursor", "beyond upstream: cursors for equal scores"),
    ("+ get /v0/stream/users/username ?cursor", "beyond upstream: cursors for equal names"),
    ("+ get /v0/search/users/by_name/{prefix} ?cursor", "beyond upstream: cursors for equal names"),
    ("+ get /v0/search/users/by_id/{prefix} ?cursor", "beyond upstream: cursors, as other lists have them"),
    ("+ get /v0/search/users/by_tags ?cursor", "beyond upstream: cursors for equal scores"),
    ("+ get /v0/stream/users ?exclude_muted", "beyond upstream: mutes count"),
    ("+ get /v0/stream/users/ids ?exclude_muted", "beyond upstream: mutes count"),
    ("+ get /v0/stream/users/username ?exclude_muted", "beyond upstream: mutes count"),
    ("+ get /v0/search/posts/by_tag/{tag} ?exclude_muted", "beyond upstream: mutes count"),
    ("+ get /v0/search/posts/by_tag/{tag} ?viewer_id", "beyond upstream: whose mutes count"),
    ("+ get /v0/stream/posts ?cursor", "beyond upstream: cursors for equal scores"),
    ("+ get /v0/stream/posts/keys ?cursor", "beyond upstream: cursors for equal scores"),
    ("+ get /v0/stream/resources ?cursor", "beyond upstream: cursors for equal scores"),
    ("+ get /v0/stream/resources/ids ?cursor", "beyond upstream: cursors for equal scores"),
    ("+ get /v0/stream/posts ?exclude_muted", "beyond upstream: mutes count"),
    ("+ get /v0/stream/posts/keys ?exclude_muted", "beyond upstream: mutes count"),
    ("+ get /v0/stream/posts ?content", "beyond upstream: light mode"),
    ("+ get /v0/stream/posts/keys ?viewer_id", "beyond upstream: whose mutes count"),
    ("+ get /v0/stream/resources ?start", "upstream takes it, and doesn't document it (spec d)"),
    ("+ get /v0/stream/resources ?end", "upstream takes it, and doesn't document it (spec d)"),
    ("+ get /v0/stream/resources ?order", "upstream takes it, and doesn't document it (spec d)"),
    ("+ get /v0/stream/resources/ids ?start", "upstream takes it, and doesn't document it (spec d)"),
    ("+ get /v0/stream/resources/ids ?end", "upstream takes it, and doesn't document it (spec d)"),
    ("+ get /v0/stream/resources/ids ?order", "upstream takes it, and doesn't document it (spec d)"),
    ("+ schema BoundedLimit_3_10", "part of an endpoint beyond upstream"),
    ("+ schema BoundedLimit_4_6", "part of an endpoint beyond upstream"),
    ("+ schema BootstrapLight", "beyond upstream: light mode"),
    ("+ schema ThreadLight", "beyond upstream: light mode"),
    ("+ schema ThreadReplyLight", "beyond upstream: light mode"),
    ("+ schema LiveFrame", "part of an endpoint beyond upstream"),
    ("+ schema PostDetailsLight", "part of an endpoint beyond upstream"),
    ("+ schema PostViewLight", "part of an endpoint beyond upstream"),
    ("+ schema Thread", "part of an endpoint beyond upstream"),
    ("+ schema ThreadReply", "part of an endpoint beyond upstream"),
    ("+ schema UserPathView", "part of an endpoint beyond upstream"),
    ("- schema FileUris", "another name for an array: what refers to it is compared with the array"),
    ("- schema Followers", "another name for an array: what refers to it is compared with the array"),
    ("- schema Following", "another name for an array: what refers to it is compared with the array"),
    ("- schema Friends", "another name for an array: what refers to it is compared with the array"),
    ("- schema GlobalPostIds", "another name for an array: what refers to it is compared with the array"),
    ("- schema HotTags", "another name for an array: what refers to it is compared with the array"),
    ("- schema PostStream", "another name for an array: what refers to it is compared with the array"),
    ("- schema PostStreamDetailed", "another name for an array: what refers to it is compared with the array"),
    ("- schema Taggers", "another name for an array: what refers to it is compared with the array"),
    ("- schema UserIdStream", "another name for an array: what refers to it is compared with the array"),
    ("- schema UserIds", "another name for an array: what refers to it is compared with the array"),
    ("- schema UserSearch", "another name for an array: what refers to it is compared with the array"),
    ("- schema UserStream", "another name for an array: what refers to it is compared with the array"),
    ("- schema Vec", "another name for an array: what refers to it is compared with the array"),
    ("- schema StreamReach", "no operation refers to it"),
    ("- schema String", "no operation refers to it"),
    ("- schema TagPost", "no operation refers to it"),
    ("- schema WotDepth", "no operation refers to it"),
    ("~ get /v0/events ?cursor", "upstream documents it as required, and takes requests without it"),
    ("~ get /v0/user/{user_id} ?depth", "says that the number fits 32 bits, as it does at the other endpoints"),
    ("~ schema PostDetails", "beyond upstream: homeserver and hash, so that clients can verify"),
    ("~ schema UserDetails", "beyond upstream: homeserver and hash, so that clients can verify"),
    ("~ schema PostKeyStream", "beyond upstream: where the stream goes on"),
    ("~ schema ResourceKeyStream", "beyond upstream: where the stream goes on"),
    ("~ schema ResourceTagsResponse", "beyond upstream: where the list of labels goes on"),
    ("~ schema TaggersInfoResponse", "beyond upstream: where the list of taggers goes on"),
    ("~ schema PostStreamByIdsRequest", "beyond upstream: light mode"),
    ("~ schema TagDetails", "always says whether the viewer is among the taggers; upstream doesn't promise it"),
    ("~ schema UserCounts", "always counts collections; upstream doesn't promise it"),
];

#[test]
fn every_difference_from_upstream_is_meant() {
    let differences = differences();
    let listed = |difference: &&String| MEANT.iter().any(|(name, _)| difference.starts_with(name));
    let (ours, theirs) = documents();
    let unlisted: Vec<_> = differences
        .iter()
        .filter(|difference| !listed(difference))
        .map(|difference| {
            let name = &difference[2..];
            format!(
                "{difference}\n    ours:     {:?}\n    upstream: {:?}",
                ours.get(name).map(ToString::to_string),
                theirs.get(name).map(ToString::to_string)
            )
        })
        .collect();
    assert!(unlisted.is_empty(), "{} unlisted:\n{}", unlisted.len(), unlisted.join("\n"));
}

#[test]
fn no_listed_difference_is_stale() {
    let differences = differences();
    let stale: Vec<_> = MEANT.iter().filter(|(name, _)| !differences.iter().any(|d| d.starts_with(name))).collect();
    assert!(stale.is_empty(), "{stale:?}");
}

/// The copy in `docs`. `NEXUS_WRITE_DOCS=1` writes it anew.
#[test]
fn the_copy_in_docs_is_what_the_server_shows() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/openapi.json");
    let text = serde_json::to_string_pretty(&ours()).unwrap() + "\n";
    if std::env::var_os("NEXUS_WRITE_DOCS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let copy = std::fs::read_to_string(path).unwrap_or_default();
    assert!(copy == text, "docs/openapi.json differs: run this test with NEXUS_WRITE_DOCS=1");
}
