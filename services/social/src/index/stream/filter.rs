//! Which posts a stream wants, asked post by post.

use super::super::{
    Index,
    body::{Labelled, with_label},
    columns::at,
    links::Links,
    reach::Around,
    sorted::Sorted,
};
use crate::{query::Order, row::Label};
use hashbrown::HashMap;
use roaring::{MultiOps, RoaringBitmap};

/// Whether replies are in a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Replies {
    Without,
    With,
    Only,
}

/// What a list says of all its posts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    /// Nothing.
    Nothing,
    /// They carry one of the labels.
    Label,
}

/// Whose posts are in a stream.
pub(super) enum Authors<'a> {
    All,
    One(u32),
    Around(Box<Around<'a>>),
    Domain(Box<Domain<'a>>),
}

impl Authors<'_> {
    fn contains(&mut self, author: u32) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => *one == author,
            Self::Around(around) => around.contains(author),
            Self::Domain(domain) => domain.contains(author),
        }
    }

    /// False for users who are none of them, as far as a look-up tells.
    pub(super) fn may_contain(&self, author: u32) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => *one == author,
            Self::Around(around) => around.may_contain(author),
            Self::Domain(domain) => domain.is_carrier(author),
        }
    }

    /// All of them, if finding them costs at most `limit` steps.
    pub(super) fn members(&mut self, limit: usize) -> Option<Vec<u32>> {
        match self {
            Self::All => None,
            Self::One(one) => Some(vec![*one]),
            Self::Around(around) => around.members(limit),
            Self::Domain(domain) => domain.members(limit),
        }
    }

    /// Makes testing cheaper for a stream that has to be walked far.
    pub(super) fn settle(&mut self) {
        match self {
            Self::Around(around) => {
                around.settle();
            }
            Self::Domain(domain) => {
                domain.settle();
            }
            Self::All | Self::One(_) => {}
        }
    }

    /// True if they are many, and not everybody.
    pub(super) const fn is_set(&self) -> bool {
        matches!(self, Self::Around(_) | Self::Domain(_))
    }
}

/// Users whose profile carries one of some labels, put there by the observer or by somebody trusted.
pub(super) struct Domain<'a> {
    index: &'a Index,
    observer: u32,
    trusted: Option<Around<'a>>,
    labels: Vec<u32>,
    /// Whoever carries one of several labels, once it is to be asked often.
    carriers: Option<RoaringBitmap>,
    known: HashMap<u32, bool>,
}

impl<'a> Domain<'a> {
    pub(super) fn new(index: &'a Index, observer: u32, trusted: Option<Around<'a>>, labels: &[Label]) -> Self {
        let labels = labels.iter().filter_map(|label| index.columns.label(label.as_str())).collect();
        Self { index, observer, trusted, labels, carriers: None, known: HashMap::new() }
    }

    fn settle(&mut self) {
        if let Some(trusted) = &mut self.trusted {
            trusted.settle();
        }
        if self.labels.len() > 1 {
            self.carriers = Some(self.labels.iter().map(|label| &self.index.labels[at(*label)].carriers).union());
        }
    }

    /// True if the profile carries one of the labels, whoever put it there.
    fn is_carrier(&self, user: u32) -> bool {
        match &self.carriers {
            Some(carriers) => carriers.contains(user),
            None => self.labels.iter().any(|label| self.index.labels[at(*label)].carriers.contains(user)),
        }
    }

    fn contains(&mut self, user: u32) -> bool {
        if !self.is_carrier(user) {
            return false;
        }
        if let Some(known) = self.known.get(&user) {
            return *known;
        }
        let groups = &self.index.users[at(user)].tags;
        let vouched = self.labels.iter().filter_map(|label| groups.get(*label)).any(|group| {
            let taggers = &group.taggers;
            taggers.contains(self.observer) || self.trusted.as_mut().is_some_and(|trusted| trusted.has_any(taggers))
        });
        self.known.insert(user, vouched);
        vouched
    }

    /// Whoever carries several of the labels is counted as often.
    fn carriers_at_most(&self) -> usize {
        self.labels.iter().map(|label| self.index.labels[at(*label)].carriers.len() as usize).sum()
    }

    /// Found by asking those who may vouch for whom they do, or those who carry a label who did, whichever are
    /// fewer. Looking up what somebody said costs about eight steps, testing somebody 32.
    fn members(&mut self, limit: usize) -> Option<Vec<u32>> {
        let (each, carriers) = (8 * self.labels.len().max(1), 32 * self.carriers_at_most());
        let vouchers = match &self.trusted {
            Some(trusted) => trusted.members(limit.min(carriers) / each),
            None => Some(Vec::new()),
        };
        let mut users: Vec<u32> = match vouchers {
            Some(vouchers) if (vouchers.len() + 1) * each <= limit => self.vouched_by(vouchers),
            _ if carriers <= limit => self.vouched_carriers(),
            _ => return None,
        };
        users.sort_unstable();
        users.dedup();
        Some(users)
    }

    fn vouched_by(&self, vouchers: Vec<u32>) -> Vec<u32> {
        let vouchers = vouchers.into_iter().chain([self.observer]);
        let vouched = |voucher: u32| &self.index.users[at(voucher)].vouched;
        let by = |voucher: u32| self.labels.iter().flat_map(move |label| about(vouched(voucher), *label));
        vouchers.flat_map(by).collect()
    }

    fn vouched_carriers(&mut self) -> Vec<u32> {
        let index = self.index;
        let carriers = self.labels.iter().flat_map(|label| &index.labels[at(*label)].carriers);
        let mut users: Vec<u32> = carriers.collect();
        users.retain(|user| self.contains(*user));
        users
    }
}

fn about(list: &Sorted<Labelled>, label: u32) -> impl Iterator<Item = u32> + '_ {
    with_label(list, label, Order::Ascending)
}

/// Everything that a post must be.
pub(super) struct Filter<'a> {
    pub(super) index: &'a Index,
    /// A bit for each kind.
    pub(super) kinds: u8,
    /// Any of these labels; empty: no matter which.
    pub(super) tags: Vec<u32>,
    pub(super) replies: Replies,
    /// Users whose posts are left out.
    pub(super) muted: Option<&'a Links>,
    pub(super) authors: Authors<'a>,
}

impl Filter<'_> {
    /// Cheap tests first.
    pub(super) fn wants(&mut self, post: u32, given: Given) -> bool {
        let facts = &self.index.columns.posts[at(post)];
        let replies = match self.replies {
            Replies::Without => !facts.is_reply,
            Replies::With => true,
            Replies::Only => facts.is_reply,
        };
        facts.known
            && replies
            && self.kinds & (1 << facts.kind) != 0
            && self.muted.is_none_or(|muted| !muted.contains(facts.author))
            && (given == Given::Label || self.has_label(post))
            && self.authors.contains(facts.author)
    }

    fn has_label(&self, post: u32) -> bool {
        let groups = &self.index.posts[at(post)].tags;
        self.tags.is_empty() || self.tags.iter().any(|label| groups.get(*label).is_some())
    }
}
