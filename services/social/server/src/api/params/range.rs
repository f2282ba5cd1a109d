//! Which part of a list: by position, by score, or after an entry.

use super::{Limit, Skip, refuse};
use crate::api::cursor;
use nexus_social::query::{Page, Position, ScoreRange, Slice, TagWindow};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use utoipa::{
    IntoParams,
    openapi::path::{Parameter, ParameterBuilder, ParameterIn},
};

/// A part of a list by position.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Paged<const DEFAULT: usize, const MAX: usize, const SKIP: usize = 10_000> {
    #[serde(default)]
    skip: Skip<SKIP>,
    #[serde(default)]
    limit: Limit<DEFAULT, MAX>,
}

/// By hand, because the derived one can't name the bounds.
impl<const DEFAULT: usize, const MAX: usize, const SKIP: usize> IntoParams for Paged<DEFAULT, MAX, SKIP> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = |name: &str, description: String, schema| {
            let described = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query);
            described.description(Some(description)).schema(Some(schema)).build()
        };
        vec![
            parameter("skip", format!("How many to pass over, at most {SKIP}"), Skip::<SKIP>::reference()),
            parameter("limit", format!("How many to give, 1 to {MAX}"), Limit::<DEFAULT, MAX>::reference()),
        ]
    }
}

impl<const DEFAULT: usize, const MAX: usize, const SKIP: usize> From<Paged<DEFAULT, MAX, SKIP>> for Page {
    fn from(paged: Paged<DEFAULT, MAX, SKIP>) -> Self {
        Self { skip: paged.skip.0, limit: paged.limit.0 }
    }
}

/// A score as clients write it: a number, possibly with a fraction.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Score(f64);

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let score: f64 = Cow::<str>::deserialize(deserializer)?.parse().map_err(refuse)?;
        if score.is_nan() { Err(refuse("not a number")) } else { Ok(Self(score)) }
    }
}

/// Scores that are wanted.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Range {
    /// The highest score, included. Pass the last score of a page to read on from there.
    #[param(value_type = Option<f64>)]
    start: Option<Score>,
    /// The lowest score, included.
    #[param(value_type = Option<f64>)]
    end: Option<Score>,
}

impl Range {
    pub(crate) const fn has_start(&self) -> bool {
        self.start.is_some()
    }

    pub(crate) const fn has_end(&self) -> bool {
        self.end.is_some()
    }
}

impl From<Range> for ScoreRange {
    /// Two ends may come in either order (quirk 4 of the spec). Scores are whole, so fractions are cut inwards.
    fn from(range: Range) -> Self {
        let (highest, lowest) = match (range.start, range.end) {
            (Some(a), Some(b)) if a.0 < b.0 => (Some(b), Some(a)),
            ends => ends,
        };
        // Casting saturates, which is what infinity means here.
        Self {
            min: lowest.map_or(i64::MIN, |score| score.0.ceil() as i64),
            max: highest.map_or(i64::MAX, |score| score.0.floor() as i64),
        }
    }
}

/// The place after an entry, as an earlier answer gave it in `next_cursor` or `x-next-cursor`.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct After {
    /// Go on after this place. Unlike `start`, it neither repeats nor skips entries of equal score.
    #[serde(default, deserialize_with = "position")]
    #[param(value_type = Option<String>)]
    cursor: Option<Position>,
}

impl After {
    /// A page of what comes after the place.
    pub(crate) fn slice(&self, page: impl Into<Page>) -> Slice<'_> {
        Slice { after: self.cursor.as_ref(), page: page.into() }
    }
}

impl From<After> for Option<Position> {
    fn from(after: After) -> Self {
        after.cursor
    }
}

fn position<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Position>, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    cursor::decode(&text).map(Some).ok_or_else(|| refuse("cursor is not one that this server gave"))
}

/// Which labels of a thing, and how many taggers of each.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TagPage {
    /// Skip N tags (0–10 000, **default** 0)
    #[serde(default)]
    #[param(schema_with = Skip::<10_000>::reference)]
    skip_tags: Skip,
    /// Upper limit on the number of tags (1–100, **default** 5)
    #[param(schema_with = Limit::<5, 100>::reference)]
    limit_tags: Option<Limit<5, 100>>,
    /// Upper limit on the number of taggers per tag (1–100, **default** 5)
    #[serde(default)]
    #[param(schema_with = Limit::<5, 100>::reference)]
    limit_taggers: Limit<5, 100>,
}

impl TagPage {
    /// The window, with `labels` of them where the client gave no number.
    pub(crate) fn window(self, after: &After, labels: usize) -> TagWindow<'_> {
        let limit = self.limit_tags.map_or(labels, |limit| limit.0);
        TagWindow { labels: after.slice(Page { skip: self.skip_tags.0, limit }), taggers: self.limit_taggers.0 }
    }
}
