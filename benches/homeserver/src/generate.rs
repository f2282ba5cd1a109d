//! A made-up network: users who write, follow, tag and bookmark, the same for the same seed.

use bytes::Bytes;
use fastrand::Rng;
use pkarr::Keypair;
use pubky_app_specs::{
    PubkyAppBookmark, PubkyAppPost, PubkyAppPostKind, PubkyAppTag, PubkyAppUser, post_uri_builder, traits::HashId,
};
use serde_json::json;

/// The first post's time: 2025-01-01, in microseconds.
const FIRST_POST: i64 = 1_735_689_600_000_000;

/// Labels, the first ones most used.
const LABELS: [&str; 12] =
    ["bitcoin", "maps", "art", "music", "rust", "nostr", "food", "travel", "books", "chess", "film", "garden"];

/// How large a network.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Entries of the log in all, at least as many as users.
    pub events: usize,
    /// Users; each has a profile.
    pub users: usize,
    /// Chooses among all networks of this size.
    pub seed: u64,
}

/// Records in the order of their log: owner, path and body.
#[derive(Clone, Debug)]
pub struct Network {
    /// Who, where, what.
    pub records: Vec<(String, String, Bytes)>,
}

impl Network {
    /// Makes a network: profiles first, then of ten further entries about five posts (a fifth of them replies),
    /// two follows, two tags and a bookmark.
    pub fn generate(plan: Plan) -> Self {
        let users = (0..plan.users.max(1)).map(|index| key(plan.seed, index)).collect();
        let mut made = Making { random: Rng::with_seed(plan.seed), users, posts: Vec::new(), records: Vec::new() };
        for index in 0..made.users.len() {
            made.profile(index);
        }
        while made.records.len() < plan.events {
            made.one();
        }
        made.records.truncate(plan.events);
        Self { records: made.records }
    }
}

/// The key of a generated user.
fn key(seed: u64, index: usize) -> String {
    let mut secret = [7; 32];
    secret[..8].copy_from_slice(&seed.to_le_bytes());
    secret[8..16].copy_from_slice(&(index as u64).to_le_bytes());
    Keypair::from_secret_key(&secret).public_key().to_z32()
}

struct Making {
    random: Rng,
    users: Vec<String>,
    posts: Vec<(usize, String)>,
    records: Vec<(String, String, Bytes)>,
}

impl Making {
    fn profile(&mut self, user: usize) {
        let profile = PubkyAppUser::new(format!("user {user}"), Some("made up".into()), None, None, None);
        self.keep(user, "profile.json", &json!(profile));
    }

    fn one(&mut self) {
        let user = skewed(&mut self.random, self.users.len());
        match self.random.usize(..10) {
            0..5 => self.post(user),
            5..7 => self.follow(user),
            7..9 => self.tag(user),
            _ => self.bookmark(user),
        }
    }

    fn post(&mut self, user: usize) {
        let id = timestamp_id(FIRST_POST + self.posts.len() as i64 * 1_000_000);
        let parent = (self.random.usize(..5) == 0).then(|| self.some_post()).flatten();
        let label = LABELS[skewed(&mut self.random, LABELS.len())];
        let content = format!("post {} about {label}, written by user {user} on a quiet day", self.posts.len());
        let post = PubkyAppPost::new(content, PubkyAppPostKind::Short, parent, None, None);
        self.keep(user, &format!("posts/{id}"), &json!(post));
        self.posts.push((user, id));
    }

    fn follow(&mut self, user: usize) {
        let followee = skewed(&mut self.random, self.users.len());
        let path = format!("follows/{}", self.users[followee]);
        self.keep(user, &path, &json!({"created_at": FIRST_POST}));
    }

    fn tag(&mut self, user: usize) {
        let Some(uri) = self.some_post() else { return };
        let label = LABELS[skewed(&mut self.random, LABELS.len())].to_owned();
        let tag = PubkyAppTag { uri, label, created_at: FIRST_POST };
        self.keep(user, &format!("tags/{}", tag.create_id()), &json!(tag));
    }

    fn bookmark(&mut self, user: usize) {
        let Some(uri) = self.some_post() else { return };
        let bookmark = PubkyAppBookmark { uri, created_at: FIRST_POST };
        self.keep(user, &format!("bookmarks/{}", bookmark.create_id()), &json!(bookmark));
    }

    fn some_post(&mut self) -> Option<String> {
        let newest_first = skewed(&mut self.random, self.posts.len().max(1));
        let (author, id) = self.posts.iter().nth_back(newest_first)?;
        Some(post_uri_builder(self.users[*author].clone(), id.clone()))
    }

    fn keep(&mut self, user: usize, path: &str, body: &serde_json::Value) {
        let path = format!("/pub/pubky.app/{path}");
        self.records.push((self.users[user].clone(), path, body.to_string().into()));
    }
}

/// 13 characters of Crockford base32 over a time in microseconds.
fn timestamp_id(micros: i64) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let bits = u128::from(micros.cast_unsigned()) << 1;
    (0..13).rev().map(|digit| char::from(DIGITS[(bits >> (digit * 5)) as usize & 31])).collect()
}

/// A number below `end`, small ones far more often than large ones.
fn skewed(random: &mut Rng, end: usize) -> usize {
    let bound = random.usize(..end.max(1));
    random.usize(..=bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nexus_pubky::{Authority, Fetched, Schema};

    #[test]
    fn every_generated_record_is_valid() {
        let network = Network::generate(Plan { events: 500, users: 20, seed: 1 });
        assert_eq!(network.records.len(), 500);
        for (user, path, body) in &network.records {
            let address = nexus_pubky::Address::from_canonical(&format!("pubky://{user}{path}")).unwrap();
            let fetched = Fetched { address, authority: Authority::Configured, body: body.clone(), announced: None };
            nexus_model::Raw::new(fetched).verify(&Schema::default()).unwrap();
        }
    }

    #[test]
    fn a_seed_gives_one_network() {
        let plan = Plan { events: 100, users: 5, seed: 3 };
        assert_eq!(Network::generate(plan).records, Network::generate(plan).records);
    }
}
