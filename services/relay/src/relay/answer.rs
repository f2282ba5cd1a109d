//! What clients ask: authentication, subscriptions, counts, negotiations.

use super::{Relay, Shared, lock};
use crate::{
    ports::{
        CacheAdapter, ConnectionId, LogLevel, Page, RuntimeAdapter, Scope, StorageAdapter, StorageError,
        WebSocketAdapter,
    },
    session::Action,
    settings::{Settings, Switch},
};
use nexus_model::{Raw, Seq};
use nexus_nostr::{
    EoseHint, Error, Event, Filter, Prefix, PublicKey, Reason,
    nip::{nip42, nip45::HyperLogLog},
};

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
        match self.find(session, sub, &filters).await {
            Ok((upto, page)) => {
                self.send_stored(session, sub, &page).await;
                let hint = if page.more { EoseHint::More } else { EoseHint::Finish };
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
        let why =
            if matches!(error, StorageError::TimedOut) { "query timed out" } else { "the store is not available" };
        self.carry_out(session, |session| session.end_subscription(sub, why)).await;
    }

    /// Sends stored events as fast as the client takes them. Live events wait in the session meanwhile.
    async fn send_stored(&self, session: &Shared, sub: &str, page: &Page) {
        let conn = lock(session).id();
        for event in &page.events {
            self.sockets.room(conn).await;
            let Some(action) = lock(session).stored_event(sub, &event.json) else { return };
            self.send_all(conn, vec![action]);
        }
    }

    async fn find(&self, session: &Shared, sub: &str, filters: &[Filter]) -> Result<(Seq, Page), StorageError> {
        let upto = self.storage.last_seq().await?;
        let mut scope = lock(session).scope_in(sub, &self.settings(), self.runtime.now());
        scope.max_seq = Some(upto);
        let mut page = self.storage.query(filters, &scope).await?;
        self.complete_second(filters, &scope, &mut page).await?;
        Ok((upto, page))
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
        let ([filter], Some(last)) = (filters, page.events.last()) else { return Ok(()) };
        if settings.read.eose_hint == Switch::Off || !page.more || !is_ours(filter) {
            return Ok(());
        }
        let (second, last) = (last.created_at, last.id);
        let sent = page.events.iter().filter(|event| event.created_at == second).count();
        let of_second = filter.clone().with_since(second).with_until(second).with_limit(sent + limits.boundary);
        let rest = self.storage.query(&[of_second], scope).await?;
        page.events.extend(rest.events.into_iter().filter(|event| event.id > last));
        if !rest.more {
            let older = filter.clone().with_until(second.plus(-1)).with_limit(1);
            page.more = second.get() > 0 && !self.storage.query(&[older], scope).await?.events.is_empty();
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
