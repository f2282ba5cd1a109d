//! Single decisions, through the writer and a store.

use crate::world::Repo;
use nexus_atproto::{Did, Legacy, RepoCommit, RepoState, Tid};
use nexus_model::{Seq, Timestamp, Verified};
use nexus_sync::decide::{Claim, Failure, Notice, Outcome};
use nexus_sync::event::Dialect;
use nexus_sync::identity::Found;
use nexus_sync::repo::{Name, Origin, Retry, State, Status};
use nexus_sync::rules::{Collections, Extras, Network, Rules};
use nexus_sync::store::{Memory, Store};
use nexus_sync::writer::{self, Input, Told};

const NOW: Timestamp = Timestamp::from_millis(10_000_000);
const MINUTE: i64 = 60_000;

struct Service {
    store: Memory,
    rules: Rules,
}

impl Service {
    fn new() -> Self {
        Self { store: Memory::default(), rules: Rules { dialect: Dialect::Tap, ..Rules::default() } }
    }

    fn write(&self, input: Input) -> Told {
        self.write_at(input, NOW)
    }

    fn write_at(&self, input: Input, now: Timestamp) -> Told {
        writer::write(&self.store, &[input], &self.rules, now).unwrap().0[0]
    }

    fn outcome(&self, input: Input) -> Outcome {
        self.write(input).outcome
    }

    fn row(&self, did: &Did) -> nexus_sync::repo::Repo {
        self.store.repo(did).unwrap().unwrap()
    }

    fn claim(&self, did: &Did) -> Claim {
        self.write_at(Input::Claim(did.clone()), NOW.plus_millis(100 * 24 * 60 * MINUTE)).claim.unwrap()
    }

    /// A repo that is tracked and up to date.
    fn follow(&self, repo: &Repo) {
        self.write(Input::Add(repo.did.clone(), Origin::Asked));
        let claim = self.claim(&repo.did);
        assert_eq!(self.outcome(Input::Finish(claim, repo.copy().state)), Outcome::Applied);
        assert_eq!(self.row(&repo.did).state, State::Active);
    }

    fn told(&self) -> Vec<String> {
        self.store.events(Seq::START, 1_000).unwrap().iter().map(|event| event.body.to_string()).collect()
    }
}

fn commit(commit: Verified<RepoCommit>) -> Input {
    Input::Commit(commit)
}

fn notice(repo: &Repo, active: bool, status: Option<&str>) -> Input {
    Input::Account(Notice::new(repo.did.clone(), active, status))
}

#[test]
fn nobody_is_tracked_who_was_not_asked_for() {
    let (service, mut repo) = (Service::new(), Repo::new("a"));
    assert_eq!(service.outcome(commit(repo.write(&[("x.y.zed/1", Some(1))]))), Outcome::Untracked);
    assert_eq!(service.outcome(Input::State(repo.copy().state)), Outcome::Untracked);
    assert_eq!(service.outcome(notice(&repo, true, None)), Outcome::Untracked);
    assert_eq!(service.outcome(Input::Remove(repo.did.clone())), Outcome::Untracked);
    assert_eq!(service.store.counts().unwrap().repos, 0);
}

#[test]
fn a_signal_or_the_full_network_discovers() {
    let mut repo = Repo::new("a");
    let mut service = Service::new();
    service.rules.network = Network::Signal("x.y.zed".parse().unwrap());
    assert_eq!(service.outcome(commit(repo.write(&[("x.y.other/1", Some(1))]))), Outcome::Untracked);
    assert_eq!(service.outcome(commit(repo.write(&[("x.y.zed/1", Some(1))]))), Outcome::Discovered);
    let row = service.row(&repo.did);
    assert_eq!((row.state, row.origin), (State::Pending, Origin::Found));
    let full = Service { rules: Rules { network: Network::Full, ..Rules::default() }, ..Service::new() };
    assert_eq!(full.outcome(notice(&repo, false, Some("deactivated"))), Outcome::Untracked);
    assert_eq!(full.outcome(Input::State(repo.copy().state)), Outcome::Discovered);
    assert_eq!(full.outcome(Input::Add(repo.did.clone(), Origin::Asked)), Outcome::Applied);
    assert_eq!(full.row(&repo.did).origin, Origin::Asked);
}

#[test]
fn commits_are_applied_in_order_replays_dropped_and_gaps_noticed() {
    let (service, mut repo) = (Service::new(), Repo::new("a"));
    service.follow(&repo);
    let first = repo.write(&[("x.y.zed/1", Some(1)), ("x.y.zed/2", Some(2))]);
    assert_eq!(service.outcome(commit(first.clone())), Outcome::Gap, "a first commit has nothing before it");
    service.follow(&repo);
    let second = repo.write(&[("x.y.zed/1", None)]);
    assert_eq!(service.outcome(commit(second.clone())), Outcome::Applied);
    assert_eq!(service.outcome(commit(second)), Outcome::Replayed);
    assert_eq!(service.told().len(), 1);
    repo.write(&[("x.y.zed/3", Some(3))]);
    assert_eq!(service.outcome(commit(repo.write(&[("x.y.zed/4", Some(3))]))), Outcome::Gap);
    assert_eq!(service.row(&repo.did).state, State::Desynchronized);
    assert_eq!(service.outcome(commit(repo.write(&[("x.y.zed/5", Some(3))]))), Outcome::Superseded);
    let mut trusting = Service::new();
    trusting.rules.legacy = Legacy::Trust;
    trusting.follow(&Repo::new("a"));
    assert_eq!(trusting.outcome(commit(first)), Outcome::Applied);
}

#[test]
fn an_asserted_state_confirms_or_shows_a_gap() {
    let (service, mut repo) = (Service::new(), Repo::new("a"));
    service.follow(&repo);
    assert_eq!(service.outcome(Input::State(repo.copy().state)), Outcome::Replayed);
    repo.rev += 1;
    assert_eq!(service.outcome(Input::State(repo.copy().state)), Outcome::Unchanged);
    assert_eq!(service.row(&repo.did).head.unwrap().rev, repo.copy().state.get().rev);
    repo.write(&[("x.y.zed/1", Some(1))]);
    assert_eq!(service.outcome(Input::State(repo.copy().state)), Outcome::Gap);
    service.follow(&repo);
    assert_eq!(service.outcome(Input::Doubt(repo.did.clone())), Outcome::Gap);
    assert_eq!(service.outcome(Input::Doubt(repo.did.clone())), Outcome::Superseded);
}

#[test]
fn filters_hold_for_events_and_index() {
    let (mut service, mut repo) = (Service::new(), Repo::new("a"));
    service.rules.collections = Collections::new(["x.y.zed"]);
    repo.write(&[]);
    service.follow(&repo);
    service.outcome(commit(repo.write(&[("x.y.zed/1", Some(1)), ("x.y.other/1", Some(2))])));
    assert_eq!((service.told().len(), service.store.counts().unwrap().records), (1, 1));
    assert_eq!(service.outcome(commit(repo.write(&[("x.y.other/2", Some(2))]))), Outcome::Applied);
    assert_eq!(service.told().len(), 1);
    assert_eq!(service.outcome(commit(repo.write(&[("x.y.zed/1", None)]))), Outcome::Applied);
    assert_eq!(service.store.counts().unwrap().records, 0);
}

#[test]
fn commits_during_a_resync_are_drained_in_one_step_with_its_end() {
    let (service, mut repo) = (Service::new(), Repo::new("a"));
    service.write(Input::Add(repo.did.clone(), Origin::Asked));
    repo.write(&[("x.y.zed/1", Some(1))]);
    let claim = service.claim(&repo.did);
    let early = repo.write(&[("x.y.zed/2", Some(2))]);
    let copy = repo.copy();
    let late = repo.write(&[("x.y.zed/3", Some(3))]);
    assert_eq!(service.outcome(commit(early)), Outcome::Buffered);
    assert_eq!(service.outcome(commit(late)), Outcome::Buffered);
    assert_eq!(service.outcome(Input::Finish(claim, copy.state)), Outcome::Applied);
    let row = service.row(&repo.did);
    assert_eq!((row.state, row.head.unwrap().data), (State::Active, repo.copy().state.get().data));
    assert_eq!(service.told().len(), 1, "only what the copy did not hold");
    assert_eq!(service.store.counts().unwrap().buffered, 0);
    assert_eq!(service.outcome(commit(repo.write(&[("x.y.zed/4", Some(4))]))), Outcome::Applied);
}

#[test]
fn a_hole_in_what_came_meanwhile_leaves_the_repo_to_be_fetched_again() {
    let (service, mut repo) = (Service::new(), Repo::new("a"));
    service.write(Input::Add(repo.did.clone(), Origin::Asked));
    let claim = service.claim(&repo.did);
    repo.write(&[("x.y.zed/1", Some(1))]);
    let copy = repo.copy();
    repo.write(&[("x.y.zed/2", Some(2))]);
    service.outcome(commit(repo.write(&[("x.y.zed/3", Some(3))])));
    assert_eq!(service.outcome(Input::Finish(claim, copy.state)), Outcome::Applied);
    assert_eq!((service.row(&repo.did).state, service.store.counts().unwrap().buffered), (State::Desynchronized, 0));
}

#[test]
fn more_than_can_be_taken_up_at_once_leaves_the_repo_to_be_fetched_again() {
    const RECORD: usize = 1 << 20;
    let (service, mut repo) = (Service::new(), Repo::new("a"));
    service.write(Input::Add(repo.did.clone(), Origin::Asked));
    let claim = service.claim(&repo.did);
    repo.write(&[("x.y.zed/first", Some(1))]);
    let copy = repo.copy();
    // A stored record is longer than what it holds.
    let count = writer::SET_ASIDE_BYTES / RECORD + 1;
    for number in 0..count {
        let mut large = repo.write(&[(&format!("x.y.zed/{number}"), Some(7))]).into_inner();
        large.ops[0].record = Some(vec![b' '; RECORD].into());
        service.write(commit(Verified::by_operator(large)));
    }
    assert_eq!(service.outcome(Input::Finish(claim, copy.state)), Outcome::Applied);
    let (row, told) = (service.row(&repo.did), service.told().len());
    assert_eq!((row.state, service.store.counts().unwrap().buffered), (State::Desynchronized, 0));
    assert!((1..count).contains(&told), "{told} of {count}");
    assert_eq!(row.head.unwrap().rev.number(), Tid::new(2 + told as u64, 0).number(), "as far as was told");
}

#[test]
fn a_claim_ends_with_what_it_was_for() {
    let (service, repo) = (Service::new(), Repo::new("a"));
    service.write(Input::Add(repo.did.clone(), Origin::Asked));
    let finish = |claim| service.outcome(Input::Finish(claim, repo.copy().state));
    let claim = service.claim(&repo.did);
    assert_eq!(service.write(Input::Claim(repo.did.clone())).claim, None, "it is claimed");
    service.outcome(Input::Resync(repo.did.clone()));
    assert_eq!(finish(claim), Outcome::Void);
    let claim = service.claim(&repo.did);
    service.outcome(Input::Remove(repo.did.clone()));
    assert_eq!(service.outcome(Input::Fail(repo.did.clone(), claim, Failure::Error("x".into()), 0)), Outcome::Void);
    service.write(Input::Add(repo.did.clone(), Origin::Asked));
    let fresh = service.claim(&repo.did);
    assert_eq!((finish(claim), finish(fresh)), (Outcome::Void, Outcome::Applied));
}

#[test]
fn a_copy_older_than_what_was_told_is_refused() {
    let (service, mut repo) = (Service::new(), Repo::new("a"));
    let old: Verified<RepoState> = repo.copy().state;
    repo.write(&[("x.y.zed/1", Some(1))]);
    service.follow(&repo);
    service.outcome(Input::Resync(repo.did.clone()));
    let claim = service.claim(&repo.did);
    assert_eq!(service.outcome(Input::Finish(claim, old)), Outcome::Stale);
    assert_eq!(service.row(&repo.did).state, State::Resyncing);
}

#[test]
fn failures_wait_longer_each_time_and_are_forgotten_by_success() {
    let (service, repo) = (Service::new(), Repo::new("a"));
    service.write(Input::Add(repo.did.clone(), Origin::Asked));
    let mut waits = Vec::new();
    for _ in 0..9 {
        let failure = Failure::Error("no route".into());
        service.write(Input::Fail(repo.did.clone(), service.claim(&repo.did), failure, 7));
        waits.push((service.row(&repo.did).retry.at().unwrap().millis() - NOW.millis() - 7) / MINUTE);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    let row = service.row(&repo.did);
    assert_eq!((row.state, row.retries, row.error.as_str()), (State::Error, 9, "no route"));
    service.write(Input::Finish(service.claim(&repo.did), repo.copy().state));
    let row = service.row(&repo.did);
    assert_eq!((row.retries, row.error.as_str(), row.retry), (0, "", Retry::Now));
}

#[test]
fn a_busy_server_is_nobodys_fault() {
    let (service, repo) = (Service::new(), Repo::new("a"));
    service.write(Input::Add(repo.did.clone(), Origin::Asked));
    let until = NOW.plus_millis(10_000);
    service.write(Input::Fail(repo.did.clone(), service.claim(&repo.did), Failure::Busy { until }, 7));
    let row = service.row(&repo.did);
    assert_eq!((row.state, row.retries, row.retry), (State::Pending, 0, Retry::At(until)));
}

#[test]
fn an_account_without_a_repo_is_told_of_once_and_tried_when_heard_of() {
    let (service, repo) = (Service::new(), Repo::new("a"));
    service.write(Input::Add(repo.did.clone(), Origin::Asked));
    let gone = || Failure::Account { status: Some(Status::Deactivated), message: "RepoDeactivated".into() };
    service.write(Input::Fail(repo.did.clone(), service.claim(&repo.did), gone(), 0));
    service.write(Input::Fail(repo.did.clone(), service.claim(&repo.did), gone(), 0));
    assert_eq!(service.told().len(), 1);
    assert!(service.told()[0].contains(r#""status":"deactivated""#));
    assert!(service.store.due(NOW.plus_millis(60 * MINUTE), 9).unwrap().is_empty());
    assert_eq!(service.outcome(notice(&repo, true, None)), Outcome::Applied);
    assert_eq!(service.store.due(NOW, 9).unwrap().len(), 1);
}

#[test]
fn statuses_are_told_when_they_change() {
    let (service, mut repo) = (Service::new(), Repo::new("a"));
    repo.write(&[("x.y.zed/1", Some(1))]);
    service.follow(&repo);
    assert_eq!(service.outcome(notice(&repo, true, None)), Outcome::Unchanged);
    assert_eq!(service.outcome(notice(&repo, false, Some("throttled"))), Outcome::Unchanged);
    assert_eq!(service.outcome(notice(&repo, false, None)), Outcome::Unchanged);
    assert_eq!(service.outcome(notice(&repo, false, Some("takendown"))), Outcome::Applied);
    assert_eq!(service.outcome(notice(&repo, false, Some("takendown"))), Outcome::Unchanged);
    assert_eq!((service.row(&repo.did).status, service.row(&repo.did).state), (Status::Takendown, State::Active));
    assert_eq!(service.outcome(notice(&repo, false, Some("deleted"))), Outcome::Applied);
    assert_eq!(service.store.repo(&repo.did).unwrap(), None);
    assert!(service.told().last().unwrap().contains(r#""is_active":false,"status":"deleted""#));
}

#[test]
fn a_name_is_told_when_it_changes() {
    let (service, repo) = (Service::new(), Repo::new("a"));
    service.write(Input::Add(repo.did.clone(), Origin::Asked));
    service.write(Input::Document(repo.did.clone(), Found::Nothing, NOW));
    let look = |name: Name| service.outcome(Input::Name(repo.did.clone(), name, NOW));
    let handle = || Name::Handle("a.test".parse().unwrap());
    assert_eq!(
        [look(Name::Unknown), look(Name::Invalid), look(Name::Invalid)],
        [Outcome::Unchanged, Outcome::Applied, Outcome::Unchanged]
    );
    assert_eq!([look(handle()), look(handle())], [Outcome::Applied, Outcome::Unchanged]);
    assert_eq!(service.told().len(), 2);
    assert_eq!(service.store.identity(&repo.did).unwrap().unwrap().name, handle());
}

#[test]
fn a_document_says_nothing_of_the_name() {
    let (service, repo) = (Service::new(), Repo::new("a"));
    service.write(Input::Add(repo.did.clone(), Origin::Asked));
    let document = || Input::Document(repo.did.clone(), Found::Nothing, NOW);
    service.write(document());
    let known = || service.store.identity(&repo.did).unwrap().unwrap();
    assert_eq!((known().name, service.told().len()), (Name::Unknown, 0));
    let name = Name::Handle("a.test".parse().unwrap());
    service.write(Input::Name(repo.did.clone(), name.clone(), NOW));
    service.write(document());
    assert_eq!((known().name, known().verified, service.row(&repo.did).name), (name.clone(), NOW, name));
    assert_eq!(service.told().len(), 1);
}

#[test]
fn a_repo_that_is_tracked_again_is_told_the_name_that_is_known_by_then() {
    let (service, repo) = (Service::new(), Repo::new("a"));
    let introduce = || service.outcome(Input::Introduce(repo.did.clone()));
    assert_eq!(introduce(), Outcome::Untracked);
    service.write(Input::Add(repo.did.clone(), Origin::Asked));
    assert_eq!(introduce(), Outcome::Unchanged, "nothing is known");
    service.write(Input::Document(repo.did.clone(), Found::Nothing, NOW));
    service.write(Input::Name(repo.did.clone(), Name::Invalid, NOW));
    service.write(Input::Remove(repo.did.clone()));
    service.write(Input::Add(repo.did.clone(), Origin::Asked));
    assert_eq!(service.row(&repo.did).name, Name::Unknown);
    assert_eq!([introduce(), introduce()], [Outcome::Applied, Outcome::Unchanged]);
    assert_eq!((service.row(&repo.did).name, service.told().len()), (Name::Invalid, 2));
}

#[test]
fn who_gives_up_a_channel_gives_up_its_cursor() {
    let service = Service::new();
    service.write(Input::Channel("consumer:a".into(), vec![1]));
    service.write(Input::Cursor("consumer:a".into(), "x.y.zed".into()));
    service.write(Input::Cursor("consumer:b".into(), "x.y.zed".into()));
    service.write(Input::Forget("consumer:a".into()));
    assert_eq!(service.store.channel("consumer:a").unwrap(), None);
    assert_eq!(service.store.cursor("consumer:a").unwrap(), None);
    assert_eq!(service.store.cursor("consumer:b").unwrap().as_deref(), Some("x.y.zed"));
}

#[test]
fn a_restart_begins_anew_what_was_under_way() {
    let (service, repo) = (Service::new(), Repo::new("a"));
    service.write(Input::Add(repo.did.clone(), Origin::Asked));
    let claim = service.claim(&repo.did);
    writer::resume(&service.store, NOW).unwrap();
    assert_eq!(service.row(&repo.did).state, State::Desynchronized);
    assert_eq!(service.outcome(Input::Finish(claim, repo.copy().state)), Outcome::Void);
}

#[test]
fn a_group_is_one_step() {
    let (service, repo) = (Service::new(), Repo::new("a"));
    let group = [
        Input::Add(repo.did.clone(), Origin::Asked),
        Input::Claim(repo.did.clone()),
        Input::Cursor("relay".into(), "7".into()),
        Input::Channel("main".into(), vec![1]),
    ];
    let (told, _) = writer::write(&service.store, &group, &service.rules, NOW).unwrap();
    assert!(told[1].claim.is_some());
    assert_eq!(service.store.cursor("relay").unwrap().as_deref(), Some("7"));
    assert_eq!(service.store.channel("main").unwrap(), Some(vec![1]));
}

#[test]
fn extra_events_are_told_to_those_who_ask_for_them() {
    let mut service = Service::new();
    service.rules.extras = Extras { account: true, resync_error: true };
    let did: Did = "did:plc:a".parse().unwrap();
    service.write(Input::Add(did.clone(), Origin::Asked));
    service.write(Input::Account(Notice::new(did.clone(), false, Some("suspended"))));
    let claim = service.write(Input::Claim(did.clone())).claim.unwrap();
    service.write(Input::Fail(did.clone(), claim, Failure::Error("no \"route\"".into()), 0));
    let told = service.store.events(Seq::START, 10).unwrap();
    let told: Vec<&str> = told.iter().map(|event| &*event.body).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with(r#""type":"identity""#), "{told:?}");
    assert_eq!(told[1], r#""type":"account","account":{"did":"did:plc:a","active":false,"status":"suspended"}}"#);
    assert_eq!(
        told[2],
        r#""type":"resync_error","resync_error":{"did":"did:plc:a","error":"no \"route\"","retries":1}}"#
    );
}

#[test]
fn telling_again_forgets_what_records_hold_and_fetches_anew() {
    let service = Service::new();
    let did: Did = "did:plc:a".parse().unwrap();
    assert_eq!(service.outcome(Input::Reemit(did.clone())), Outcome::Untracked);
    service.write(Input::Add(did.clone(), Origin::Found));
    let claim = service.write(Input::Claim(did.clone())).claim.unwrap();
    assert_eq!(service.outcome(Input::Reemit(did.clone())), Outcome::Applied);
    let row = service.row(&did);
    assert_eq!((row.state, row.origin), (State::Desynchronized, Origin::Found));
    let failed = Input::Fail(did, claim, Failure::Error("late".into()), 0);
    assert_eq!(service.outcome(failed), Outcome::Void, "the fetch under way would bring too little");
}

#[test]
fn who_is_excluded_stays_if_somebody_asked() {
    let service = Service::new();
    let (asked, found): (Did, Did) = ("did:plc:a".parse().unwrap(), "did:plc:b".parse().unwrap());
    service.write(Input::Add(asked.clone(), Origin::Asked));
    service.write(Input::Add(found.clone(), Origin::Found));
    for did in [&asked, &found] {
        service.write(Input::Resync(did.clone()));
    }
    assert_eq!(service.outcome(Input::Exclude(asked)), Outcome::Untracked);
    assert_eq!(service.outcome(Input::Exclude(found.clone())), Outcome::Applied);
    assert_eq!(service.store.repo(&found).unwrap(), None);
}
