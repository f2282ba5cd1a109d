//! What can be asked. Values are checked when they are parsed; a query that exists can be answered.

use crate::row::{Label, PostKey, PostKind};
use nexus_model::Timestamp;
use nexus_pubky::PubkyId;
use std::sync::Arc;

/// Steps along follows from an observer: 1 to 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Depth(u8);

impl Depth {
    /// The users an observer follows.
    pub const ONE: Self = Self(1);
    /// And those whom they follow.
    pub const TWO: Self = Self(2);
    /// One step more.
    pub const THREE: Self = Self(3);

    /// A depth from a number of steps, if there are 1 to 3.
    pub const fn new(steps: u8) -> Option<Self> {
        if matches!(steps, 1..=3) { Some(Self(steps)) } else { None }
    }

    /// The number of steps.
    pub const fn steps(self) -> u8 {
        self.0
    }
}

/// A part of a list by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many to pass over.
    pub skip: usize,
    /// How many to give at the most.
    pub limit: usize,
}

/// A place in the list of users by name: after this user, as the user was called then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamePlace {
    /// In lower case.
    pub name: String,
    /// Of equal names, the lowest key is first.
    pub user: PubkyId,
}

/// A question for users by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameQuery {
    /// What names begin with, in any case.
    pub prefix: String,
    /// Only users after this place.
    pub after: Option<NamePlace>,
    /// Which part.
    pub page: Page,
    /// Without those whom this user mutes.
    pub unless_muted_by: Option<PubkyId>,
}

/// A part of a list, by position from an entry on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice<'a> {
    /// Only entries after this place.
    pub after: Option<&'a Position>,
    /// Which of them.
    pub page: Page,
}

impl Slice<'_> {
    /// The first entries of a list.
    pub const fn first(limit: usize) -> Self {
        Self { after: None, page: Page { skip: 0, limit } }
    }
}

/// Which labels of a thing to show, and how many taggers of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagWindow<'a> {
    /// The labels. The place of one is its number of taggers, then its text.
    pub labels: Slice<'a>,
    /// Taggers of each label, at the most.
    pub taggers: usize,
}

impl Default for TagWindow<'_> {
    fn default() -> Self {
        Self { labels: Slice::first(5), taggers: 5 }
    }
}

/// Whose follow lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Who follows the user.
    Followers,
    /// Whom the user follows.
    Following,
    /// Both.
    Friends,
}

/// A set of users around one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// By follow lists.
    Relation(Relation),
    /// Within some follow steps; the user is not in it.
    Wot(Depth),
}

/// A window of time that ends now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timeframe {
    /// 24 hours.
    Today,
    /// 7 days.
    ThisWeek,
    /// 30 days.
    ThisMonth,
    /// Ever.
    AllTime,
}

impl Timeframe {
    /// When the window begins.
    pub const fn start(self, now: Timestamp) -> Timestamp {
        const DAY: i64 = 24 * 60 * 60 * 1000;
        match self {
            Self::Today => now.plus_millis(-DAY),
            Self::ThisWeek => now.plus_millis(-7 * DAY),
            Self::ThisMonth => now.plus_millis(-30 * DAY),
            Self::AllTime => Timestamp::from_millis(i64::MIN),
        }
    }
}

/// By what a post list is ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sorting {
    /// By the time of indexing.
    #[default]
    Timeline,
    /// By tags + replies + reposts.
    TotalEngagement,
}

/// Which end comes first. Equal scores are ordered by their member's text, in the same direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Lowest first.
    Ascending,
    /// Highest first.
    #[default]
    Descending,
}

/// Scores that are wanted, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoreRange {
    /// The lowest.
    pub min: i64,
    /// The highest.
    pub max: i64,
}

impl Default for ScoreRange {
    fn default() -> Self {
        Self { min: i64::MIN, max: i64::MAX }
    }
}

impl ScoreRange {
    /// The range between two ends, in whichever order they are given (quirk 4 of the spec).
    pub fn between(start: Option<i64>, end: Option<i64>) -> Self {
        match (start, end) {
            (Some(a), Some(b)) => Self { min: a.min(b), max: a.max(b) },
            (max, min) => Self { min: min.unwrap_or(i64::MIN), max: max.unwrap_or(i64::MAX) },
        }
    }

    /// True if `score` lies in the range.
    pub const fn contains(&self, score: i64) -> bool {
        self.min <= score && score <= self.max
    }
}

/// The exact place after an entry of a list. Unlike a bare score it neither repeats nor skips on equal scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The entry's score.
    pub score: i64,
    /// The entry's text, which orders equal scores: `author:id` for a post in any list, the id of a resource, the
    /// key of a user.
    pub member: Arc<str>,
}

/// Which kinds of posts.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum KindFilter {
    /// All of them.
    #[default]
    Any,
    /// This one.
    Only(PostKind),
    /// All but these. Posts of unknown kind are never excluded.
    Except(Vec<PostKind>),
}

/// Where a post stream comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum PostSource {
    /// Every post that is not a reply.
    All,
    /// Posts, not replies, by the users around one; the observer's own are left out.
    Reach {
        /// Around whom.
        observer: PubkyId,
        /// Who is around.
        reach: Reach,
    },
    /// Posts, not replies, by users whose profile carries one of the labels, put there by somebody within
    /// `depth` follow steps of the observer, who is one of them; `None` is the observer alone.
    WotDomain {
        /// Around whom.
        observer: PubkyId,
        /// How far the taggers may be.
        depth: Option<Depth>,
        /// One of these.
        labels: Vec<Label>,
    },
    /// What a user keeps, replies included, by the time of the bookmark.
    Bookmarks(PubkyId),
    /// An author's posts that are not replies.
    Author(PubkyId),
    /// An author's replies, always by time.
    AuthorReplies(PubkyId),
    /// The replies to a post, always by the time of the reply.
    PostReplies(PostKey),
    /// The items of a collection, in its curator's order, whether they are known or not; only `page`, `after`
    /// and `unless_muted_by` apply.
    Collection(PostKey),
}

/// A question for posts.
#[derive(Clone, Debug, PartialEq)]
pub struct PostQuery {
    /// Where from.
    pub source: PostSource,
    /// By what they are ordered.
    pub sorting: Sorting,
    /// Which end comes first.
    pub order: Order,
    /// Any of these labels; empty: no matter which.
    pub tags: Vec<Label>,
    /// Which kinds.
    pub kinds: KindFilter,
    /// Which scores.
    pub range: ScoreRange,
    /// Go on after this entry.
    pub after: Option<Position>,
    /// Which part.
    pub page: Page,
    /// Leave out posts by users whom this one mutes.
    pub unless_muted_by: Option<PubkyId>,
}

/// Where a user stream comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum UserSource {
    /// A user's follow lists.
    Relation(PubkyId, Relation),
    /// By number of followers.
    MostFollowed,
    /// By influencer score; around a user, or over all.
    Influencers {
        /// Around whom and how far.
        around: Option<(PubkyId, Reach)>,
        /// Which tags and posts count.
        timeframe: Timeframe,
        /// Three consecutive entries from a place chosen by the query's `seed`.
        preview: bool,
    },
    /// Users 1 to 3 steps away, not followed yet, with at least 5 posts; a sample chosen by `seed`.
    Recommended(PubkyId),
    /// Who replied to a post, by their first reply; not paged, at most 1000.
    PostReplies(PostKey),
    /// Users to begin with, for some interests.
    StarterPack {
        /// The interests.
        labels: Vec<Label>,
        /// Leave out this user and those already followed.
        newcomer: Option<PubkyId>,
        /// Only users with a post since its start.
        timeframe: Timeframe,
    },
}

impl UserSource {
    /// False for samples and for what comes whole: there is nothing to go on with.
    pub const fn is_paged(&self) -> bool {
        !matches!(self, Self::Recommended(_) | Self::PostReplies(_) | Self::Influencers { preview: true, .. })
    }
}

/// A question for users.
#[derive(Clone, Debug, PartialEq)]
pub struct UserQuery {
    /// Where from.
    pub source: UserSource,
    /// Which part.
    pub page: Page,
    /// Go on after this entry. Without meaning where [nothing is paged](UserSource::is_paged).
    pub after: Option<Position>,
    /// Leave out users whom this one mutes.
    pub unless_muted_by: Option<PubkyId>,
    /// When the question is asked.
    pub now: Timestamp,
    /// Chooses among equally good answers.
    pub seed: u64,
}

/// A question for the posts that carry a label, replies included, highest score first.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledQuery {
    /// The label.
    pub label: Label,
    /// By what they are ordered.
    pub sorting: Sorting,
    /// Which scores.
    pub range: ScoreRange,
    /// Go on after this entry.
    pub after: Option<Position>,
    /// Which part.
    pub page: Page,
    /// Leave out posts by users whom this one mutes.
    pub unless_muted_by: Option<PubkyId>,
}

/// A question for labels in use.
#[derive(Clone, Debug, PartialEq)]
pub struct HotTagQuery {
    /// Tags by users around one, or by all.
    pub around: Option<(PubkyId, Reach)>,
    /// Tags placed in this window.
    pub timeframe: Timeframe,
    /// Which part.
    pub page: Page,
    /// Taggers of each label, at the most.
    pub taggers: usize,
    /// With `around`: so many of the newest tags on posts are looked at, whoever placed them, and those of the same
    /// millisecond as the last of them.
    pub newest: usize,
    /// When the question is asked.
    pub now: Timestamp,
}

/// By what resources are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResourceSorting {
    /// By their latest remaining tag.
    #[default]
    Timeline,
    /// By distinct taggers.
    TaggersCount,
}

/// A question for resources.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceQuery {
    /// Tags from this app only.
    pub app: Option<Arc<str>>,
    /// Any of these labels; empty: no matter which.
    pub tags: Vec<Label>,
    /// By what they are ordered.
    pub sorting: ResourceSorting,
    /// Which end comes first.
    pub order: Order,
    /// Which scores.
    pub range: ScoreRange,
    /// Go on after this entry.
    pub after: Option<Position>,
    /// Which part.
    pub page: Page,
}
