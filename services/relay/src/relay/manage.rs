//! Management: what administrators call, kept in the store and in force at once. (NIP-86)

use super::Relay;
use crate::{
    ports::{CacheAdapter, Record, RecordKind, RuntimeAdapter, StorageAdapter, StorageError, WebSocketAdapter},
    rules::lists::{self, Lists},
};
use nexus_nostr::{
    Filter, Kind, PublicKey,
    nip::nip86::{Call, InfoField, List, METHODS},
};
use serde_json::{Value, json};

/// Why a call had no effect.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// The parameters are not what the method takes.
    #[error("{0}")]
    Params(&'static str),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Whether the stored events of a banned key go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge {
    /// They do.
    Stored,
    /// They stay.
    Nothing,
}

impl<S: StorageAdapter, C: CacheAdapter, W: WebSocketAdapter, R: RuntimeAdapter> Relay<S, C, W, R> {
    /// Does what the administrator `admin` calls for, and gives the result as JSON. `body` is the call as it came.
    ///
    /// # Errors
    /// Wrong parameters, or the store's.
    pub async fn manage(&self, admin: &PublicKey, call: &Call, body: &str, purge: Purge) -> Result<Value, ManageError> {
        let result = self.act(call, purge).await;
        // What the store could not do to its end may have begun.
        if !is_question(call) && !matches!(result, Err(ManageError::Params(_))) {
            self.write_down(admin, body).await?;
        }
        result
    }

    async fn write_down(&self, admin: &PublicKey, body: &str) -> Result<(), StorageError> {
        let now = self.runtime.now();
        let key = format!("{now:020}-{}", super::hex(&self.runtime.random_bytes(8)));
        let entry = json!({ "at": now.millis(), "admin": admin, "call": body }).to_string();
        self.storage.put_record(RecordKind::Audit, &key, Some(&entry)).await
    }

    async fn act(&self, call: &Call, purge: Purge) -> Result<Value, ManageError> {
        match call {
            Call::SupportedMethods => Ok(json!(METHODS)),
            Call::ListPubkey(list, key, reason) => {
                self.put(of_pubkeys(*list), &key.to_string(), Some(reason)).await?;
                if (*list, purge) == (List::Banned, Purge::Stored) {
                    self.storage.delete_by_filter(&Filter::new().with_authors([*key])).await?;
                    self.deliver().await;
                }
                Ok(json!(true))
            }
            Call::UnlistPubkey(list, key) => self.put(of_pubkeys(*list), &key.to_string(), None).await,
            Call::ListedPubkeys(list) => self.list(of_pubkeys(*list), "pubkey").await,
            Call::EventsNeedingModeration => {
                let waiting = self.needing_moderation().await?;
                Ok(waiting.into_iter().map(|(id, reason)| json!({ "id": id, "reason": reason })).collect())
            }
            Call::ListEvent(List::Banned, id, reason) => {
                self.put(RecordKind::BannedEvent, &id.to_string(), Some(reason)).await?;
                self.forget_held(id).await?;
                self.storage.delete_event(id).await?;
                self.deliver().await;
                Ok(json!(true))
            }
            Call::ListEvent(List::Allowed, id, reason) => {
                self.put(RecordKind::Reviewed, &id.to_string(), Some(reason)).await?;
                self.put(RecordKind::BannedEvent, &id.to_string(), None).await?;
                self.reload_lists().await?;
                self.release(id).await?;
                Ok(json!(true))
            }
            Call::BannedEvents => self.list(RecordKind::BannedEvent, "id").await,
            Call::ChangeInfo(field, text) => self.put(RecordKind::Info, info_key(*field), Some(text)).await,
            Call::AllowKind(kind) => self.allow_kind(*kind).await,
            Call::DisallowKind(kind) => self.disallow_kind(*kind).await,
            Call::AllowedKinds => self.allowed_kinds().await,
            Call::BlockIp(network, reason) => self.block(network, reason).await,
            Call::UnblockIp(network) => self.put(RecordKind::BlockedIp, network, None).await,
            Call::BlockedIps => self.list(RecordKind::BlockedIp, "ip").await,
            Call::PutRole(known, role) => self.put_role(*known, role).await,
            Call::DeleteRole(id) => self.delete_role(id).await,
            Call::AssignRole(key, id) => self.assign_role(key, id).await,
            Call::UnassignRole(key, id) => self.put(RecordKind::RoleMember, &format!("{key}:{id}"), None).await,
            Call::Roles => self.roles().await,
        }
    }

    /// Keeps a record, or drops it. What it lets in or keeps out is in force then: what takes long comes after.
    async fn put(&self, kind: RecordKind, key: &str, value: Option<&str>) -> Result<Value, ManageError> {
        self.storage.put_record(kind, key, value).await?;
        if Lists::KINDS.contains(&kind) {
            self.reload_lists().await?;
        }
        Ok(json!(true))
    }

    async fn list(&self, kind: RecordKind, name: &str) -> Result<Value, ManageError> {
        let entry = |record: Record| json!({ name: record.key, "reason": record.value });
        Ok(self.storage.records(kind).await?.into_iter().map(entry).collect())
    }

    async fn allow_kind(&self, kind: Kind) -> Result<Value, ManageError> {
        self.put(RecordKind::BannedKind, &kind.to_string(), None).await?;
        self.put(RecordKind::AllowedKind, &kind.to_string(), Some("")).await
    }

    async fn disallow_kind(&self, kind: Kind) -> Result<Value, ManageError> {
        self.put(RecordKind::AllowedKind, &kind.to_string(), None).await?;
        self.put(RecordKind::BannedKind, &kind.to_string(), Some("")).await
    }

    async fn allowed_kinds(&self) -> Result<Value, ManageError> {
        let records = self.storage.records(RecordKind::AllowedKind).await?;
        let mut kinds: Vec<u16> = records.iter().filter_map(|record| record.key.parse().ok()).collect();
        kinds.sort_unstable();
        Ok(json!(kinds))
    }

    /// Blocks a network, and closes the connections that come from it.
    async fn block(&self, network: &str, reason: &str) -> Result<Value, ManageError> {
        if !lists::is_network(network) {
            return Err(ManageError::Params("not an address or a network"));
        }
        self.put(RecordKind::BlockedIp, network, Some(reason)).await?;
        self.send_kept_out_away();
        Ok(json!(true))
    }
}

const fn of_pubkeys(list: List) -> RecordKind {
    match list {
        List::Banned => RecordKind::BannedPubkey,
        List::Allowed => RecordKind::AllowedPubkey,
    }
}

const fn info_key(field: InfoField) -> &'static str {
    match field {
        InfoField::Name => "name",
        InfoField::Description => "description",
        InfoField::Icon => "icon",
    }
}

const fn is_question(call: &Call) -> bool {
    matches!(
        call,
        Call::SupportedMethods
            | Call::ListedPubkeys(_)
            | Call::EventsNeedingModeration
            | Call::BannedEvents
            | Call::AllowedKinds
            | Call::BlockedIps
            | Call::Roles
    )
}
