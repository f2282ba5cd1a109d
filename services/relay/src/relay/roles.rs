//! Roles of members, as administrators keep them. (NIP-86, for NIP-43)

use super::{ManageError, Relay};
use crate::ports::{CacheAdapter, RecordKind, RuntimeAdapter, StorageAdapter, WebSocketAdapter};
use nexus_nostr::{
    PublicKey,
    nip::nip86::{Known, Role},
};
use serde_json::{Value, json};

/// How many roles there may be.
const ROLES: usize = 1_000;

impl<S: StorageAdapter, C: CacheAdapter, W: WebSocketAdapter, R: RuntimeAdapter> Relay<S, C, W, R> {
    /// Makes a role that isn't there, or changes one that is.
    pub(super) async fn put_role(&self, known: Known, role: &Role) -> Result<Value, ManageError> {
        let roles = self.storage.records(RecordKind::Role).await?;
        match (known, roles.iter().any(|record| record.key == role.id)) {
            (Known::No, true) => return Err(ManageError::Params("there is such a role")),
            (Known::Yes, false) => return Err(ManageError::Params("there is no such role")),
            (Known::No, false) if roles.len() >= ROLES => return Err(ManageError::Params("too many roles")),
            _ => {}
        }
        let value = json!({
            "label": role.label, "description": role.description, "color": role.color, "order": role.order,
        });
        self.storage.put_record(RecordKind::Role, &role.id, Some(&value.to_string())).await?;
        Ok(json!(true))
    }

    /// Deletes a role, and takes it from its members.
    pub(super) async fn delete_role(&self, id: &str) -> Result<Value, ManageError> {
        self.demand_role(id).await?;
        for member in self.storage.records(RecordKind::RoleMember).await? {
            if member.key.split_once(':').is_some_and(|(_, role)| role == id) {
                self.storage.put_record(RecordKind::RoleMember, &member.key, None).await?;
            }
        }
        self.storage.put_record(RecordKind::Role, id, None).await?;
        Ok(json!(true))
    }

    pub(super) async fn assign_role(&self, key: &PublicKey, id: &str) -> Result<Value, ManageError> {
        self.demand_role(id).await?;
        self.storage.put_record(RecordKind::RoleMember, &format!("{key}:{id}"), Some("")).await?;
        Ok(json!(true))
    }

    /// All roles in their order, each with its members.
    pub(super) async fn roles(&self) -> Result<Value, ManageError> {
        let members = self.storage.records(RecordKind::RoleMember).await?;
        let mut roles: Vec<Value> = Vec::new();
        for record in self.storage.records(RecordKind::Role).await? {
            let mut role: Value = serde_json::from_str(&record.value).unwrap_or_else(|_| json!({}));
            let held = members.iter().filter_map(|member| member.key.split_once(':'));
            let members: Vec<&str> = held.filter(|(_, id)| *id == record.key).map(|(key, _)| key).collect();
            role["id"] = json!(record.key);
            role["members"] = json!(members);
            roles.push(role);
        }
        roles.sort_by_key(|role| role["order"].as_i64().unwrap_or(0));
        Ok(json!(roles))
    }

    async fn demand_role(&self, id: &str) -> Result<(), ManageError> {
        let roles = self.storage.records(RecordKind::Role).await?;
        match roles.iter().any(|record| record.key == id) {
            true => Ok(()),
            false => Err(ManageError::Params("there is no such role")),
        }
    }
}
