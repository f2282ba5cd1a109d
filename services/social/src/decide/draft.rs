//! The effects of one event while they are being collected.

use super::{Changed, Context, Outcome};
use crate::{
    effects::{ChangeRow, Operation, RowChange, SourceCursor},
    input::{Event, EventAction},
    notification::{NotificationBody, Notified},
    row::{ContentHash, FileRow},
};
use nexus_model::{Action, Timestamp};
use nexus_pubky::{Path, PubkyId};

/// What an event has decided so far.
pub(super) struct Draft {
    now: Timestamp,
    live: bool,
    changed: Changed,
}

impl Draft {
    /// Begins with the event's line in the log.
    pub(super) fn of(cx: Context<'_>, event: &Event) -> Self {
        let operation = match event.action {
            EventAction::Put { .. } => Operation::Put,
            EventAction::Delete => Operation::Delete,
        };
        let mut draft = Self::silent(cx);
        draft.live = event.live;
        draft.changed.effects.log.push(format!("{} {}", operation.as_str(), event.address));
        draft
    }

    /// Begins without a line in the log, for what no homeserver reported.
    pub(super) fn silent(cx: Context<'_>) -> Self {
        Self { now: cx.now, live: true, changed: Changed::default() }
    }

    pub(super) fn row(&mut self, row: RowChange) {
        self.changed.effects.rows.push(row);
    }

    pub(super) fn cursor(&mut self, cursor: SourceCursor) {
        self.changed.effects.cursors.push(cursor);
    }

    /// A journal row for the record at `author`'s `path`.
    pub(super) fn change(&mut self, author: &PubkyId, path: &Path, action: Action, version: Option<ContentHash>) {
        let (collection, key) = (path.collection(), key_of(path).into());
        let (live, time) = (self.live, self.now);
        self.changed.effects.changes.push(ChangeRow { author: *author, collection, key, action, version, live, time });
    }

    /// Tells `receiver` what `actor` did; nobody hears of their own deeds.
    pub(super) fn notify(&mut self, actor: &PubkyId, receiver: &PubkyId, body: NotificationBody) {
        if actor == receiver {
            return;
        }
        let (author, live, time) = (*receiver, self.live, self.now);
        let (collection, key, action, version) = ("notifications", body.key().into(), Action::Create, None);
        self.changed.effects.changes.push(ChangeRow { author, collection, key, action, version, live, time });
        self.changed.effects.notifications.push(Notified { receiver: author, body, time });
    }

    /// The record at `uri` is there now: what waited for it is freed.
    pub(super) fn arrived(&mut self, uri: String) {
        self.changed.arrived.push(uri);
    }

    /// The stored bytes of `file` are no longer wanted.
    pub(super) fn orphan(&mut self, file: FileRow) {
        self.changed.orphans.push(file);
    }

    /// Users that this event named, to be looked up.
    pub(super) const fn ingest(&mut self) -> &mut Vec<PubkyId> {
        &mut self.changed.ingest
    }

    pub(super) fn finish(self) -> Outcome {
        Outcome::Changed(Box::new(self.changed))
    }
}

/// A record's key in its collection.
pub(crate) fn key_of(path: &Path) -> String {
    match path {
        Path::Profile => "profile.json".into(),
        Path::LastRead => "last_read".into(),
        Path::Post(id) | Path::File(id) => id.to_string(),
        Path::Follow(key) | Path::Mute(key) => key.to_string(),
        Path::Bookmark(id) | Path::Feed(id) | Path::Blob(id) | Path::Tag { app: None, id } => id.to_string(),
        Path::Tag { app: Some(app), id } => format!("{app}/{id}"),
    }
}
