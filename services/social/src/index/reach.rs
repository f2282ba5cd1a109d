//! The users around one, as a test that is asked user by user. Two steps of follows are tested through one
//! step's set and three through two steps': the set of three covers most users, and is never built.

use super::{Index, columns::at, links::Links};
use crate::query::{Depth, Reach, Relation};
use hashbrown::HashMap;
use roaring::RoaringBitmap;

/// How many links are looked up one by one before bitmaps are compared.
const FEW: usize = 32;

/// Who is around a user.
pub(super) struct Around<'a> {
    index: &'a Index,
    user: u32,
    reach: Reach,
    /// Users within one step less than asked for; only for two and three steps.
    near: RoaringBitmap,
    /// Users within two steps, once they are named.
    far: Option<RoaringBitmap>,
    known: HashMap<u32, bool>,
}

impl<'a> Around<'a> {
    pub(super) fn new(index: &'a Index, user: u32, reach: Reach) -> Self {
        let following = &index.users[at(user)].following;
        let near = match reach {
            Reach::Wot(Depth::TWO) => bitmap(following),
            Reach::Wot(Depth::THREE) => following.ids().fold(bitmap(following), |near, id| joined(index, near, id)),
            _ => RoaringBitmap::new(),
        };
        Self { index, user, reach, near, far: None, known: HashMap::new() }
    }

    /// True if `other` is around the user. The user is not.
    pub(super) fn contains(&mut self, other: u32) -> bool {
        if other == self.user {
            return false;
        }
        let body = &self.index.users[at(self.user)];
        match self.reach {
            Reach::Relation(Relation::Following) | Reach::Wot(Depth::ONE) => body.following.contains(other),
            Reach::Relation(Relation::Followers) => body.followers.contains(other),
            Reach::Relation(Relation::Friends) => body.following.contains(other) && body.followers.contains(other),
            Reach::Wot(_) => self.is_near(other),
        }
    }

    /// True if any of some users is around the user, who is known not to be among them.
    pub(super) fn has_any(&mut self, others: &Links) -> bool {
        match (self.reach, &self.far) {
            (Reach::Wot(Depth::ONE), _) => share_any(&self.index.users[at(self.user)].following, others),
            (Reach::Wot(_), Some(far)) => meets(others, far),
            (Reach::Wot(_), None) => meets(others, &self.near) || others.ids().any(|other| self.contains(other)),
            (Reach::Relation(_), _) => others.ids().any(|other| self.contains(other)),
        }
    }

    /// False for users who aren't around, as far as one look-up tells.
    pub(super) fn may_contain(&self, other: u32) -> bool {
        self.far.as_ref().is_none_or(|far| far.contains(other))
    }

    fn is_near(&mut self, other: u32) -> bool {
        if let Some(far) = &self.far {
            return far.contains(other);
        }
        let (near, users) = (&self.near, &self.index.users);
        *self.known.entry(other).or_insert_with(|| near.contains(other) || meets(&users[at(other)].followers, near))
    }

    /// Everybody around the user, if finding them costs at most `limit` steps.
    pub(super) fn members(&self, limit: usize) -> Option<Vec<u32>> {
        let body = &self.index.users[at(self.user)];
        let mut members = match self.reach {
            Reach::Relation(Relation::Followers) => within(&body.followers, limit)?,
            Reach::Relation(Relation::Friends) => {
                let following = within(&body.following, limit)?;
                following.into_iter().filter(|id| body.followers.contains(*id)).collect()
            }
            Reach::Relation(Relation::Following) | Reach::Wot(Depth::ONE) => within(&body.following, limit)?,
            Reach::Wot(_) => self.next_step(limit)?,
        };
        members.retain(|id| *id != self.user);
        Some(members)
    }

    /// Names everybody within two steps, when so many are to be tested that it is worth it: one step more is never
    /// named. Lists of follows that have bitmaps are joined at once. True if a test is one look-up from now on.
    pub(super) fn settle(&mut self) -> bool {
        if self.reach == Reach::Wot(Depth::TWO) && self.far.is_none() {
            self.far = Some(self.near.iter().fold(self.near.clone(), |all, id| joined(self.index, all, id)));
        }
        self.reach != Reach::Wot(Depth::THREE)
    }

    fn next_step(&self, limit: usize) -> Option<Vec<u32>> {
        if let Some(far) = &self.far {
            return (far.len() <= limit as u64).then(|| far.iter().collect());
        }
        let mut steps = 0;
        let mut all = self.near.clone();
        for id in &self.near {
            let following = &self.index.users[at(id)].following;
            steps += following.len() + 1;
            if steps > limit {
                return None;
            }
            all.extend(following.ids());
        }
        Some(all.iter().collect())
    }
}

/// The set and all whom a user follows.
fn joined(index: &Index, mut set: RoaringBitmap, user: u32) -> RoaringBitmap {
    let following = &index.users[at(user)].following;
    match following.members() {
        Some(members) => set |= members,
        None => set.extend(following.ids()),
    }
    set
}

fn within(links: &Links, limit: usize) -> Option<Vec<u32>> {
    (links.len() <= limit).then(|| links.ids().collect())
}

fn bitmap(links: &Links) -> RoaringBitmap {
    links.members().cloned().unwrap_or_else(|| links.ids().collect())
}

/// True if two lists have anybody in common.
fn share_any(a: &Links, b: &Links) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    short.ids().any(|id| long.contains(id))
}

/// True if any of the links is in the set.
fn meets(links: &Links, set: &RoaringBitmap) -> bool {
    match links.members() {
        Some(members) if set.len() > FEW as u64 => {
            links.ids().take(FEW).any(|id| set.contains(id)) || !members.is_disjoint(set)
        }
        Some(members) => set.iter().any(|id| members.contains(id)),
        None => links.ids().any(|id| set.contains(id)),
    }
}
