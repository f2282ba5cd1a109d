//! Commits and asserted states, as they come from the firehose.

use super::{Decision, Outcome};
use crate::effects::{BufferChange, Effects, IndexChange};
use crate::event::{Event, Kind, RecordChange};
use crate::repo::{Head, Origin, Repo, State};
use crate::rules::{Network, Rules};
use nexus_atproto::{Link, Op, RepoCommit, RepoState, link};
use nexus_model::Verified;
use std::sync::Arc;

/// What a verified commit changes.
pub fn commit(repo: Option<&Repo>, commit: &Verified<RepoCommit>, rules: &Rules) -> Decision {
    let commit = commit.get();
    let Some(repo) = repo else {
        let collections = commit.ops.iter().map(|op| op.path.collection());
        return discover(rules.is_signalled(&commit.did, collections), &commit.did);
    };
    match repo.state {
        State::Resyncing => set_aside(repo, commit, rules),
        State::Active => follow(repo, commit, rules),
        State::Pending | State::Desynchronized | State::Error => super::account::hear(repo),
    }
}

/// What a verified assertion of a repo's state changes.
pub fn state(repo: Option<&Repo>, state: &Verified<RepoState>, rules: &Rules) -> Decision {
    let state = state.get();
    let Some(repo) = repo else {
        let wanted = rules.network == Network::Full && !rules.excluded.contains(&state.did);
        return discover(wanted, &state.did);
    };
    let mut next = repo.clone();
    match (repo.state, repo.head) {
        (State::Active, Some(head)) if state.rev <= head.rev => Outcome::Replayed.alone(),
        (State::Active, Some(head)) if state.data == head.data => {
            next.head = Some(Head { rev: state.rev, data: state.data });
            Outcome::Unchanged.with(Effects::put(next))
        }
        (State::Active, _) => {
            next.lose();
            Outcome::Gap.with(Effects::put(next))
        }
        _ => super::account::hear(repo),
    }
}

/// What a message that should have been believed and can't be changes: the repo is fetched again, since what
/// the message was about is missing now.
pub fn doubt(repo: Option<&Repo>) -> Decision {
    let Some(repo) = repo else { return Outcome::Untracked.alone() };
    if repo.state != State::Active {
        return Outcome::Superseded.alone();
    }
    let mut next = repo.clone();
    next.lose();
    Outcome::Gap.with(Effects::put(next))
}

fn discover(wanted: bool, did: &nexus_atproto::Did) -> Decision {
    if wanted {
        Outcome::Discovered.with(Effects::put(Repo::new(did.clone(), Origin::Found)))
    } else {
        Outcome::Untracked.alone()
    }
}

/// Keeps a commit for the end of the resync, without what the filters refuse anyway.
fn set_aside(repo: &Repo, commit: &RepoCommit, rules: &Rules) -> Decision {
    if repo.head.is_some_and(|head| commit.rev <= head.rev) {
        return Outcome::Replayed.alone();
    }
    let ops = commit.ops.iter().filter(|op| rules.collections.wants(op.path.collection())).cloned().collect();
    let kept = RepoCommit { ops, ..commit.clone() };
    let buffer = BufferChange::Append(Arc::new(kept));
    Outcome::Buffered.with(Effects { buffer, ..Effects::default() })
}

fn follow(repo: &Repo, commit: &RepoCommit, rules: &Rules) -> Decision {
    let mut next = repo.clone();
    let place =
        repo.head.map_or(Link::Gap, |head| link((head.rev, head.data), commit.rev, commit.prev_data, rules.legacy));
    match place {
        Link::Replay => Outcome::Replayed.alone(),
        Link::Gap => {
            next.lose();
            Outcome::Gap.with(Effects::put(next))
        }
        Link::Follows => {
            next.head = Some(Head { rev: commit.rev, data: commit.data });
            let mut effects = Effects::put(next);
            apply(commit, rules, &mut effects);
            Outcome::Applied.with(effects)
        }
    }
}

/// The events and index changes of a commit that follows what is known.
pub(super) fn apply(commit: &RepoCommit, rules: &Rules, effects: &mut Effects) {
    for op in commit.ops.iter().filter(|op| rules.collections.wants(op.path.collection())) {
        let Op { action, path, cid, record } = op;
        let change = RecordChange {
            did: &commit.did,
            rev: commit.rev,
            path,
            action: *action,
            cid: *cid,
            block: record.as_deref(),
        };
        effects.events.push(Event::record(&change, Kind::Live));
        effects.records.push(IndexChange { path: path.clone(), cid: *cid });
    }
}
