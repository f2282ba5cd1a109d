//! Random histories of a network, one that loses and repeats messages and whose servers lag, with resyncs at
//! any time and kills at any instant: whoever follows the events ends up with what the repos hold.

use crate::world::{Copy, Records, Repo};
use nexus_atproto::RepoCommit;
use nexus_model::{Seq, Timestamp, Verified};
use nexus_sync::decide::{Claim, Failure, Outcome};
use nexus_sync::repo::{Origin, State};
use nexus_sync::resync::{Portions, Resync};
use nexus_sync::rules::{Collections, Rules};
use nexus_sync::store::{KnownRecords, Memory, Store};
use nexus_sync::writer::{self, Input, Told};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// The owner changes some records.
    Write(Vec<(String, Option<u32>)>),
    /// So many messages arrive.
    Deliver(usize),
    /// One message is lost.
    Lose,
    /// The last message arrives once more.
    Repeat,
    /// A resync begins, if one is due, with a copy as of now or of some time ago.
    Claim {
        is_old: bool,
    },
    /// The resync gets on by so many batches, and ends if it is through.
    Batches(usize),
    /// The resync fails.
    Fail,
    Remove,
    Add,
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    let at = "x\\.y\\.(zed|zed\\.two|no)/[0-9]".prop_map(|at| at);
    let change = (at, prop::option::weighted(0.7, 0..50_u32));
    prop_oneof![
        6 => prop::collection::vec(change, 1..4).prop_map(Step::Write),
        6 => (1..4_usize).prop_map(Step::Deliver),
        1 => Just(Step::Lose),
        1 => Just(Step::Repeat),
        4 => any::<bool>().prop_map(|is_old| Step::Claim { is_old }),
        5 => (1..5_usize).prop_map(Step::Batches),
        1 => Just(Step::Fail),
        1 => Just(Step::Remove),
        2 => Just(Step::Add),
        1 => Just(Step::Kill),
    ]
}

struct Network {
    repo: Repo,
    /// Earlier states, as a server that lags might give.
    old: Option<Copy>,
    on_the_way: Vec<Verified<RepoCommit>>,
    last: Option<Verified<RepoCommit>>,
    store: Memory,
    rules: Rules,
    now: Timestamp,
    fetch: Option<(Claim, Copy)>,
}

impl Network {
    fn new() -> Self {
        let rules = Rules { collections: Collections::new(["x.y.zed*"]), ..Rules::default() };
        Self {
            repo: Repo::new("a"),
            old: None,
            on_the_way: Vec::new(),
            last: None,
            store: Memory::default(),
            rules,
            now: Timestamp::from_millis(0),
            fetch: None,
        }
    }

    fn tell(&mut self, input: Input) -> Told {
        self.now = self.now.plus_millis(2 * 3_600_000);
        writer::write(&self.store, &[input], &self.rules, self.now).unwrap().0[0]
    }

    fn step(&mut self, step: Step) {
        let did = self.repo.did.clone();
        match step {
            Step::Write(changes) => {
                self.old = Some(self.repo.copy());
                let mut changes: Vec<_> = changes.iter().map(|(at, number)| (at.as_str(), *number)).collect();
                changes.sort();
                changes.dedup_by_key(|(at, _)| *at);
                let commit = self.repo.write(&changes);
                self.on_the_way.push(commit);
            }
            Step::Deliver(count) => (0..count).for_each(|_| self.deliver()),
            Step::Lose if !self.on_the_way.is_empty() => drop(self.on_the_way.remove(0)),
            Step::Repeat => self.last.clone().into_iter().for_each(|commit| {
                self.tell(Input::Commit(commit));
            }),
            Step::Claim { is_old } => self.claim(is_old),
            Step::Batches(count) => self.batches(count),
            Step::Fail => {
                if let Some((claim, _)) = self.fetch.take() {
                    self.tell(Input::Fail(did, claim, Failure::Error("it broke".into()), 0));
                }
            }
            Step::Remove => {
                self.tell(Input::Remove(did));
            }
            Step::Add => {
                self.tell(Input::Add(did, Origin::Asked));
            }
            Step::Kill => {
                self.fetch = None;
                writer::resume(&self.store, self.now).unwrap();
            }
            Step::Lose => {}
        }
    }

    fn deliver(&mut self) {
        if self.on_the_way.is_empty() {
            return;
        }
        let commit = self.on_the_way.remove(0);
        self.last = Some(commit.clone());
        self.tell(Input::Commit(commit));
    }

    fn claim(&mut self, is_old: bool) {
        let copy = self.old.clone().filter(|_| is_old).unwrap_or_else(|| self.repo.copy());
        if let Some(claim) = self.tell(Input::Claim(self.repo.did.clone())).claim {
            self.fetch = Some((claim, copy));
        }
    }

    fn batches(&mut self, count: usize) {
        let Some((claim, copy)) = self.fetch.clone() else { return };
        let did = self.repo.did.clone();
        for _ in 0..count {
            let batch = {
                let known = KnownRecords::new(&self.store, claim.repo());
                let portions = Portions { changes: 2, page: 2, ..Portions::default() };
                let blocks = copy.blocks.clone();
                // What is stored already is skipped, so each batch may as well begin from the front.
                let mut resync =
                    Resync::new(copy.state.clone(), blocks, known, &self.rules.collections, portions).unwrap();
                resync.next_batch().unwrap()
            };
            let is_last = batch.is_none();
            let input = match batch {
                Some(batch) => Input::Batch(did.clone(), claim, batch),
                None => Input::Finish(claim, copy.state.clone()),
            };
            if self.tell(input).outcome == Outcome::Stale {
                return self.step(Step::Fail);
            }
            if is_last {
                self.fetch = None;
                return;
            }
        }
    }

    /// Everything arrives, whatever is missing is fetched, and all is quiet.
    fn settle(&mut self) {
        self.step(Step::Add);
        self.step(Step::Write(vec![("x.y.zed/last".into(), Some(99))]));
        for _ in 0..50 {
            self.step(Step::Deliver(50));
            self.step(Step::Claim { is_old: false });
            self.step(Step::Batches(200));
        }
        assert_eq!(self.store.repo(&self.repo.did).unwrap().unwrap().state, State::Active);
    }

    /// What somebody holds who read all events in order.
    fn consumer(&self) -> Records {
        let mut records = Records::new();
        for event in self.store.events(Seq::START, usize::MAX).unwrap() {
            let value: serde_json::Value = serde_json::from_str(&format!("{{{}", event.body)).unwrap();
            let record = &value["record"];
            let at = format!("{}/{}", record["collection"].as_str().unwrap(), record["rkey"].as_str().unwrap());
            let known = records.contains_key(&at);
            match record["action"].as_str().unwrap() {
                "delete" => assert!(records.remove(&at).is_some(), "{at} is deleted and was not there"),
                action => {
                    // A repo that was given up and asked for again is told from the beginning.
                    assert!(action == "create" || known, "{at} is updated and was not there");
                    records.insert(at, record["record"]["n"].as_u64().unwrap() as u32);
                }
            }
        }
        records
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn whoever_follows_the_events_ends_up_with_the_repo(steps in prop::collection::vec(step(), 0..80)) {
        let was_removed = steps.iter().any(|step| matches!(step, Step::Remove));
        let mut network = Network::new();
        steps.into_iter().for_each(|step| network.step(step));
        network.settle();
        let wanted = |at: &str| network.rules.collections.wants(crate::world::path(at).collection());
        let truth: Records = network.repo.records.clone().into_iter().filter(|(at, _)| wanted(at)).collect();
        let held = network.consumer();
        // Records that were gone by the time a repo was asked for again are told of by nobody.
        let missing: Vec<_> = truth.iter().filter(|(at, number)| held.get(*at) != Some(number)).collect();
        prop_assert!(missing.is_empty(), "{:?}", missing);
        prop_assert!(was_removed || held == truth, "{:?} {:?}", held, truth);
        let indexed = network.store.counts().unwrap().records;
        prop_assert_eq!(indexed, truth.len() as u64);
    }
}
