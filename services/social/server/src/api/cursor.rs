//! Cursors: a place in a list as an opaque text. It carries a version, so that its content may change while
//! clients hold old ones.

use super::error::ApiError;
use axum::{Json, response::AppendHeaders};
use nexus_pubky::{PubkyId, ResourceId};
use nexus_social::{
    notification::Notification,
    query::{NamePlace, Page, Position},
    read::Read,
    view::{Ranked, RankedUser, TagDetails, UserHit},
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

impl Placed for UserHit {
    fn place(&self) -> Position {
        Position { score: i64::try_from(self.score).unwrap_or(i64::MAX), member: self.user_id.as_str().into() }
    }
}

/// In lists of labels.
impl Placed for TagDetails {
    fn place(&self) -> Position {
        let score = i64::try_from(self.taggers_count).unwrap_or(i64::MAX);
        Position { score, member: self.label.as_str().into() }
    }
}

impl Placed for Notification {
    fn place(&self) -> Position {
        Position { score: self.timestamp.millis(), member: self.body.to_json().into() }
    }
}

/// In lists of users by key.
impl Placed for PubkyId {
    fn place(&self) -> Position {
        Position { score: 0, member: self.as_str().into() }
    }
}

/// In lists of users by name: the key, and the name behind it.
impl Placed for NamePlace {
    fn place(&self) -> Position {
        Position { score: 0, member: format!("{}{}", self.user, self.name).into() }
    }
}

/// A place that can't be one of the list that it is given to.
const ELSEWHERE: &str = "cursor is not one that this server gave";

fn user_of(place: &Position) -> Result<PubkyId, ApiError> {
    let key = place.member.get(..PubkyId::LENGTH).and_then(|key| PubkyId::from_stored(key).ok());
    key.ok_or_else(|| ApiError::invalid(ELSEWHERE))
}

/// The place as one of a list of users by name.
pub(super) fn by_name(place: Option<Position>) -> Result<Option<NamePlace>, ApiError> {
    let named =
        |place: Position| Ok(NamePlace { user: user_of(&place)?, name: place.member[PubkyId::LENGTH..].to_owned() });
    place.map(named).transpose()
}

/// The place as one of a list of users by key.
pub(super) fn by_key(place: Option<Position>) -> Result<Option<PubkyId>, ApiError> {
    place.map(|place| user_of(&place)).transpose()
}

/// The place as one of a list of users by their taggers.
pub(super) fn by_hits(place: Option<Position>) -> Result<Option<UserHit>, ApiError> {
    let hit = |place: Position| {
        let score = usize::try_from(place.score).map_err(|_| ApiError::invalid(ELSEWHERE))?;
        Ok(UserHit { user_id: user_of(&place)?, score })
    };
    place.map(hit).transpose()
}

/// Where a list of users by name goes on, after a full page of them.
pub(super) fn next_name(index: &dyn Read, users: &[PubkyId], page: Page) -> Option<String> {
    let last = users.last().filter(|_| users.len() == page.limit)?;
    let name = index.user(last)?.name.to_lowercase();
    Some(encode(&NamePlace { name, user: *last }.place()))
}

/// Where a list goes on after a full page.
pub(super) fn next(rows: &[impl Placed], page: Page) -> Option<String> {
    let last = rows.last().filter(|_| rows.len() == page.limit)?;
    Some(encode(&last.place()))
}

/// An array that may go on: its `x-next-cursor` says where.
pub(super) type Continued<T> = Result<(AppendHeaders<Option<(&'static str, String)>>, Json<Vec<T>>), ApiError>;

/// The page of a list whose entries are shown as they are.
pub(super) fn paged<T: Placed>(rows: Vec<T>, page: Page) -> Continued<T> {
    let next = next(&rows, page);
    continued(rows, next)
}

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
