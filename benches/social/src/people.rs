//! Streams of users, hot tags and searches.

use crate::{
    graph::Graph,
    measure::{Table, Target},
};
use nexus_pubky::PubkyId;
use nexus_social::{
    dice::Dice,
    query::{
        Depth, HotTagQuery, LabelledQuery, NameQuery, Page, Reach, Relation, ScoreRange, Sorting, Timeframe, UserQuery,
        UserSource,
    },
    read::Read,
};

const TEN: Page = Page { skip: 0, limit: 10 };
const FRAMES: [(&str, Timeframe); 4] = [
    ("today", Timeframe::Today),
    ("this week", Timeframe::ThisWeek),
    ("this month", Timeframe::ThisMonth),
    ("all time", Timeframe::AllTime),
];
const REACHES: [(&str, Reach); 5] = [
    ("followers", Reach::Relation(Relation::Followers)),
    ("following", Reach::Relation(Relation::Following)),
    ("friends", Reach::Relation(Relation::Friends)),
    ("wot 2", Reach::Wot(Depth::TWO)),
    ("wot 3", Reach::Wot(Depth::THREE)),
];

fn page(graph: &Graph, viewer: &PubkyId, query: &UserQuery) -> usize {
    let users = graph.index.users(query);
    let views: Vec<_> =
        users.iter().filter_map(|entry| graph.index.user_view(&entry.user, Some(viewer), None)).collect();
    std::hint::black_box(views).len()
}

/// Pages of ten users.
pub(crate) fn streams(table: &mut Table, graph: &Graph) {
    table.head("page of 10 users");
    let mut row = |name: &str, source: &dyn Fn(&mut Dice, PubkyId) -> UserSource| {
        let prepare = |dice: &mut Dice| {
            let viewer = graph.user(dice);
            let (source, now, seed) = (source(dice, viewer), Graph::now(), dice.roll());
            (viewer, UserQuery { source, page: TEN, after: None, unless_muted_by: None, now, seed })
        };
        table.row(name, Target::Page, prepare, |(viewer, query)| page(graph, viewer, query));
    };
    for (name, relation) in
        [("followers", Relation::Followers), ("following", Relation::Following), ("friends", Relation::Friends)]
    {
        row(name, &|_, viewer| UserSource::Relation(viewer, relation));
    }
    row("most followed", &|_, _| UserSource::MostFollowed);
    for (name, timeframe) in FRAMES {
        let around = None;
        row(&format!("influencers {name}"), &|_, _| UserSource::Influencers { around, timeframe, preview: false });
    }
    for (name, reach) in REACHES {
        row(&format!("influencers this week, {name}"), &|_, viewer| UserSource::Influencers {
            around: Some((viewer, reach)),
            timeframe: Timeframe::ThisWeek,
            preview: false,
        });
    }
    row("recommended", &|_, viewer| UserSource::Recommended(viewer));
    row("repliers", &|dice, _| UserSource::PostReplies(graph.answered[dice.below(graph.answered.len())]));
    row("starter pack, 1 label", &|dice, viewer| UserSource::StarterPack {
        labels: vec![Graph::label(dice)],
        newcomer: Some(viewer),
        timeframe: Timeframe::AllTime,
    });
}

/// Lists of ten labels.
pub(crate) fn hot_tags(table: &mut Table, graph: &Graph) {
    table.head("10 hot tags, 20 taggers each");
    let query = |around, timeframe| HotTagQuery {
        around,
        timeframe,
        page: TEN,
        taggers: 20,
        newest: 1 << 18,
        now: Graph::now(),
    };
    for (name, timeframe) in FRAMES {
        let prepare = |_: &mut Dice| query(None, timeframe);
        table.row(&format!("hot {name}"), Target::Page, prepare, |query| graph.index.hot_tags(query).len());
    }
    for (name, reach) in REACHES {
        let prepare = |dice: &mut Dice| query(Some((graph.user(dice), reach)), Timeframe::ThisWeek);
        table.row(&format!("hot this week, {name}"), Target::None, prepare, |query| graph.index.hot_tags(query).len());
    }
    for (name, reach) in REACHES {
        let prepare = |dice: &mut Dice| query(Some((graph.user(dice), reach)), Timeframe::AllTime);
        table.row(&format!("hot all time, {name}"), Target::None, prepare, |query| graph.index.hot_tags(query).len());
    }
    let prepare = |dice: &mut Dice| Graph::label(dice);
    table.row("taggers of a label, this week", Target::None, prepare, |label| {
        graph.index.label_taggers(label.as_str(), None, Timeframe::ThisWeek, Graph::now(), TEN).len()
    });
}

/// Searches, as ids.
pub(crate) fn searches(table: &mut Table, graph: &Graph) {
    table.head("search, 10 hits");
    let index = &graph.index;
    let letters = |dice: &mut Dice| {
        let label = Graph::label(dice).to_string();
        label.chars().take(2).collect::<String>()
    };
    let key = |dice: &mut Dice| graph.user(dice).as_str()[..3].to_owned();
    table.row("users by name", Target::Page, letters, |prefix| {
        let query = NameQuery { prefix: prefix.clone(), after: None, page: TEN, unless_muted_by: None };
        index.users_by_name(&query).len()
    });
    table.row("users by key", Target::Page, key, |prefix| index.users_by_id(prefix, None, TEN).len());
    table.row("labels by prefix", Target::Page, letters, |prefix| index.labels(prefix, TEN).len());
    for count in [1, 3] {
        let prepare = |dice: &mut Dice| (0..count).map(|_| Graph::label(dice)).collect::<Vec<_>>();
        table.row(&format!("users by {count} tags"), Target::Page, prepare, |labels| {
            index.users_by_tags(labels, None, TEN).len()
        });
    }
    for (name, sorting) in [("time", Sorting::Timeline), ("engagement", Sorting::TotalEngagement)] {
        let ask = |label: &nexus_social::row::Label| {
            let (label, range) = (label.clone(), ScoreRange::default());
            let query = LabelledQuery { label, sorting, range, after: None, page: TEN, unless_muted_by: None };
            index.posts_by_tag(&query).len()
        };
        table.row(&format!("posts by tag, by {name}"), Target::Page, |dice: &mut Dice| Graph::label(dice), ask);
    }
}
