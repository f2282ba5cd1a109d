//! Trust scores against the formula as it is written, and the operator's table of them.

use nexus_model::Timestamp;
use nexus_pubky::PubkyId;
use nexus_social::{
    dice::Dice,
    index::Index,
    row::{Edge, Profile, UserEdge, UserRow, UserState},
    store::Stored,
    trust::{Error, FollowGraph, Settings, report},
};
use nexus_social_suite::model::History;
use proptest::prelude::*;
use std::collections::HashMap;

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn keys(count: usize) -> Vec<PubkyId> {
    let mut dice = Dice::new(1);
    std::iter::repeat_with(|| PubkyId::from_key_bytes(&dice.bytes())).flatten().take(count).collect()
}

fn graph(users: &[PubkyId], follows: &[(usize, usize)]) -> FollowGraph {
    let known = users.iter().map(|id| Stored::User(named(*id, "somebody")));
    let edge = |&(from, to): &(usize, usize)| {
        Stored::Edge(Edge::Follows(UserEdge { from: users[from], to: users[to], time: NOW, created_at: 0 }))
    };
    FollowGraph::of(&Index::of_rows(known.chain(follows.iter().map(edge))))
}

fn named(id: PubkyId, name: &str) -> UserRow {
    let profile = Profile { name: name.to_owned(), bio: None, image: None, links: None, status: None };
    UserRow { id, state: UserState::Active, profile, indexed_at: NOW, hash: None }
}

/// The formula as it is written, with a whole matrix.
fn matrix(users: usize, follows: &[(usize, usize)], seed: usize, alpha: f64) -> Vec<f64> {
    let degree = |user| follows.iter().filter(|(from, _)| *from == user).count() as f64;
    let share = |to, from| if follows.contains(&(from, to)) { 1.0 / degree(from) } else { 0.0 };
    let origin = |user| if user == seed { 1.0 } else { 0.0 };
    let mut trust: Vec<f64> = (0..users).map(origin).collect();
    for _ in 0..400 {
        let flow = |to| (0..users).map(|from| share(to, from) * trust[from]).sum::<f64>();
        trust = (0..users).map(|user| alpha * origin(user) + (1.0 - alpha) * flow(user)).collect();
    }
    let sum: f64 = trust.iter().sum();
    trust.into_iter().map(|score| score / sum).collect()
}

proptest! {
    #[test]
    fn trust_is_the_fixed_point(pairs in proptest::collection::btree_set((0usize..7, 0usize..7), 0..20), seed in 0usize..7) {
        let (users, follows) = (keys(7), pairs.into_iter().collect::<Vec<_>>());
        let settings = Settings { seeds: vec![users[seed]], tolerance: 1e-12, ..Settings::default() };
        let outcome = graph(&users, &follows).trust(&settings, || true).unwrap();
        prop_assert!(outcome.converged);
        let scores: HashMap<_, _> = outcome.scores.iter().copied().collect();
        for (user, expected) in users.iter().zip(matrix(7, &follows, seed, 0.35)) {
            let score = scores.get(user).copied().unwrap_or_default();
            prop_assert!((score - expected).abs() < 1e-9, "{score} is not {expected}");
        }
    }
}

#[test]
fn without_seeds_there_is_no_trust() {
    let users = keys(3);
    let graph = graph(&users[..2], &[(0, 1)]);
    assert_eq!(graph.trust(&Settings::default(), || true), Err(Error::NoSeeds));
    let unknown = Settings { seeds: vec![users[2]], ..Settings::default() };
    assert_eq!(graph.trust(&unknown, || true), Err(Error::UnknownSeeds));
}

#[test]
fn it_ends_between_two_rounds_when_it_may_not_go_on() {
    let users = keys(2);
    let graph = graph(&users, &[(0, 1), (1, 0)]);
    let settings = Settings { seeds: vec![users[0]], tolerance: 0.0, ..Settings::default() };
    let left = std::cell::Cell::new(3);
    let may_go_on = || left.replace(left.get() - 1) > 0;
    assert_eq!(graph.trust(&settings, may_go_on), Err(Error::Stopped));
    assert_eq!(left.get(), -1, "it asks before each round");
}

#[test]
fn rounds_are_bounded() {
    let users = keys(2);
    let settings = Settings { seeds: vec![users[0]], max_rounds: 1, tolerance: 0.0, ..Settings::default() };
    let outcome = graph(&users, &[(0, 1), (1, 0)]).trust(&settings, || true).unwrap();
    assert_eq!((outcome.rounds, outcome.converged), (1, false));
}

#[test]
fn a_line_of_the_table_has_a_name_a_score_and_ten_numbers() {
    let mut history = History::new(5, 4);
    history.by_ref().take(60).for_each(drop);
    let index = Index::of_rows(history.model().rows());
    let scores: Vec<_> = history.users().iter().map(|user| (*user, 0.25)).collect();
    let text = report(&index, &scores, 3);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line.split(',').count() == 13), "{text}");
    assert!(lines[1].starts_with(&format!("{},", history.users()[0])), "{text}");
    assert!(lines[1].contains(",2.5e-1,"), "{text}");
}

#[test]
fn a_name_stays_in_its_field_and_is_no_formula() {
    for (name, field) in [
        ("a \"b\", c", "\"a \"\"b\"\", c\""),
        ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
        ("@sum", "\"'@sum\""),
        ("a=b", "\"a=b\""),
    ] {
        let id = keys(1)[0];
        let text = report(&Index::of_rows([Stored::User(named(id, name))]), &[(id, 0.5)], 1);
        let line = text.lines().nth(1).unwrap();
        assert!(line.starts_with(&format!("{id},{field},5e-1,")), "{line}");
    }
}
