//! Questions about single users and posts.

use crate::{
    graph::Graph,
    measure::{Table, Target},
};
use nexus_social::{
    query::{Depth, Slice, TagWindow},
    read::{Read, TaggerScope},
};

/// Everything that a client asks of one object.
pub(crate) fn single_objects(table: &mut Table, graph: &Graph) {
    let index = &graph.index;
    let pair = |dice: &mut _| (graph.user(dice), graph.user(dice));
    let seen = |dice: &mut _| (graph.post(dice), graph.user(dice));
    let window = TagWindow::default();
    table.head("single object");
    let object = Target::Object;
    table.row("user view", object, pair, |(user, viewer)| {
        usize::from(index.user_view(user, Some(viewer), None).is_some())
    });
    table.row("user details", object, pair, |(user, _)| usize::from(index.user(user).is_some()));
    table.row("user counts", object, pair, |(user, _)| usize::from(index.user_counts(user).is_some()));
    table.row("relationship", object, pair, |(user, viewer)| usize::from(index.relationship(user, viewer).is_some()));
    table.row("post view", object, seen, |(post, viewer)| {
        usize::from(index.post_view(post, Some(viewer), window).is_some())
    });
    table.row("post details", object, seen, |(post, _)| usize::from(index.post(post).is_some()));
    table.row("post counts", object, seen, |(post, _)| usize::from(index.post_counts(post).is_some()));
    table.row("bookmark", object, seen, |(post, viewer)| usize::from(index.bookmark(post, viewer).is_some()));
    table.head("around one object");
    for depth in [Depth::ONE, Depth::TWO, Depth::THREE] {
        let name = format!("user view, tags within {} steps", depth.steps());
        let ask = |(user, viewer): &_| usize::from(index.user_view(user, Some(viewer), Some(depth)).is_some());
        table.row(&name, Target::None, pair, ask);
        let name = format!("post tags within {} steps", depth.steps());
        table.row(&name, Target::None, seen, |(post, viewer)| {
            index.post_tags(post, window, TaggerScope::Wot { viewer, depth }).map_or(0, |tags| tags.len())
        });
    }
    table.row(
        "thread, 20 replies",
        Target::None,
        |dice| graph.answered[dice.below(graph.answered.len())],
        |post| {
            index.thread(post, None, 10, 20, 3).map_or(0, |thread| thread.replies.len() + thread.ancestors.len() + 1)
        },
    );
    table.row("path of at most 6 steps", Target::None, pair, |(from, to)| {
        index.path(from, to, 6).map_or(0, |p| p.len())
    });
    table.row("reposts", Target::None, seen, |(post, _)| {
        index.reposts(post, Slice::first(10)).map_or(0, |reposts| reposts.len())
    });
}
