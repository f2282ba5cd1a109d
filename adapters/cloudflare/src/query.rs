//! Filters as SQL. A statement decides everything but the finer points of a search, so that its `LIMIT` counts
//! what matches and nothing else; those points are decided on the events themselves.

use crate::d1::{Statement, escaped};
use nexus_nostr::{Filter, TagCondition, nip::nip50};
use nexus_relay::ports::{Scope, Viewer};
use serde_json::{Map, Value, json};

/// The largest integer that is exact wherever it passes through.
const MANY: u64 = (1 << 53) - 1;

/// One filter as a statement under construction.
pub(crate) struct Query {
    source: String,
    conditions: Vec<String>,
    order: &'static str,
    parameter: Map<String, Value>,
}

/// What a statement gives for each event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Columns {
    /// `seq` and `json`.
    Event,
    /// `id` and `created_at`, as text.
    Moment,
    /// `seq` and `id`.
    Place,
    /// `seq` and `pubkey`.
    Author,
}

impl Columns {
    const fn text(self) -> &'static str {
        match self {
            Self::Event => "e.seq, e.json",
            Self::Moment => "e.id, CAST(e.created_at AS TEXT) AS created_at",
            Self::Place => "e.seq, e.id",
            Self::Author => "e.seq, e.pubkey",
        }
    }
}

impl Query {
    /// The query for what `filter` wants and `scope` covers.
    pub(crate) fn new(filter: &Filter, scope: &Scope) -> Self {
        let mut query = Self {
            source: "event e".to_owned(),
            conditions: Vec::new(),
            order: "e.created_at DESC, e.id",
            parameter: Map::new(),
        };
        query.find(filter);
        query.columns(filter);
        query.visible(scope);
        query
    }

    /// At most `limit` events, in order.
    pub(crate) fn first(mut self, columns: Columns, limit: usize) -> Statement {
        self.parameter.insert("limit".to_owned(), json!(MANY.min(limit as u64)));
        let sql = format!(
            "SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT ?1->>'$.limit'",
            columns.text(),
            self.source,
            self.conditions.join(" AND "),
            self.order
        );
        Statement::new(sql, &Value::Object(self.parameter))
    }

    /// How many there are, at most `limit`, as `count`.
    pub(crate) fn count(self, limit: usize) -> Statement {
        self.wrapped("count(*) AS count", limit)
    }

    /// Who wrote at most `limit` of them, each author once, as `pubkey`.
    pub(crate) fn authors(self, limit: usize) -> Statement {
        self.wrapped("DISTINCT pubkey", limit)
    }

    fn wrapped(self, what: &str, limit: usize) -> Statement {
        let inner = self.first(Columns::Author, limit);
        Statement { sql: format!("SELECT {what} FROM ({})", inner.sql).into(), ..inner }
    }

    /// By which index the events are found: words, or a tag with one value, whose index is in the right order.
    fn find(&mut self, filter: &Filter) {
        let words = filter.search().map(expression).filter(|words| !words.is_empty());
        let tag = filter.tags().iter().position(|tag| tag.values().len() == 1);
        if let Some(words) = words {
            self.source = "words CROSS JOIN event e ON e.seq = words.rowid".to_owned();
            self.order = "words.rank, e.created_at DESC, e.id";
            self.condition("words MATCH ?1->>'$.words'", "words", words.into());
        } else if filter.ids().is_none()
            && let Some(index) = tag
        {
            self.source = "tag t CROSS JOIN event e ON e.seq = t.seq".to_owned();
            self.order = "t.created_at DESC, t.id";
            self.conditions
                .push(format!("t.name = ?1->>'$.tags[{index}].name' AND t.value = ?1->>'$.tags[{index}].values[0]'"));
            self.span("t.created_at", filter);
        }
    }

    fn columns(&mut self, filter: &Filter) {
        if let Some(ids) = filter.ids() {
            self.condition("e.id IN (SELECT value FROM json_each(?1, '$.ids'))", "ids", json!(ids));
        }
        if let Some(authors) = filter.authors() {
            self.condition("e.pubkey IN (SELECT value FROM json_each(?1, '$.authors'))", "authors", json!(authors));
        }
        if let Some(kinds) = filter.kinds() {
            self.condition("e.kind IN (SELECT value FROM json_each(?1, '$.kinds'))", "kinds", json!(kinds));
        }
        self.span("e.created_at", filter);
        for index in 0..filter.tags().len() {
            self.conditions.push(format!(
                "EXISTS (SELECT 1 FROM tag x WHERE x.name = ?1->>'$.tags[{index}].name' AND x.value IN \
                 (SELECT value FROM json_each(?1, '$.tags[{index}].values')) AND x.created_at = e.created_at \
                 AND x.id = e.id)"
            ));
        }
        self.parameter.insert("tags".to_owned(), filter.tags().iter().map(tag).collect());
    }

    fn span(&mut self, column: &str, filter: &Filter) {
        if let Some(since) = filter.since() {
            self.condition(&format!("{column} >= ?1->>'$.since'"), "since", json!(since));
        }
        if let Some(until) = filter.until() {
            self.condition(&format!("{column} <= ?1->>'$.until'"), "until", json!(until));
        }
    }

    fn visible(&mut self, scope: &Scope) {
        self.condition("(e.expires_at IS NULL OR e.expires_at > ?1->>'$.now')", "now", json!(scope.now));
        if let Some(max) = scope.max_seq {
            self.condition("e.seq <= ?1->>'$.max_seq'", "max_seq", json!(max.get().min(MANY)));
        }
        if let Viewer::Client(keys) = &scope.viewer
            && !scope.restricted_kinds.is_empty()
        {
            let keys_of = "SELECT value FROM json_each(?1, '$.keys')";
            self.parameter.insert("keys".to_owned(), json!(keys));
            self.condition(
                &format!(
                    "(e.kind NOT IN (SELECT value FROM json_each(?1, '$.hidden')) OR e.pubkey IN ({keys_of}) \
                     OR EXISTS (SELECT 1 FROM tag x WHERE x.name = 'p' AND x.value IN ({keys_of}) \
                     AND x.created_at = e.created_at AND x.id = e.id))"
                ),
                "hidden",
                json!(&*scope.restricted_kinds),
            );
        }
        if let Some(keys) = &scope.jobs_of {
            let named = "FROM tag x WHERE x.seq = e.seq AND x.name = 'p' AND x.value";
            self.condition(
                &format!(
                    "(e.kind NOT BETWEEN 5000 AND 5999 \
                     OR NOT EXISTS (SELECT 1 {named} NOT GLOB '*[^0-9a-f]*' AND length(x.value) = 64) \
                     OR EXISTS (SELECT 1 {named} IN (SELECT value FROM json_each(?1, '$.jobs_of'))))"
                ),
                "jobs_of",
                json!(keys),
            );
        }
    }

    fn condition(&mut self, text: &str, member: &str, value: Value) {
        self.conditions.push(text.to_owned());
        self.parameter.insert(member.to_owned(), value);
    }
}

fn tag(condition: &TagCondition) -> Value {
    let values: Vec<String> = condition.values().iter().map(|value| escaped(value)).collect();
    json!({ "name": char::from(condition.name().letter()).to_string(), "values": values })
}

/// A search in the language of FTS5: words have only letters and digits, so quotes make them plain text.
fn expression(query: &nip50::Query) -> String {
    let phrases = query.phrases().iter().map(|phrase| format!("\"{}\"", phrase.join(" ")));
    phrases.collect::<Vec<_>>().join(" ")
}
