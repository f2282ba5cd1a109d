//! Against a real Pubky homeserver: two users do everything that the app lets them do, and the API answers.

use anyhow::Result;
use nexus_peers::Nexus;
use pubky_app_specs::{traits::*, *};
use pubky_testnet::{
    EphemeralTestnet,
    pubky::{ClientId, Keypair, PubkySession},
};
use serde::Serialize;
use serde_json::{Value, json};

/// Someone who writes to their homeserver.
struct User {
    id: String,
    session: PubkySession,
}

impl User {
    async fn sign_up(net: &EphemeralTestnet, name: &str) -> Result<Self> {
        let keys = Keypair::random();
        let signer = net.sdk()?.signer(keys.clone());
        signer.signup(&net.homeserver_app().public_key(), None).await?;
        let session = signer.signin(ClientId::new("peers.test")?).await?;
        let user = Self { id: keys.public_key().z32(), session };
        user.profile(name).await?;
        Ok(user)
    }

    async fn profile(&self, name: &str) -> Result<()> {
        let profile = PubkyAppUser::new(name.into(), Some("a peer".into()), None, None, None);
        self.put(PubkyAppUser::create_path(), &profile).await
    }

    async fn put(&self, path: String, object: &impl Serialize) -> Result<()> {
        self.session.storage().put(path, serde_json::to_string(object)?).await?;
        Ok(())
    }

    async fn delete(&self, path: String) -> Result<()> {
        self.session.storage().delete(path).await?;
        Ok(())
    }

    /// Writes a post and gives its id.
    async fn post(&self, content: &str, parent: Option<String>, embed: Option<PubkyAppPostEmbed>) -> Result<String> {
        let post = PubkyAppPost::new(content.into(), PubkyAppPostKind::Short, parent, embed, None);
        let id = post.create_id();
        self.put(PubkyAppPost::create_path(&id), &post).await?;
        Ok(id)
    }

    /// Tags a URI and gives the path of the tag.
    async fn tag(&self, uri: String, label: &str) -> Result<String> {
        let tag = PubkyAppTag::new(uri, label.into());
        let path = PubkyAppTag::create_path(&tag.create_id());
        self.put(path.clone(), &tag).await?;
        Ok(path)
    }

    fn uri_of(&self, post: &str) -> String {
        post_uri_builder(self.id.clone(), post.into())
    }
}

/// Two users, a moderator, and a Nexus that follows their homeserver by its base URL.
struct Scene {
    net: EphemeralTestnet,
    nexus: Nexus,
    alice: User,
    bob: User,
    moderator: User,
    _data: tempfile::TempDir,
}

impl Scene {
    async fn set() -> Result<Self> {
        let net = EphemeralTestnet::builder().build().await?;
        let homeserver = net.homeserver_app().icann_http_url().to_string();
        let alice = User::sign_up(&net, "Alice").await?;
        let bob = User::sign_up(&net, "Bob").await?;
        let moderator = User::sign_up(&net, "Moderator").await?;
        let data = tempfile::tempdir()?;
        let arguments = [
            "--homeserver".to_owned(),
            homeserver,
            "--set".to_owned(),
            format!("social.moderation_id={}", moderator.id),
            "--set".to_owned(),
            "social.watcher.follow_external=false".to_owned(),
        ];
        let nexus = Nexus::start(data.path(), &arguments)?;
        Ok(Self { net, nexus, alice, bob, moderator, _data: data })
    }

    /// Waits until the answer at `path` has `wanted` at `pointer`.
    async fn shows(&self, path: String, pointer: &str, wanted: Value) -> Value {
        self.nexus.until(&path, |status, json| status == 200 && json.pointer(pointer) == Some(&wanted)).await
    }

    async fn is_gone(&self, path: String) {
        self.nexus.until(&path, |status, _| status == 404).await;
    }
}

fn post_path(user: &User, post: &str) -> String {
    format!("/v0/post/{}/{post}", user.id)
}

fn user_path(user: &User) -> String {
    format!("/v0/user/{}", user.id)
}

#[tokio::test]
async fn profiles_appear_change_and_are_found() -> Result<()> {
    let scene = Scene::set().await?;
    scene.shows(user_path(&scene.alice), "/details/name", json!("Alice")).await;
    scene.shows(user_path(&scene.bob), "/details/bio", json!("a peer")).await;
    scene.shows("/v0/search/users/by_name/ali".into(), "/0", json!(scene.alice.id)).await;
    scene.alice.profile("Alicia").await?;
    scene.shows(user_path(&scene.alice), "/details/name", json!("Alicia")).await;
    scene.nexus.until("/ready", |status, _| status == 200).await;
    let log = reqwest::get(scene.nexus.url("/v0/events")).await?.text().await?;
    assert!(log.contains(&format!("PUT pubky://{}/pub/pubky.app/profile.json", scene.bob.id)), "{log}");
    drop(scene.net);
    Ok(())
}

#[tokio::test]
async fn posts_replies_and_reposts_are_counted_edited_and_deleted() -> Result<()> {
    let scene = Scene::set().await?;
    let (alice, bob) = (&scene.alice, &scene.bob);
    let first = alice.post("hello from a peer", None, None).await?;
    let view = scene.shows(post_path(alice, &first), "/details/content", json!("hello from a peer")).await;
    assert_eq!(view["details"]["kind"], "short");
    assert_eq!(view["details"]["uri"], alice.uri_of(&first));

    let reply = bob.post("a reply", Some(alice.uri_of(&first)), None).await?;
    let embed = PubkyAppPostEmbed { kind: PubkyAppPostKind::Short, uri: alice.uri_of(&first) };
    let repost = bob.post("look", None, Some(embed)).await?;
    scene.shows(post_path(alice, &first), "/counts/replies", json!(1)).await;
    scene.shows(post_path(alice, &first), "/counts/reposts", json!(1)).await;
    scene.shows(post_path(bob, &reply), "/relationships/replied", json!(alice.uri_of(&first))).await;
    scene.shows(post_path(bob, &repost), "/relationships/reposted", json!(alice.uri_of(&first))).await;
    let replies = format!("/v0/stream/posts/keys?source=post_replies&author_id={}&post_id={first}", alice.id);
    scene.shows(replies, "/post_keys", json!([format!("{}:{reply}", bob.id)])).await;
    let notified = format!("{}/notifications", user_path(alice));
    let notified = scene.nexus.until(&notified, |_, list| list.as_array().is_some_and(|list| list.len() == 2)).await;
    assert_eq!((&notified[0]["body"]["type"], &notified[1]["body"]["type"]), (&json!("repost"), &json!("reply")));

    let edited = PubkyAppPost::new("hello, edited".into(), PubkyAppPostKind::Short, None, None, None);
    alice.put(PubkyAppPost::create_path(&first), &edited).await?;
    scene.shows(post_path(alice, &first), "/details/content", json!("hello, edited")).await;

    bob.delete(PubkyAppPost::create_path(&reply)).await?;
    bob.delete(PubkyAppPost::create_path(&repost)).await?;
    scene.is_gone(post_path(bob, &reply)).await;
    scene.is_gone(post_path(bob, &repost)).await;
    scene.shows(post_path(alice, &first), "/counts/replies", json!(0)).await;
    alice.delete(PubkyAppPost::create_path(&first)).await?;
    scene.is_gone(post_path(alice, &first)).await;
    scene.shows(user_path(alice), "/counts/posts", json!(0)).await;
    Ok(())
}

#[tokio::test]
async fn tags_follows_and_bookmarks_come_and_go() -> Result<()> {
    let scene = Scene::set().await?;
    let (alice, bob) = (&scene.alice, &scene.bob);
    let post = alice.post("to be tagged", None, None).await?;
    let tag = bob.tag(alice.uri_of(&post), "nice").await?;
    scene.shows(post_path(alice, &post), "/tags/0/label", json!("nice")).await;
    scene.shows(format!("{}/taggers/nice", post_path(alice, &post)), "/users", json!([bob.id])).await;
    scene.shows("/v0/tags/hot".into(), "/0/label", json!("nice")).await;

    let follow = PubkyAppFollow::create_path(&alice.id);
    bob.put(follow.clone(), &PubkyAppFollow::new()).await?;
    scene.shows(format!("{}/followers", user_path(alice)), "", json!([bob.id])).await;
    scene.shows(format!("{}/relationship/{}", user_path(alice), bob.id), "/following", json!(true)).await;
    let feed = format!("/v0/stream/posts/keys?source=following&observer_id={}", bob.id);
    scene.shows(feed, "/post_keys", json!([format!("{}:{post}", alice.id)])).await;

    let bookmark = PubkyAppBookmark::new(alice.uri_of(&post));
    let kept = PubkyAppBookmark::create_path(&bookmark.create_id());
    bob.put(kept.clone(), &bookmark).await?;
    let marked = format!("{}/bookmark?viewer_id={}", post_path(alice, &post), bob.id);
    scene.shows(marked.clone(), "/id", json!(bookmark.create_id())).await;

    bob.delete(tag).await?;
    bob.delete(follow).await?;
    bob.delete(kept).await?;
    scene.shows(post_path(alice, &post), "/tags", json!([])).await;
    scene.shows(format!("{}/followers", user_path(alice)), "", json!([])).await;
    scene.is_gone(marked).await;
    Ok(())
}

#[tokio::test]
async fn a_file_is_served_as_it_was_uploaded() -> Result<()> {
    let scene = Scene::set().await?;
    let alice = &scene.alice;
    let bytes = b"some text that is a file".to_vec();
    let blob = PubkyAppBlob(bytes.clone());
    let blob_id = blob.create_id();
    alice.session.storage().put(PubkyAppBlob::create_path(&blob_id), bytes.clone()).await?;
    let source = blob_uri_builder(alice.id.clone(), blob_id);
    let file = PubkyAppFile::new("note.txt".into(), source, "text/plain".into(), bytes.len());
    let id = file.create_id();
    alice.put(PubkyAppFile::create_path(&id), &file).await?;
    let uri = file_uri_builder(alice.id.clone(), id.clone()).replace(':', "%3A").replace('/', "%2F");
    scene.shows(format!("/v0/files/file/{uri}"), "/name", json!("note.txt")).await;
    let served = reqwest::get(scene.nexus.url(&format!("/static/files/{}/{id}/main", alice.id))).await?;
    assert_eq!(served.status(), 200);
    assert_eq!(served.bytes().await?, bytes);
    alice.delete(PubkyAppFile::create_path(&id)).await?;
    scene.is_gone(format!("/v0/files/file/{uri}")).await;
    Ok(())
}

#[tokio::test]
async fn a_moderator_removes_what_breaks_the_rules() -> Result<()> {
    let scene = Scene::set().await?;
    let (bad, good) = (scene.bob.post("dreadful", None, None).await?, scene.bob.post("fine", None, None).await?);
    scene.shows(post_path(&scene.bob, &bad), "/details/content", json!("dreadful")).await;
    scene.moderator.tag(scene.bob.uri_of(&bad), "violence").await?;
    scene.is_gone(post_path(&scene.bob, &bad)).await;
    scene.shows(post_path(&scene.bob, &good), "/details/content", json!("fine")).await;
    scene.moderator.tag(scene.bob.uri_of(&good), "harmless").await?;
    scene.shows(post_path(&scene.bob, &good), "/tags/0/label", json!("harmless")).await;
    Ok(())
}
