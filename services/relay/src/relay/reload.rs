//! Other settings, while clients are connected: they hold from each client's next message on.

use super::{Relay, Shared, lock};
use crate::{
    ports::{CacheAdapter, Judge, RuntimeAdapter, StorageAdapter, WebSocketAdapter},
    settings::Settings,
};
use std::sync::Arc;

impl<S: StorageAdapter, C: CacheAdapter, W: WebSocketAdapter, R: RuntimeAdapter> Relay<S, C, W, R> {
    /// What the operator chose, as it is now.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.read().expect("no holder of this lock panics").clone()
    }

    /// Takes other settings. Nobody is sent away for them, and what is open stays open; clients that must say who
    /// they are only now are asked, and have as long for it as new ones.
    pub fn set_settings(&self, settings: Settings) {
        let settings = Arc::new(settings);
        let before = {
            let mut held = self.settings.write().expect("no holder of this lock panics");
            std::mem::replace(&mut *held, settings.clone())
        };
        if before.auth.required != settings.auth.required || before.urls != settings.urls {
            self.ask_all(&settings);
        }
    }

    /// Gives the last word on events to somebody else, or to nobody. Events that are being judged stay with whoever
    /// judges them.
    pub fn set_judge(&self, judge: Option<Box<dyn Judge>>) {
        *self.judge.write().expect("no holder of this lock panics") = judge.map(Arc::from);
    }

    pub(super) fn judge(&self) -> Option<Arc<dyn Judge>> {
        self.judge.read().expect("no holder of this lock panics").clone()
    }

    fn ask_all(&self, settings: &Settings) {
        let now = self.runtime.now();
        let sessions: Vec<Shared> = self.sessions().values().cloned().collect();
        for session in sessions {
            let mut session = lock(&session);
            let challenge = session.ask_again(settings, now);
            self.send_all(session.id(), challenge);
        }
    }
}
