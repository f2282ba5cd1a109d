//! Posts: new, edited, deleted.

use crate::scene::{Scene, freed, ingest, is_done, post_key, reply, repost, tag, text, user, waits};
use nexus_pubky::Path;
use nexus_social::{
    input::Verdict,
    notification::{ChangedSource, NotificationBody},
    row::{Edge, PostKind},
    rules::{MentionPolicy, Policy},
};
use pubky_app_specs::PubkyAppPost;

#[test]
fn a_reply_waits_for_its_parent_and_comes_back_when_it_arrives() {
    let mut scene = Scene::new(Policy::default());
    let (parent, child) = (post_key(0, 1), post_key(1, 1));
    assert_eq!(waits(scene.post(child, reply(parent))), (parent.uri(), vec![]));
    let long = PubkyAppPost { kind: PostKind::Long, ..text("long") };
    assert_eq!(freed(scene.post(parent, long)), [child.uri()]);
    assert!(is_done(&scene.post(child, reply(parent))));
    assert_eq!(
        scene.told(0),
        [NotificationBody::Reply {
            replied_by: user(1),
            parent_post_uri: parent.uri(),
            reply_uri: child.uri(),
            post_kind: PostKind::Long
        }]
    );
    assert!(matches!(scene.edges()[..], [Edge::Replied { post, parent: to, .. }] if post == child && to == parent));
}

#[test]
fn unknown_authors_are_waited_for_and_those_of_targets_looked_up() {
    let mut scene = Scene::new(Policy::default());
    assert_eq!(waits(scene.post(post_key(5, 1), text("x"))), (crate::scene::profile_uri(5), vec![]));
    let target = post_key(5, 2);
    assert_eq!(waits(scene.post(post_key(0, 1), repost(target))), (target.uri(), vec![user(5)]));
    let elsewhere = PubkyAppPost { parent: Some("https://ex.org/".into()), ..text("a comment on a page") };
    assert!(is_done(&scene.post(post_key(0, 2), elsewhere)));
    assert_eq!(scene.edges(), []);
}

#[test]
fn mentions_are_told_once_and_only_the_first_unknown_user_is_looked_up() {
    let mut scene = Scene::new(Policy::default());
    let (key, known) = (post_key(0, 1), user(1));
    let content = format!("pk:{} pk:{} pk:{known} pubky{known} pk:{}", user(4), user(5), user(0));
    assert_eq!(ingest(scene.post(key, text(&content))), [user(4)]);
    let mention = NotificationBody::Mention { mentioned_by: user(0), post_uri: key.uri(), post_kind: PostKind::Short };
    assert_eq!((scene.told(1), scene.told(5)), (vec![mention.clone()], vec![mention]));
    assert_eq!(scene.told(0), [], "nobody mentions themselves");
    assert_eq!(scene.edges().len(), 3);
}

#[test]
fn authors_of_a_collections_items_are_looked_up() {
    let mut scene = Scene::new(Policy::default());
    let items = [post_key(4, 1), post_key(5, 1), post_key(5, 2), post_key(0, 1)].map(|key| key.uri());
    let content = serde_json::json!({"name": "best", "items": items}).to_string();
    let collection = PubkyAppPost { kind: PostKind::Collection, ..text(&content) };
    assert_eq!(ingest(scene.post(post_key(0, 2), collection)), [user(4), user(5)]);
}

#[test]
fn an_edit_keeps_its_place_adds_mentions_and_tells_whoever_has_to_do_with_it() {
    let mut scene = Scene::new(Policy::default());
    let (root, key) = (post_key(3, 1), post_key(0, 1));
    scene.short(root);
    let first = PubkyAppPost { content: format!("pk:{}", user(1)), ..reply(root) };
    scene.post(key, first);
    scene.post(post_key(1, 1), reply(key));
    scene.post(post_key(2, 1), repost(key));
    scene.tag(1, &key.uri(), "art");
    scene.bookmark(2, key, 1);
    scene.tag(0, &key.uri(), "own");
    let before = scene.row(key).unwrap();
    let edited = PubkyAppPost { content: format!("pk:{}", user(2)), kind: PostKind::Long, ..reply(root) };
    assert!(is_done(&scene.post(key, edited.clone())));
    assert_eq!(scene.row(key).unwrap().indexed_at, before.indexed_at);
    let mentioned = scene.edges().into_iter().filter(|edge| matches!(edge, Edge::Mentioned { .. })).count();
    assert_eq!(mentioned, 2, "edges are only added");
    let edits = |n: u8| {
        let told = scene.told(n).into_iter();
        told.filter_map(|body| match body {
            NotificationBody::PostEdited { edit_source, linked_uri, post_kind: PostKind::Long, .. } => {
                Some((edit_source, linked_uri))
            }
            _ => None,
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(edits(3), [(ChangedSource::Reply, root.uri())]);
    let has = |n: u8, source| edits(n).iter().any(|(edit, _)| *edit == source);
    assert!(edits(1).contains(&(ChangedSource::ReplyParent, post_key(1, 1).uri())));
    assert!(edits(2).contains(&(ChangedSource::RepostEmbed, post_key(2, 1).uri())));
    assert!(has(1, ChangedSource::TaggedPost) && has(2, ChangedSource::Bookmark));
    assert_eq!((edits(1).len(), edits(2).len()), (2, 2));
    assert_eq!(edits(0), []);
    assert_eq!(scene.post(key, edited), Verdict::Unchanged);
}

#[test]
fn an_edit_of_the_lock_alone_is_silent() {
    let mut scene = Scene::new(Policy::default());
    let key = post_key(0, 1);
    scene.short(key);
    scene.tag(1, &key.uri(), "art");
    let locked = PubkyAppPost { lock: Some("pubky://x".into()), ..text("hello") };
    assert!(is_done(&scene.post(key, locked.clone())));
    assert!(is_done(&scene.post(key, PubkyAppPost { kind: PostKind::Long, ..locked })));
    assert_eq!(scene.told(1), []);
}

#[test]
fn a_reply_stays_a_reply_and_a_post_can_become_one() {
    let mut scene = Scene::new(Policy::default());
    let (root, other, key) = (post_key(1, 1), post_key(1, 2), post_key(0, 1));
    [root, other, key].into_iter().for_each(|key| scene.short(key));
    assert!(is_done(&scene.post(key, reply(root))));
    assert!(is_done(&scene.post(key, PubkyAppPost { content: "edited".into(), ..reply(other) })));
    assert!(is_done(&scene.post(key, text("again"))));
    assert!(matches!(scene.edges()[..], [Edge::Replied { parent, .. }] if parent == root));
    assert_eq!(scene.row(key).unwrap().parent, Some(root.uri()));
    assert!(is_done(&scene.post(key, reply(key))), "nothing answers itself");
    assert_eq!(scene.edges().len(), 1);
}

#[test]
fn a_post_that_concerns_nobody_goes_without_a_trace() {
    let mut scene = Scene::new(Policy::default());
    let (root, key) = (post_key(1, 1), post_key(0, 1));
    scene.short(root);
    let both = PubkyAppPost { embed: repost(root).embed, ..reply(root) };
    scene.post(key, both);
    assert!(is_done(&scene.delete(0, Path::Post(key.id))));
    assert_eq!((scene.row(key), scene.edges()), (None, vec![]));
    let deleted = |delete_source| NotificationBody::PostDeleted {
        delete_source,
        deleted_by: user(0),
        deleted_uri: key.uri(),
        linked_uri: root.uri(),
        post_kind: PostKind::Short,
    };
    let told = scene.told(1);
    assert!(told.contains(&deleted(ChangedSource::Reply)) && told.contains(&deleted(ChangedSource::Repost)));
    assert_eq!(scene.delete(0, Path::Post(key.id)), Verdict::Unchanged);
}

#[test]
fn a_post_that_concerns_somebody_leaves_a_tombstone_and_can_come_back() {
    let mut scene = Scene::new(Policy::default());
    let (root, key) = (post_key(1, 1), post_key(0, 1));
    scene.short(root);
    scene.post(key, PubkyAppPost { kind: PostKind::Long, attachments: Some(vec!["a".into()]), ..reply(root) });
    scene.tag(2, &key.uri(), "art");
    let before = scene.row(key).unwrap();
    assert!(is_done(&scene.delete(0, Path::Post(key.id))));
    let tombstone = scene.row(key).unwrap();
    assert!(tombstone.deleted && tombstone.hash.is_none() && tombstone.attachments.is_none());
    assert_eq!((tombstone.content.as_str(), &tombstone.kind), ("[DELETED]", &PostKind::Short));
    assert_eq!((tombstone.parent, tombstone.indexed_at), (Some(root.uri()), before.indexed_at));
    let uri = tag(None, &key.uri(), "art").0;
    assert_eq!(
        scene.told(2),
        [NotificationBody::PostDeleted {
            delete_source: ChangedSource::TaggedPost,
            deleted_by: user(0),
            deleted_uri: key.uri(),
            linked_uri: format!("pubky://{}{uri}", user(2)),
            post_kind: PostKind::Long,
        }]
    );
    assert_eq!(scene.delete(0, Path::Post(key.id)), Verdict::Unchanged);
    assert!(is_done(&scene.post(key, text("I am back"))));
    let revived = scene.row(key).unwrap();
    assert!(!revived.deleted && revived.content == "I am back" && revived.indexed_at == before.indexed_at);
}

#[test]
fn a_mention_holds_a_post_unless_the_operator_says_otherwise() {
    for (mentions, is_held) in [(MentionPolicy::BlockDelete, true), (MentionPolicy::AllowDelete, false)] {
        let mut scene = Scene::new(Policy { mentions, ..Policy::default() });
        let key = post_key(0, 1);
        scene.post(key, text(&format!("pk:{}", user(1))));
        scene.delete(0, Path::Post(key.id));
        assert_eq!((scene.row(key).is_some(), scene.edges().len() == 1), (is_held, is_held));
    }
}

#[test]
fn two_authors_may_have_posts_with_one_id() {
    let mut scene = Scene::new(Policy::default());
    scene.short(post_key(0, 1));
    scene.short(post_key(1, 1));
    scene.delete(0, Path::Post(post_key(0, 1).id));
    assert!(scene.row(post_key(0, 1)).is_none() && scene.row(post_key(1, 1)).is_some());
}
