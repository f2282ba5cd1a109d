//! The relay's description of itself (NIP-11): what is switched on, and the limits that are enforced.

use super::kept;
use crate::hands::Hands;
use axum::response::Response;
use http::HeaderMap;
use nexus_relay::{
    ports::{RecordKind, StorageAdapter, StorageError},
    settings::{Requirement, Retention, Settings, Switch},
};
use serde_json::{Map, Value, json};

/// Where the program's source is.
pub(super) const SOFTWARE: &str = env!("CARGO_PKG_REPOSITORY");
/// How long a client may keep the description, in seconds.
const KEPT: u32 = 60;

/// NIPs whose events are stored and served like any others, or whose rules always hold.
const ALWAYS: [u16; 19] = [1, 2, 4, 9, 11, 13, 17, 22, 28, 32, 40, 45, 51, 59, 62, 65, 66, 70, 77];

pub(super) async fn answer<S: StorageAdapter + 'static>(hands: &Hands<S>, asked: &HeaderMap) -> Response {
    kept(asked, "application/nostr+json", KEPT, document(hands).await.to_string())
}

/// The whole description. What administrators changed comes before what is configured; where that can't be
/// read, the configuration stands.
pub(super) async fn document<S: StorageAdapter + 'static>(hands: &Hands<S>) -> Value {
    let mut document = Map::new();
    let changed = changed(hands).await.unwrap_or_default();
    let config = hands.config();
    let info = &config.info;
    let mut put = |name: &str, value: Option<Value>| value.map(|value| document.insert(name.to_owned(), value));
    let text = |name: &str, configured: Option<&String>| {
        let changed = changed.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        changed.or_else(|| configured.cloned()).map(Value::from)
    };
    put("name", text("name", Some(&info.name)));
    put("description", text("description", info.description.as_ref()));
    put("banner", info.banner.clone().map(Value::from));
    put("icon", text("icon", info.icon.as_ref()));
    put("pubkey", info.pubkey.map(|key| key.0.to_string().into()));
    put("self", hands.own_key().map(|key| key.public_key().to_string().into()));
    put("contact", info.contact.clone().map(Value::from));
    put("terms_of_service", info.terms_of_service.clone().map(Value::from));
    put("posting_policy", info.posting_policy.clone().map(Value::from));
    put("privacy_policy", info.privacy_policy.clone().map(Value::from));
    put("supported_nips", Some(json!(nips(hands))));
    put("software", Some(json!(SOFTWARE)));
    put("version", Some(json!(env!("CARGO_PKG_VERSION"))));
    put("limitation", Some(limitation(hands).await));
    put("retention", Some(retention(&hands.settings())));
    put("negentropy", Some(json!(1)));
    Value::Object(document)
}

/// What administrators changed, by its name.
async fn changed<S: StorageAdapter + 'static>(hands: &Hands<S>) -> Result<Vec<(String, String)>, StorageError> {
    let records = hands.storage().records(RecordKind::Info).await?;
    Ok(records.into_iter().map(|record| (record.key, record.value)).collect())
}

/// The NIPs that work as the relay is configured.
pub(super) fn nips<S: StorageAdapter + 'static>(hands: &Hands<S>) -> Vec<u16> {
    let settings = hands.settings();
    let can_authenticate = !settings.urls.is_empty();
    let market = settings.market.validate != nexus_relay::market::Profile::Off;
    let switched = [
        (42, can_authenticate),
        (50, settings.read.search == Switch::On),
        (67, settings.read.eose_hint == Switch::On),
        (86, can_authenticate && !hands.config().admin_pubkeys.is_empty()),
        (98, can_authenticate && !hands.config().admin_pubkeys.is_empty()),
        (89, market),
        (90, market),
    ];
    let on = switched.into_iter().filter(|(_, is_on)| *is_on).map(|(nip, _)| nip);
    let mut nips: Vec<u16> = ALWAYS.into_iter().chain(on).collect();
    nips.sort_unstable();
    nips
}

async fn limitation<S: StorageAdapter + 'static>(hands: &Hands<S>) -> Value {
    let settings = hands.settings();
    let limits = &settings.limits;
    let mut limitation = json!({
        "max_message_length": limits.message_bytes,
        "max_subscriptions": limits.subscriptions,
        "max_limit": limits.limit,
        "default_limit": limits.default_limit,
        "max_subid_length": 64,
        "max_event_tags": limits.tags,
        "max_content_length": limits.event_bytes,
        "min_pow_difficulty": settings.pow.min,
        "auth_required": settings.auth.required == Requirement::Required,
        "payment_required": false,
        "restricted_writes": restricts_writes(hands).await,
        "created_at_upper_limit": limits.future,
    });
    if limits.past > 0 {
        limitation["created_at_lower_limit"] = json!(limits.past);
    }
    limitation
}

fn retention(settings: &Settings) -> Value {
    let range = |range: &std::ops::RangeInclusive<u16>| match range.start() == range.end() {
        true => json!(range.start()),
        false => json!([range.start(), range.end()]),
    };
    let told = |rule: &Retention| {
        let kinds: Vec<_> = rule.kinds.iter().map(range).collect();
        match rule.max_count {
            Some(count) => json!({ "kinds": kinds, "time": rule.max_age, "count": count }),
            None => json!({ "kinds": kinds, "time": rule.max_age }),
        }
    };
    settings.retention.iter().map(told).collect()
}

/// True if not everybody may write everything: a list of allowed keys or kinds has entries, rules or work stand
/// in the way, or only who authenticated gets in.
async fn restricts_writes<S: StorageAdapter + 'static>(hands: &Hands<S>) -> bool {
    let settings = hands.settings();
    if settings.auth.required == Requirement::Required || settings.pow.min > 0 || !settings.write.policies.is_empty() {
        return true;
    }
    for kind in [RecordKind::AllowedPubkey, RecordKind::AllowedKind, RecordKind::BannedKind] {
        if hands.storage().records(kind).await.is_ok_and(|records| !records.is_empty()) {
            return true;
        }
    }
    false
}
