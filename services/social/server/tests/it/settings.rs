//! What the operator sets, as the core takes it: each number where it belongs.

use crate::world::key;
use nexus_config::{Bounded, Span};
use nexus_social::rules::{MentionPolicy, RetryPolicy};
use nexus_social_server::config::{Key, Retry, Social, Watcher};

#[test]
fn what_is_set_about_indexing_is_what_decisions_take() {
    let retry = Retry {
        max_retries: Bounded::of(1),
        max_dependency_retries: Bounded::of(2),
        initial_backoff: Span::of(30),
        max_backoff: Span::of(40),
        initial_missing_dep_backoff: Span::of(50),
        max_missing_dep_backoff: Span::of(60),
        ..Retry::default()
    };
    let config = Social {
        mention_blocks_delete: false,
        moderation_id: Some(Key(key(1))),
        moderated_tags: vec!["Spam".to_owned()],
        watcher: Watcher { retry, blacklist: vec![Key(key(2))], ..Watcher::default() },
        ..Social::default()
    };
    let policy = config.policy();
    let expected = RetryPolicy {
        transient_tries: 1,
        dependency_tries: 2,
        transient_ms: 30,
        transient_longest_ms: 40,
        dependency_ms: 50,
        dependency_longest_ms: 60,
    };
    assert_eq!((policy.retry, policy.mentions), (expected, MentionPolicy::AllowDelete));
    assert_eq!(policy.moderation.moderator, Some(key(1)));
    assert!(policy.moderation.labels.iter().eq(["spam"]), "{:?}", policy.moderation.labels);
    assert!(policy.blacklist.iter().map(|listed| &**listed).eq([key(2).as_str()]));
    assert_eq!(Social { moderation_id: None, ..config }.policy().moderation.moderator, None);
}
