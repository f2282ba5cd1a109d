//! The life of a resync: claimed, applied in batches, finished or failed.

use super::{Decision, Outcome, live};
use crate::effects::{BufferChange, Effects, RowChange};
use crate::event::Event;
use crate::repo::{Head, Repo, RepoId, Retry, State, Status};
use crate::resync::Batch;
use crate::rules::Rules;
use crate::store::{Extent, SetAside};
use nexus_atproto::{Link, RepoState, Tid, link};
use nexus_model::{Timestamp, Verified};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// The right to bring a repo up to date. It ends when the repo is removed, claimed again, or asked to be
/// fetched anew; whatever is done in its name then has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    id: RepoId,
    number: u64,
}

impl Claim {
    /// The claim that a repo was last given.
    pub const fn of(repo: &Repo) -> Self {
        Self { id: repo.id, number: repo.claims }
    }

    /// The repo's number, to read its index by.
    pub const fn repo(self) -> RepoId {
        self.id
    }

    /// The repo, if the claim still holds.
    fn check(self, repo: Option<&Repo>) -> Option<&Repo> {
        repo.filter(|repo| repo.state == State::Resyncing && Self::of(repo) == self)
    }
}

/// Why a resync failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server asks for patience: nobody's fault.
    Busy {
        /// Until when.
        until: Timestamp,
    },
    /// The server says that the account has no repo to give.
    Account {
        /// Why, if it says so.
        status: Option<Status>,
        /// What it said.
        message: String,
    },
    /// Anything else.
    Error(String),
}

/// What claiming a repo that is due changes.
pub fn claim(repo: &Repo, now: Timestamp) -> Option<(Claim, Decision)> {
    let mut next = repo.is_due(now).then(|| repo.clone())?;
    next.state = State::Resyncing;
    next.claims += 1;
    let claim = Claim::of(&next);
    Some((claim, Outcome::Applied.with(Effects { buffer: BufferChange::Clear, ..Effects::put(next) })))
}

/// What a restart changes: a resync that was under way begins anew.
pub fn resume(repo: &Repo) -> Decision {
    if repo.state != State::Resyncing {
        return Outcome::Unchanged.alone();
    }
    let mut next = repo.clone();
    next.lose();
    Outcome::Applied.with(Effects { buffer: BufferChange::Clear, ..Effects::put(next) })
}

/// What a part of a fetched repo changes.
pub fn batch(repo: Option<&Repo>, claim: Claim, batch: &Verified<Batch>) -> Decision {
    let Some(repo) = claim.check(repo) else { return Outcome::Void.alone() };
    if is_stale(repo, batch.get().rev) {
        return Outcome::Stale.alone();
    }
    let Batch { events, records, .. } = batch.get().clone();
    Outcome::Applied.with(Effects { events, records, ..Effects::default() })
}

/// What the end of a resync changes, and the commits that came meanwhile: in one step, so that none slips
/// in between.
pub fn finish(
    repo: Option<&Repo>,
    claim: Claim,
    fetched: &Verified<RepoState>,
    aside: &SetAside,
    rules: &Rules,
) -> Decision {
    let Some(repo) = claim.check(repo) else { return Outcome::Void.alone() };
    let RepoState { rev, data, .. } = *fetched.get();
    if is_stale(repo, rev) {
        return Outcome::Stale.alone();
    }
    let mut next = Repo { state: State::Active, error: String::new(), retries: 0, retry: Retry::Now, ..repo.clone() };
    let mut head = Head { rev, data };
    let mut effects = Effects { buffer: BufferChange::Clear, ..Effects::default() };
    for commit in &aside.commits {
        match link((head.rev, head.data), commit.rev, commit.prev_data, rules.legacy) {
            Link::Replay => {}
            Link::Follows => {
                live::apply(commit, rules, &mut effects);
                head = Head { rev: commit.rev, data: commit.data };
            }
            Link::Gap => {
                next.lose();
                break;
            }
        }
    }
    if aside.extent == Extent::Cut {
        next.lose();
    }
    next.head = Some(head);
    effects.repo = RowChange::Put(Box::new(next));
    Outcome::Applied.with(effects)
}

/// True if what was fetched is older than what consumers were told already: a server that lags behind.
pub fn is_stale(repo: &Repo, fetched: Tid) -> bool {
    repo.head.is_some_and(|head| fetched < head.rev)
}

/// What a failure changes. `jitter` below a minute, in milliseconds, keeps repos that failed together apart.
pub fn fail(
    repo: Option<&Repo>,
    claim: Claim,
    failure: &Failure,
    now: Timestamp,
    jitter: i64,
    rules: &Rules,
) -> Decision {
    let Some(repo) = claim.check(repo) else { return Outcome::Void.alone() };
    let mut next = repo.clone();
    match failure {
        Failure::Busy { until } => {
            next.state = if repo.head.is_some() { State::Desynchronized } else { State::Pending };
            next.retry = Retry::At(*until);
        }
        Failure::Account { message, .. } => {
            next.state = State::Error;
            next.error.clone_from(message);
            next.retries = repo.retries.saturating_add(1);
            next.retry = Retry::WhenHeard(now.plus_millis(DAY + jitter));
        }
        Failure::Error(message) => {
            next.state = State::Error;
            next.error.clone_from(message);
            next.retries = repo.retries.saturating_add(1);
            // 1, 2, 4 … minutes, an hour at most.
            let minutes = (1_i64 << repo.retries.min(6)).min(60);
            next.retry = Retry::At(now.plus_millis(minutes * MINUTE + jitter));
        }
    }
    let mut told = Vec::new();
    if let Failure::Account { status: Some(status), .. } = failure
        && *status != repo.status
    {
        next.status = *status;
        told.push(Event::account(&repo.did, &repo.name, *status, rules.dialect));
        told.extend(rules.extras.account.then(|| Event::status(&repo.did, *status)));
    }
    if rules.extras.resync_error && next.state == State::Error {
        told.push(Event::resync_error(&repo.did, &next.error, next.retries));
    }
    let effects = Effects { buffer: BufferChange::Clear, ..Effects::put(next) };
    Outcome::Applied.with(effects.with_events(told))
}
