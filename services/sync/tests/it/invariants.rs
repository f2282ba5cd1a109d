//! What no decision may do, whatever the repo's state and whatever comes in: random rows against random inputs.

use crate::world::{Repo as Source, cid};
use nexus_atproto::{Did, Tid};
use nexus_model::{Timestamp, Verified};
use nexus_sync::decide::{self, Claim, Decision, Failure, Notice, Outcome};
use nexus_sync::effects::{BufferChange, Effects, RowChange, WholeIndex};
use nexus_sync::event::Kind;
use nexus_sync::repo::{Head, Name, Origin, Repo, RepoId, Retry, State, Status};
use nexus_sync::rules::{Collections, Extras, Network, Rules};
use nexus_sync::store::SetAside;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Something that comes in about one account.
#[derive(Clone, Debug)]
enum Input {
    Commit { rev: u64, follows: bool },
    State { rev: u64, same: bool },
    Account(Option<Status>),
    Doubt,
    Name(Name),
    Add(Origin),
    Remove,
    Exclude,
    Resync,
    Reemit,
    Claim,
    Finish { rev: u64, is_own: bool },
    Fail(Failure, bool),
    Restart,
}

fn did() -> Did {
    "did:plc:a".parse().unwrap()
}

fn status() -> impl Strategy<Value = Status> {
    use Status::{Active, Deactivated, Deleted, Suspended, Takendown};
    prop::sample::select(vec![Active, Takendown, Suspended, Deactivated, Deleted])
}

fn name() -> impl Strategy<Value = Name> {
    let handle = prop::sample::select(vec!["a.test", "b.test"]).prop_map(|text| Name::Handle(text.parse().unwrap()));
    prop_oneof![Just(Name::Unknown), Just(Name::Invalid), handle]
}

fn repo() -> impl Strategy<Value = Repo> {
    use State::{Active, Desynchronized, Error, Pending, Resyncing};
    let state = prop::sample::select(vec![Pending, Desynchronized, Error, Resyncing, Active]);
    let status = status().prop_filter("an account that is gone has no row", |status| *status != Status::Deleted);
    let at = (-10_000_i64..10_000).prop_map(|millis| NOW.plus_millis(millis));
    let retry = prop_oneof![Just(Retry::Now), at.clone().prop_map(Retry::At), at.prop_map(Retry::WhenHeard)];
    let origin = prop::sample::select(vec![Origin::Asked, Origin::Found]);
    (state, status, name(), prop::option::of(1..20_u64), (origin, 0..3_u64, 0..9_u32, retry)).prop_map(
        |(state, status, name, rev, (origin, claims, retries, retry))| {
            // Whoever is followed was fetched once.
            let rev = rev.or((state == Active).then_some(1));
            let head = rev.map(|rev| Head { rev: Tid::new(rev, 0), data: cid(rev as u32) });
            Repo { id: RepoId(7), state, status, name, head, claims, retries, retry, ..Repo::new(did(), origin) }
        },
    )
}

fn failure() -> impl Strategy<Value = Failure> {
    let busy = (0..900_000_i64).prop_map(|millis| Failure::Busy { until: NOW.plus_millis(millis) });
    let account = prop::option::of(status()).prop_map(|status| Failure::Account { status, message: "gone".into() });
    prop_oneof![busy, account, Just(Failure::Error("it broke".into()))]
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        (1..25_u64, any::<bool>()).prop_map(|(rev, follows)| Input::Commit { rev, follows }),
        (1..25_u64, any::<bool>()).prop_map(|(rev, same)| Input::State { rev, same }),
        prop::option::of(status()).prop_map(Input::Account),
        Just(Input::Doubt),
        name().prop_map(Input::Name),
        prop::sample::select(vec![Origin::Asked, Origin::Found]).prop_map(Input::Add),
        Just(Input::Remove),
        Just(Input::Exclude),
        Just(Input::Resync),
        Just(Input::Reemit),
        Just(Input::Claim),
        (1..25_u64, any::<bool>()).prop_map(|(rev, is_own)| Input::Finish { rev, is_own }),
        (failure(), any::<bool>()).prop_map(|(failure, is_own)| Input::Fail(failure, is_own)),
        Just(Input::Restart),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let network =
        prop_oneof![Just(Network::Asked), Just(Network::Full), Just(Network::Signal("x.y.zed".parse().unwrap()))];
    (network, any::<bool>(), any::<bool>()).prop_map(|(network, extras, filters)| Rules {
        network,
        collections: Collections::new(if filters { &["x.y.other"][..] } else { &[] }.iter().copied()),
        extras: Extras { account: extras, resync_error: extras },
        ..Rules::default()
    })
}

/// The claim that holds, or one of before.
fn claim(repo: &Repo, is_own: bool) -> Claim {
    let before = Repo { claims: repo.claims.wrapping_sub(1), ..repo.clone() };
    Claim::of(if is_own { repo } else { &before })
}

fn decision(repo: Option<&Repo>, input: &Input, rules: &Rules) -> Decision {
    let mut source = Source::new("a");
    match input {
        Input::Commit { rev, follows } => {
            source.rev = *rev;
            let mut commit = source.write(&[("x.y.zed/1", Some(1))]).into_inner();
            commit.rev = Tid::new(*rev, 0);
            commit.prev_data = repo.and_then(|repo| repo.head).map(|head| head.data).filter(|_| *follows);
            decide::commit(repo, &Verified::by_operator(commit), rules)
        }
        Input::State { rev, same } => decide::state(repo, &state(repo, *rev, *same), rules),
        Input::Account(status) => decide::account(repo, &Notice { did: did(), status: *status }, rules),
        Input::Doubt => decide::doubt(repo),
        Input::Name(name) => decide::name(repo, name, rules),
        Input::Add(origin) => decide::add(repo, &did(), *origin, rules),
        Input::Remove => decide::remove(repo),
        Input::Exclude => decide::exclude(repo),
        Input::Resync => decide::resync(repo),
        Input::Reemit => decide::reemit(repo),
        Input::Claim => repo.and_then(|repo| decide::claim(repo, NOW)).map_or_else(nothing, |(_, decision)| decision),
        Input::Finish { rev, is_own } => match repo {
            Some(own) => {
                decide::finish(repo, claim(own, *is_own), &state(repo, *rev, false), &SetAside::within(0), rules)
            }
            None => nothing(),
        },
        Input::Fail(failure, is_own) => match repo {
            Some(own) => decide::fail(repo, claim(own, *is_own), failure, NOW, 30_000, rules),
            None => nothing(),
        },
        Input::Restart => repo.map_or_else(nothing, decide::resume),
    }
}

fn nothing() -> Decision {
    Decision { outcome: Outcome::Superseded, effects: Effects::default() }
}

fn state(repo: Option<&Repo>, rev: u64, same: bool) -> Verified<nexus_atproto::RepoState> {
    let mut source = Source::new("a");
    source.rev = rev;
    let mut state = source.copy().state.into_inner();
    let known = repo.and_then(|repo| repo.head).map(|head| head.data);
    state.data = known.filter(|_| same).unwrap_or_else(|| cid(1_000 + rev as u32));
    Verified::by_operator(state)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn a_row_is_only_changed_as_its_story_allows(before in repo(), input in input(), rules in rules()) {
        let Decision { outcome, effects } = decision(Some(&before), &input, &rules);
        let goes = matches!(
            (&input, before.origin),
            (Input::Remove | Input::Account(Some(Status::Deleted)), _) | (Input::Exclude, Origin::Found)
        );
        prop_assert_eq!(matches!(effects.repo, RowChange::Remove(_)), goes);
        let RowChange::Put(after) = &effects.repo else { return Ok(()) };
        prop_assert_eq!((&after.did, after.id), (&before.did, before.id));
        prop_assert!(after.claims >= before.claims && after.claims <= before.claims + 1);
        prop_assert_eq!(after.claims > before.claims, matches!(input, Input::Claim));
        let rev = |repo: &Repo| repo.head.map(|head| head.rev);
        prop_assert!(rev(after) >= rev(&before), "{:?} went back to {:?}", before.head, after.head);
        let (was, is) = (before.state, after.state);
        let may = match is {
            State::Active => matches!(input, Input::Finish { is_own: true, .. }),
            State::Resyncing => matches!(input, Input::Claim) && before.is_due(NOW),
            State::Error => matches!(input, Input::Fail(..)),
            State::Pending => matches!(input, Input::Fail(Failure::Busy { .. }, true)),
            State::Desynchronized => true,
        };
        prop_assert!(was == is || may, "{:?} became {:?}", was, is);
        // Whoever is asked for anew or has missed something may be fetched at once.
        if matches!(input, Input::Resync | Input::Reemit | Input::Doubt) && outcome != Outcome::Superseded {
            prop_assert!(after.is_due(NOW), "{:?}", after);
        }
        let is_about_status = matches!(input, Input::Account(_) | Input::Fail(Failure::Account { .. }, true));
        prop_assert!(after.status == before.status || is_about_status);
        prop_assert!(after.name == before.name || matches!(input, Input::Name(_)));
    }

    #[test]
    fn consumers_are_told_what_changed_and_once(before in repo(), input in input(), rules in rules()) {
        let Decision { outcome, effects } = decision(Some(&before), &input, &rules);
        let live = effects.events.iter().filter(|event| event.kind == Kind::Live).count();
        let applied_commit = matches!(input, Input::Commit { .. }) && outcome == Outcome::Applied;
        // The filter lets the collection through or it doesn't; the index hears what consumers hear.
        let wanted = usize::from(applied_commit && rules.collections.wants("x.y.zed"));
        prop_assert_eq!((live, effects.records.len()), (wanted, wanted));
        let accounts = effects.events.iter().filter(|event| event.body.starts_with("\"type\":\"user\"")).count();
        let status_changed = match (&effects.repo, &input) {
            (RowChange::Put(after), _) => after.status != before.status || after.name != before.name,
            (RowChange::Remove(_), Input::Account(_)) => true,
            _ => false,
        };
        prop_assert_eq!(accounts, usize::from(status_changed), "{:?}", effects.events);
        prop_assert_eq!(effects.index == WholeIndex::Forget, matches!(input, Input::Reemit));
    }

    #[test]
    fn an_old_claim_does_nothing(before in repo(), rev in 1..25_u64, failure in failure(), rules in rules()) {
        for input in [Input::Finish { rev, is_own: false }, Input::Fail(failure, false)] {
            let Decision { outcome, effects } = decision(Some(&before), &input, &rules);
            prop_assert_eq!(outcome, Outcome::Void);
            prop_assert!(effects.is_empty());
        }
    }

    #[test]
    fn nobody_is_tracked_but_by_asking_or_by_the_rules(input in input(), rules in rules()) {
        let Decision { outcome, effects } = decision(None, &input, &rules);
        let by_rules = matches!(
            (&rules.network, &input),
            (Network::Full, Input::Commit { .. } | Input::State { .. } | Input::Account(Some(Status::Active)))
                | (Network::Signal(_), Input::Commit { .. })
        );
        prop_assert_eq!(outcome == Outcome::Discovered, by_rules || matches!(input, Input::Add(_)));
        prop_assert!(effects.events.is_empty() && effects.records.is_empty() && effects.buffer == BufferChange::Keep);
        match effects.repo {
            RowChange::Put(new) => {
                prop_assert_eq!((new.state, new.status, new.id), (State::Pending, Status::Active, RepoId::default()));
                prop_assert_eq!(new.origin == Origin::Asked, matches!(input, Input::Add(Origin::Asked)));
            }
            RowChange::Keep => prop_assert!(outcome != Outcome::Discovered),
            RowChange::Remove(_) => prop_assert!(false, "there was nothing to remove"),
        }
    }

    #[test]
    fn pauses_double_to_an_hour_and_busy_servers_are_nobodys_fault(before in repo(), failure in failure()) {
        let own = Repo { state: State::Resyncing, ..before };
        let decision = decision(Some(&own), &Input::Fail(failure.clone(), true), &Rules::default());
        let RowChange::Put(after) = decision.effects.repo else { return Err(TestCaseError::fail("nothing was noted")) };
        let minute = 60_000;
        match failure {
            Failure::Busy { until } => prop_assert_eq!((after.retry, after.retries), (Retry::At(until), own.retries)),
            Failure::Account { .. } => prop_assert!(matches!(after.retry, Retry::WhenHeard(at) if at > NOW.plus_millis(23 * 60 * minute))),
            Failure::Error(why) => {
                let minutes = 2_i64.pow(own.retries.min(6)).min(60);
                prop_assert_eq!(after.retry, Retry::At(NOW.plus_millis(minutes * minute + 30_000)));
                prop_assert_eq!((after.state, after.retries, &after.error), (State::Error, own.retries + 1, &why));
            }
        }
    }
}
