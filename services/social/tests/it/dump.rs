//! Export and import.

use crate::scene::{Scene, is_done, post_key, profile_uri, tag, text, user};
use nexus_model::Timestamp;
use nexus_social::{
    export,
    import::{BadLine, Importer, Notifications, Options, Summary, Trust},
    row::UserState,
    rules::Policy,
    store::{Memory, Store, Stored},
    writer::Writer,
};
use nexus_social_suite::{self as suite, Dump, Op, World};
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

const TRUSTED: Options =
    Options { trust: Trust::Trusted, notifications: Notifications::Keep, group: 7, longest_line: 100_000 };

fn exported(store: &dyn Store) -> String {
    let mut out = Vec::new();
    export::write(store, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn import(store: &dyn Store, lines: &str, options: Options) -> (Summary, Vec<BadLine>) {
    let mut bad = Vec::new();
    let importer = Importer::new(options, Timestamp::from_millis(5_000));
    let summary = importer.run(store, || Ok(lines.as_bytes()), &mut |line| bad.push(line)).unwrap();
    (summary, bad)
}

/// Where a user lives decides whose word about them is believed, so a stranger's dump can't make it anything.
#[test]
fn a_homeserver_that_is_none_is_told() {
    let line = |homeserver: &str| {
        let value = json!({"name": "Ada"});
        json!({"uri": profile_uri(1), "value": value, "homeserver": homeserver}).to_string()
    };
    for fits in [user(2).as_str(), "http://127.0.0.1:6286", "https://homeserver.example/", "http://[::1]:80"] {
        let store = Memory::new();
        let (summary, bad) = import(&store, &line(fits), Options::default());
        assert_eq!((summary.changed, bad.len()), (2, 0), "{fits}: {bad:?}");
    }
    for none in ["", "junk", "ftp://x", "http://", "http:// x", "https:///etc", &user(2).as_str()[1..]] {
        let store = Memory::new();
        let (summary, bad) = import(&store, &line(none), Options::default());
        assert_eq!((summary.changed, bad.len()), (0, 1), "{none}");
        assert!(bad[0].to_string().contains("neither a key nor a base URL"), "{}", bad[0]);
        assert!(store.begin().unwrap().state().host(&user(1)).unwrap().is_none(), "{none}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever happened, with whatever edges edits left behind.
    #[test]
    fn import_after_export_is_the_identity(
        ops in prop::collection::vec(any::<[u8; 5]>().prop_map(Op), 0..150),
        size in 1_usize..20,
        turn in any::<prop::sample::Index>(),
    ) {
        let (store, copy) = (Memory::new(), Memory::new());
        World::new().run(&Writer::new(Arc::new(World::policy())), &store, &ops, size, &mut |_| ()).unwrap();
        let lines = exported(&store);
        // Order doesn't matter: begin somewhere else.
        let mut turned: Vec<_> = lines.lines().collect();
        if !turned.is_empty() {
            let at = turn.index(turned.len());
            turned.rotate_left(at);
        }
        let (summary, bad) = import(&copy, &turned.join("\n"), TRUSTED);
        prop_assert_eq!(bad, vec![]);
        prop_assert_eq!(summary.lines, turned.len() as u64);
        prop_assert_eq!(Dump::of(&copy).objects(), Dump::of(&store).objects());
        prop_assert_eq!(exported(&copy).lines().count(), turned.len());
        let (again, _) = import(&copy, &lines, TRUSTED);
        prop_assert_eq!(again.changed, 0);
    }

    #[test]
    fn any_line_is_taken_or_reported(lines in "\\PC{0,80}(\n\\PC{0,80}){0,3}") {
        let count = lines.lines().filter(|line| !line.as_bytes().trim_ascii().is_empty()).count();
        let (_, bad) = import(&Memory::new(), &lines, TRUSTED);
        prop_assert_eq!(bad.len(), count);
    }
}

fn line(uri: &str, value: serde_json::Value) -> String {
    json!({"uri": uri, "indexed_at": 77, "value": value}).to_string()
}

fn name(name: &str) -> serde_json::Value {
    json!({"name": name, "bio": null, "image": null, "links": null, "status": null})
}

#[test]
fn verified_lines_are_checked_like_records_and_indexed_now() {
    let store = Memory::new();
    let (path, record) = tag(None, &profile_uri(0), "art");
    let nexus_pubky::Record::Tag(record) = record else { unreachable!() };
    let tag_uri = format!("pubky://{}{path}", user(0));
    let wrong_id = tag_uri.replace(&tag_uri[tag_uri.len() - 3..], "000");
    let value = json!(record);
    let lines = [
        line(&tag_uri, value.clone()),
        line(&profile_uri(0), name("  Ada  ")),
        line(&profile_uri(1), name("x")),
        "{".to_owned(),
        String::new(),
        line("https://ex.org/", name("Ada")),
        line(&wrong_id, value),
    ];
    let (summary, bad) = import(&store, &lines.join("\n"), Options::default());
    assert_eq!(bad.iter().map(|line| line.number).collect::<Vec<_>>(), [3, 4, 6, 7]);
    assert!(bad.iter().all(|line| line.to_string().starts_with("line ")));
    assert_eq!(summary, Summary { lines: 7, changed: 2, bad: 4 });
    let user = store.begin().unwrap().state().user(&user(0)).unwrap().unwrap();
    assert_eq!((user.profile.name.as_str(), user.indexed_at.millis()), ("Ada", 5_000));
    assert_eq!(suite::rows(&store).len(), 2);
}

#[test]
fn trusted_lines_keep_their_times_states_and_homes() {
    let store = Memory::new();
    let lines = [
        line(&profile_uri(0), name("  Ada  ")),
        json!({"uri": profile_uri(1), "indexed_at": 8, "stub": true, "homeserver": "h"}).to_string(),
        json!({"uri": profile_uri(2), "indexed_at": 9, "deleted": true}).to_string(),
    ];
    let (_, bad) = import(&store, &lines.join("\n"), TRUSTED);
    assert_eq!(bad, []);
    let group = store.begin().unwrap();
    let state = group.state();
    let users = [0, 1, 2].map(|n| state.user(&user(n)).unwrap().unwrap());
    assert_eq!(users.each_ref().map(|user| user.indexed_at.millis()), [77, 8, 9]);
    assert_eq!(users.each_ref().map(|user| user.state), [UserState::Active, UserState::Stub, UserState::Deleted]);
    assert_eq!(users[0].profile.name, "  Ada  ");
    assert_eq!(&*state.host(&user(1)).unwrap().unwrap().homeserver, "h");
}

#[test]
fn what_points_at_nothing_is_reported_and_too_long_lines_are_passed_over() {
    let store = Memory::new();
    let follow = format!("pubky://{}/pub/pubky.app/follows/{}", user(0), user(1));
    let long = format!("{{\"uri\":\"{}\"}}", "x".repeat(400));
    let created = json!({"created_at": 1});
    let lines = [line(&follow, created), long, line(&profile_uri(0), name("Ada"))].join("\n");
    let (summary, bad) = import(&store, &lines, Options { longest_line: 300, ..Options::default() });
    assert_eq!(bad.iter().map(|line| line.number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!((summary.lines, suite::rows(&store).len()), (3, 1));
}

#[test]
fn each_reason_is_told_and_what_stands_around_the_line_is_taken() {
    let at = |path: &str| format!("pubky://{}/pub/pubky.app/{path}", user(0));
    let (id, stranger) = ("ZQR4KXNB6J2RYTJ1Y7AB9EBZJ4", user(5));
    let created = json!({"created_at": 1});
    let bookmark = |of: &str| line(&at(&format!("bookmarks/{id}")), json!({"uri": of, "created_at": 1}));
    let tag = |of: &str| line(&at(&format!("tags/{id}")), json!({"uri": of, "label": "x", "created_at": 1}));
    for (bad, reason) in [
        (line(&at(&format!("follows/{}", user(0))), created.clone()), "nobody follows themselves"),
        (line(&at(&format!("follows/{stranger}")), created), "in no line"),
        (bookmark(&profile_uri(0)), "is no post"),
        (bookmark(&post_key(0, 1).uri()), "in no line"),
        (tag(&post_key(0, 1).uri()), "the target"),
        (tag("https://ex.org/"), "can't be tagged"),
        (line(&at(&format!("feeds/{id}")), json!({})), "are not kept"),
        (line(&post_key(0, 1).uri(), json!("text")), "invalid type"),
        (json!({"uri": post_key(0, 1).uri()}).to_string(), "`value` is missing"),
        (json!({"indexed_at": 1}).to_string(), "needs `notification` and `receiver`"),
    ] {
        let store = Memory::new();
        let lines = [line(&profile_uri(0), name("Ada")), bad.clone(), line(&profile_uri(1), name("Bob"))];
        let (summary, told) = import(&store, &lines.join("\n"), TRUSTED);
        assert_eq!((summary.changed, summary.bad), (2, 1), "{bad}: {told:?}");
        assert!(told[0].number == 2 && told[0].to_string().contains(reason), "{bad}: {told:?}");
    }
}

/// What a dump says of times, states and trust is the word of whoever wrote it.
#[test]
fn a_stranger_s_dump_is_believed_about_nothing_but_records() {
    let store = Memory::new();
    let said = |uri: String, value| {
        json!({
            "uri": uri, "value": value, "indexed_at": 77, "resolved_at": 78, "trust": 0.9, "deleted": true,
            "hash": "07".repeat(32), "homeserver": "https://home.example",
        })
        .to_string()
    };
    let lines =
        [said(profile_uri(0), name("Ada")), said(post_key(0, 1).uri(), json!({"content": "hi", "kind": "short"}))];
    let (_, bad) = import(&store, &lines.join("\n"), Options::default());
    assert_eq!(bad, []);
    let rows = suite::rows(&store);
    assert!(!rows.iter().any(|row| matches!(row, Stored::Trust(..))), "{rows:?}");
    let group = store.begin().unwrap();
    let state = group.state();
    let (user, post) = (state.user(&user(0)).unwrap().unwrap(), state.post(&post_key(0, 1)).unwrap().unwrap());
    assert_eq!((user.state, user.indexed_at.millis(), user.hash), (UserState::Active, 5_000, None));
    assert_eq!((post.deleted, post.indexed_at.millis(), post.hash), (false, 5_000, None));
    assert_eq!(state.host(&user.id).unwrap().unwrap().resolved_at.millis(), 5_000);
}

#[test]
fn notifications_can_be_left_behind() {
    let mut scene = Scene::new(Policy::default());
    scene.post(post_key(0, 1), text(&format!("pk:{}", user(1))));
    assert!(is_done(&scene.follow(0, 1)));
    let lines = exported(&scene.store);
    assert_eq!(lines.matches("\"notification\"").count(), 2);
    let copy = Memory::new();
    import(&copy, &lines, Options { notifications: Notifications::Leave, ..TRUSTED });
    assert!(!exported(&copy).contains("\"notification\""));
    assert_eq!(suite::rows(&copy), suite::rows(&scene.store));
}

#[test]
fn imported_records_are_in_the_journal_as_history() {
    let scene = {
        let mut scene = Scene::new(Policy::default());
        scene.short(post_key(0, 1));
        scene
    };
    let copy = Memory::new();
    import(&copy, &exported(&scene.store), TRUSTED);
    let changes = copy.changes(nexus_model::Seq::START, 99).unwrap();
    assert_eq!(changes.len(), 5);
    assert!(changes.iter().all(|change| !change.live && change.value.is_some()));
    assert_eq!(copy.log(0, 9).unwrap(), Vec::<String>::new());
}
