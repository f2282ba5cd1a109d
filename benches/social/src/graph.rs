//! The network that is asked, and what it weighs.

use nexus_model::Timestamp;
use nexus_pubky::PubkyId;
use nexus_social::{
    dice::Dice,
    effects::RowChange,
    index::{Index, Loader},
    mock::{Network, Size},
    row::{Edge, Label, PostKey, PostKind},
    store::Stored,
};
use std::time::{Duration, Instant};

/// When the network ends, in milliseconds. Nothing depends on it.
pub(crate) const END: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// An index with the things that questions are asked about.
pub(crate) struct Graph {
    pub(crate) index: Index,
    pub(crate) users: Vec<PubkyId>,
    pub(crate) posts: Vec<PostKey>,
    /// Posts that somebody answered.
    pub(crate) answered: Vec<PostKey>,
    pub(crate) collections: Vec<PostKey>,
    weights: Vec<(&'static str, usize, u64)>,
    load: Duration,
}

/// What a row counts as.
fn sort_of(row: &Stored) -> &'static str {
    match row {
        Stored::User(_) => "user",
        Stored::Post(_) => "post",
        Stored::Edge(Edge::Follows(_)) => "follow",
        Stored::Edge(Edge::Tagged(_)) => "tag",
        Stored::Edge(Edge::Bookmarked(_)) => "bookmark",
        Stored::Edge(Edge::Replied { .. } | Edge::Reposted { .. } | Edge::Mentioned { .. }) => {
            "reply, repost or mention"
        }
        Stored::Edge(Edge::Mutes(_)) => "mute",
        _ => "file or resource",
    }
}

fn stored(change: RowChange) -> Option<Stored> {
    match change {
        RowChange::PutUser(row) => Some(Stored::User(row)),
        RowChange::PutPost(row) => Some(Stored::Post(row)),
        RowChange::PutFile(row) => Some(Stored::File(row)),
        RowChange::PutResource(row) => Some(Stored::Resource(row)),
        RowChange::PutEdge(edge) => Some(Stored::Edge(edge)),
        _ => None,
    }
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * 4096
}

impl Graph {
    /// Makes up a network and builds its index.
    pub(crate) fn build(size: Size, seed: u64) -> Self {
        let begin = Instant::now();
        let network = Network::new(size, seed, END);
        let mut rows: Vec<Stored> = network.rows().filter_map(stored).collect();
        // One sort after the other, so that memory can be told apart.
        rows.sort_by_key(|row| match sort_of(row) {
            "user" => 0,
            "file or resource" => 1,
            "post" => 2,
            "reply, repost or mention" => 3,
            "follow" => 4,
            "tag" => 5,
            _ => 6,
        });
        eprintln!("{} rows made up in {:.1} s", rows.len(), begin.elapsed().as_secs_f64());
        Self::load(&network, &rows)
    }

    /// The rows outlive the loading: what grows meanwhile is the index.
    fn load(network: &Network, rows: &[Stored]) -> Self {
        let mut loader = Loader::default();
        let (mut weights, mut load) = (Vec::new(), Duration::ZERO);
        for part in rows.chunk_by(|a, b| sort_of(a) == sort_of(b)) {
            let (before, begin) = (resident(), Instant::now());
            part.iter().for_each(|row| loader.insert(row.clone()));
            load += begin.elapsed();
            weights.push((sort_of(&part[0]), part.len(), resident().saturating_sub(before)));
        }
        let (before, begin) = (resident(), Instant::now());
        let index = loader.finish();
        load += begin.elapsed();
        weights.push(("order over everything", 1, resident().saturating_sub(before)));
        let answered = rows.iter().filter_map(|row| match row {
            Stored::Edge(Edge::Replied { parent, .. }) => Some(*parent),
            _ => None,
        });
        let collections = rows.iter().filter_map(|row| match row {
            Stored::Post(row) if row.kind == PostKind::Collection => Some(row.key),
            _ => None,
        });
        let (answered, collections) = (answered.collect(), collections.collect());
        let (users, posts) = (network.users().to_vec(), network.posts().collect());
        Self { index, users, posts, answered, collections, weights, load }
    }

    pub(crate) fn print(&self) {
        println!("| index of | number | bytes each | MB |\n|---|---:|---:|---:|");
        for (sort, count, bytes) in &self.weights {
            println!("| {sort} | {count} | {} | {:.1} |", bytes / *count as u64, *bytes as f64 / 1e6);
        }
        let all: u64 = self.weights.iter().map(|(_, _, bytes)| bytes).sum();
        println!("| all | | | {:.1} |\n\nbuilt from rows in {:.1} s", all as f64 / 1e6, self.load.as_secs_f64());
    }

    /// When questions are asked: an hour after the last event.
    pub(crate) const fn now() -> Timestamp {
        END.plus_millis(3_600_000)
    }

    pub(crate) fn user(&self, dice: &mut Dice) -> PubkyId {
        self.users[dice.below(self.users.len())]
    }

    pub(crate) fn post(&self, dice: &mut Dice) -> PostKey {
        self.posts[dice.below(self.posts.len())]
    }

    /// Somebody who has written something.
    pub(crate) fn author(&self, dice: &mut Dice) -> PubkyId {
        self.post(dice).author
    }

    /// A label, the popular ones more often.
    pub(crate) fn label(dice: &mut Dice) -> Label {
        let place = 5000f64.powf(dice.fraction());
        Network::label(place as usize - 1)
    }
}
