//! What the operator wants: whose records, from where, about what; who moderates; how often to try again.
//!
//! Rules look at one record by itself. They never see the stored state, and they never hold back a deletion.

mod reason;
mod subject;

pub use reason::Reason;
pub use subject::Subject;

use nexus_pubky::PubkyId;
use pubky_app_specs::PubkyAppTag;
use std::{collections::BTreeSet, sync::Arc};

/// Everything that the operator decides about what is indexed.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `[[social.rules]]`
    pub rules: Rules,
    /// Keys of users and homeservers that are never ingested.
    pub blacklist: BTreeSet<Arc<str>>,
    /// Whose tags remove what they are put on, and which.
    pub moderation: Moderation,
    /// Whether a post that mentions somebody leaves a tombstone when it is deleted.
    pub mentions: MentionPolicy,
    /// When failures are tried again.
    pub retry: RetryPolicy,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            blacklist: BTreeSet::new(),
            moderation: Moderation::default(),
            mentions: MentionPolicy::BlockDelete,
            retry: RetryPolicy::default(),
        }
    }
}

/// What a mention does to a later deletion (quirk 15 of the spec).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MentionPolicy {
    /// The post stays as a tombstone, as clients expect.
    BlockDelete,
    /// The post and its mentions go, if nobody else points at it.
    AllowDelete,
}

/// Moderation by tags: a moderator's tag with one of these labels is not indexed, its target is removed.
#[derive(Clone, Debug, Default)]
pub struct Moderation {
    /// The moderator; nobody when absent.
    pub moderator: Option<PubkyId>,
    /// The labels, in lower case.
    pub labels: BTreeSet<String>,
}

impl Moderation {
    pub(crate) fn covers(&self, tagger: &PubkyId, tag: &PubkyAppTag) -> bool {
        self.moderator.as_ref() == Some(tagger) && self.labels.contains(&tag.label)
    }
}

/// When failed events are tried again. Delays double with every try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// First delay after a failure that may pass, in milliseconds.
    pub transient_ms: i64,
    /// First delay of what waits for another record, in milliseconds. The record's arrival ends it early.
    pub dependency_ms: i64,
    /// Longest delay after a failure that may pass, in milliseconds.
    pub transient_longest_ms: i64,
    /// Longest delay of what waits for another record, in milliseconds.
    pub dependency_longest_ms: i64,
    /// Tries after a failure that may pass, before the event is buried.
    pub transient_tries: u32,
    /// Tries of what waits for another record, before the event is buried.
    pub dependency_tries: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            transient_ms: 10_000,
            dependency_ms: 60_000,
            transient_longest_ms: 3_600_000,
            dependency_longest_ms: 3_600_000,
            transient_tries: 10,
            dependency_tries: 50,
        }
    }
}

/// The operator's rules, in order: the first that matches decides, and what none matches is allowed.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<Rule>);

/// One `[[social.rules]]`. It matches a record that meets every criterion it names, by any value it lists; a rule
/// without criteria matches everything.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What becomes of what matches.
    pub action: RuleAction,
    /// Keys of owners.
    pub users: Vec<String>,
    /// Keys or base URLs of homeservers.
    pub homeservers: Vec<String>,
    /// Folders below `/pub/`; `pubky.app` for everything but universal tags.
    pub apps: Vec<String>,
    /// Collections (`posts`, `tags`, …) or kinds of posts (`long`, `collection`, …).
    pub kinds: Vec<String>,
    /// Labels of tags.
    pub labels: Vec<String>,
    /// Words or phrases in posts, profiles, labels and file names, whatever their case.
    pub words: Vec<String>,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// Index it, and look at no further rule.
    Allow,
    /// Refuse it.
    Deny,
}

impl Rule {
    /// A rule that matches everything.
    pub const fn every(action: RuleAction) -> Self {
        Self {
            action,
            users: Vec::new(),
            homeservers: Vec::new(),
            apps: Vec::new(),
            kinds: Vec::new(),
            labels: Vec::new(),
            words: Vec::new(),
        }
    }

    fn matches(&self, subject: &Subject<'_>) -> bool {
        let one_of = |values: &[String], has: &dyn Fn(&str) -> bool| values.is_empty() || values.iter().any(|v| has(v));
        one_of(&self.users, &|v| subject.user == v)
            && one_of(&self.homeservers, &|v| subject.homeserver == v)
            && one_of(&self.apps, &|v| subject.app == Some(v))
            && one_of(&self.kinds, &|v| subject.kinds.contains(&Some(v)))
            && one_of(&self.labels, &|v| subject.label.is_some_and(|label| label.eq_ignore_ascii_case(v)))
            && one_of(&self.words, &|v| subject.says(v))
    }
}

impl Rules {
    /// These rules, in this order.
    pub const fn new(rules: Vec<Rule>) -> Self {
        Self(rules)
    }

    /// What the first matching rule says; allowed if there is none.
    pub fn action(&self, subject: &Subject<'_>) -> RuleAction {
        self.0.iter().find(|rule| rule.matches(subject)).map_or(RuleAction::Allow, |rule| rule.action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY: Rule = Rule::every(RuleAction::Deny);
    const POST: Subject<'static> = Subject {
        user: "ann",
        homeserver: "home",
        app: Some("pubky.app"),
        kinds: [Some("posts"), Some("long")],
        label: None,
        texts: [Some("Buy CHEAP, pills now"), None, None],
    };

    fn list(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn the_first_matching_rule_decides() {
        let ann = Rule { users: list(&["ann"]), kinds: list(&["long", "image"]), ..Rule::every(RuleAction::Allow) };
        let rules = Rules::new(vec![ann, DENY]);
        assert_eq!(rules.action(&POST), RuleAction::Allow);
        let short = Subject { kinds: [Some("posts"), Some("short")], ..POST };
        assert_eq!(rules.action(&short), RuleAction::Deny);
        assert_eq!(Rules::default().action(&POST), RuleAction::Allow);
    }

    #[test]
    fn each_criterion_is_compared_with_its_own_part() {
        let one = |name: &str, value: &str| {
            let mut rule = DENY;
            let values = list(&[value]);
            match name {
                "user" => rule.users = values,
                "homeserver" => rule.homeservers = values,
                "app" => rule.apps = values,
                "kind" => rule.kinds = values,
                "label" => rule.labels = values,
                _ => rule.words = values,
            }
            Rules::new(vec![rule])
        };
        let tagged = Subject { label: Some("spam"), ..POST };
        for (name, value, other) in [
            ("user", "ann", "home"),
            ("homeserver", "home", "ann"),
            ("app", "pubky.app", "posts"),
            ("kind", "posts", "tags"),
            ("label", "Spam", "cheap"),
            ("word", "cheap pills", "heap"),
        ] {
            assert_eq!(one(name, value).action(&tagged), RuleAction::Deny, "{name}");
            assert_eq!(one(name, other).action(&tagged), RuleAction::Allow, "{name}");
        }
    }

    #[test]
    fn every_criterion_that_is_named_must_be_met() {
        let rules = Rules::new(vec![Rule { users: list(&["ann"]), labels: list(&["spam"]), ..DENY }]);
        assert_eq!(rules.action(&POST), RuleAction::Allow);
        assert_eq!(rules.action(&Subject { label: Some("spam"), ..POST }), RuleAction::Deny);
        assert_eq!(rules.action(&Subject { label: Some("spam"), user: "bob", ..POST }), RuleAction::Allow);
    }
}
