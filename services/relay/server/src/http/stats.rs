//! What the relay does at the moment, for its page. The market's routes tell statistics.

use crate::hands::Hands;
use nexus_relay::ports::{StorageAdapter, StorageError};
use serde_json::{Value, json};

/// Numbers about the relay itself. `position` is that of the newest change in its journal.
pub(super) async fn relay<S: StorageAdapter + 'static>(hands: &Hands<S>) -> Result<Value, StorageError> {
    let uptime = hands.clock().now().millis() - hands.began().millis();
    let sockets = hands.relay().sockets();
    Ok(json!({
        "name": hands.config().info.name,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_secs": uptime / 1_000,
        "connections": sockets.len(),
        "authenticated_connections": sockets.authenticated(),
        "subscriptions": hands.relay().cache().subscriptions(),
        "position": hands.storage().last_seq().await?,
        "delivered": hands.relay().delivered(),
    }))
}
