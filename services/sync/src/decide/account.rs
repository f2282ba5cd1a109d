//! Accounts: being tracked, being in use, and what they are called.

use super::{Decision, Outcome};
use crate::effects::{BufferChange, Effects, RowChange, WholeIndex};
use crate::event::Event;
use crate::repo::{Name, Origin, Repo, Retry, State, Status};
use crate::rules::{Network, Rules};
use nexus_atproto::Did;

/// What a relay says of an account. Nobody signs it: it is the status *at that relay*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whose account.
    pub did: Did,
    /// What the relay says, or `None` if it says nothing that is known here.
    pub status: Option<Status>,
}

impl Notice {
    /// Reads the two fields of the message.
    pub fn new(did: Did, active: bool, status: Option<&str>) -> Self {
        let inactive = || status.and_then(Status::from_name).filter(|status| *status != Status::Active);
        Self { did, status: if active { Some(Status::Active) } else { inactive() } }
    }
}

/// What a relay's word on an account changes.
pub fn account(repo: Option<&Repo>, notice: &Notice, rules: &Rules) -> Decision {
    let Some(status) = notice.status else { return Outcome::Unchanged.alone() };
    let Some(repo) = repo else { return found(&notice.did, status, rules) };
    let told = Event::account(&repo.did, &repo.name, status, rules.dialect);
    let extra = rules.extras.account.then(|| Event::status(&repo.did, status));
    if status == Status::Deleted {
        let effects = Effects { repo: RowChange::Remove(repo.did.clone()), ..Effects::default() };
        return Outcome::Applied.with(effects.with_event(told).with_events(extra));
    }
    let mut next = repo.clone();
    next.status = status;
    if status == Status::Active {
        listen(&mut next);
    }
    match (next == *repo, status == repo.status) {
        (true, _) => Outcome::Unchanged.alone(),
        (_, true) => Outcome::Applied.with(Effects::put(next)),
        (_, false) => Outcome::Applied.with(Effects::put(next).with_event(told).with_events(extra)),
    }
}

fn found(did: &Did, status: Status, rules: &Rules) -> Decision {
    let wanted = rules.network == Network::Full && status == Status::Active && !rules.excluded.contains(did);
    if wanted {
        Outcome::Discovered.with(Effects::put(Repo::new(did.clone(), Origin::Found)))
    } else {
        Outcome::Untracked.alone()
    }
}

/// A sign of life from an account that is not followed at present.
pub(super) fn hear(repo: &Repo) -> Decision {
    let mut next = repo.clone();
    listen(&mut next);
    if next == *repo { Outcome::Superseded.alone() } else { Outcome::Superseded.with(Effects::put(next)) }
}

/// An account whose server had nothing to fetch is worth another try once it is heard of.
fn listen(repo: &mut Repo) {
    if matches!(repo.retry, Retry::WhenHeard(_)) && repo.state == State::Error {
        repo.retry = Retry::Now;
    }
}

/// What it changes to know what an account is called.
pub fn name(repo: Option<&Repo>, name: &Name, rules: &Rules) -> Decision {
    let Some(repo) = repo else { return Outcome::Untracked.alone() };
    if *name == Name::Unknown || repo.name == *name {
        return Outcome::Unchanged.alone();
    }
    let told = Event::account(&repo.did, name, repo.status, rules.dialect);
    Outcome::Applied.with(Effects::put(Repo { name: name.clone(), ..repo.clone() }).with_event(told))
}

/// What asking for a repo changes. One that is tracked stays as it is.
pub fn add(repo: Option<&Repo>, did: &Did, origin: Origin, rules: &Rules) -> Decision {
    let refused = origin == Origin::Found && rules.excluded.contains(did);
    match repo {
        // Somebody waits for what was only found so far.
        Some(repo) if origin < repo.origin && repo.state == State::Pending => {
            Outcome::Applied.with(Effects::put(Repo { origin, ..repo.clone() }))
        }
        Some(_) => Outcome::Unchanged.alone(),
        None if refused => Outcome::Untracked.alone(),
        None => Outcome::Discovered.with(Effects::put(Repo::new(did.clone(), origin))),
    }
}

/// What giving up a repo changes. What is in the journal is still delivered.
pub fn remove(repo: Option<&Repo>) -> Decision {
    let Some(repo) = repo else { return Outcome::Untracked.alone() };
    Outcome::Applied.with(Effects { repo: RowChange::Remove(repo.did.clone()), ..Effects::default() })
}

/// What the operator's word that an account is not wanted changes: what was asked for by name stays.
pub fn exclude(repo: Option<&Repo>) -> Decision {
    remove(repo.filter(|repo| repo.origin == Origin::Found))
}

/// What asking for all records again changes: the repo is fetched anew, and whatever it holds is told, known or not.
pub fn reemit(repo: Option<&Repo>) -> Decision {
    let Decision { outcome, effects } = resync(repo);
    let index = if outcome == Outcome::Applied { WholeIndex::Forget } else { WholeIndex::Keep };
    outcome.with(Effects { index, ..effects })
}

/// What asking for a fresh fetch of a tracked repo changes: one that is under way becomes void.
pub fn resync(repo: Option<&Repo>) -> Decision {
    let Some(repo) = repo else { return Outcome::Untracked.alone() };
    let mut next = repo.clone();
    next.retries = 0;
    if repo.state == State::Pending {
        next.retry = Retry::Now;
    } else {
        next.lose();
    }
    Outcome::Applied.with(Effects { buffer: BufferChange::Clear, ..Effects::put(next) })
}
