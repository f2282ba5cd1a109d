//! Expiration: the moment from which an event is no longer served.

use crate::{Error, Event, Result, Seconds};

/// When the event expires, by its first `expiration` tag.
///
/// # Errors
/// [`Error::Bad`] if the tag has no decimal number.
pub fn expiration(event: &Event) -> Result<Option<Seconds>> {
    let Some(tag) = event.tags.first("expiration") else {
        return Ok(None);
    };
    let value = tag.value().filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
    let seconds = value.and_then(|value| value.parse().ok()).ok_or(Error::Bad("expiration tag"))?;
    Ok(Some(Seconds::new(seconds)))
}
