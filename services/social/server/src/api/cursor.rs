//! Cursors: a place in a list as an opaque text. It carries a version, so that its content may change while
//! clients hold old ones.

use super::error::ApiError;
use axum::{Json, response::AppendHeaders};
use nexus_pubky::ResourceId;
use nexus_social::{
    query::{Page, Position},
    view::{Ranked, RankedUser},
};

/// The version that this program writes, and the only one that it reads.
const VERSION: u8 = 1;

/// The text for the place after an entry.
fn encode(place: &Position) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend(place.score.to_be_bytes());
    bytes.extend(place.member.as_bytes());
    hex::encode(bytes)
}

/// The place that a text stands for, if this program wrote it.
pub(super) fn decode(text: &str) -> Option<Position> {
    let bytes = hex::decode(text).ok()?;
    let (&VERSION, rest) = bytes.split_first()? else { return None };
    let (score, member) = rest.split_first_chunk()?;
    let member = std::str::from_utf8(member).ok().filter(|member| !member.is_empty())?;
    Some(Position { score: i64::from_be_bytes(*score), member: member.into() })
}

/// An entry of a list that knows its place.
pub(super) trait Placed {
    /// The place after it.
    fn place(&self) -> Position;
}

impl Placed for Ranked {
    fn place(&self) -> Position {
        Position { score: self.score, member: self.post.to_string().into() }
    }
}

impl Placed for RankedUser {
    fn place(&self) -> Position {
        Position { score: self.score, member: self.user.as_str().into() }
    }
}

impl Placed for (ResourceId, i64) {
    fn place(&self) -> Position {
        Position { score: self.1, member: self.0.as_str().into() }
    }
}

/// Where a list goes on after a full page.
pub(super) fn next(rows: &[impl Placed], page: Page) -> Option<String> {
    let last = rows.last().filter(|_| rows.len() == page.limit)?;
    Some(encode(&last.place()))
}

/// An array that may go on: its `x-next-cursor` says where.
pub(super) type Continued<T> = Result<(AppendHeaders<Option<(&'static str, String)>>, Json<Vec<T>>), ApiError>;

/// The answer's rows, with where they go on.
pub(super) fn continued<T>(rows: Vec<T>, next: Option<String>) -> Continued<T> {
    Ok((AppendHeaders(next.map(|next| ("x-next-cursor", next))), Json(rows)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_place_survives_its_text(score: i64, member in "[a-z0-9:]{1,80}") {
            let place = Position { score, member: member.into() };
            prop_assert_eq!(decode(&encode(&place)), Some(place));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-f]{0,60}|.{0,30}") {
            if let Some(place) = decode(&text) {
                prop_assert_eq!(encode(&place), text.to_lowercase());
            }
        }
    }
}
