//! Handlers and those who run them: what they offer, who recommends them, how their jobs went.

use super::{
    Answer, Market, Refusal,
    caller::{Asked, Caller},
    jobs::events,
    json, text_answer,
};
use crate::backend::Backend;
use axum::extract::{Path, State};
use nexus_nostr::{
    Event, EventId, Filter, Kind, PublicKey, Seconds, TagCondition, TagName,
    nip::{nip09::Address, nip89},
};
use nexus_relay::{
    Asker, Presence,
    market::{Labels, Performance, labels},
    ports::StorageAdapter,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;
/// How many labels are looked at.
const LABELS: usize = 1_000;
/// Up to how many recommendations are counted.
const RECOMMENDATIONS: u64 = 1_000;

/// Which handlers are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    kind: Option<u16>,
    online: Option<bool>,
    limit: Option<usize>,
}

#[derive(Debug, Serialize)]
struct HandlerView {
    pubkey: PublicKey,
    d: String,
    event_id: EventId,
    created_at: Seconds,
    kinds: Vec<u16>,
    metadata: Value,
    recommendations: u64,
    online: bool,
    #[serde(flatten)]
    performance: Performance,
}

#[derive(Debug, Serialize)]
struct Handlers {
    handlers: Vec<HandlerView>,
}

#[derive(Debug, Serialize)]
struct ProviderProfile {
    pubkey: PublicKey,
    online: bool,
    stats: Performance,
    labels: Labels,
    handlers: Vec<HandlerView>,
}

/// `GET /api/v1/handlers`
pub(super) async fn list<B: Backend>(
    State(market): State<Market<B>>,
    Asked(wanted): Asked<Wanted>,
    caller: Caller,
) -> Answer {
    let question = format!("handlers {wanted:?}");
    let is_stranger = caller.asker.keys.is_empty();
    if let Some(answer) = market.recent.get(&question).filter(|_| is_stranger) {
        return Ok(text_answer(answer));
    }
    let mut filter = Filter::new().with_kinds([Kind::HANDLER]);
    if let Some(kind) = wanted.kind {
        let name = TagName::from_name("k").expect("a letter");
        filter = filter.with_tag(TagCondition::new(name, [kind.to_string()]));
    }
    let limit = wanted.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let presence = presence(&market).await?;
    let mut handlers = Vec::new();
    for (handler, _) in events(&market, &caller.asker, filter.with_limit(limit)).await? {
        let view = handler_view(&market, &handler, &presence, &caller.asker).await?;
        if wanted.online.is_none_or(|online| online == view.online) {
            handlers.push(view);
        }
    }
    let answer = serde_json::to_string(&Handlers { handlers }).map_err(|_| Refusal::unavailable())?;
    if is_stranger {
        market.recent.put(question, &answer);
    }
    Ok(text_answer(answer))
}

/// `GET /api/v1/handlers/{pubkey}`
pub(super) async fn one<B: Backend>(
    State(market): State<Market<B>>,
    Path(pubkey): Path<String>,
    caller: Caller,
) -> Answer {
    let pubkey: PublicKey = pubkey.parse().map_err(|_| Refusal::bad("not a public key"))?;
    let presence = presence(&market).await?;
    let filter = Filter::new().with_kinds([Kind::HANDLER]).with_authors([pubkey]).with_limit(MAX_LIMIT);
    let mut handlers = Vec::new();
    for (handler, _) in events(&market, &caller.asker, filter).await? {
        handlers.push(handler_view(&market, &handler, &presence, &caller.asker).await?);
    }
    let stats = performance(&market, &pubkey).await?;
    let labels = labels_of(&market, &pubkey, &caller.asker).await?;
    if handlers.is_empty() && stats.jobs == 0 && labels.is_empty() {
        return Err(Refusal::not_found("provider"));
    }
    let online = handlers.iter().any(|handler| handler.online);
    json(&ProviderProfile { pubkey, online, stats, labels, handlers })
}

async fn presence<B: Backend>(market: &Market<B>) -> Result<Presence, Refusal> {
    market.relay.presence().await.map_err(|error| {
        tracing::error!(%error, "the cache failed");
        Refusal::unavailable()
    })
}

async fn handler_view<B: Backend>(
    market: &Market<B>,
    handler: &Event,
    presence: &Presence,
    asker: &Asker,
) -> Result<HandlerView, Refusal> {
    let kinds: Vec<Kind> = nip89::supported_kinds(handler).collect();
    Ok(HandlerView {
        pubkey: handler.pubkey,
        d: handler.d().to_owned(),
        event_id: handler.id,
        created_at: handler.created_at,
        kinds: kinds.iter().map(|kind| kind.get()).collect(),
        metadata: serde_json::from_str(&handler.content).unwrap_or(Value::Null),
        recommendations: recommendations(market, handler, asker).await?,
        online: kinds.iter().any(|kind| presence.is_online(&handler.pubkey, *kind)),
        performance: performance(market, &handler.pubkey).await?,
    })
}

/// How many recommend a handler, as far as the client may ask for that.
async fn recommendations<B: Backend>(market: &Market<B>, handler: &Event, asker: &Asker) -> Result<u64, Refusal> {
    let Some(Address { kind, pubkey, d }) = Address::of(handler) else { return Ok(0) };
    let name = TagName::from_name("a").expect("a letter");
    let condition = TagCondition::new(name, [format!("{kind}:{pubkey}:{d}")]);
    let filter = Filter::new().with_kinds([Kind::RECOMMENDATION]).with_tag(condition);
    if market.relay.may_read(asker, filter.kinds()).is_err() {
        return Ok(0);
    }
    let scope = market.relay.scope_of(asker);
    let count = market.relay.storage().count(&[filter], RECOMMENDATIONS, None, &scope).await;
    count.map(|count| count.count).map_err(|error| Market::<B>::failed(&error))
}

async fn performance<B: Backend>(market: &Market<B>, provider: &PublicKey) -> Result<Performance, Refusal> {
    let standing = market.relay.storage().standing(provider).await;
    standing.map(|standing| standing.performance()).map_err(|error| Market::<B>::failed(&error))
}

async fn labels_of<B: Backend>(market: &Market<B>, about: &PublicKey, asker: &Asker) -> Result<Labels, Refusal> {
    let condition = TagCondition::new(TagName::P, [about.to_string()]);
    let filter = Filter::new().with_kinds([Kind::LABEL]).with_tag(condition).with_limit(LABELS);
    if market.relay.may_read(asker, filter.kinds()).is_err() {
        return Ok(Labels::new());
    }
    let given = events(market, asker, filter).await?;
    Ok(labels(about, given.iter().map(|(event, _)| event)))
}
