//! What clients ask: authentication, subscriptions, counts, negotiations.

use super::{Relay, Shared, lock, publish::failure};
use crate::{
    ports::{
        CacheAdapter, ConnectionId, LogLevel, Page, RuntimeAdapter, Scope, StorageAdapter, StorageError, StoredEvent,
        WebSocketAdapter,
    },
    session::Action,
    settings::{Settings, Switch},
};
use nexus_model::{Raw, Seq};
use nexus_nostr::{
    EoseHint, Error, Event, EventId, Filter, Prefix, PublicKey, Reason, Seconds,
    nip::{nip42, nip45::HyperLogLog},
};
use std::collections::HashMap;

/// How many events are read at once of those whose texts a page left out. With the largest events (64 KiB) these are
/// 4 MiB.
const PART: usize = 64;

/// Whether the client takes more of what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    /// No: it is gone, or the subscription has ended.
    Over,
}

impl<S: StorageAdapter, C: CacheAdapter, W: WebSocketAdapter, R: RuntimeAdapter> Relay<S, C, W, R> {
    pub(super) fn authenticate(&self, session: &Shared, event: Raw<Event>) {
        let (id, settings) = (event.peek().id, self.settings());
        let (ip, forged) = {
            let mut session = lock(session);
            let proof = self.prove(session.challenge(), event, &settings);
            let forged = u32::from(matches!(proof, Err(Error::BadSignature)));
            let proof = proof.map_err(|error| Reason::new(Prefix::AuthRequired, error.to_string()));
            let answer = session.authenticated(&id, proof, &settings);
            self.keep_meta(&session);
            self.send_all(session.id(), answer);
            (session.ip(), forged)
        };
        self.note_forgeries(ip, forged);
    }

    fn prove(&self, challenge: &str, event: Raw<Event>, settings: &Settings) -> Result<PublicKey, Error> {
        nip42::check(event.peek(), challenge, &settings.urls, self.runtime.now().into())?;
        Ok(self.runtime.verify_signature(event)?.get().pubkey)
    }

    /// Files a subscription, then asks the store: so nothing is missed, and the position tells what is a repeat.
    pub(super) async fn subscribe(&self, session: &Shared, sub: &str, filters: &[Filter]) {
        let conn = lock(session).id();
        let filters = match self.routed(session, sub, filters).await {
            Ok(filters) => filters,
            Err(error) => return self.cannot_find(session, sub, &error).await,
        };
        if let Err(error) = self.cache.store_subscription(conn, sub, &filters).await {
            self.runtime.log(LogLevel::Error, &format!("a subscription can't be filed: {error}"));
            self.carry_out(session, |session| session.end_subscription(sub, "subscriptions are not available")).await;
            return;
        }
        match self.find_and_send(session, sub, &filters).await {
            Ok((upto, hint)) => {
                // Sent under the session's lock, or a live event could come before the end of the stored ones.
                let mut session = lock(session);
                let answer = session.stored(sub, upto, hint, &self.settings());
                self.send_all(conn, answer);
            }
            Err(error) => self.cannot_find(session, sub, &error).await,
        }
    }

    /// Ends a subscription whose stored events can't be found.
    async fn cannot_find(&self, session: &Shared, sub: &str, error: &StorageError) {
        self.failed(error);
        self.carry_out(session, |session| session.end_subscription(sub, failure(error))).await;
    }

    /// Sends the stored events that filters ask for as fast as the client takes them. Live events wait in the session
    /// meanwhile. Gives the position up to which these were all, and whether a limit left some out.
    async fn find_and_send(
        &self,
        session: &Shared,
        sub: &str,
        filters: &[Filter],
    ) -> Result<(Seq, EoseHint), StorageError> {
        let upto = self.storage.last_seq().await?;
        let mut scope = {
            let mut session = lock(session);
            session.asks_up_to(sub, upto);
            session.scope_in(sub, &self.settings(), self.runtime.now())
        };
        scope.max_seq = Some(upto);
        let mut page = self.storage.query_within(filters, &scope, self.settings().limits.outbound_bytes).await?;
        self.complete_second(filters, &scope, &mut page).await?;
        let mut flow = self.send_stored(session, sub, page.events).await;
        let (conn, mut parts) = (lock(session).id(), page.rest.chunks(PART));
        while let (Flow::On, Some(part)) = (flow, parts.next()) {
            self.sockets.room(conn).await;
            flow = self.send_stored(session, sub, self.read_part(part, &scope).await?).await;
        }
        Ok((upto, if page.more { EoseHint::More } else { EoseHint::Finish }))
    }

    async fn send_stored(&self, session: &Shared, sub: &str, events: Vec<StoredEvent>) -> Flow {
        let conn = lock(session).id();
        for event in events {
            self.sockets.room(conn).await;
            let action = lock(session).stored_event(sub, &event.json);
            let Some(Action::Send(text)) = action else { return Flow::Over };
            if self.try_send(conn, &text).is_err() {
                return Flow::Over;
            }
        }
        Flow::On
    }

    /// The events of a page whose texts were left out, in its order, without those that are gone since.
    async fn read_part(&self, part: &[(Seconds, EventId)], scope: &Scope) -> Result<Vec<StoredEvent>, StorageError> {
        let filter = Filter::new().with_ids(part.iter().map(|(_, id)| *id)).with_limit(part.len());
        let found = self.storage.query(&[filter], scope).await?.events;
        let mut by_id: HashMap<EventId, StoredEvent> = found.into_iter().map(|event| (event.id, event)).collect();
        Ok(part.iter().filter_map(|(_, id)| by_id.remove(id)).collect())
    }

    /// Where the relay's own limit cut, the rest of that second is added, so that a client that goes on with
    /// `until` misses nothing. (NIP-67)
    async fn complete_second(&self, filters: &[Filter], scope: &Scope, page: &mut Page) -> Result<(), StorageError> {
        let settings = self.settings();
        let limits = &settings.limits;
        let is_ours = |filter: &Filter| {
            filter.search().is_none()
                && filter.limit().is_some_and(|limit| limit == limits.limit || limit == limits.default_limit)
        };
        let moments = || page.events.iter().map(|event| (event.created_at, event.id)).chain(page.rest.iter().copied());
        let ([filter], Some((second, last))) = (filters, moments().last()) else { return Ok(()) };
        if settings.read.eose_hint == Switch::Off || !page.more || !is_ours(filter) {
            return Ok(());
        }
        let most = moments().filter(|(at, _)| *at == second).count() + limits.boundary;
        let of_second = filter.clone().with_since(second).with_until(second).with_limit(most + 1);
        let mut all = self.storage.ids(&of_second, most + 1, scope).await?;
        let is_whole = all.len() <= most;
        all.truncate(most);
        page.rest.extend(all.into_iter().filter(|(_, id)| *id > last));
        if is_whole {
            let older = filter.clone().with_until(second.plus(-1)).with_limit(1);
            page.more = second.get() > 0 && !self.storage.ids(&older, 1, scope).await?.is_empty();
        }
        Ok(())
    }

    pub(super) async fn unsubscribe(&self, conn: ConnectionId, sub: &str) {
        if let Err(error) = self.cache.remove_subscription(conn, sub).await {
            self.runtime.log(LogLevel::Warn, &format!("a subscription can't be taken out: {error}"));
        }
    }

    pub(super) async fn count(&self, session: &Shared, sub: &str, filters: &[Filter]) {
        let settings = self.settings();
        let scope = lock(session).scope(&settings, self.runtime.now());
        let registers = HyperLogLog::for_count(filters);
        let counted = self.storage.count(filters, settings.limits.count, registers, &scope).await;
        let session = lock(session);
        let answer = match counted {
            Ok(count) => session.counted(sub, &count),
            Err(error) => session.not_counted(sub, self.failed(&error)),
        };
        self.send_all(session.id(), vec![answer]);
    }

    pub(super) async fn negotiate(&self, session: &Shared, sub: String, filter: Filter, message: &[u8]) {
        let (now, settings) = (self.runtime.now(), self.settings());
        let scope = lock(session).scope(&settings, now);
        let found = self.storage.ids(&filter, settings.limits.negentropy + 1, &scope).await;
        let mut session = lock(session);
        let answer = match found {
            Ok(ids) => session.negotiate(sub, ids, message, &settings, now.into()),
            Err(error) => vec![session.not_negotiated(&sub, self.failed(&error))],
        };
        self.send_all(session.id(), answer);
    }

    /// Has the session act, sends what there is to send, and takes subscriptions out that ended.
    pub(super) async fn carry_out(
        &self,
        session: &Shared,
        act: impl FnOnce(&mut crate::session::Session) -> Vec<Action>,
    ) {
        let (conn, ended) = {
            let mut session = lock(session);
            let actions = act(&mut session);
            let ended = actions.iter().find_map(|action| match action {
                Action::Unsubscribe(sub) => Some(sub.clone()),
                _ => None,
            });
            self.send_all(session.id(), actions);
            (session.id(), ended)
        };
        if let Some(sub) = ended {
            self.unsubscribe(conn, &sub).await;
        }
    }
}
