//! The elements of a message, whoever sends it. What they mean is the reader's business.

use crate::{Event, Result, json};

/// The elements of a message: an event is read at once, everything else is kept as text.
#[derive(Default)]
pub(super) struct Parts<'a> {
    pub(super) verb: String,
    pub(super) event: Option<Event>,
    pub(super) rest: Vec<&'a str>,
}

impl<'a> Parts<'a> {
    /// Reads a message. `is_event` says of which verbs which element is an event.
    pub(super) fn read(text: &'a str, is_event: impl Fn(&str, usize) -> bool) -> Result<Self> {
        let mut parts = Self::default();
        let mut reader = json::Reader::new(text);
        reader.array(|reader, index| {
            if index == 0 {
                parts.verb = reader.string()?.into_owned();
            } else if is_event(&parts.verb, index) {
                parts.event = Some(Event::read(reader)?);
            } else {
                parts.rest.push(reader.raw()?);
            }
            Ok(())
        })?;
        reader.end()?;
        Ok(parts)
    }
}
