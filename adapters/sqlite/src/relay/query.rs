//! Queries: each filter becomes one statement over its best index. What the statement can't decide (further tags,
//! words in a row, who may see what) is decided on the event itself, before it counts for a limit.

use super::{
    known::{event, position},
    write::tag_value,
};
use crate::Result;
use nexus_nostr::{
    EventId, Filter, Kind, PublicKey, Seconds,
    nip::{nip45::HyperLogLog, nip50},
};
use nexus_relay::ports::{Count, Page, Scope, StoredEvent, Viewer};
use rusqlite::{Connection, Row, types::Value};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
    ops::ControlFlow,
};

/// A row that a filter wants and the viewer may see.
pub(super) struct Match {
    seq: i64,
    id: EventId,
    created_at: Seconds,
    author: PublicKey,
}

/// The events that match any of `filters`, each filter up to its own limit.
pub(super) fn page(connection: &Connection, filters: &[Filter], scope: &Scope) -> Result<Page> {
    let mut ordered = BTreeMap::new();
    let mut more = false;
    for filter in filters {
        let (found, has_more) = matches(connection, filter, filter.limit().unwrap_or(usize::MAX), scope)?;
        more |= has_more;
        for (rank, found) in found.into_iter().enumerate() {
            let rank = if filter.search().is_some() { rank } else { usize::MAX };
            ordered.insert((rank, Reverse(found.created_at), found.id), found);
        }
    }
    let mut seen = HashSet::new();
    let first = ordered.into_values().filter(|found| seen.insert(found.id));
    let events = first.map(|found| load(connection, &found)).collect::<Result<_>>()?;
    Ok(Page { events, more })
}

/// How many match any of `filters`, at most `cap`.
pub(super) fn count(
    connection: &Connection,
    filters: &[Filter],
    cap: u64,
    mut registers: Option<HyperLogLog>,
    scope: &Scope,
) -> Result<Count> {
    let mut seen = HashSet::new();
    let mut capped = false;
    for filter in filters {
        each(connection, filter, scope, |found| {
            if seen.contains(&found.seq) {
                return ControlFlow::Continue(());
            }
            capped = seen.len() as u64 == cap;
            if capped {
                return ControlFlow::Break(());
            }
            seen.insert(found.seq);
            if let Some(registers) = &mut registers {
                registers.add(&found.author);
            }
            ControlFlow::Continue(())
        })?;
        if capped {
            break;
        }
    }
    Ok(Count { count: seen.len() as u64, capped, registers })
}

/// When and under which id at most `max` events that match were written, the newest first.
pub(super) fn ids(
    connection: &Connection,
    filter: &Filter,
    max: usize,
    scope: &Scope,
) -> Result<Vec<(Seconds, EventId)>> {
    let (found, _) = matches(connection, filter, max, scope)?;
    Ok(found.into_iter().map(|found| (found.created_at, found.id)).collect())
}

/// At most `limit` rows that match, in order, and whether there are more.
fn matches(connection: &Connection, filter: &Filter, limit: usize, scope: &Scope) -> Result<(Vec<Match>, bool)> {
    let mut found = Vec::new();
    let mut more = false;
    each(connection, filter, scope, |one| {
        more = found.len() == limit;
        if more {
            return ControlFlow::Break(());
        }
        found.push(one);
        ControlFlow::Continue(())
    })?;
    Ok((found, more))
}

/// Shows each row that matches, once, in order, until `visit` has enough.
fn each(
    connection: &Connection,
    filter: &Filter,
    scope: &Scope,
    mut visit: impl FnMut(Match) -> ControlFlow<()>,
) -> Result<()> {
    if filter.is_impossible() {
        return Ok(());
    }
    let query = Query::new(filter, scope);
    let mut statement = connection.prepare_cached(&query.sql())?;
    let mut rows = statement.query(rusqlite::params_from_iter(&query.values))?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let found = read(row)?;
        // An event with several of the values asked for comes several times in a row.
        if last.replace(found.seq) == Some(found.seq) || !is_wanted(connection, row, &found, filter, scope)? {
            continue;
        }
        if visit(found).is_break() {
            break;
        }
    }
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Match> {
    Ok(Match {
        seq: row.get(0)?,
        id: EventId::from_bytes(row.get(1)?),
        created_at: Seconds::new(row.get(2)?),
        author: PublicKey::from_bytes(row.get(3)?),
    })
}

/// Decides what the statement left open.
fn is_wanted(connection: &Connection, row: &Row<'_>, found: &Match, filter: &Filter, scope: &Scope) -> Result<bool> {
    let kind = Kind::new(row.get(4)?);
    let may_be_hidden = matches!(scope.viewer, Viewer::Client(_)) && scope.restricted_kinds.contains(&kind);
    let is_decided =
        filter.tags().len() <= 1 && filter.search().is_none() && (filter.ids().is_none() || filter.tags().is_empty());
    if is_decided && !may_be_hidden {
        return Ok(true);
    }
    let event = event(&json(connection, found.seq)?)?;
    Ok(filter.matches(&event) && scope.allows(&event))
}

fn load(connection: &Connection, found: &Match) -> Result<StoredEvent> {
    let json = json(connection, found.seq)?.into();
    Ok(StoredEvent { seq: position(found.seq), id: found.id, created_at: found.created_at, json })
}

fn json(connection: &Connection, seq: i64) -> Result<String> {
    Ok(connection.prepare_cached("SELECT json FROM event WHERE seq = ?")?.query_row((seq,), |row| row.get(0))?)
}

/// One filter as a statement, with the values for its places.
struct Query {
    source: &'static str,
    conditions: Vec<String>,
    order: &'static str,
    values: Vec<Value>,
}

impl Query {
    fn new(filter: &Filter, scope: &Scope) -> Self {
        let mut query =
            Self { source: "event e", conditions: Vec::new(), order: "e.created_at DESC, e.id", values: Vec::new() };
        let words = filter.search().map(expression).filter(|words| !words.is_empty());
        if let Some(words) = words {
            query.source = "words CROSS JOIN event e ON e.seq = words.rowid";
            query.order = "words.rank, e.created_at DESC, e.id";
            query.condition("words MATCH ?", Value::Text(words));
        } else if filter.ids().is_none()
            && let Some(tag) = filter.tags().iter().min_by_key(|tag| tag.values().len())
        {
            query.source = "tag t CROSS JOIN event e ON e.seq = t.seq";
            query.order = "t.created_at DESC, t.id";
            query.condition("t.name = ?", Value::Integer(tag.name().letter().into()));
            query.list("t.value", tag.values().iter().map(|value| Value::Blob(tag_value(value))));
            query.span("t.created_at", filter);
        }
        query.columns(filter);
        query.visible(scope);
        query
    }

    fn columns(&mut self, filter: &Filter) {
        if let Some(ids) = filter.ids() {
            self.list("e.id", ids.iter().map(|id| Value::Blob(id.as_bytes().to_vec())));
        }
        if let Some(authors) = filter.authors() {
            self.list("e.pubkey", authors.iter().map(|author| Value::Blob(author.as_bytes().to_vec())));
        }
        if let Some(kinds) = filter.kinds() {
            self.list("e.kind", kinds.iter().map(|kind| Value::Integer(kind.get().into())));
        }
        self.span("e.created_at", filter);
    }

    fn visible(&mut self, scope: &Scope) {
        if let Some(max) = scope.max_seq {
            self.condition("e.seq <= ?", Value::Integer(i64::try_from(max.get()).unwrap_or(i64::MAX)));
        }
        self.condition("(e.expires_at IS NULL OR e.expires_at > ?)", Value::Integer(scope.now.get()));
    }

    fn span(&mut self, column: &str, filter: &Filter) {
        if let Some(since) = filter.since() {
            self.condition(&format!("{column} >= ?"), Value::Integer(since.get()));
        }
        if let Some(until) = filter.until() {
            self.condition(&format!("{column} <= ?"), Value::Integer(until.get()));
        }
    }

    fn list(&mut self, column: &str, values: impl ExactSizeIterator<Item = Value>) {
        let places = vec!["?"; values.len()].join(", ");
        self.conditions.push(format!("{column} IN ({places})"));
        self.values.extend(values);
    }

    fn condition(&mut self, text: &str, value: Value) {
        self.conditions.push(text.to_owned());
        self.values.push(value);
    }

    fn sql(&self) -> String {
        let (source, order) = (self.source, self.order);
        let conditions = self.conditions.join(" AND ");
        format!("SELECT e.seq, e.id, e.created_at, e.pubkey, e.kind FROM {source} WHERE {conditions} ORDER BY {order}")
    }
}

/// A search in the language of FTS5: words have only letters and digits, so quotes make them plain text.
fn expression(query: &nip50::Query) -> String {
    let phrases = query.phrases().iter().map(|phrase| format!("\"{}\"", phrase.join(" ")));
    phrases.collect::<Vec<_>>().join(" ")
}
