//! What sources do is counted, under our names and under those that dashboards of Pubky Nexus know (spec e.7).

use crate::world::{Ground, Writes, eventually, key, profile_path, watcher};
use bytes::Bytes;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use nexus_fake_homeserver::{FakeHomeserver, Misbehaviour, Where};

/// The value of a counter, by the beginning of its line.
fn value(told: &PrometheusHandle, line: &str) -> Option<u64> {
    let told = told.render();
    let rest = told.lines().find_map(|told| told.strip_prefix(line))?;
    rest.trim().parse().ok()
}

#[tokio::test]
async fn what_homeservers_do_wrong_is_counted_as_pubky_nexus_counts_it() {
    let recorder = PrometheusBuilder::new().with_recommended_naming(true).build_recorder();
    let told = recorder.handle();
    let _counted_here = metrics::set_default_local_recorder(&recorder);
    let (home, away) = (FakeHomeserver::start().await.unwrap(), FakeHomeserver::start().await.unwrap());
    let ground = Ground::new();
    ground.signposts.is_at(90, away.address());
    ground.signposts.lives_at(2, 90);
    home.profile(1, "ann");
    let backwards = format!("event: DEL\ndata: pubky://{}{}\ndata: cursor: 0\n\n", key(2), profile_path());
    away.misbehave(Where::Stream, Misbehaviour::Body(Bytes::from(backwards)));
    let line = format!("PUT pubky://{}{}", key(1), profile_path());
    let world = ground.start(watcher(&[&home]));
    for name in ["watcher_primary_hs_cursor_invalid_total", "watcher_primary_hs_cursor_stalled_total"] {
        assert_eq!(value(&told, name), Some(0), "told before it happens");
    }
    eventually("read", || ground.name(1).is_some()).await;
    world.ingestor.ingest(&key(2)).await.unwrap();
    let out_of_order = format!("watcher_external_hs_cursor_out_of_order_total{{hs_id=\"{}\"}}", key(90));
    eventually("the stream is refused", || value(&told, &out_of_order) > Some(0)).await;
    for (cursor, reason) in [("cursor: x", "invalid"), ("cursor: 1", "stalled")] {
        home.misbehave(Where::Events, Misbehaviour::Body(Bytes::from(format!("{line}\n{cursor}"))));
        let counter = format!("watcher_primary_hs_cursor_{reason}_total");
        eventually(reason, || value(&told, &counter) > Some(0)).await;
        let refused = format!("watcher_fetch_rejected_total{{reason=\"cursor_{reason}\"}}");
        assert!(value(&told, &refused) > Some(0), "{}", told.render());
        let ours = format!("social_source_rejected_total{{reason=\"cursor_{reason}\"}}");
        assert!(value(&told, &ours) > Some(0), "{}", told.render());
    }
    eventually("users are looked up", || value(&told, "nexus_task_hs_resolver_total") > Some(0)).await;
    assert_eq!(value(&told, "nexus_task_hs_resolver_failed_total"), Some(0));
    world.stop().await;
}
