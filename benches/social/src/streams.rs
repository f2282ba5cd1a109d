//! Streams of posts: every source, sorting and filter, as hydrated pages of ten.

use crate::{
    graph::Graph,
    measure::{Table, Target},
};
use nexus_pubky::PubkyId;
use nexus_social::{
    dice::Dice,
    query::{Depth, KindFilter, Order, Page, PostQuery, PostSource, Reach, Relation, ScoreRange, Sorting, TagWindow},
    read::Read,
    row::PostKind,
};

/// Where streams come from.
#[derive(Clone, Copy)]
enum Source {
    All,
    Around(Reach),
    Domain(Option<Depth>),
    Bookmarks,
    Author,
    AuthorReplies,
    PostReplies,
    Collection,
}

const SOURCES: [(&str, Source); 16] = [
    ("all", Source::All),
    ("following", Source::Around(Reach::Relation(Relation::Following))),
    ("followers", Source::Around(Reach::Relation(Relation::Followers))),
    ("friends", Source::Around(Reach::Relation(Relation::Friends))),
    ("wot 1", Source::Around(Reach::Wot(Depth::ONE))),
    ("wot 2", Source::Around(Reach::Wot(Depth::TWO))),
    ("wot 3", Source::Around(Reach::Wot(Depth::THREE))),
    ("wot_domain 0", Source::Domain(None)),
    ("wot_domain 1", Source::Domain(Some(Depth::ONE))),
    ("wot_domain 2", Source::Domain(Some(Depth::TWO))),
    ("wot_domain 3", Source::Domain(Some(Depth::THREE))),
    ("bookmarks", Source::Bookmarks),
    ("author", Source::Author),
    ("author_replies", Source::AuthorReplies),
    ("post_replies", Source::PostReplies),
    ("collection", Source::Collection),
];

/// What else a stream asks for.
#[derive(Clone, Copy)]
struct Shape {
    sorting: Sorting,
    order: Order,
    tags: usize,
    kinds: Kinds,
}

#[derive(Clone, Copy)]
enum Kinds {
    Any,
    Images,
    Collections,
    NotShort,
}

impl Kinds {
    fn filter(self) -> KindFilter {
        match self {
            Self::Any => KindFilter::Any,
            Self::Images => KindFilter::Only(PostKind::Image),
            Self::Collections => KindFilter::Only(PostKind::Collection),
            Self::NotShort => KindFilter::Except(vec![PostKind::Short]),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Images => ", images",
            Self::Collections => ", collections",
            Self::NotShort => ", not short",
        }
    }
}

impl Source {
    fn choose(self, graph: &Graph, dice: &mut Dice, observer: PubkyId) -> PostSource {
        match self {
            Self::All => PostSource::All,
            Self::Around(reach) => PostSource::Reach { observer, reach },
            Self::Domain(depth) => {
                PostSource::WotDomain { observer, depth, labels: vec![Graph::label(dice), Graph::label(dice)] }
            }
            Self::Bookmarks => PostSource::Bookmarks(observer),
            Self::Author => PostSource::Author(graph.author(dice)),
            Self::AuthorReplies => PostSource::AuthorReplies(graph.author(dice)),
            Self::PostReplies => PostSource::PostReplies(graph.answered[dice.below(graph.answered.len())]),
            Self::Collection => PostSource::Collection(graph.collections[dice.below(graph.collections.len())]),
        }
    }

    /// The shapes that the API allows.
    fn shapes(self) -> Vec<Shape> {
        let plain = Shape { sorting: Sorting::Timeline, order: Order::Descending, tags: 0, kinds: Kinds::Any };
        match self {
            Self::Collection => vec![plain],
            Self::AuthorReplies | Self::PostReplies => [0, 1, 3].map(|tags| Shape { tags, ..plain }).to_vec(),
            _ => [Sorting::Timeline, Sorting::TotalEngagement]
                .into_iter()
                .flat_map(|sorting| filters(plain, sorting))
                .collect(),
        }
    }
}

fn filters(plain: Shape, sorting: Sorting) -> Vec<Shape> {
    let filters = [
        (0, Kinds::Any),
        (1, Kinds::Any),
        (3, Kinds::Any),
        (0, Kinds::Images),
        (0, Kinds::Collections),
        (0, Kinds::NotShort),
        (1, Kinds::Images),
    ];
    let filtered = filters.map(|(tags, kinds)| Shape { sorting, tags, kinds, ..plain });
    filtered.into_iter().chain([Shape { sorting, order: Order::Ascending, ..plain }]).collect()
}

impl Shape {
    fn name(self, source: &str) -> String {
        let sorting = if self.sorting == Sorting::Timeline { "" } else { ", by engagement" };
        let tags = ["", ", 1 tag", "", ", 3 tags"][self.tags];
        let order = if self.order == Order::Ascending { ", ascending" } else { "" };
        format!("{source}{sorting}{tags}{}{order}", self.kinds.name())
    }

    fn query(self, dice: &mut Dice, source: PostSource) -> PostQuery {
        PostQuery {
            source,
            sorting: self.sorting,
            order: self.order,
            tags: (0..self.tags).map(|_| Graph::label(dice)).collect(),
            kinds: self.kinds.filter(),
            range: ScoreRange::default(),
            after: None,
            page: Page { skip: 0, limit: 10 },
            unless_muted_by: None,
        }
    }
}

/// Asks for every stream that the API has.
pub(crate) fn every_shape(table: &mut Table, graph: &Graph) {
    table.head("page of 10 posts");
    for (name, source) in SOURCES {
        for shape in source.shapes() {
            let prepare = |dice: &mut Dice| {
                let observer = graph.user(dice);
                let source = source.choose(graph, dice, observer);
                (observer, shape.query(dice, source))
            };
            table.row(&shape.name(name), Target::Page, prepare, |(viewer, query)| page(graph, viewer, query));
        }
    }
}

/// A page as the API would show it.
fn page(graph: &Graph, viewer: &PubkyId, query: &PostQuery) -> usize {
    let view = |post| graph.index.post_view(post, Some(viewer), TagWindow::default());
    let views: Vec<_> = graph.index.posts(query).iter().filter_map(|entry| view(&entry.post)).collect();
    std::hint::black_box(views).len()
}
