//! Questions of clients that have no connection: each is judged by itself, by the rules that hold for sessions.

use super::{Relay, Shared, publish::verdict};
use crate::{
    ports::{
        CacheAdapter, ConnectionId, Judgement, Outcome, Page, PreparedEvent, RuntimeAdapter, Scope, Source,
        StorageAdapter, StorageError, WebSocketAdapter,
    },
    rules::{
        admission::Admission,
        rates::Use,
        reading::{self, Purpose},
    },
    session::{Session, Verdict},
    settings::Retention,
};
use nexus_model::{Raw, Verified};
use nexus_nostr::{Error, Event, Filter, Kind, PublicKey, Reason, Seconds};
use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
};

/// The number that no connection has.
const NOBODY: ConnectionId = ConnectionId::new(u64::MAX);

/// A client without a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asker {
    /// Where it is, as far as that is known.
    pub ip: Option<IpAddr>,
    /// The keys that it proved to hold.
    pub keys: Vec<PublicKey>,
}

impl<S: StorageAdapter, C: CacheAdapter, W: WebSocketAdapter, R: RuntimeAdapter> Relay<S, C, W, R> {
    /// Lets a client ask one thing.
    ///
    /// # Errors
    /// The reason for which it may not: it must say who it is, or asks too often.
    pub fn let_ask(&self, asker: &Asker) -> Result<(), Reason> {
        if let Some(reason) = asker.ip.and_then(|ip| self.kept_out(ip)) {
            return Err(reason);
        }
        let session = self.session_of(asker);
        self.with_context(|context| session.may_ask(Use::Query, context))
    }

    /// Whether a client may be told of events of `kinds`, or of any kind. Which of them it may see, its scope says.
    ///
    /// # Errors
    /// The reason for which it may not.
    pub fn may_read(&self, asker: &Asker, kinds: Option<&[Kind]>) -> Result<(), Reason> {
        reading::check_kinds(kinds, &asker.keys, &self.settings())
    }

    /// What a client may see now.
    pub fn scope_of(&self, asker: &Asker) -> Scope {
        self.session_of(asker).scope(&self.settings(), self.runtime.now())
    }

    /// The stored events that match `filters`, as a subscription would get them. Whether the client may ask at all,
    /// and how often, [`Relay::let_ask`] says before.
    ///
    /// # Errors
    /// The reason for which there is no answer.
    pub async fn query_once(&self, asker: &Asker, filters: Vec<Filter>) -> Result<Page, Reason> {
        let filters = reading::prepare(filters, Purpose::Events, &asker.keys, &self.settings())?;
        let found = self.storage.query(&filters, &self.scope_of(asker)).await;
        found.map_err(|error| self.failed(&error))
    }

    /// Publishes an event, as if it had come over a connection.
    pub async fn submit(&self, asker: &Asker, event: Raw<Event>) -> Verdict {
        match self.publish_once(asker, event).await {
            Ok(verdict) => verdict,
            Err(reason) => Verdict::Refused(reason),
        }
    }

    /// Stores an event of the relay's own and passes it on. No rule is asked: it is the operator's.
    ///
    /// # Errors
    /// The store's.
    pub async fn publish_own(&self, event: Verified<Event>) -> Result<Outcome, StorageError> {
        let now: Seconds = self.runtime.now().into();
        let kept = Retention::age_of(&self.settings().retention, event.get(), &self.lists()).map(|age| now.plus(age));
        self.store_once(PreparedEvent::new(event, now, kept)).await
    }

    async fn publish_once(&self, asker: &Asker, event: Raw<Event>) -> Result<Verdict, Reason> {
        let session = self.session_of(asker);
        let admission = self.with_context(|context| session.admit(event.peek(), context))?;
        let session: Shared = Arc::new(Mutex::new(session));
        let event = self.runtime.verify_signature(event).map_err(|error| {
            self.note_forgeries(asker.ip, u32::from(error == Error::BadSignature));
            Reason::from(&error)
        })?;
        let event = self.validate(&session, event).await?;
        let source = Source::Client(asker.ip);
        let asked = std::iter::once(event.get());
        let judge = self.judge();
        let judgements = self.last_word(asked, judge.as_deref(), &source, asker.keys.first().copied()).await;
        match judgements.into_iter().next() {
            Some(Judgement::Reject(reason)) => Err(reason),
            Some(Judgement::Shadow) => Ok(Verdict::Accepted(None)),
            Some(Judgement::Hold(reason)) => Err(self.hold(event.get(), reason).await),
            _ => self.keep_once(event, admission).await.map_err(|error| self.failed(&error)),
        }
    }

    async fn keep_once(&self, event: Verified<Event>, admission: Admission) -> Result<Verdict, StorageError> {
        match admission {
            Admission::Shadow => Ok(Verdict::Accepted(None)),
            Admission::Hold(reason) => Ok(Verdict::Refused(self.hold(event.get(), reason).await)),
            Admission::PassOn => {
                let event = event.into_inner();
                let json = event.to_json().into();
                self.fan_out(None, &event, &json).await;
                Ok(Verdict::Accepted(None))
            }
            Admission::Store(expires_at) => {
                let prepared = PreparedEvent::new(event, self.runtime.now().into(), expires_at);
                self.store_once(prepared).await.map(verdict)
            }
        }
    }

    pub(super) async fn store_once(&self, prepared: PreparedEvent) -> Result<Outcome, StorageError> {
        let event = prepared.event().clone();
        let outcome = self.storage.store_event(prepared).await?;
        self.note(&event, outcome);
        self.have_delivered().await;
        Ok(outcome)
    }

    fn session_of(&self, asker: &Asker) -> Session {
        Session::once(NOBODY, asker.ip, asker.keys.clone(), self.runtime.now())
    }
}
