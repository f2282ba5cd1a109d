//! Plans: whichever is taken, the answer is that of the filter.

use nexus_nostr::{Event, EventId, Filter};
use nexus_relay::{
    index::{Plan, Rest, Statistics, Term, plan, plans, terms},
    ports::PreparedEvent,
};
use nexus_relay_suite::World;
use proptest::prelude::*;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Events on their lists, each list with its name written out.
#[derive(Default)]
struct Lists(BTreeMap<String, BTreeMap<EventId, Arc<Event>>>);

impl Lists {
    fn add(&mut self, event: &Arc<Event>) {
        terms(event, |term| {
            self.0.entry(format!("{term:?}")).or_default().insert(event.id, event.clone());
        });
    }

    fn answer(&self, plan: &Plan<'_>, filter: &Filter) -> BTreeSet<EventId> {
        let lists = plan.lists.iter().filter_map(|term| self.0.get(&format!("{term:?}")));
        let in_time = |event: &Event| {
            filter.since().is_none_or(|since| since <= event.created_at)
                && filter.until().is_none_or(|until| event.created_at <= until)
        };
        let matching = |event: &Event| {
            plan.kinds.is_none_or(|kinds| kinds.contains(&event.kind))
                && plan.authors.is_none_or(|authors| authors.contains(&event.pubkey))
                && (plan.rest == Rest::Matches || filter.matches(event))
        };
        lists
            .flat_map(BTreeMap::values)
            .filter(|event| in_time(event) && matching(event))
            .map(|event| event.id)
            .collect()
    }
}

/// Estimates at random: they may make an answer slow, never wrong.
struct Guess(RefCell<World>);

impl Statistics for Guess {
    fn len(&self, _: Term<'_>, _: &Filter) -> u64 {
        self.0.borrow_mut().below(1_000)
    }
}

proptest! {
    #[test]
    fn every_plan_gives_the_same_answer(seed: u64) {
        let mut world = World::new(seed);
        let events: Vec<Arc<Event>> = (0..80).map(|_| world.event()).map(|made: PreparedEvent| made.event().clone()).collect();
        let mut lists = Lists::default();
        events.iter().for_each(|event| lists.add(event));
        for _ in 0..20 {
            let filter = world.filter();
            let expected: BTreeSet<EventId> =
                events.iter().filter(|event| filter.matches(event)).map(|event| event.id).collect();
            for plan in plans(&filter) {
                prop_assert_eq!(&lists.answer(&plan, &filter), &expected, "{} by {:?}", filter.to_json(), plan);
            }
            let guess = Guess(RefCell::new(World::new(seed ^ 1)));
            match plan(&filter, &guess) {
                Some(plan) => prop_assert!(plans(&filter).contains(&plan)),
                None => prop_assert!(filter.is_impossible() && expected.is_empty()),
            }
        }
    }
}

/// A store of a million events, in which everybody wrote as much and used every kind and tag as often, but for one.
struct Even;

impl Statistics for Even {
    fn len(&self, term: Term<'_>, filter: &Filter) -> u64 {
        let all = if filter.since().is_some() { 1_000 } else { 1_000_000 };
        match term {
            Term::Everything => all,
            Term::Kind(_) => all / 4,
            Term::Author(_) => all / 2_000,
            Term::AuthorKind(..) => all / 8_000,
            Term::Tag(_, "popular") => all / 2,
            Term::TagKind(_, "popular", _) => all / 100_000,
            Term::Tag(..) => all / 10_000,
            Term::TagKind(..) => all / 40_000,
            Term::Word(word) => all / (10 * word.len() as u64),
            Term::Id(_) | Term::Version(..) => 1,
        }
    }
}

fn taken(text: &str) -> String {
    let filter = Filter::parse(text).expect("a filter");
    let plan = plan(&filter, &Even).expect("something may match");
    let name = format!("{:?}", plan.lists[0]);
    format!("{} × {}", plan.lists.len(), name.split('(').next().unwrap_or_default())
}

fn keys(count: usize) -> String {
    let keys: Vec<String> = (0..count).map(|number| format!("\"{number:064x}\"")).collect();
    keys.join(",")
}

#[test]
fn what_clients_ask_takes_the_shortest_way() {
    let authors = |count, rest: &str| format!(r#"{{"authors":[{}]{rest}}}"#, keys(count));
    assert_eq!(taken(&format!(r#"{{"ids":[{}],"kinds":[1],"limit":500}}"#, keys(3))), "3 × Id");
    assert_eq!(taken(&authors(1, r#","kinds":[1],"limit":20"#)), "1 × AuthorKind");
    assert_eq!(taken(&authors(1, r#","limit":20"#)), "1 × Author");
    assert_eq!(taken(&format!(r##"{{"#e":[{}],"limit":100}}"##, keys(1))), "1 × Tag");
    assert_eq!(taken(&format!(r##"{{"#p":[{}],"kinds":[1,7],"limit":20}}"##, keys(1))), "2 × TagKind");
    // Of what is often named, only the right kinds are looked at.
    assert_eq!(taken(r##"{"#t":["popular"],"kinds":[1059],"limit":20}"##), "1 × TagKind");
    assert_eq!(taken(r#"{"kinds":[1],"limit":50}"#), "1 × Kind");
    assert_eq!(taken(r#"{"limit":500}"#), "1 × Everything");
    assert_eq!(taken(r#"{"search":"to remember","limit":50}"#), "1 × Word");
    // Few authors are looked up, of many some have written just now.
    assert_eq!(taken(&authors(10, r#","kinds":[1],"limit":20"#)), "10 × AuthorKind");
    assert_eq!(taken(&authors(1_500, r#","kinds":[1],"limit":20"#)), "1 × Kind");
    // What is new since a moment ago is little.
    assert_eq!(taken(&authors(500, r#","kinds":[1],"since":5,"limit":500"#)), "1 × Kind");
}
