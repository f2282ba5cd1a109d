//! What a live session wants to hear of: its query, parsed into a filter that knows its routes.

use super::{Wanted, presentation::Facet};
use crate::api::params::LabelText;
use nexus_filter::{Filter, Route, Routed};
use nexus_model::Change;
use nexus_pubky::PubkyId;
use std::{collections::BTreeSet, str::FromStr};

/// Values in one list at most.
const MAX_VALUES: usize = 100;
/// What can be asked for as a kind.
const KINDS: [&str; 8] = ["short", "long", "image", "video", "link", "file", "collection", "unknown"];
/// What can be asked for as a collection.
const COLLECTIONS: [&str; 7] = ["profile", "posts", "follows", "mutes", "bookmarks", "tags", "files"];

type Values = BTreeSet<String>;

/// The conditions of one session. An empty list is no condition.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Interest {
    authors: Values,
    kinds: Values,
    labels: Values,
    collections: Values,
    receiver: Option<PubkyId>,
}

impl Interest {
    /// The conditions of a query.
    pub(super) fn parse(wanted: &Wanted) -> Result<Self, String> {
        Ok(Self {
            authors: values("author", wanted.author.as_deref(), |key| Ok(parse_key(key)?.to_string()))?,
            kinds: values("kind", wanted.kind.as_deref(), |kind| one_of(kind, &KINDS))?,
            labels: values("tag", wanted.tag.as_deref(), label)?,
            collections: values("collection", wanted.collection.as_deref(), |name| one_of(name, &COLLECTIONS))?,
            receiver: receiver(wanted.notifications_for.as_deref())?,
        })
    }

    fn has_no_conditions(&self) -> bool {
        [&self.authors, &self.kinds, &self.labels, &self.collections].iter().all(|values| values.is_empty())
    }

    /// True if it wants records besides notifications.
    fn wants_records(&self) -> bool {
        self.receiver.is_none() || !self.has_no_conditions()
    }

    fn wants_record(&self, change: &Change) -> bool {
        self.wants_records()
            && allows(&self.collections, &change.collection)
            && allows(&self.authors, &change.author)
            && self.wants_facet(change)
    }

    /// What a change no longer says can't be filtered by: a removal has neither kind nor label.
    fn wants_facet(&self, change: &Change) -> bool {
        if self.kinds.is_empty() && self.labels.is_empty() {
            return true;
        }
        match Facet::of(change) {
            Facet::Kind(kind) => self.kinds.contains(&kind),
            Facet::Label(label) => self.labels.contains(&label),
            Facet::Unsaid("posts") => !self.kinds.is_empty(),
            Facet::Unsaid("tags") => !self.labels.is_empty(),
            Facet::Unsaid(_) => false,
        }
    }

    fn record_routes(&self) -> Vec<Route> {
        if !self.authors.is_empty() {
            return routes("author", &self.authors);
        }
        if self.kinds.is_empty() && self.labels.is_empty() {
            return match self.collections.is_empty() {
                true => vec![Route::EVERYTHING],
                false => routes("collection", &self.collections),
            };
        }
        let mut facets = routes("kind", &self.kinds);
        facets.extend(routes("label", &self.labels));
        facets.extend((!self.kinds.is_empty()).then(|| Route::new("unsaid", "posts")));
        facets.extend((!self.labels.is_empty()).then(|| Route::new("unsaid", "tags")));
        facets
    }
}

impl Filter<Change> for Interest {
    fn matches(&self, change: &Change) -> bool {
        match &*change.collection {
            "notifications" => self.receiver.is_some_and(|receiver| receiver.as_str() == &*change.author),
            _ => self.wants_record(change),
        }
    }
}

impl Routed<Change> for Interest {
    fn routes(&self) -> Vec<Route> {
        let mut routes = if self.wants_records() { self.record_routes() } else { Vec::new() };
        routes.extend(self.receiver.map(|receiver| Route::new("receiver", receiver.as_str())));
        routes
    }
}

fn routes(field: &str, values: &Values) -> Vec<Route> {
    values.iter().map(|value| Route::new(field, value)).collect()
}

fn allows(values: &Values, value: &str) -> bool {
    values.is_empty() || values.contains(value)
}

/// The values of a list: trimmed, without the empty ones.
fn values(name: &str, list: Option<&str>, parse: impl Fn(&str) -> Result<String, String>) -> Result<Values, String> {
    let Some(list) = list else { return Ok(Values::new()) };
    let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
    let values: Values = items.map(parse).collect::<Result<_, _>>().map_err(|error| format!("{name}: {error}"))?;
    match values.len() {
        0 => Err(format!("{name}: At least 1 item(s) required")),
        1..=MAX_VALUES => Ok(values),
        _ => Err(format!("{name}: Maximum {MAX_VALUES} items allowed")),
    }
}

fn parse_key(text: &str) -> Result<PubkyId, String> {
    PubkyId::from_str(text.trim()).map_err(|error| error.to_string())
}

fn receiver(key: Option<&str>) -> Result<Option<PubkyId>, String> {
    key.map(parse_key).transpose().map_err(|error| format!("notifications_for: {error}"))
}

/// A label that no tag can have would never match.
fn label(text: &str) -> Result<String, String> {
    LabelText::parse(text).map(|label| label.0.to_string())
}

fn one_of(text: &str, known: &[&str]) -> Result<String, String> {
    let expected = || format!("unknown value `{text}`, expected one of {}", known.join(", "));
    known.contains(&text).then(|| text.to_owned()).ok_or_else(expected)
}
