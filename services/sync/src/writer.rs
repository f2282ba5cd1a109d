//! The one writer: it decides about inputs in the order of their arrival, a group at a time, and lets nobody
//! know of an outcome before the group is durable.

use crate::decide::{self, Claim, Decision, Failure, Notice, Outcome};
use crate::identity::Found;
use crate::repo::{Name, Origin, Repo, RepoId};
use crate::resync::Batch;
use crate::rules::Rules;
use crate::store::{Result, Store, Transaction};
use nexus_atproto::{Did, RepoCommit, RepoState};
use nexus_model::{Seq, Timestamp, Verified};

/// How much of what was set aside during a resync is taken up at its end, in bytes of its stored form. A repo for
/// which more came is fetched again.
pub const SET_ASIDE_BYTES: usize = 32 << 20;

/// Something for the writer to decide about.
#[derive(Clone, Debug)]
pub enum Input {
    /// A commit from the firehose.
    Commit(Verified<RepoCommit>),
    /// An asserted state from the firehose.
    State(Verified<RepoState>),
    /// A word on an account from the firehose.
    Account(Notice),
    /// A commit or state that can't be believed on its face: the repo is fetched again.
    Doubt(Did),
    /// A document that was fetched then. It says nothing of the name, which is looked up beside it.
    Document(Did, Found, Timestamp),
    /// What an account was then found to be called.
    Name(Did, Name, Timestamp),
    /// A repo that doesn't know what its account is called, which was found before, is to be told.
    Introduce(Did),
    /// A repo is asked for, or was found by listing.
    Add(Did, Origin),
    /// A repo is given up.
    Remove(Did),
    /// A repo is given up unless somebody asked for it.
    Exclude(Did),
    /// A repo is to be fetched anew.
    Resync(Did),
    /// A repo is to be fetched anew, and all of its records told again.
    Reemit(Did),
    /// A repo that is due is to be fetched now.
    Claim(Did),
    /// A part of a fetched repo.
    Batch(Did, Claim, Verified<Batch>),
    /// The end of a fetch.
    Finish(Claim, Verified<RepoState>),
    /// A fetch failed. The number is a jitter in milliseconds, below a minute.
    Fail(Did, Claim, Failure, i64),
    /// What a channel has settled.
    Channel(String, Vec<u8>),
    /// A channel is given up, with the cursor that has its name.
    Forget(String),
    /// How far a source was read: everything before it in the queue is covered.
    Cursor(String, String),
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// What was decided.
    pub outcome: Outcome,
    /// The claim, if one was asked for and given.
    pub claim: Option<Claim>,
}

/// Decides about a group of inputs in one transaction. When it returns, all of it is durable.
///
/// # Errors
/// If the store fails: then nothing of the group has happened, and it may be tried again.
pub fn write(store: &dyn Store, group: &[Input], rules: &Rules, now: Timestamp) -> Result<(Vec<Told>, Seq)> {
    let mut transaction = store.begin()?;
    let mut told = Vec::with_capacity(group.len());
    for input in group {
        told.push(one(&mut *transaction, input, rules, now)?);
    }
    Ok((told, transaction.commit()?))
}

/// Begins anew every resync that was under way when the program ended. To be called once, before any other
/// input.
///
/// # Errors
/// If the store fails.
pub fn resume(store: &dyn Store, now: Timestamp) -> Result<()> {
    let mut after = RepoId::default();
    loop {
        let repos = store.repos(after, 10_000)?;
        let Some(last) = repos.last() else { return Ok(()) };
        after = last.id;
        let mut transaction = store.begin()?;
        for repo in &repos {
            let decision = decide::resume(repo);
            if !decision.effects.is_empty() {
                transaction.apply(&repo.did, &decision.effects, now)?;
            }
        }
        transaction.commit()?;
    }
}

impl Input {
    /// The account whose repo is decided about. What is only written down needs none.
    fn did(&self) -> Option<&Did> {
        match self {
            Self::Commit(commit) => Some(&commit.get().did),
            Self::State(state) | Self::Finish(_, state) => Some(&state.get().did),
            Self::Account(notice) => Some(&notice.did),
            Self::Name(did, ..)
            | Self::Introduce(did)
            | Self::Add(did, _)
            | Self::Doubt(did)
            | Self::Remove(did)
            | Self::Exclude(did)
            | Self::Resync(did)
            | Self::Reemit(did)
            | Self::Claim(did)
            | Self::Batch(did, ..)
            | Self::Fail(did, ..) => Some(did),
            Self::Document(..) | Self::Channel(..) | Self::Forget(_) | Self::Cursor(..) => None,
        }
    }
}

fn one(transaction: &mut dyn Transaction, input: &Input, rules: &Rules, now: Timestamp) -> Result<Told> {
    match input {
        Input::Channel(name, settled) => transaction.put_channel(name, settled)?,
        Input::Forget(name) => {
            transaction.drop_channel(name)?;
            transaction.drop_cursor(name)?;
        }
        Input::Cursor(source, cursor) => transaction.put_cursor(source, cursor)?,
        Input::Document(did, document, fetched) => transaction.put_document(did, document, *fetched)?,
        Input::Name(did, name, verified) => transaction.put_name(did, name, *verified)?,
        _ => {}
    }
    let Some(did) = input.did() else { return Ok(Told { outcome: Outcome::Applied, claim: None }) };
    let repo = transaction.repo(did)?;
    let mut claim = None;
    let decision = match (input, &repo) {
        (Input::Claim(_), Some(repo)) => match decide::claim(repo, now) {
            Some((given, decision)) => {
                claim = Some(given);
                decision
            }
            None => Outcome::Superseded.alone(),
        },
        (Input::Introduce(_), Some(_)) => decide::name(repo.as_ref(), &transaction.name(did)?, rules),
        (Input::Finish(claim, state), Some(repo)) => {
            let aside = transaction.buffered(repo.id, SET_ASIDE_BYTES)?;
            decide::finish(Some(repo), *claim, state, &aside, rules)
        }
        _ => decide_one(input, repo.as_ref(), rules, now),
    };
    let Decision { outcome, effects } = decision;
    if !effects.is_empty() {
        transaction.apply(did, &effects, now)?;
    }
    Ok(Told { outcome, claim })
}

fn decide_one(input: &Input, repo: Option<&Repo>, rules: &Rules, now: Timestamp) -> Decision {
    match input {
        Input::Commit(commit) => decide::commit(repo, commit, rules),
        Input::State(state) => decide::state(repo, state, rules),
        Input::Account(notice) => decide::account(repo, notice, rules),
        Input::Doubt(_) => decide::doubt(repo),
        Input::Name(_, name, _) => decide::name(repo, name, rules),
        Input::Add(did, origin) => decide::add(repo, did, *origin, rules),
        Input::Remove(_) => decide::remove(repo),
        Input::Exclude(_) => decide::exclude(repo),
        Input::Resync(_) => decide::resync(repo),
        Input::Reemit(_) => decide::reemit(repo),
        Input::Batch(_, claim, batch) => decide::batch(repo, *claim, batch),
        Input::Fail(_, claim, failure, jitter) => decide::fail(repo, *claim, failure, now, *jitter, rules),
        Input::Claim(_)
        | Input::Finish(..)
        | Input::Introduce(_)
        | Input::Document(..)
        | Input::Channel(..)
        | Input::Forget(_)
        | Input::Cursor(..) => Outcome::Untracked.alone(),
    }
}
