//! Where events are kept. A store decides with [`crate::decide`] inside its own transaction, so that every
//! backend replaces, deletes and refuses alike.

use super::{MaybeSend, MaybeSync};
use crate::market::{Job, JobQuery, Mark, Standing, Tally};
use nexus_model::{Seq, Verified};
use nexus_nostr::{
    Event, EventId, Filter, Kind, PublicKey, Seconds,
    nip::{nip45::HyperLogLog, nip59, nip90},
};
use std::{future::Future, sync::Arc};

/// Persistent events, and the small state that must survive with them.
///
/// All calls see a consistent state. Writes are durable when their future ends.
pub trait StorageAdapter: MaybeSend + MaybeSync {
    /// Stores one event, and says what became of it.
    fn store_event(&self, event: PreparedEvent) -> impl Future<Output = Result<Outcome, StorageError>> + MaybeSend {
        async {
            let outcomes = self.store_batch(vec![event]).await?;
            outcomes.into_iter().next().ok_or(StorageError::Damaged("a store answers for each event"))
        }
    }

    /// Stores events in one transaction, each on top of those before it. Gives one outcome for each.
    fn store_batch(
        &self,
        events: Vec<PreparedEvent>,
    ) -> impl Future<Output = Result<Vec<Outcome>, StorageError>> + MaybeSend;

    /// The events that match any of `filters`, each once: the newest first, of one second the lowest id first.
    /// Each filter gives at most its `limit`, which must be set. A search gives the best first.
    fn query(&self, filters: &[Filter], scope: &Scope) -> impl Future<Output = Result<Page, StorageError>> + MaybeSend;

    /// The same with texts of at most `bytes`: of the events that follow, the page's `rest` says which they are.
    fn query_within(
        &self,
        filters: &[Filter],
        scope: &Scope,
        bytes: usize,
    ) -> impl Future<Output = Result<Page, StorageError>> + MaybeSend {
        async move { Ok(self.query(filters, scope).await?.within(bytes)) }
    }

    /// The events that match `filter`, for whoever may see them all.
    fn query_events(
        &self,
        filter: &Filter,
    ) -> impl Future<Output = Result<Vec<StoredEvent>, StorageError>> + MaybeSend {
        async move {
            let filter = filter.clone().with_limit(filter.limit().unwrap_or(usize::MAX));
            Ok(self.query(&[filter], &Scope::operator()).await?.events)
        }
    }

    /// How many events match any of `filters`, counting at most `cap` of them. Their authors are added to
    /// `registers`. `limit` plays no part.
    fn count(
        &self,
        filters: &[Filter],
        cap: u64,
        registers: Option<HyperLogLog>,
        scope: &Scope,
    ) -> impl Future<Output = Result<Count, StorageError>> + MaybeSend;

    /// When and under which id the events that match `filter` were written, at most `cap`, the newest first.
    fn ids(
        &self,
        filter: &Filter,
        cap: usize,
        scope: &Scope,
    ) -> impl Future<Output = Result<Vec<(Seconds, EventId)>, StorageError>> + MaybeSend;

    /// The event `id`, whoever may see it.
    fn get_event(&self, id: &EventId) -> impl Future<Output = Result<Option<StoredEvent>, StorageError>> + MaybeSend;

    /// True if the event `id` is stored.
    fn event_exists(&self, id: &EventId) -> impl Future<Output = Result<bool, StorageError>> + MaybeSend {
        async { Ok(self.get_event(id).await?.is_some()) }
    }

    /// Removes the event `id` at the operator's wish. Gives true if it was there.
    fn delete_event(&self, id: &EventId) -> impl Future<Output = Result<bool, StorageError>> + MaybeSend;

    /// Removes all events that match `filter` at the operator's wish, and gives their number.
    fn delete_by_filter(&self, filter: &Filter) -> impl Future<Output = Result<u64, StorageError>> + MaybeSend;

    /// Removes at most `max` events that have expired by `now`, and gives their number.
    fn sweep_expired(&self, now: Seconds, max: usize) -> impl Future<Output = Result<u64, StorageError>> + MaybeSend;

    /// The position of the newest entry.
    fn last_seq(&self) -> impl Future<Output = Result<Seq, StorageError>> + MaybeSend;

    /// At most `max` entries after `seq`, in order. What was created and removed since is left out.
    fn events_after(&self, seq: Seq, max: usize) -> impl Future<Output = Result<Vec<Entry>, StorageError>> + MaybeSend;

    /// All small records of a kind, by key.
    fn records(&self, kind: RecordKind) -> impl Future<Output = Result<Vec<Record>, StorageError>> + MaybeSend;

    /// Writes a small record, or with `None` removes it.
    fn put_record(
        &self,
        kind: RecordKind,
        key: &str,
        value: Option<&str>,
    ) -> impl Future<Output = Result<(), StorageError>> + MaybeSend;

    /// The job that the request `id` opened.
    fn job(&self, id: &EventId) -> impl Future<Output = Result<Option<Job>, StorageError>> + MaybeSend;

    /// Jobs, the newest first, of one second the lowest id first.
    fn jobs(&self, query: &JobQuery) -> impl Future<Output = Result<Vec<Job>, StorageError>> + MaybeSend;

    /// Writes jobs over those of the same requests.
    fn put_jobs(&self, jobs: Vec<Job>) -> impl Future<Output = Result<(), StorageError>> + MaybeSend;

    /// What jobs are made of: at most `max` stored requests, results, feedback and deletions after `seq`, in order,
    /// each as it was when it came.
    fn market_events(
        &self,
        seq: Seq,
        max: usize,
    ) -> impl Future<Output = Result<Vec<(Seq, PreparedEvent)>, StorageError>> + MaybeSend;

    /// What the market counted from `day` on, by day, kind and counter.
    fn tallies(&self, day: i64) -> impl Future<Output = Result<Vec<Tally>, StorageError>> + MaybeSend;

    /// Bytes that the store takes; 0 if it doesn't know.
    fn bytes(&self) -> impl Future<Output = Result<u64, StorageError>> + MaybeSend {
        async { Ok(0) }
    }

    /// How the jobs of `provider` went.
    fn standing(&self, provider: &PublicKey) -> impl Future<Output = Result<Standing, StorageError>> + MaybeSend;

    /// Writes how the jobs of all providers went, in place of what is known of any.
    fn put_standings(&self, marks: Vec<Mark>) -> impl Future<Output = Result<(), StorageError>> + MaybeSend;

    /// Forgets at most `max` removals up to position `upto`, and gives their number.
    fn drop_removals(&self, upto: Seq, max: usize) -> impl Future<Output = Result<u64, StorageError>> + MaybeSend;
}

/// A verified event with what the relay adds to it.
#[derive(Clone, Debug)]
pub struct PreparedEvent {
    event: Arc<Event>,
    received_at: Seconds,
    expires_at: Option<Seconds>,
}

impl PreparedEvent {
    /// An event that came at `received_at` and is to be gone at `expires_at`.
    pub fn new(event: Verified<Event>, received_at: Seconds, expires_at: Option<Seconds>) -> Self {
        Self { event: Arc::new(event.into_inner()), received_at, expires_at }
    }

    /// The event.
    pub const fn event(&self) -> &Arc<Event> {
        &self.event
    }

    /// When it came.
    pub const fn received_at(&self) -> Seconds {
        self.received_at
    }

    /// From when on it is no longer served: its own expiration or the relay's retention, whichever is first.
    pub const fn expires_at(&self) -> Option<Seconds> {
        self.expires_at
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is stored, at this position.
    Stored(Seq),
    /// It was stored already.
    Duplicate,
    /// A newer version is stored.
    Superseded,
    /// Its author deleted it.
    Deleted,
    /// Its author, or the recipient of a gift wrap, vanished after it was written.
    Vanished,
    /// It has expired.
    Expired,
}

impl Outcome {
    /// What became of it in one word, without the position.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Stored(_) => "stored",
            Self::Duplicate => "duplicate",
            Self::Superseded => "superseded",
            Self::Deleted => "deleted",
            Self::Vanished => "vanished",
            Self::Expired => "expired",
        }
    }
}

/// A stored event: what is needed to order it, and the text to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its position.
    pub seq: Seq,
    /// Its id.
    pub id: EventId,
    /// When its author says it was written.
    pub created_at: Seconds,
    /// The canonical JSON.
    pub json: Arc<str>,
}

impl StoredEvent {
    /// The event itself.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] if the stored text is no event.
    pub fn event(&self) -> Result<Event, StorageError> {
        Event::parse(&self.json).map_err(|_| StorageError::Damaged("a stored event can't be read"))
    }
}

/// What a query found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The events, in order.
    pub events: Vec<StoredEvent>,
    /// When the events that follow them were written, and their ids, in order: their texts were left out.
    pub rest: Vec<(Seconds, EventId)>,
    /// True if some filter's limit left events out.
    pub more: bool,
    /// Entries and rows that were looked at for it, as far as the store counts them.
    pub scanned: u64,
}

impl Page {
    /// This page with texts of at most `bytes`.
    #[must_use]
    pub fn within(mut self, bytes: usize) -> Self {
        let mut room = bytes;
        let mut fits = |event: &StoredEvent| {
            let left = room.checked_sub(event.json.len());
            left.inspect(|left| room = *left).is_some()
        };
        let whole = self.events.iter().take_while(|event| fits(event)).count();
        let rest = self.events.drain(whole..).map(|event| (event.created_at, event.id));
        self.rest = rest.chain(std::mem::take(&mut self.rest)).collect();
        self
    }
}

/// What a count found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub count: u64,
    /// True if counting stopped at the cap.
    pub capped: bool,
    /// The registers, with the authors of what was counted.
    pub registers: Option<HyperLogLog>,
}

/// One row of the relay's journal.
#[derive(Clone, Debug)]
pub enum Entry {
    /// An event was stored.
    Created {
        /// The row.
        stored: StoredEvent,
        /// The event, read.
        event: Arc<Event>,
    },
    /// An event is gone. Nothing of its content is kept.
    Removed {
        /// The position of the removal.
        seq: Seq,
        /// The event.
        id: EventId,
        /// Why.
        reason: RemovalReason,
    },
}

impl Entry {
    /// The position.
    pub const fn seq(&self) -> Seq {
        match self {
            Self::Created { stored, .. } => stored.seq,
            Self::Removed { seq, .. } => *seq,
        }
    }
}

/// Why an event is gone. The numbers are kept for good: they are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemovalReason {
    /// A newer version came.
    Replaced = 1,
    /// Its author, or the recipient of a gift wrap, deleted it.
    Deleted = 2,
    /// Its time was over.
    Expired = 3,
    /// Its author, or the recipient of a gift wrap, vanished.
    Vanished = 4,
    /// The operator removed it.
    Banned = 5,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// A client that proved to hold these keys; none, if it proved nothing.
    Client(Vec<PublicKey>),
    /// The operator, who sees everything.
    Operator,
}

/// What a query may see.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Who asks.
    pub viewer: Viewer,
    /// The kinds that only their parties may see.
    pub restricted_kinds: Arc<[Kind]>,
    /// Events that have expired by now are not seen.
    pub now: Seconds,
    /// Events after this position are not seen.
    pub max_seq: Option<Seq>,
    /// In the job feed of whoever holds these keys, requests are not seen that name other providers.
    pub jobs_of: Option<Vec<PublicKey>>,
}

impl Scope {
    /// Everything, even what has expired and is not yet swept.
    pub fn operator() -> Self {
        Self {
            viewer: Viewer::Operator,
            restricted_kinds: Arc::from([]),
            now: Seconds::default(),
            max_seq: None,
            jobs_of: None,
        }
    }

    /// True if the viewer may see `event`: it isn't of a restricted kind, or the viewer is party to it; and it isn't a
    /// request for others.
    pub fn allows(&self, event: &Event) -> bool {
        !self.may_hide(event.kind) || self.is_for_party(event) && self.is_for_provider(event)
    }

    /// True if events of `kind` must be read to know whether they are seen.
    pub fn may_hide(&self, kind: Kind) -> bool {
        matches!(self.viewer, Viewer::Client(_)) && self.restricted_kinds.contains(&kind)
            || self.jobs_of.is_some() && nip90::is_request(kind)
    }

    fn is_for_party(&self, event: &Event) -> bool {
        match &self.viewer {
            Viewer::Operator => true,
            Viewer::Client(keys) => {
                !self.restricted_kinds.contains(&event.kind) || keys.iter().any(|key| nip59::is_party(event, key))
            }
        }
    }

    fn is_for_provider(&self, event: &Event) -> bool {
        let Some(keys) = self.jobs_of.as_ref().filter(|_| nip90::is_request(event.kind)) else { return true };
        let mut named = nip59::recipients(event).peekable();
        named.peek().is_none() || named.any(|provider| keys.contains(&provider))
    }

    /// True if a row is seen that has this position and expiry.
    pub fn covers(&self, seq: Seq, expires_at: Option<Seconds>) -> bool {
        self.max_seq.is_none_or(|max| seq <= max) && expires_at.is_none_or(|end| end > self.now)
    }
}

/// A kind of small record. The names are kept for good: they are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKind {
    /// Public keys that are refused, with the reason.
    BannedPubkey,
    /// Public keys that are let in, with the reason.
    AllowedPubkey,
    /// Events that are refused, with the reason.
    BannedEvent,
    /// Events that need a look, with the reason.
    Moderation,
    /// Kinds that are let in.
    AllowedKind,
    /// Kinds that are refused.
    BannedKind,
    /// Addresses that are refused, with the reason.
    BlockedIp,
    /// What the operator changed of the relay's description.
    Info,
    /// What administrators did: who, when, what.
    Audit,
    /// Events that were reported and found to be in order.
    Reviewed,
    /// Roles of members. (NIP-43)
    Role,
    /// Which member has which role, as `pubkey:role`.
    RoleMember,
    /// Where the journal stood at the beginning of a day.
    JournalDay,
}

impl RecordKind {
    /// The name on disk.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BannedPubkey => "banned-pubkey",
            Self::AllowedPubkey => "allowed-pubkey",
            Self::BannedEvent => "banned-event",
            Self::Moderation => "moderation",
            Self::AllowedKind => "allowed-kind",
            Self::BannedKind => "banned-kind",
            Self::BlockedIp => "blocked-ip",
            Self::Info => "info",
            Self::Audit => "audit",
            Self::Reviewed => "reviewed",
            Self::Role => "role",
            Self::RoleMember => "role-member",
            Self::JournalDay => "journal-day",
        }
    }
}

/// A small record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its key, unique within its kind.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// Why a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The backend failed; the same call may succeed later.
    #[error("the store can't be reached")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The call took longer than it may.
    #[error("query timed out")]
    TimedOut,
    /// What is stored isn't what was written. The program must stop.
    #[error("the store is damaged: {0}")]
    Damaged(&'static str),
}

impl StorageError {
    /// True if the same call may succeed later.
    pub const fn is_retryable(&self) -> bool {
        !matches!(self, Self::Damaged(_))
    }
}
