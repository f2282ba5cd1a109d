//! The one suite that every store passes, and the [`World`] with which it and other tests make histories.
//!
//! For tests only: it panics where something doesn't hold.
#![expect(clippy::unwrap_used, reason = "what fails here is a test")]

mod journal;
pub mod model;
mod queue;
mod rows;
mod world;

pub use world::{Op, World, key, post_key, user};

use nexus_model::Timestamp;
use nexus_social::{
    effects::{RetryReason, RetryRow, SourceCursor},
    notification::Notified,
    query::Page,
    store::{Store, Stored, StoredChange},
};

/// Everything that a store keeps, in one order, so that two stores can be compared row for row.
#[derive(Debug, PartialEq)]
pub struct Dump {
    rows: Vec<Stored>,
    notifications: Vec<Notified>,
    log: Vec<String>,
    retries: Vec<RetryRow>,
    dead: Vec<RetryRow>,
    cursors: Vec<SourceCursor>,
    changes: Vec<StoredChange>,
}

impl Dump {
    /// Reads a whole store.
    pub fn of(store: &dyn Store) -> Self {
        let all = Page { skip: 0, limit: usize::MAX >> 1 };
        let oldest = store.oldest().unwrap();
        let mut notifications = Vec::new();
        store.load_notifications(&mut |row| notifications.push(row)).unwrap();
        let mut cursors = store.cursors().unwrap();
        cursors.sort_by(|a, b| a.log.cmp(&b.log));
        Self {
            rows: rows(store),
            notifications,
            log: store.log(0, all.limit).unwrap(),
            retries: store.retries(all).unwrap(),
            dead: store.dead_letters(all).unwrap(),
            cursors,
            changes: store.changes(oldest, all.limit).unwrap(),
        }
    }

    /// Without what entries of the retry queue wait for, and until when: something else, once a record that came
    /// first is gone.
    #[must_use]
    pub fn whatever_is_waited_for(mut self) -> Self {
        for row in self.retries.iter_mut().filter(|row| row.reason != RetryReason::Transient) {
            row.reason = RetryReason::Dependency("".into());
            (row.due, row.error) = (Timestamp::from_millis(0), String::new());
        }
        self.retries.sort_by(|a, b| a.uri.cmp(&b.uri));
        self
    }

    /// Only what a dump of the objects holds: no journal, event log, queue or cursors.
    #[must_use]
    pub fn objects(self) -> Self {
        let (log, retries, dead, cursors, changes) = Default::default();
        Self { log, retries, dead, cursors, changes, ..self }
    }
}

/// Every row that a store loads, sorted by what it is.
pub fn rows(store: &dyn Store) -> Vec<Stored> {
    let mut rows = Vec::new();
    store.load(&mut |row| rows.push(row)).unwrap();
    rows.sort_by_cached_key(|row| format!("{row:?}"));
    rows
}

/// Runs every scenario, each over a store of its own that `make` makes empty.
pub fn run<S: Store>(make: impl Fn() -> S) {
    for scenario in [
        rows::every_row_comes_back_as_it_went_in,
        rows::a_row_is_replaced_and_removed_by_its_identity,
        rows::lookups_find_what_load_gives,
        rows::a_tag_is_found_by_its_id_whatever_its_app,
        rows::edges_come_by_time,
        rows::a_reference_of_any_kind_is_seen,
        rows::users_without_a_known_home_are_found,
        journal::changes_are_numbered_without_gaps,
        journal::a_change_has_the_value_of_the_record_only_while_it_is_the_newest,
        journal::expired_changes_leave_and_numbers_go_on,
        journal::a_dropped_group_leaves_nothing,
        journal::a_group_sees_itself_and_nobody_else_does,
        journal::notifications_are_a_set_with_times,
        journal::notifications_go_on_after_any_of_them,
        journal::the_event_log_keeps_its_offsets,
        queue::retries_come_by_their_time,
        queue::an_arrival_makes_dependents_due,
        queue::dead_letters_can_be_revived,
        queue::cursors_are_kept_by_log,
    ] {
        scenario(&make());
    }
}
