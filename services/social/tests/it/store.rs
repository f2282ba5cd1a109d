//! The store in memory passes the suite that every adapter passes.

use nexus_social::store::Memory;
use nexus_social_suite as suite;

#[test]
fn the_store_in_memory_passes_the_suite() {
    suite::run(Memory::new);
}
