//! Sets of ids in the order of a time: follow lists, replies, taggers. One link lives inline, a few in a short
//! vector, many also in a bitmap for membership.

use super::sorted::Sorted;
use crate::query::Order;
use roaring::RoaringBitmap;
use std::cmp::Ordering;

/// From how many links on membership is looked up in a bitmap.
const BITMAP_FROM: usize = 32;

/// An id with a time, in 12 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    time: [u32; 2],
    pub(super) id: u32,
}

impl Link {
    pub(super) const fn new(time: i64, id: u32) -> Self {
        Self { time: split(time), id }
    }

    pub(super) const fn time(&self) -> i64 {
        join(self.time)
    }
}

/// A time as two words, so that what holds it needs no padding.
pub(super) const fn split(time: i64) -> [u32; 2] {
    [(time >> 32) as u32, time as u32]
}

/// The time that [`split`] took apart.
pub(super) const fn join([high, low]: [u32; 2]) -> i64 {
    ((high as i32 as i64) << 32) | low as i64
}

/// Distinct ids by time; equal times in the order that callers hand in, always the same one for a list.
#[derive(Clone, Debug, Default)]
pub(super) enum Links {
    #[default]
    None,
    One(Link),
    Many(Box<Many>),
}

#[derive(Clone, Debug)]
pub(super) struct Many {
    list: Sorted<Link>,
    members: Option<RoaringBitmap>,
}

/// Compares ids by what they stand for.
pub(super) trait IdOrder: Fn(u32, u32) -> Ordering {}
impl<F: Fn(u32, u32) -> Ordering> IdOrder for F {}

fn order(a: &Link, b: &Link, ids: &impl IdOrder) -> Ordering {
    a.time().cmp(&b.time()).then_with(|| if a.id == b.id { Ordering::Equal } else { ids(a.id, b.id) })
}

impl Links {
    /// Takes links that are in order.
    pub(super) fn from_ordered(links: Vec<Link>) -> Self {
        match links.as_slice() {
            [] => Self::None,
            [one] => Self::One(*one),
            many => {
                let members = (many.len() > BITMAP_FROM).then(|| many.iter().map(|link| link.id).collect());
                Self::Many(Box::new(Many { list: Sorted::from_ordered(links), members }))
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Many(many) => many.list.len(),
        }
    }

    /// The number of links, as counters show it.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn contains(&self, id: u32) -> bool {
        match self {
            Self::None => false,
            Self::One(link) => link.id == id,
            Self::Many(many) => match &many.members {
                Some(members) => members.contains(id),
                None => many.list.iter(Order::Ascending).any(|link| link.id == id),
            },
        }
    }

    /// The ids as a bitmap, where there are enough of them to have one.
    pub(super) fn members(&self) -> Option<&RoaringBitmap> {
        match self {
            Self::Many(many) => many.members.as_ref(),
            _ => None,
        }
    }

    /// Links by time, the oldest or the newest first.
    pub(super) fn iter(&self, order: Order) -> impl Iterator<Item = Link> + '_ {
        let (one, many) = match self {
            Self::None => (None, None),
            Self::One(link) => (Some(*link), None),
            Self::Many(many) => (None, Some(many.list.iter(order))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// Ids by time, oldest first.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.iter(Order::Ascending).map(|link| link.id)
    }

    pub(super) fn oldest(&self) -> Option<Link> {
        self.iter(Order::Ascending).next()
    }

    pub(super) fn newest(&self) -> Option<Link> {
        self.iter(Order::Descending).next()
    }

    /// How many links are not older than `start`.
    pub(super) fn count_since(&self, start: i64) -> usize {
        match self {
            Self::None => 0,
            Self::One(link) => usize::from(link.time() >= start),
            Self::Many(many) => many.list.count_after(many.list.place(|link| link.time() < start)),
        }
    }

    /// Links from a bound on: those for which `is_before` doesn't hold ascending, those for which it does
    /// descending.
    pub(super) fn walk(&self, is_before: impl Fn(&Link) -> bool, order: Order) -> impl Iterator<Item = Link> + '_ {
        let (one, many) = match self {
            Self::None => (None, None),
            Self::One(link) => (Some(*link).filter(|link| is_before(link) == (order == Order::Descending)), None),
            Self::Many(many) => (None, Some(many.list.walk(many.list.place(is_before), order))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// The time of a link. Looks at every link, so it is for repair alone.
    fn time_of(&self, id: u32) -> Option<i64> {
        self.iter(Order::Ascending).find(|link| link.id == id).map(|link| link.time())
    }

    /// Adds a link, or moves it to another time. True if it is new.
    pub(super) fn insert(&mut self, link: Link, ids: impl IdOrder) -> bool {
        let known = self.contains(link.id);
        if known {
            if self.has(&link, &ids) {
                return false;
            }
            // A record that was handled twice at different times: rare, and never asked for by a stranger.
            let old = self.time_of(link.id);
            old.and_then(|time| self.remove(Link::new(time, link.id), &ids));
        }
        self.add(link, &ids);
        !known
    }

    fn has(&self, link: &Link, ids: &impl IdOrder) -> bool {
        match self {
            Self::None => false,
            Self::One(one) => one == link,
            Self::Many(many) => {
                let place = many.list.place(|other| order(other, link, ids) == Ordering::Less);
                many.list.after(place).as_ref() == Some(link)
            }
        }
    }

    fn add(&mut self, link: Link, ids: &impl IdOrder) {
        match self {
            Self::None => *self = Self::One(link),
            Self::One(one) => {
                let mut pair = vec![*one, link];
                pair.sort_by(|a, b| order(a, b, ids));
                *self = Self::from_ordered(pair);
            }
            Self::Many(many) => {
                many.list.insert(link, |other| order(other, &link, ids));
                many.note(link.id);
            }
        }
    }

    /// Takes a link out. Its time is that of the removed edge; a wrong one costs a search.
    pub(super) fn remove(&mut self, link: Link, ids: impl IdOrder) -> Option<Link> {
        if !self.contains(link.id) {
            return None;
        }
        let removed = match self {
            Self::Many(many) => many.list.remove(|other| order(other, &link, &ids)),
            _ => None,
        };
        match (removed, &mut *self) {
            (None, Self::Many(_)) => {
                let time = self.time_of(link.id)?;
                return (time != link.time()).then(|| self.remove(Link::new(time, link.id), ids)).flatten();
            }
            (Some(_), Self::Many(many)) => many.forget(link.id),
            (_, Self::One(one)) => {
                let one = *one;
                *self = Self::None;
                return Some(one);
            }
            (_, Self::None) => {}
        }
        self.settle();
        removed
    }

    fn settle(&mut self) {
        if let Self::Many(many) = self
            && many.list.len() <= 1
        {
            *self = many.list.last().map_or(Self::None, Self::One);
        }
    }
}

impl Many {
    fn note(&mut self, id: u32) {
        match &mut self.members {
            Some(members) => {
                members.insert(id);
            }
            None if self.list.len() > BITMAP_FROM => {
                self.members = Some(self.list.iter(Order::Ascending).map(|link| link.id).collect());
            }
            None => {}
        }
    }

    fn forget(&mut self, id: u32) {
        if let Some(members) = &mut self.members {
            members.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn links_are_a_map_by_time(steps in proptest::collection::vec((0u8..4, 0u32..80, -5i64..40), 0..300), start in -5i64..40) {
            let (mut links, mut model) = (Links::default(), BTreeMap::<u32, i64>::new());
            for (step, id, time) in steps {
                if step > 0 {
                    prop_assert_eq!(links.insert(Link::new(time, id), |a, b| a.cmp(&b)), model.insert(id, time).is_none());
                } else {
                    let removed = links.remove(Link::new(time, id), |a, b| a.cmp(&b));
                    prop_assert_eq!(removed.map(|link| link.time()), model.remove(&id));
                }
            }
            let mut expected: Vec<_> = model.iter().map(|(id, time)| (*time, *id)).collect();
            expected.sort();
            prop_assert_eq!(links.iter(Order::Ascending).map(|l| (l.time(), l.id)).collect::<Vec<_>>(), expected.clone());
            prop_assert_eq!(links.count_since(start), expected.iter().filter(|(time, _)| *time >= start).count());
            let newer: Vec<_> = links.walk(|link| link.time() < start, Order::Ascending).map(|l| (l.time(), l.id)).collect();
            prop_assert_eq!(newer, expected.iter().copied().filter(|(time, _)| *time >= start).collect::<Vec<_>>());
            for id in 0..80 {
                prop_assert_eq!(links.contains(id), model.contains_key(&id));
            }
        }
    }
}
