//! What is asked: the web client's requests, over users and posts that the server has.

use crate::client::{Ask, Client, Failure};
use fastrand::Rng;
use serde_json::{Value, json};

/// How many posts are learned at the most.
const POSTS: usize = 2_000;

/// Everything that can be asked.
pub(crate) struct Mix {
    kinds: Vec<Kind>,
    posts: Vec<String>,
    users: Vec<String>,
    labels: Vec<String>,
    seed: u64,
}

#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    make: fn(&Mix, &mut Rng) -> Ask,
}

fn pick<'a>(dice: &mut Rng, from: &'a [String]) -> &'a str {
    &from[dice.usize(..from.len())]
}

fn get(path: String) -> Ask {
    Ask { path, body: None }
}

/// Frequent requests stand several times.
const KINDS: [Kind; 14] = [
    Kind { name: "stream all", make: |_, _| get("/v0/stream/posts/keys?limit=10".into()) },
    Kind {
        name: "stream following",
        make: |mix, dice| {
            get(format!("/v0/stream/posts/keys?source=following&observer_id={}&limit=10", pick(dice, &mix.users)))
        },
    },
    Kind { name: "posts by ids", make: Mix::by_ids },
    Kind { name: "posts by ids", make: Mix::by_ids },
    Kind {
        name: "stream hydrated",
        make: |mix, dice| get(format!("/v0/stream/posts?limit=10&viewer_id={}", pick(dice, &mix.users))),
    },
    Kind {
        name: "stream author",
        make: |mix, dice| get(format!("/v0/stream/posts?source=author&author_id={}&limit=10", pick(dice, &mix.users))),
    },
    Kind {
        name: "stream by tag",
        make: |mix, dice| get(format!("/v0/stream/posts?tags={}&limit=10", pick(dice, &mix.labels))),
    },
    Kind {
        name: "stream wot",
        make: |mix, dice| get(format!("/v0/stream/posts?source=wot&observer_id={}&limit=10", pick(dice, &mix.users))),
    },
    Kind {
        name: "user",
        make: |mix, dice| get(format!("/v0/user/{}?viewer_id={}", pick(dice, &mix.users), pick(dice, &mix.users))),
    },
    Kind {
        name: "user",
        make: |mix, dice| get(format!("/v0/user/{}?viewer_id={}", pick(dice, &mix.users), pick(dice, &mix.users))),
    },
    Kind { name: "post", make: |mix, dice| get(format!("/v0/post/{}", pick(dice, &mix.posts).replace(':', "/"))) },
    Kind {
        name: "notifications",
        make: |mix, dice| get(format!("/v0/user/{}/notifications?limit=30", pick(dice, &mix.users))),
    },
    Kind { name: "hot tags", make: |_, _| get("/v0/tags/hot?limit=10".into()) },
    Kind { name: "names", make: |_, dice| get(format!("/v0/search/users/by_name/{}", dice.lowercase())) },
];

impl Mix {
    /// Asks the server which posts, users and labels it has.
    pub(crate) async fn learn(client: &mut Client, only: &str, seed: u64) -> Result<Self, Failure> {
        let mut posts = Vec::new();
        while posts.len() < POSTS {
            let path = format!("/v0/stream/posts/keys?limit=50&skip={}", posts.len());
            let page: Value = serde_json::from_slice(&client.ask(&get(path)).await?)?;
            let keys = strings(&page["post_keys"]);
            if keys.is_empty() {
                break;
            }
            posts.extend(keys);
        }
        let mut users: Vec<_> = posts.iter().filter_map(|key| key.split(':').next()).map(str::to_owned).collect();
        users.sort_unstable();
        users.dedup();
        let hot: Value = serde_json::from_slice(&client.ask(&get("/v0/tags/hot".into())).await?)?;
        let labels = hot.as_array().map(|tags| tags.iter().filter_map(|tag| tag["label"].as_str()));
        let labels: Vec<_> = labels.into_iter().flatten().map(str::to_owned).collect();
        if posts.is_empty() || labels.is_empty() {
            return Err(Failure::Empty);
        }
        let mut mix = Self { kinds: KINDS.to_vec(), posts, users, labels, seed };
        mix.keep(only);
        Ok(mix)
    }

    fn keep(&mut self, only: &str) {
        let kinds = KINDS.iter().filter(|kind| (kind.make)(self, &mut Rng::with_seed(1)).path.starts_with(only));
        self.kinds = kinds.copied().collect();
    }

    /// The request with this number: the same for the same seed.
    pub(crate) fn ask(&self, number: u64) -> (&'static str, Ask) {
        let mut dice = Rng::with_seed(self.seed.wrapping_add(number));
        let kind = self.kinds[dice.usize(..self.kinds.len())];
        (kind.name, (kind.make)(self, &mut dice))
    }

    fn by_ids(&self, dice: &mut Rng) -> Ask {
        let ids: Vec<_> = (0..10).map(|_| pick(dice, &self.posts)).collect();
        let body = json!({"post_ids": ids, "viewer_id": pick(dice, &self.users)}).to_string();
        Ask { path: "/v0/stream/posts/by_ids".into(), body: Some(body.into()) }
    }
}

fn strings(list: &Value) -> Vec<String> {
    let items = list.as_array().map(|items| items.iter().filter_map(Value::as_str));
    items.into_iter().flatten().map(str::to_owned).collect()
}
