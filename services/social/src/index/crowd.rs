//! Pages of lists of users: where a page begins, and who is left out of it. What orders a list, and who is in it,
//! is for its owner to say.

use super::{Index, columns::at, links::Links};
use crate::{
    query::{Order, Relation, Slice, UserQuery},
    score,
    view::RankedUser,
};
use nexus_pubky::PubkyId;
use std::cmp::Ordering;

/// An entry of a list: a user, and the score that orders it.
pub(super) type Entry = (u32, i64);

/// The part of a list that is wanted.
pub(super) struct Crowd<'a> {
    index: &'a Index,
    slice: Slice<'a>,
    muted: Option<&'a Links>,
}

impl Index {
    /// Whom a viewer mutes, if that is anybody.
    pub(super) fn mutes_of(&self, viewer: Option<PubkyId>) -> Option<&Links> {
        let viewer = self.columns.user(&viewer?)?;
        Some(&self.users[at(viewer)].mutes).filter(|mutes| mutes.len() > 0)
    }

    pub(super) fn crowd<'a>(&'a self, query: &'a UserQuery) -> Crowd<'a> {
        let slice = Slice { after: query.after.as_ref(), page: query.page };
        Crowd { index: self, slice, muted: self.mutes_of(query.unless_muted_by) }
    }

    /// A part of a list of which nobody is left out.
    pub(super) const fn everybody<'a>(&'a self, slice: Slice<'a>) -> Crowd<'a> {
        Crowd { index: self, slice, muted: None }
    }
}

impl Crowd<'_> {
    /// True for users whom the viewer wants to see.
    pub(super) fn admits(&self, user: u32) -> bool {
        self.muted.is_none_or(|mutes| !mutes.contains(user))
    }

    /// How an entry stands to the one to go on after; `None` if there is no such place.
    fn to_after(&self, (user, score): Entry) -> Option<Ordering> {
        let after = self.slice.after?;
        let order = score.cmp(&after.score);
        Some(order.then_with(|| self.index.columns.users[at(user)].as_str().cmp(&after.member)))
    }

    /// Cuts the page from a list in order.
    pub(super) fn of(&self, order: Order, list: impl Iterator<Item = Entry>) -> Vec<RankedUser> {
        let beyond = if order == Order::Descending { Ordering::Less } else { Ordering::Greater };
        let begun = list.skip_while(|entry| self.to_after(*entry).is_some_and(|sides| sides != beyond));
        let page = begun.filter(|(user, _)| self.admits(*user)).skip(self.slice.page.skip).take(self.slice.page.limit);
        page.map(|(user, score)| RankedUser { user: self.index.columns.users[at(user)], score }).collect()
    }

    /// The page of a follow list, oldest first.
    pub(super) fn related_to(&self, user: u32, relation: Relation) -> Vec<RankedUser> {
        let body = &self.index.users[at(user)];
        let links = if relation == Relation::Followers { &body.followers } else { &body.following };
        self.linked(links, |id| relation != Relation::Friends || body.followers.contains(id))
    }

    /// The page of those links to users that are wanted, oldest first.
    pub(super) fn linked(&self, links: &Links, mut wanted: impl FnMut(u32) -> bool) -> Vec<RankedUser> {
        let passed = |entry| self.to_after(entry).is_some_and(Ordering::is_le);
        let list = links.walk(|link| passed((link.id, link.time())), Order::Ascending);
        self.of(Order::Ascending, list.filter(|link| wanted(link.id)).map(|link| (link.id, link.time())))
    }

    /// The page of a ranking of everybody, highest first.
    pub(super) fn ranked_by(&self, rank: usize) -> Vec<RankedUser> {
        let entry = |user: u32| {
            let standing = &self.index.columns.standing[at(user)];
            (user, score::ordered(standing.score(rank).unwrap_or_default()))
        };
        let list = &self.index.ranks.users[rank];
        let place = list.place(|user| self.to_after(entry(*user)).is_none_or(Ordering::is_lt));
        self.of(Order::Descending, list.walk(place, Order::Descending).map(entry))
    }
}
