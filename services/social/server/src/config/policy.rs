//! The settings that say what is indexed, as the service's core takes them.

use super::{HomeserverAt, Key, Retry, Rule, Social, Verdict};
use nexus_social::rules::{self, MentionPolicy, Moderation, Policy, RetryPolicy, RuleAction, Rules};

impl Social {
    /// Everything that the operator decides about what is indexed.
    pub fn policy(&self) -> Policy {
        Policy {
            rules: Rules::new(self.rules.iter().map(Rule::to_rule).collect()),
            blacklist: self.watcher.blacklist.iter().map(|key| key.0.as_str().into()).collect(),
            moderation: Moderation {
                moderator: self.moderation_id.map(|key| key.0),
                labels: self.moderated_tags.iter().map(|label| label.to_lowercase()).collect(),
            },
            mentions: match self.mention_blocks_delete {
                true => MentionPolicy::BlockDelete,
                false => MentionPolicy::AllowDelete,
            },
            retry: self.watcher.retry.policy(),
        }
    }
}

impl Rule {
    fn to_rule(&self) -> rules::Rule {
        rules::Rule {
            action: match self.action {
                Verdict::Allow => RuleAction::Allow,
                Verdict::Deny => RuleAction::Deny,
            },
            users: self.users.iter().map(|Key(user)| user.to_string()).collect(),
            homeservers: self.homeservers.iter().map(HomeserverAt::to_string).collect(),
            apps: self.apps.clone(),
            kinds: self.kinds.clone(),
            labels: self.labels.clone(),
            words: self.words.clone(),
        }
    }
}

impl Retry {
    fn policy(&self) -> RetryPolicy {
        let millis = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
        let tries = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        RetryPolicy {
            transient_ms: millis(self.initial_backoff.get()),
            dependency_ms: millis(self.initial_missing_dep_backoff.get()),
            transient_longest_ms: millis(self.max_backoff.get()),
            dependency_longest_ms: millis(self.max_missing_dep_backoff.get()),
            transient_tries: tries(self.max_retries.get()),
            dependency_tries: tries(self.max_dependency_retries.get()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_core() {
        let policy = Social::default().policy();
        assert_eq!(policy.retry, RetryPolicy::default());
        assert_eq!(policy.mentions, MentionPolicy::BlockDelete);
        assert_eq!(policy.moderation.labels.len(), 6);
    }
}
