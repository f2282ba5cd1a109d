use futures_util::FutureExt;
use nexus_relay::store::MemoryStorage;
use nexus_relay_suite as suite;

#[test]
fn the_store_in_memory_passes_the_suite() {
    let run = suite::run(async || MemoryStorage::default(), 200);
    run.now_or_never().expect("memory never waits");
}
