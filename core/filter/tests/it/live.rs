use nexus_filter::{Filter, LiveIndex, Route, Routed};
use proptest::{collection::vec, option, prelude::*};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// An item with an author and words.
#[derive(Clone, Debug)]
struct Item {
    author: u8,
    words: Vec<u8>,
}

/// Wants items by these authors that carry one of these words; a missing list asks for nothing.
#[derive(Clone, Debug)]
struct Wanted {
    authors: Option<Vec<u8>>,
    words: Option<Vec<u8>>,
}

impl Filter<Item> for Wanted {
    fn matches(&self, item: &Item) -> bool {
        self.authors.as_ref().is_none_or(|authors| authors.contains(&item.author))
            && self.words.as_ref().is_none_or(|words| words.iter().any(|word| item.words.contains(word)))
    }
}

impl Routed<Item> for Wanted {
    fn routes(&self) -> Vec<Route> {
        match (&self.authors, &self.words) {
            (Some(authors), _) => authors.iter().map(|author| Route::of("author", author)).collect(),
            (None, Some(words)) => words.iter().map(|word| Route::of("word", word)).collect(),
            (None, None) => vec![Route::EVERYTHING],
        }
    }

    fn alternatives(&self) -> Vec<Vec<Route>> {
        let words = Wanted { authors: None, ..self.clone() };
        if words.words.is_some() { vec![self.routes(), words.routes()] } else { vec![self.routes()] }
    }
}

impl Item {
    fn routes(&self) -> Vec<Route> {
        let words = self.words.iter().map(|word| Route::of("word", word));
        words.chain([Route::of("author", &self.author)]).collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, Vec<Wanted>),
    Remove(u8),
    Match(Item),
}

fn wanted() -> impl Strategy<Value = Wanted> {
    (option::of(vec(0..6_u8, 0..4)), option::of(vec(0..6_u8, 0..4)))
        .prop_map(|(authors, words)| Wanted { authors, words })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..12_u8, vec(wanted(), 0..4)).prop_map(|(id, filters)| Step::Insert(id, filters)),
        1 => (0..12_u8).prop_map(Step::Remove),
        3 => (0..7_u8, vec(0..7_u8, 0..5)).prop_map(|(author, words)| Step::Match(Item { author, words })),
    ]
}

proptest! {
    #[test]
    fn finds_exactly_those_that_testing_every_filter_finds(steps in vec(step(), 0..80)) {
        let mut index = LiveIndex::default();
        let mut model: BTreeMap<u8, Vec<Wanted>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Insert(id, filters) => {
                    index.insert(id, Arc::from(filters.clone()));
                    model.insert(id, filters);
                }
                Step::Remove(id) => prop_assert_eq!(index.remove(&id).is_some(), model.remove(&id).is_some()),
                Step::Match(item) => {
                    let mut found = Vec::new();
                    index.matching(&item, &item.routes(), |id| found.push(*id));
                    found.sort_unstable();
                    let wants = |filters: &Vec<Wanted>| filters.iter().any(|filter| filter.matches(&item));
                    let expected: Vec<u8> = model.iter().filter(|(_, filters)| wants(filters)).map(|(id, _)| *id).collect();
                    prop_assert_eq!(found, expected);
                }
            }
            prop_assert_eq!(index.len(), model.len());
            prop_assert_eq!(index.iter().count(), model.len());
        }
    }
}

/// Wants what `Wanted` wants, and counts how often it is asked.
struct Counted(Wanted, Arc<AtomicUsize>);

impl Filter<Item> for Counted {
    fn matches(&self, item: &Item) -> bool {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.matches(item)
    }
}

impl Routed<Item> for Counted {
    fn routes(&self) -> Vec<Route> {
        self.0.routes()
    }

    fn alternatives(&self) -> Vec<Vec<Route>> {
        self.0.alternatives()
    }
}

#[test]
fn subscriptions_that_share_one_value_are_told_apart_by_another() {
    for is_author_shared in [true, false] {
        let asked = Arc::new(AtomicUsize::new(0));
        let mut index = LiveIndex::default();
        for id in 0..200 {
            let (author, word) = if is_author_shared { (0, id) } else { (id, 0) };
            let wanted = Wanted { authors: Some(vec![author]), words: Some(vec![word]) };
            index.insert(id, Arc::from([Counted(wanted, asked.clone())]));
        }
        let (author, word) = if is_author_shared { (0, 7) } else { (7, 0) };
        let item = Item { author, words: vec![word] };
        let mut shown = Vec::new();
        index.matching(&item, &item.routes(), |id| shown.push(*id));
        assert_eq!(shown, [7]);
        assert!(asked.load(Ordering::Relaxed) <= 2, "{asked:?} of 200 were asked");
    }
}

#[test]
fn who_came_first_is_shown_first() {
    let mut index = LiveIndex::default();
    let everything =
        || Arc::from([Wanted { authors: None, words: None }, Wanted { authors: Some(vec![1]), words: None }]);
    for id in [3_u8, 1, 2, 3] {
        index.insert(id, everything());
    }
    let item = Item { author: 1, words: Vec::new() };
    let mut shown = Vec::new();
    index.matching(&item, &item.routes(), |id| shown.push(*id));
    assert_eq!(shown, [1, 2, 3]);
    assert_eq!(format!("{index:?}"), "LiveIndex(3 subscriptions)");
}
