//! Decisions: one input and the stored state in, what it changes and what to tell its sender out.
//!
//! Pure, and idempotent: a record that says what is stored already changes nothing. Each kind of record has a
//! module; what they share is a `Draft` that collects effects. No decision writes, fetches or reads a clock.

mod bookmark;
mod draft;
mod file;
mod follow;
mod host;
mod moderation;
mod post;
mod retry;
mod tag;
mod user;

use self::draft::Draft;
pub(crate) use self::draft::key_of;
use crate::{
    effects::{Effects, Operation, RetryChange, SourceCursor},
    input::{Event, EventAction, Input, Verdict},
    row::{ContentHash, FileRow, user_uri},
    rules::{Policy, Reason, RuleAction, Subject},
    store::{Result, State},
};
use nexus_model::Timestamp;
use nexus_pubky::{Path, PubkyId, Record};
use std::sync::Arc;

/// How many freed dependents are named in a verdict. All of them become due; the rest is found by its time.
pub const FREED_AT_ONCE: usize = 256;

/// Decides what `input` changes, given the state and the time. Inputs of one group are decided one after the
/// other, each on a state that has the effects of those before it.
///
/// # Errors
/// If the state can't be read.
pub fn decide(state: &dyn State, policy: &Policy, input: &Input, now: Timestamp) -> Result<(Effects, Verdict)> {
    let cx = Context { state, policy, now };
    match input {
        Input::Event(event) => {
            let outcome = cx.event(event)?;
            let operation = match event.action {
                EventAction::Put { .. } => Operation::Put,
                EventAction::Delete => Operation::Delete,
            };
            let uri = event.address.to_string().into();
            cx.conclude(retry::Case { uri, operation, homeserver: &event.homeserver }, outcome)
        }
        Input::Failed { address, operation, homeserver, error } => {
            let case = retry::Case { uri: address.to_string().into(), operation: *operation, homeserver };
            match cx.foreign(&address.user, homeserver)? {
                Some(reason @ Reason::OtherHomeserver) => cx.conclude(case, Outcome::Refused(reason)),
                _ => cx.transient(case, error),
            }
        }
        Input::Dropped { uri, homeserver } => cx.end_own_retry(uri, homeserver, Verdict::Unchanged),
        Input::Read(cursor) => cx.read(cursor),
        Input::Hosted(row) => cx.settle(cx.hosted(row)?),
        Input::HostDoubtful(user) => cx.settle(cx.doubtful(user)?),
        Input::Revive(uri) => {
            let revive = RetryChange::Revive { uri: uri.clone(), due: now };
            Ok((Effects { retries: vec![revive], ..Effects::default() }, done()))
        }
        Input::Hurry(uri) => cx.hurry(uri),
        Input::Trust(scores) => Ok((host::trust(scores), done())),
    }
}

/// What an event comes to, before the retry queue is looked at.
enum Outcome {
    Changed(Box<Changed>),
    Unchanged,
    Refused(Reason),
    /// It needs the record at `on` first.
    Waits {
        on: String,
        ingest: Vec<PubkyId>,
    },
}

/// What a handled event leaves behind.
#[derive(Default)]
struct Changed {
    effects: Effects,
    /// Users worth looking up.
    ingest: Vec<PubkyId>,
    /// URIs that are there now and weren't before.
    arrived: Vec<String>,
    /// Files whose bytes are no longer wanted.
    orphans: Vec<FileRow>,
}

const fn done() -> Verdict {
    Verdict::Done { freed: Vec::new(), ingest: Vec::new(), orphans: Vec::new() }
}

/// What every decision may look at.
#[derive(Clone, Copy)]
struct Context<'a> {
    state: &'a dyn State,
    policy: &'a Policy,
    now: Timestamp,
}

impl Context<'_> {
    fn event(self, event: &Event) -> Result<Outcome> {
        if let Some(reason) = self.foreign(&event.address.user, &event.homeserver)? {
            return Ok(Outcome::Refused(reason));
        }
        match &event.action {
            EventAction::Delete => self.delete(event),
            EventAction::Put { record, .. } if self.is_unwanted(event, record.get()) => {
                Ok(Outcome::Refused(if self.is_blacklisted(event) { Reason::Blacklisted } else { Reason::Rule }))
            }
            EventAction::Put { record, hash, .. } => self.put(event, record.get(), *hash),
        }
    }

    /// Who may speak for a user (spec a.4): the homeserver that is known to be theirs, or any while none is.
    fn foreign(self, user: &PubkyId, homeserver: &Arc<str>) -> Result<Option<Reason>> {
        Ok(self.state.host(user)?.and_then(|host| match host {
            host if host.homeserver != *homeserver => Some(Reason::OtherHomeserver),
            host if host.stale => Some(Reason::StaleHomeserver),
            _ => None,
        }))
    }

    fn is_blacklisted(self, event: &Event) -> bool {
        let listed = &self.policy.blacklist;
        listed.contains(event.address.user.as_str()) || listed.contains(&event.homeserver)
    }

    fn is_unwanted(self, event: &Event, record: &Record) -> bool {
        let subject = Subject::of_record(&event.address, &event.homeserver, record);
        self.is_blacklisted(event) || self.policy.rules.action(&subject) == RuleAction::Deny
    }

    fn put(self, event: &Event, record: &Record, hash: ContentHash) -> Result<Outcome> {
        match (&event.address.path, record) {
            (Path::Profile, Record::User(record)) => self.put_user(event, record, hash),
            (Path::Post(id), Record::Post(record)) => self.put_post(event, *id, record, hash),
            (Path::Follow(to), Record::Follow(record)) => self.put_follow(event, to, record.created_at),
            (Path::Mute(to), Record::Mute(record)) => self.put_mute(event, to, record.created_at),
            (Path::Bookmark(id), Record::Bookmark(record)) => self.put_bookmark(event, *id, record),
            (Path::Tag { app, id }, Record::Tag(record)) => self.put_tag(event, app.as_deref(), *id, record),
            (Path::File(id), Record::File(record)) => self.put_file(event, *id, record, hash),
            _ => Ok(Outcome::Refused(Reason::NotIndexed)),
        }
    }

    fn delete(self, event: &Event) -> Result<Outcome> {
        let user = event.address.user;
        match &event.address.path {
            Path::Profile => self.delete_user(Draft::of(self, event), &user),
            Path::Post(id) => self.delete_post(event, *id),
            Path::Follow(to) => self.delete_follow(event, to),
            Path::Mute(to) => self.delete_mute(event, to),
            Path::Bookmark(id) => self.delete_bookmark(event, id),
            Path::Tag { app, id } => self.delete_tag(Draft::of(self, event), &user, app.as_deref(), id),
            Path::File(id) => self.delete_file(Draft::of(self, event), &user, *id),
            Path::Feed(_) | Path::LastRead | Path::Blob(_) => Ok(Outcome::Refused(Reason::NotIndexed)),
        }
    }

    /// `Some` if the user must be indexed first.
    fn unless_known(self, user: &PubkyId) -> Result<Option<Outcome>> {
        Ok(self.state.user(user)?.is_none().then(|| Outcome::Waits { on: user_uri(user), ingest: Vec::new() }))
    }

    /// What becomes of an event whose target, a record of `owner`, isn't indexed: it is dropped if it never will
    /// be, else it waits, and an unknown owner is worth looking up.
    fn missing(self, on: String, owner: &PubkyId) -> Result<Outcome> {
        if self.never_ingested(owner)? {
            return Ok(Outcome::Refused(Reason::Blacklisted));
        }
        let mut ingest = Vec::new();
        self.discover(owner, &mut ingest)?;
        Ok(Outcome::Waits { on, ingest })
    }

    fn never_ingested(self, user: &PubkyId) -> Result<bool> {
        let listed = &self.policy.blacklist;
        let home_is = || Ok(self.state.host(user)?.is_some_and(|host| listed.contains(&host.homeserver)));
        if listed.is_empty() { Ok(false) } else { Ok(listed.contains(user.as_str()) || home_is()?) }
    }

    /// Adds `user` to those worth looking up, if unknown and welcome.
    fn discover(self, user: &PubkyId, found: &mut Vec<PubkyId>) -> Result<()> {
        if !found.contains(user) && self.state.user(user)?.is_none() && !self.never_ingested(user)? {
            found.push(*user);
        }
        Ok(())
    }

    fn read(self, read: &SourceCursor) -> Result<(Effects, Verdict)> {
        let before = self.state.cursor(&read.log)?;
        match before.map_or(std::cmp::Ordering::Greater, |before| read.cursor.cmp(&before)) {
            std::cmp::Ordering::Greater => Ok((Effects { cursors: vec![read.clone()], ..Effects::default() }, done())),
            std::cmp::Ordering::Equal => Ok((Effects::default(), Verdict::Unchanged)),
            std::cmp::Ordering::Less => Ok((Effects::default(), Verdict::Refused(Reason::CursorBackwards.name()))),
        }
    }

    /// Ends an input that has no entry in the retry queue.
    fn settle(self, outcome: Outcome) -> Result<(Effects, Verdict)> {
        match outcome {
            Outcome::Changed(changed) => self.release(*changed),
            Outcome::Refused(reason) => Ok((Effects::default(), Verdict::Refused(reason.name()))),
            Outcome::Unchanged | Outcome::Waits { .. } => Ok((Effects::default(), Verdict::Unchanged)),
        }
    }
}
