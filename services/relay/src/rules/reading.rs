//! Whether filters are answered, and what they are made into: limits are set, intents resolved.

use super::policies::has_kind;
use crate::settings::{Requirement, Scrape, Settings, Switch};
use nexus_nostr::{Error, Filter, Kind, Prefix, PublicKey, Reason, TagName};
use std::ops::RangeInclusive;

/// Kinds that an intent stands for.
const INTENTS: [(&str, RangeInclusive<u16>); 4] = [
    ("job_request", 5000..=5999),
    ("job_result", 6000..=6999),
    ("job_feedback", 7000..=7000),
    ("handler_info", 31_990..=31_990),
];
/// What a limited scrape may ask for.
const SCRAPE_EVENTS: usize = 100;
const SCRAPE_SECONDS: u64 = 7_200;

/// What the filters are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To send events, from which those are left out that the client may not see.
    Events,
    /// To tell something about all that match, from which nothing can be left out unnoticed.
    Totals,
}

/// Checks filters and makes them ready for a store.
///
/// # Errors
/// The reason that the client is told.
pub fn prepare(
    mut filters: Vec<Filter>,
    purpose: Purpose,
    client: &[PublicKey],
    settings: &Settings,
) -> Result<Vec<Filter>, Reason> {
    if filters.len() > settings.limits.filters {
        return Err(Reason::new(Prefix::Invalid, "too many filters"));
    }
    for filter in &mut filters {
        resolve_intent(filter, settings)?;
        check_size(filter, settings)?;
        check_scrape(filter, settings)?;
        check_kinds(filter.kinds(), client, settings)?;
    }
    check_restricted(&filters, purpose, client, settings)?;
    let limit = |filter: &Filter| filter.limit().unwrap_or(settings.limits.default_limit).min(settings.limits.limit);
    Ok(match purpose {
        Purpose::Events => filters
            .into_iter()
            .map(|filter| {
                let limit = limit(&filter);
                filter.with_limit(limit)
            })
            .collect(),
        Purpose::Totals => filters,
    })
}

fn resolve_intent(filter: &mut Filter, settings: &Settings) -> Result<(), Reason> {
    let Some(intent) = filter.intent() else { return Ok(()) };
    if settings.read.intent == Switch::Off {
        return Err((&Error::UnknownFilterElement("intent".to_owned())).into());
    }
    let Some((_, kinds)) = INTENTS.iter().find(|(name, _)| *name == intent) else {
        return Err(Reason::new(Prefix::Invalid, "unknown intent"));
    };
    filter.resolve_intent(std::slice::from_ref(kinds));
    Ok(())
}

fn check_size(filter: &Filter, settings: &Settings) -> Result<(), Reason> {
    // An intent is one word of the client, however many kinds it stands for.
    let kinds = filter.kinds().map_or(0, <[Kind]>::len);
    if filter.value_count() - kinds + kinds.min(1_000) > settings.limits.filter_values {
        return Err(Reason::new(Prefix::Invalid, "too many values in a filter"));
    }
    if filter.tags().len() > settings.limits.tag_conditions {
        return Err(Reason::new(Prefix::Invalid, "too many tag conditions in a filter"));
    }
    let Some(search) = filter.search() else { return Ok(()) };
    if settings.read.search == Switch::Off {
        return Err(Reason::new(Prefix::Unsupported, "search is not enabled"));
    }
    let words = search.phrases().iter().chain(search.excluded()).flatten().count();
    if words > settings.limits.search_words {
        return Err(Reason::new(Prefix::Invalid, "too many words in a search"));
    }
    Ok(())
}

fn check_scrape(filter: &Filter, settings: &Settings) -> Result<(), Reason> {
    let is_scrape = filter.ids().is_none() && filter.authors().is_none() && filter.tags().is_empty();
    if is_scrape && settings.read.author_or_tag == Requirement::Required {
        return Err(Reason::new(Prefix::Restricted, "ask for ids, authors or tags"));
    }
    let span = || match (filter.since(), filter.until()) {
        (Some(since), Some(until)) => since.distance(until) <= SCRAPE_SECONDS,
        _ => false,
    };
    let few = || filter.limit().is_some_and(|limit| limit <= SCRAPE_EVENTS);
    match settings.read.scrape {
        Scrape::Denied if is_scrape => Err(Reason::new(Prefix::Blocked, "ask for ids, authors or tags")),
        Scrape::Limited if is_scrape && !few() && !span() => Err(Reason::new(
            Prefix::Blocked,
            "ask for ids, authors or tags, for at most 100 events, or for at most two hours",
        )),
        _ => Ok(()),
    }
}

/// Some kinds may not be asked for, or not by strangers. Who asks for everything asks for those too.
///
/// # Errors
/// The reason that the client is told.
pub(crate) fn check_kinds(kinds: Option<&[Kind]>, client: &[PublicKey], settings: &Settings) -> Result<(), Reason> {
    let allowed = &settings.read.allowed_kinds;
    let is_allowed = kinds.is_some_and(|kinds| kinds.iter().all(|kind| has_kind(allowed, *kind)));
    if !allowed.is_empty() && !is_allowed {
        return Err(Reason::new(Prefix::Restricted, "these kinds can't be asked for here"));
    }
    let proven = &settings.read.auth_kinds;
    let asks = kinds.is_none_or(|kinds| kinds.iter().any(|kind| has_kind(proven, *kind)));
    if !proven.is_empty() && client.is_empty() && asks {
        return Err(Reason::new(Prefix::AuthRequired, "say who you are to ask for these kinds"));
    }
    Ok(())
}

/// Events of restricted kinds are left out for those who are not party to them. Where that would leave nothing
/// at all, or a wrong total, the client is told to authenticate.
fn check_restricted(
    filters: &[Filter],
    purpose: Purpose,
    client: &[PublicKey],
    settings: &Settings,
) -> Result<(), Reason> {
    let restricted = &settings.read.restricted_kinds;
    let only_restricted = |filter: &Filter| {
        filter.kinds().is_some_and(|kinds| !kinds.is_empty() && kinds.iter().all(|kind| restricted.contains(kind)))
    };
    let concerned = match purpose {
        Purpose::Events => client.is_empty() && filters.iter().all(only_restricted),
        Purpose::Totals => filters.iter().any(|filter| {
            let asks = filter.kinds().is_some_and(|kinds| kinds.iter().any(|kind| restricted.contains(kind)));
            asks && !is_own(filter, client)
        }),
    };
    match (concerned, client.is_empty()) {
        (false, _) => Ok(()),
        (true, true) => Err(Reason::new(Prefix::AuthRequired, "these kinds are only for those they concern")),
        (true, false) => Err(Reason::new(Prefix::Restricted, "these kinds are only for those they concern")),
    }
}

/// True if the filter asks only for what `client` is party to.
fn is_own(filter: &Filter, client: &[PublicKey]) -> bool {
    let names_client = |text: &str| text.parse().is_ok_and(|key: PublicKey| client.contains(&key));
    let to_client = filter.tag(TagName::P).is_some_and(|tag| tag.values().iter().all(|value| names_client(value)));
    let by_client = filter.authors().is_some_and(|authors| authors.iter().all(|author| client.contains(author)));
    to_client || by_client
}
