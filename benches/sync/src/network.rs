//! The whole network: every account, and the firehose's frames in the order in which they are replayed.

use crate::{
    Error, frames,
    repos::{self, Account, Plan},
};
use std::{collections::HashMap, thread};

/// How large a network is built.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Size {
    /// Accounts.
    #[arg(long, default_value_t = 1_000)]
    pub repos: usize,
    /// Records in each repo before the live part.
    #[arg(long, default_value_t = 1_000)]
    pub records: usize,
    /// Live commits in all, spread evenly over the accounts.
    #[arg(long, default_value_t = 100_000)]
    pub commits: usize,
    /// Bytes of filler in each record, beside about 150 bytes that vary.
    #[arg(long, default_value_t = 100)]
    pub filler: usize,
    /// Records in one further repo without live commits; 0: no such repo.
    #[arg(long, default_value_t = 0)]
    pub large: usize,
    /// Another seed makes other accounts.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// A signed network, ready to be served.
pub struct Network {
    pub(crate) accounts: Vec<Account>,
    pub(crate) by_did: HashMap<String, usize>,
    /// Binary messages of the firehose. The one at index `n` has `seq` `n + 1`.
    pub(crate) frames: Vec<axum::body::Bytes>,
}

impl Network {
    /// Builds and signs a network, on all cores.
    ///
    /// # Errors
    /// If a repo can't be built.
    pub fn build(size: Size) -> Result<Self, Error> {
        let plan = Plan {
            seed: size.seed,
            records: size.records,
            commits: size.commits / size.repos.max(1),
            filler: size.filler,
        };
        let mut accounts = build_all(plan, size.repos)?;
        if size.large > 0 {
            accounts.push(repos::build(Plan { records: size.large, commits: 0, ..plan }, size.repos)?);
        }
        let frames = in_turns(&mut accounts)?;
        let by_did = accounts.iter().enumerate().map(|(n, account)| (account.did.clone(), n)).collect();
        Ok(Self { accounts, by_did, frames })
    }

    /// Every account's DID.
    pub fn dids(&self) -> impl Iterator<Item = &str> {
        self.accounts.iter().map(|account| account.did.as_str())
    }

    /// How many live commits the firehose replays.
    pub fn commits(&self) -> usize {
        self.frames.len()
    }
}

fn build_all(plan: Plan, repos: usize) -> Result<Vec<Account>, Error> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let share = repos.div_ceil(workers).max(1);
    thread::scope(|scope| {
        let starts = (0..repos).step_by(share);
        let running: Vec<_> = starts
            .map(|start| {
                scope.spawn(move || {
                    (start..(start + share).min(repos)).map(|n| repos::build(plan, n)).collect::<Result<Vec<_>, _>>()
                })
            })
            .collect();
        let parts = running.into_iter().map(|part| part.join().map_err(|_| Error::Worker)?);
        Ok(parts.collect::<Result<Vec<_>, Error>>()?.into_iter().flatten().collect())
    })
}

/// One commit of each account, then the next of each, as a busy firehose interleaves them.
fn in_turns(accounts: &mut [Account]) -> Result<Vec<axum::body::Bytes>, Error> {
    let mut queues: Vec<_> = accounts
        .iter_mut()
        .map(|account| (account.did.clone(), std::mem::take(&mut account.commits).into_iter()))
        .collect();
    let mut frames = Vec::new();
    loop {
        let before = frames.len();
        for (did, queue) in &mut queues {
            if let Some(commit) = queue.next() {
                frames.push(frames::commit(frames.len() as u64 + 1, did, &commit)?.into());
            }
        }
        if frames.len() == before {
            return Ok(frames);
        }
    }
}
