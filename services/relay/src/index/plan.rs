//! The planner: of the lists from which a filter can be answered, those that cost least. (spec 7.3)
//!
//! Every plan gives the same answer; a test compares them all. Estimates only decide which is quick.

use super::Term;
use nexus_nostr::{EventId, Filter, Kind, PublicKey, TagCondition};

/// How many lists a plan may merge. Above that, other plans are taken.
const MAX_LISTS: usize = 2_000;

/// How many lists of a plan are measured; the others are taken to be like them.
const SAMPLES: usize = 8;

/// How many lists are so few that looking at them costs less than comparing plans.
const FEW: usize = 4;

/// What work costs, in nanoseconds: to find the place in a list, to look at an entry, to read an event.
const SEEK: u64 = 8_000;
const ENTRY: u64 = 50;
const READ: u64 = 6_000;

/// What a store knows about its lists without walking them.
pub trait Statistics {
    /// About how many events between the filter's `since` and `until` stand on the list `term`.
    fn len(&self, term: Term<'_>, filter: &Filter) -> u64;
}

/// How a filter is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan<'a> {
    /// The lists. Merged in the order of time, they have every event that matches.
    pub lists: Vec<Term<'a>>,
    /// The kinds among which an event's must be, if the lists don't see to it.
    pub kinds: Option<&'a [Kind]>,
    /// The authors among which an event's must be, if the lists don't see to it.
    pub authors: Option<&'a [PublicKey]>,
    /// Whether what remains after kinds and authors matches for certain, or must be held against the filter.
    pub rest: Rest,
    /// The order of the answer.
    pub order: Order,
}

/// What must be done with an event that is on a plan's lists and has the right kind and author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing: it matches.
    Matches,
    /// The filter must be asked.
    AskFilter,
}

/// The order of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    Time,
    /// The best first; all that match must be seen before the first is known.
    Score,
}

/// The order in which events that match `filter` are answered.
pub fn order(filter: &Filter) -> Order {
    let words = filter.search().map(|query| query.phrases()).unwrap_or_default();
    if words.is_empty() { Order::Time } else { Order::Score }
}

/// The quickest plan for `filter`, by what `statistics` says. `None` if nothing can match.
pub fn plan<'a>(filter: &'a Filter, statistics: &impl Statistics) -> Option<Plan<'a>> {
    let mut plans = plans(filter);
    if plans.len() <= 1 {
        return plans.pop();
    }
    if let Some(exact) = plans.iter().position(is_short) {
        return Some(plans.swap_remove(exact));
    }
    let all = statistics.len(Term::Everything, filter).max(1);
    let sizes: Vec<u64> = plans.iter().map(|plan| size(plan, filter, statistics)).collect();
    let matches = expected_matches(&plans, &sizes, all);
    let costs = plans.iter().zip(sizes).map(|(plan, size)| cost(plan, filter, size, matches));
    let best = costs.enumerate().min_by_key(|(_, cost)| *cost)?.0;
    Some(plans.swap_remove(best))
}

/// True if a plan finds little but what matches, on so few lists that no other needs to be measured.
fn is_short(plan: &Plan<'_>) -> bool {
    plan.lists.len() <= FEW && plan.rest == Rest::Matches && plan.kinds.is_none() && plan.authors.is_none()
}

/// Every plan that answers `filter`.
pub fn plans(filter: &Filter) -> Vec<Plan<'_>> {
    if filter.is_impossible() {
        return Vec::new();
    }
    if let Some(ids) = filter.ids() {
        return vec![by_id(filter, ids)];
    }
    let phrases = filter.search().map(|query| query.phrases()).unwrap_or_default();
    if !phrases.is_empty() {
        return phrases.iter().flatten().map(|word| by_word(word)).collect();
    }
    let tags = filter.tags().iter().flat_map(|tag| by_tag(filter, tag));
    let columns = [by_author_and_kind(filter), by_author(filter), by_kind(filter)];
    let few = tags.chain(columns.into_iter().flatten()).filter(|plan| plan.lists.len() <= MAX_LISTS);
    few.chain([by_time(filter)]).collect()
}

fn by_id<'a>(filter: &'a Filter, ids: &[EventId]) -> Plan<'a> {
    let lists = ids.iter().map(|id| Term::Id(*id)).collect();
    Plan { order: order(filter), ..columns(filter, lists) }
}

fn by_word(word: &str) -> Plan<'_> {
    Plan { lists: vec![Term::Word(word)], kinds: None, authors: None, rest: Rest::AskFilter, order: Order::Score }
}

fn by_tag<'a>(filter: &'a Filter, tag: &'a TagCondition) -> impl Iterator<Item = Plan<'a>> + use<'a> {
    let (name, rest) = (tag.name(), rest_after_tags(filter, 1));
    let values = tag.values().iter();
    let plain = values.clone().map(|value| Term::Tag(name, value)).collect();
    let with_kinds = filter.kinds().map(|kinds| {
        let lists = values.flat_map(|value| kinds.iter().map(move |kind| Term::TagKind(name, value, *kind)));
        Plan { kinds: None, rest, ..columns(filter, lists.collect()) }
    });
    with_kinds.into_iter().chain([Plan { rest, ..columns(filter, plain) }])
}

fn by_author_and_kind(filter: &Filter) -> Option<Plan<'_>> {
    let (authors, kinds) = (filter.authors()?, filter.kinds()?);
    let lists = authors.iter().flat_map(|author| kinds.iter().map(move |kind| Term::AuthorKind(*author, *kind)));
    Some(Plan { kinds: None, authors: None, ..columns(filter, lists.collect()) })
}

fn by_author(filter: &Filter) -> Option<Plan<'_>> {
    let lists = filter.authors()?.iter().map(|author| Term::Author(*author)).collect();
    Some(Plan { authors: None, ..columns(filter, lists) })
}

fn by_kind(filter: &Filter) -> Option<Plan<'_>> {
    let lists = filter.kinds()?.iter().map(|kind| Term::Kind(*kind)).collect();
    Some(Plan { kinds: None, ..columns(filter, lists) })
}

fn by_time(filter: &Filter) -> Plan<'_> {
    columns(filter, vec![Term::Everything])
}

/// A plan over `lists` that sees to nothing else.
fn columns<'a>(filter: &'a Filter, lists: Vec<Term<'a>>) -> Plan<'a> {
    let rest = rest_after_tags(filter, 0);
    Plan { lists, kinds: filter.kinds(), authors: filter.authors(), rest, order: Order::Time }
}

/// What remains when `seen_to` of the conditions on tags are seen to.
fn rest_after_tags(filter: &Filter, seen_to: usize) -> Rest {
    if filter.tags().len() == seen_to && filter.search().is_none() { Rest::Matches } else { Rest::AskFilter }
}

/// About how many entries the lists of `plan` have together.
fn size(plan: &Plan<'_>, filter: &Filter, statistics: &impl Statistics) -> u64 {
    let step = plan.lists.len().div_ceil(SAMPLES).max(1);
    let sample: Vec<u64> = plan.lists.iter().step_by(step).map(|term| statistics.len(*term, filter)).collect();
    sample.iter().sum::<u64>() * plan.lists.len() as u64 / (sample.len() as u64).max(1)
}

/// How many events match, if the conditions had nothing to do with each other.
fn expected_matches(plans: &[Plan<'_>], sizes: &[u64], all: u64) -> f64 {
    let share = |seen: fn(&Plan<'_>) -> bool| {
        let concerned = plans.iter().zip(sizes).filter(|(plan, _)| seen(plan));
        concerned.map(|(_, size)| *size as f64 / all as f64).fold(1.0, f64::min)
    };
    let by_tag = share(|plan| matches!(plan.lists[0], Term::Tag(..) | Term::TagKind(..)));
    let by_column = share(|plan| matches!(plan.lists[0], Term::Author(_) | Term::AuthorKind(..) | Term::Kind(_)));
    by_tag * by_column * all as f64
}

/// What `plan` costs until the filter's limit is reached or its lists end.
fn cost(plan: &Plan<'_>, filter: &Filter, size: u64, matches: f64) -> u64 {
    let limit = filter.limit().unwrap_or(usize::MAX) as f64;
    let until_full = size as f64 * (limit / matches.max(0.1)).min(1.0);
    let read = match plan.rest {
        Rest::Matches => limit.min(matches),
        Rest::AskFilter => until_full,
    };
    plan.lists.len() as u64 * SEEK + until_full as u64 * ENTRY + read as u64 * READ
}
