//! Files: their bytes are there before their row is, and gone with it.

use crate::world::{Ground, Writes, eventually, key, post_id, watcher};
use bytes::Bytes;
use nexus_fake_homeserver::{FakeHomeserver, Misbehaviour, Where};
use nexus_pubky::HashId;
use nexus_social::{
    row::FileRow,
    store::{Store, Stored},
};
use nexus_social_server::config::Watcher;
use std::os::unix::fs::MetadataExt;

fn blob_path(bytes: &[u8]) -> String {
    format!("/pub/pubky.app/blobs/{}", HashId::of_hash(blake3::hash(bytes).as_bytes()))
}

fn file_path(n: u8) -> String {
    format!("/pub/pubky.app/files/{}", post_id(n))
}

/// Uploads a file as an app does: the blob, then what describes it.
fn upload(at: &FakeHomeserver, user: u8, n: u8, bytes: &[u8]) {
    at.put(key(user).as_str(), &blob_path(bytes), Bytes::copy_from_slice(bytes));
    describe(at, user, n, &format!("pubky://{}{}", key(user), blob_path(bytes)));
}

fn describe(at: &FakeHomeserver, user: u8, n: u8, src: &str) {
    let body = format!(r#"{{"name":"x.png","created_at":1,"src":"{src}","content_type":"image/png","size":10}}"#);
    at.put(key(user).as_str(), &file_path(n), body);
}

fn files(ground: &Ground) -> Vec<FileRow> {
    ground.rows().into_iter().filter_map(|row| if let Stored::File(row) = row { Some(row) } else { None }).collect()
}

#[tokio::test]
async fn bytes_come_with_their_file_and_go_with_it() {
    let (at, ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
    at.profile(1, "ann");
    upload(&at, 1, 1, b"first bytes");
    let world = ground.start(watcher(&[&at]));
    eventually("the file", || files(&ground).len() == 1).await;
    let (blobs, first) = (ground.blobs(), files(&ground).remove(0));
    assert_eq!(std::fs::read(blobs.main(&first).unwrap()).unwrap(), b"first bytes");
    upload(&at, 1, 1, b"other bytes");
    eventually("replaced", || !blobs.main(&first).unwrap().exists()).await;
    let second = files(&ground).remove(0);
    assert_eq!(std::fs::read(blobs.main(&second).unwrap()).unwrap(), b"other bytes");
    at.delete(key(1).as_str(), &file_path(1));
    eventually("gone", || files(&ground).is_empty() && !blobs.main(&second).unwrap().exists()).await;
    world.stop().await;
}

#[tokio::test]
async fn bytes_that_were_fetched_before_a_deletion_took_them_are_fetched_again() {
    let (at, ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
    at.profile(1, "ann");
    upload(&at, 1, 1, b"the bytes");
    let last = at.put(key(1).as_str(), "/pub/another.app/note", "the last");
    let world = ground.start(watcher(&[&at]));
    // The source waits for no commit of this page any more.
    eventually("all is read", || ground.cursor(&at) == last).await;
    let place = ground.blobs().main(&files(&ground)[0]).unwrap();
    let inode = || std::fs::metadata(&place).map(|metadata| metadata.ino()).ok();
    let (first, indexed_at) = (inode(), files(&ground)[0].indexed_at);
    // The writer waits behind this, so that both events are fetched before the first is handled.
    let other_writer = ground.store.begin().unwrap();
    at.delete(key(1).as_str(), &file_path(1));
    upload(&at, 1, 1, b"the bytes");
    eventually("fetched again", || inode() != first).await;
    drop(other_writer);
    let is_new = || files(&ground).first().is_some_and(|file| file.indexed_at != indexed_at);
    eventually("the file is back, and its bytes are", || is_new() && place.exists() && ground.retries().is_empty())
        .await;
    assert_eq!((std::fs::read(&place).unwrap().as_slice(), ground.blobs().used(&key(1))), (&b"the bytes"[..], 9));
    world.stop().await;
}

#[tokio::test]
async fn a_disk_that_fails_for_a_moment_is_one_more_try() {
    let (at, ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
    at.profile(1, "ann");
    describe(&at, 1, 1, &format!("pubky://{}{}", key(1), blob_path(b"late")));
    let world = ground.start(watcher(&[&at]));
    let failed_with = |text: &str| ground.retries().first().is_some_and(|retry| retry.error.contains(text));
    eventually("it waits for its bytes", || failed_with("no such blob")).await;
    std::fs::remove_dir(ground.incoming()).unwrap();
    at.put(key(1).as_str(), &blob_path(b"late"), Bytes::from_static(b"late"));
    eventually("the disk fails", || failed_with("a blob can't be stored")).await;
    std::fs::create_dir(ground.incoming()).unwrap();
    eventually("the file", || files(&ground).len() == 1 && ground.retries().is_empty()).await;
    world.stop().await;
}

#[tokio::test]
async fn a_full_quota_leaves_a_file_without_its_bytes() {
    let (at, mut ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
    ground.quota = 15;
    at.profile(1, "ann");
    upload(&at, 1, 1, b"0123456789");
    upload(&at, 1, 2, b"abcdefghij");
    let world = ground.start(Watcher { fetches: nexus_config::Bounded::of(1), ..watcher(&[&at]) });
    eventually("both files", || files(&ground).len() == 2).await;
    let blobs = ground.blobs();
    let kept = files(&ground).iter().filter(|file| blobs.main(file).unwrap().exists()).count();
    assert_eq!((kept, blobs.used(&key(1))), (1, 10));
    world.stop().await;
}

/// The bad file never comes in; a good one after it does.
async fn a_blob_that_misbehaves(how: Misbehaviour, is_queued: bool) {
    let (at, ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
    at.profile(1, "ann");
    upload(&at, 1, 1, b"bad bytes");
    at.misbehave(Where::Resource(blob_path(b"bad bytes")), how);
    upload(&at, 1, 2, b"good bytes");
    let mut small = watcher(&[&at]);
    small.max_file_size = nexus_config::Size::of(100_000);
    let world = ground.start(small);
    eventually("the good file", || files(&ground).len() == 1).await;
    eventually("the log goes on", || ground.cursor(&at) == 5).await;
    assert_eq!(!ground.retries().is_empty(), is_queued);
    assert_eq!(ground.blobs().used(&key(1)), 10);
    world.stop().await;
}

#[tokio::test]
async fn blobs_too_large_by_word_or_by_deed() {
    a_blob_that_misbehaves(Misbehaviour::ClaimedLength(1 << 40), false).await;
    a_blob_that_misbehaves(Misbehaviour::EndlessBody, false).await;
    a_blob_that_misbehaves(Misbehaviour::Body(Bytes::from(vec![0; 100_001])), false).await;
}

#[tokio::test]
async fn blobs_that_are_not_what_they_are_called() {
    a_blob_that_misbehaves(Misbehaviour::Body(Bytes::from_static(b"swapped bytes")), false).await;
}

#[tokio::test]
async fn blobs_that_fail_for_now() {
    a_blob_that_misbehaves(Misbehaviour::Status(404), true).await;
    a_blob_that_misbehaves(Misbehaviour::Reset, true).await;
    a_blob_that_misbehaves(Misbehaviour::SlowLoris(std::time::Duration::from_millis(100)), true).await;
}

#[tokio::test]
async fn an_image_bomb_is_stored_as_the_bytes_it_is() {
    // A PNG that claims 65,535 × 65,535 pixels. Nothing in ingestion decodes it.
    let bomb = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\xff\xff\x00\x00\xff\xff\x08\x06\x00\x00\x00";
    let (at, ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
    at.profile(1, "ann");
    upload(&at, 1, 1, bomb);
    let world = ground.start(watcher(&[&at]));
    eventually("the file", || files(&ground).len() == 1).await;
    let path = ground.blobs().main(&files(&ground)[0]).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), bomb);
    world.stop().await;
}

#[tokio::test]
async fn a_file_of_something_else_is_dropped() {
    let (at, ground) = (FakeHomeserver::start().await.unwrap(), Ground::new());
    at.profile(1, "ann");
    describe(&at, 1, 1, "http://169.254.169.254/latest/meta-data/");
    at.profile(2, "bob");
    let world = ground.start(watcher(&[&at]));
    eventually("the log goes on", || ground.name(2).is_some()).await;
    assert_eq!((files(&ground).len(), ground.retries().len()), (0, 0));
    world.stop().await;
}
