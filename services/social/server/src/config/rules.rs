//! Settings of the operator's rules.

use super::{HomeserverAt, Key};
use nexus_config::{choice, section};

section! {
    /// One rule about what is let in.
    pub struct Rule {
        /// What happens to a record that matches.
        pub action: Verdict = Verdict::Deny,
        /// Records of these users.
        pub users: Vec<Key> = Vec::new(),
        /// Records read from these homeservers.
        pub homeservers: Vec<HomeserverAt> = Vec::new(),
        /// Records of these apps: the second part of the path, `pubky.app` for Pubky's own.
        pub apps: Vec<String> = Vec::new(),
        /// Collections (`profile`, `posts`, `tags`, …) or kinds of posts (`short`, `long`, `image`, …).
        pub kinds: Vec<String> = Vec::new(),
        /// Tags with these labels.
        pub labels: Vec<String> = Vec::new(),
        /// Posts and profiles that contain any of these words, whatever their case.
        pub words: Vec<String> = Vec::new(),
    }
}

choice! {
    /// What a rule does.
    pub enum Verdict {
        /// The record is dropped.
        Deny = "deny",
        /// The record may come in.
        Allow = "allow",
    }
}
