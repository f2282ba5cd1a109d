//! What the index does with one event, as the writer publishes it.

use crate::{
    graph::Graph,
    measure::{Table, Target},
};
use nexus_pubky::{HashId, TimestampId};
use nexus_social::{
    dice::Dice,
    effects::{Effects, RowChange},
    row::{Edge, PostKey, PostKind, PostRow, Tag, Target as Tagged, UserEdge},
};

/// Makes one new thing.
type Make = fn(&Graph, &mut Dice, i64) -> RowChange;

/// One new thing after the other.
pub(crate) fn events(table: &mut Table, graph: &mut Graph) {
    table.head("apply one event");
    let mut dice = Dice::new(99);
    let makers: [(&str, Make); 4] =
        [("new post", post), ("new tag", tag), ("new follow", follow), ("new reply", reply)];
    for (name, make) in makers {
        let effects: Vec<_> = (0..5000)
            .map(|place| Effects { rows: vec![make(graph, &mut dice, place)], ..Effects::default() })
            .collect();
        let index = std::cell::RefCell::new(&mut graph.index);
        table.time(
            name,
            Target::None,
            effects.iter().map(|effects| {
                || {
                    index.borrow_mut().apply(effects);
                    1
                }
            }),
        );
    }
}

fn post(graph: &Graph, dice: &mut Dice, place: i64) -> RowChange {
    let time = Graph::now().plus_millis(place);
    let key = PostKey { author: graph.user(dice), id: TimestampId::from_micros(time.millis() * 1000) };
    RowChange::PutPost(PostRow {
        key,
        content: "a new post".to_owned(),
        kind: PostKind::Short,
        parent: None,
        embed: None,
        attachments: None,
        lock: None,
        indexed_at: time,
        deleted: false,
        hash: None,
    })
}

fn tag(graph: &Graph, dice: &mut Dice, place: i64) -> RowChange {
    let time = Graph::now().plus_millis(place);
    let id = HashId::of_hash(&dice.bytes());
    let (tagger, target, label) = (graph.user(dice), Tagged::Post(graph.post(dice)), Graph::label(dice));
    RowChange::PutEdge(Edge::Tagged(Tag { tagger, app: None, id, target, label, time, created_at: 0 }))
}

fn follow(graph: &Graph, dice: &mut Dice, place: i64) -> RowChange {
    let time = Graph::now().plus_millis(place);
    RowChange::PutEdge(Edge::Follows(UserEdge { from: graph.user(dice), to: graph.user(dice), time, created_at: 0 }))
}

fn reply(graph: &Graph, dice: &mut Dice, place: i64) -> RowChange {
    let time = Graph::now().plus_millis(place);
    RowChange::PutEdge(Edge::Replied { post: graph.post(dice), parent: graph.post(dice), time })
}
