//! Words with a fixed meaning.

use nexus_social::query::{self, Depth, Order, Reach, Relation, ResourceSorting, Sorting};
use serde::{Deserialize, Deserializer, de::Error as _};
use std::borrow::Cow;
use utoipa::ToSchema;

/// Where a post stream comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = StreamSourceKind)]
pub(crate) enum PostSourceName {
    PostReplies,
    Following,
    Followers,
    Friends,
    Bookmarks,
    Author,
    AuthorReplies,
    Collection,
    Wot,
    WotDomain,
    #[default]
    All,
}

impl PostSourceName {
    /// The word in queries and messages.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::PostReplies => "post_replies",
            Self::Following => "following",
            Self::Followers => "followers",
            Self::Friends => "friends",
            Self::Bookmarks => "bookmarks",
            Self::Author => "author",
            Self::AuthorReplies => "author_replies",
            Self::Collection => "collection",
            Self::Wot => "wot",
            Self::WotDomain => "wot_domain",
            Self::All => "all",
        }
    }
}

/// Where a user stream comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UserStreamSource)]
pub(crate) enum UserSourceName {
    #[default]
    Followers,
    Following,
    Friends,
    MostFollowed,
    Influencers,
    Recommended,
    PostReplies,
    StarterPack,
}

impl UserSourceName {
    /// The word in queries and messages.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Followers => "followers",
            Self::Following => "following",
            Self::Friends => "friends",
            Self::MostFollowed => "most_followed",
            Self::Influencers => "influencers",
            Self::Recommended => "recommended",
            Self::PostReplies => "post_replies",
            Self::StarterPack => "starter_pack",
        }
    }
}

/// By what posts are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = StreamSorting)]
pub(crate) enum Sorted {
    #[default]
    Timeline,
    TotalEngagement,
}

impl From<Sorted> for Sorting {
    fn from(sorted: Sorted) -> Self {
        match sorted {
            Sorted::Timeline => Self::Timeline,
            Sorted::TotalEngagement => Self::TotalEngagement,
        }
    }
}

/// By what resources are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SortedResources {
    #[default]
    Timeline,
    TaggersCount,
}

impl From<SortedResources> for ResourceSorting {
    fn from(sorted: SortedResources) -> Self {
        match sorted {
            SortedResources::Timeline => Self::Timeline,
            SortedResources::TaggersCount => Self::TaggersCount,
        }
    }
}

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SortOrder)]
pub(crate) enum Which {
    Ascending,
    #[default]
    Descending,
}

impl From<Which> for Order {
    fn from(which: Which) -> Self {
        match which {
            Which::Ascending => Self::Ascending,
            Which::Descending => Self::Descending,
        }
    }
}

/// A window of time that ends now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Timeframe)]
pub(crate) enum Timespan {
    Today,
    ThisWeek,
    ThisMonth,
    #[default]
    AllTime,
}

impl From<Timespan> for query::Timeframe {
    fn from(span: Timespan) -> Self {
        match span {
            Timespan::Today => Self::Today,
            Timespan::ThisWeek => Self::ThisWeek,
            Timespan::ThisMonth => Self::ThisMonth,
            Timespan::AllTime => Self::AllTime,
        }
    }
}

/// How much of a post is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Content {
    /// Everything.
    #[default]
    Full,
    /// Where it is and the hash of its bytes, so that clients read the text from the homeserver.
    Uri,
}

/// A set of users around one: `followers`, `following`, `friends`, `wot` (2 steps), `wot_1` to `wot_3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReachName(pub(crate) Reach);

impl<'de> Deserialize<'de> for ReachName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const WORDS: &[&str] = &["followers", "following", "friends", "wot", "wot_1", "wot_2", "wot_3"];
        let text = Cow::<str>::deserialize(deserializer)?;
        Ok(Self(match &*text {
            "followers" => Reach::Relation(Relation::Followers),
            "following" => Reach::Relation(Relation::Following),
            "friends" => Reach::Relation(Relation::Friends),
            "wot_1" => Reach::Wot(Depth::ONE),
            "wot" | "wot_2" => Reach::Wot(Depth::TWO),
            "wot_3" => Reach::Wot(Depth::THREE),
            other => return Err(D::Error::unknown_variant(other, WORDS)),
        }))
    }
}
