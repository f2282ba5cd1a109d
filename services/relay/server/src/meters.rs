//! What is measured, under the names that operators look for; the names of strfry stand beside ours where its
//! dashboards want them.

use metrics::{Counter, Histogram, counter, gauge, histogram};
use nexus_nostr::{Kind, KindClass, Seconds};
use nexus_relay::{
    market::{Job, JobState},
    ports::Outcome,
};
use std::{collections::BTreeMap, time::Duration};

/// What clients send. Everything else counts as the last.
const CLIENT_VERBS: [&str; 9] = ["EVENT", "REQ", "CLOSE", "AUTH", "COUNT", "NEG-OPEN", "NEG-MSG", "NEG-CLOSE", "other"];
/// What the relay sends. Everything else counts as the last.
const RELAY_VERBS: [&str; 10] =
    ["EVENT", "OK", "EOSE", "CLOSED", "NOTICE", "AUTH", "COUNT", "NEG-MSG", "NEG-ERR", "other"];
/// Why events are refused. Everything else counts as the last.
const PREFIXES: [&str; 9] =
    ["invalid", "duplicate", "blocked", "pow", "rate-limited", "restricted", "auth-required", "mute", "error"];
/// Kinds with a name of their own; the rest counts as `other`, so that no stranger can make names.
const KINDS: [u16; 24] = [
    0, 1, 3, 4, 5, 6, 7, 13, 16, 62, 1059, 1063, 1111, 1984, 1985, 5050, 6050, 7000, 9735, 10_002, 10_050, 30_023,
    31_989, 31_990,
];

/// The verb of a message, without reading the message.
fn verb(message: &str) -> &str {
    message.strip_prefix("[\"").and_then(|rest| rest.split_once('"')).map_or("", |(verb, _)| verb)
}

fn place(names: &[&str], name: &str) -> usize {
    names.iter().position(|known| *known == name).unwrap_or(names.len() - 1)
}

/// Counters of client messages.
#[derive(Debug)]
pub(crate) struct ClientVerbs([[Counter; 2]; CLIENT_VERBS.len()]);

impl ClientVerbs {
    pub(crate) fn new() -> Self {
        Self(CLIENT_VERBS.map(|verb| {
            [
                counter!("nexus_client_messages_total", "verb" => verb),
                counter!("nostr_client_messages_total", "verb" => verb),
            ]
        }))
    }

    pub(crate) fn count(&self, message: &str) {
        self.0[place(&CLIENT_VERBS, verb(message))].iter().for_each(|counter| counter.increment(1));
    }
}

/// Counters of relay messages, and of refusals among them.
#[derive(Debug)]
pub(crate) struct RelayVerbs {
    verbs: [[Counter; 2]; RELAY_VERBS.len()],
    refusals: [Counter; PREFIXES.len()],
}

impl RelayVerbs {
    pub(crate) fn new() -> Self {
        Self {
            verbs: RELAY_VERBS.map(|verb| {
                [
                    counter!("nexus_relay_messages_total", "verb" => verb),
                    counter!("nostr_relay_messages_total", "verb" => verb),
                ]
            }),
            refusals: PREFIXES.map(|prefix| counter!("nexus_event_rejects_total", "prefix" => prefix)),
        }
    }

    pub(crate) fn count(&self, message: &str) {
        let verb = verb(message);
        self.verbs[place(&RELAY_VERBS, verb)].iter().for_each(|counter| counter.increment(1));
        if verb == "OK"
            && let Some((_, reason)) = message.split_once("\",false,\"")
        {
            self.refusals[place(&PREFIXES, reason.split(':').next().unwrap_or_default())].increment(1);
        }
    }
}

/// What the store does.
#[derive(Debug)]
pub(crate) struct StoreMeters {
    commit: Histogram,
    batch: Histogram,
    rows: Histogram,
    scanned: Histogram,
}

impl StoreMeters {
    pub(crate) fn new() -> Self {
        Self {
            commit: histogram!("nexus_commit_seconds"),
            batch: histogram!("nexus_commit_batch_size"),
            rows: histogram!("nexus_query_rows"),
            scanned: histogram!("nexus_query_rows_scanned"),
        }
    }

    pub(crate) fn asked(&self, plan: &'static str, time: Duration) {
        histogram!("nexus_query_seconds", "plan" => plan).record(time.as_secs_f64());
    }

    /// A query gave `rows` events, for which `scanned` entries were looked at.
    pub(crate) fn found(&self, rows: usize, scanned: u64) {
        self.rows.record(rows as f64);
        self.scanned.record(scanned as f64);
    }

    /// Events of these kinds were stored in this time; without outcomes they were not.
    pub(crate) fn committed(&self, kinds: &[Kind], outcomes: &[Outcome], time: Duration) {
        self.commit.record(time.as_secs_f64());
        self.batch.record(kinds.len() as f64);
        for (kind, outcome) in kinds.iter().zip(outcomes) {
            counter!("nexus_events_total", "kind_class" => class(kind.class()), "result" => outcome.as_str())
                .increment(1);
            if matches!(outcome, Outcome::Stored(_)) {
                counter!("nostr_events_total", "kind" => name(kind.get())).increment(1);
            }
        }
    }
}

/// Gauges of what is looked at once a minute.
#[derive(Debug, Default)]
pub(crate) struct Gauges(BTreeMap<(String, String), u64>);

impl Gauges {
    /// The store takes so many bytes.
    pub(crate) fn bytes(&self, bytes: u64) {
        gauge!("nexus_db_bytes").set(bytes as f64);
    }

    /// These are the newest jobs, as they stand at `now`. What there is no more of becomes nothing.
    pub(crate) fn jobs(&mut self, jobs: &[Job], now: Seconds) {
        self.0.values_mut().for_each(|count| *count = 0);
        for job in jobs {
            let kind = job.request.as_ref().map_or_else(String::new, |request| name(request.kind.get()));
            *self.0.entry((state(job.state(now)), kind)).or_default() += 1;
        }
        for ((state, kind), count) in &self.0 {
            gauge!("nexus_jobs", "state" => state.clone(), "kind" => kind.clone()).set(*count as f64);
        }
    }
}

/// A state as the API calls it.
fn state(state: JobState) -> String {
    serde_json::to_value(state).ok().and_then(|state| state.as_str().map(str::to_owned)).unwrap_or_default()
}

const fn class(class: KindClass) -> &'static str {
    match class {
        KindClass::Regular => "regular",
        KindClass::Replaceable => "replaceable",
        KindClass::Ephemeral => "ephemeral",
        KindClass::Addressable => "addressable",
    }
}

fn name(kind: u16) -> String {
    if KINDS.contains(&kind) { kind.to_string() } else { "other".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_is_found_without_reading_the_message() {
        for (message, expected) in
            [(r#"["EVENT",{"id":""#, "EVENT"), (r#"["OK","x",true,""]"#, "OK"), ("[]", ""), ("pong", ""), ("", "")]
        {
            assert_eq!(verb(message), expected);
        }
        assert_eq!((place(&CLIENT_VERBS, "REQ"), place(&CLIENT_VERBS, "x")), (1, 8));
    }

    #[test]
    fn no_stranger_makes_names() {
        assert_eq!((name(1), name(12_345)), ("1".to_owned(), "other".to_owned()));
    }
}
