//! The sync service without its hands: what it decides, what it tells, and that consumers end up with what
//! the repos hold.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod decisions;
mod events;
mod histories;
mod invariants;
mod resync;
mod rules;
mod stored;
mod world;

use nexus_sync::store::Memory;
use nexus_sync_suite as suite;

#[test]
fn the_store_in_memory_is_a_store() {
    suite::run(Memory::default, |store| store);
}
