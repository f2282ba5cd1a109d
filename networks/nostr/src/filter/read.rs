//! Filters from JSON. A member that isn't understood refuses the filter, as ignoring it would widen it.

use super::{Filter, TagCondition, TagName, sort};
use crate::{Error, EventId, Kind, PublicKey, Result, Seconds, json, nip::nip50};

impl Filter {
    /// Reads a filter from JSON text.
    ///
    /// # Errors
    /// The first fault of the text: an unknown member, a wrong type, an id that is not 64 lower-case digits.
    pub fn parse(json: &str) -> Result<Self> {
        let mut reader = json::Reader::new(json);
        let filter = Self::read(&mut reader)?;
        reader.end()?;
        Ok(filter)
    }

    pub(crate) fn read(reader: &mut json::Reader<'_>) -> Result<Self> {
        let mut filter = Self::default();
        let mut seen = Vec::new();
        let mut ends_before_time = false;
        reader.object(|reader, name| {
            if seen.iter().any(|known| known == name) {
                return Err(Error::Twice("a filter element"));
            }
            seen.push(name.to_owned());
            if name != "until" {
                return filter.read_member(reader, name);
            }
            let until = number(reader, "until")?;
            ends_before_time = until < 0;
            filter.until = Some(Seconds::new(until));
            Ok(())
        })?;
        if ends_before_time {
            filter.ids = Some(Vec::new());
        }
        Ok(filter)
    }

    fn read_member(&mut self, reader: &mut json::Reader<'_>, name: &str) -> Result<()> {
        match name {
            "ids" => self.ids = Some(list(reader, "ids", json::Reader::bytes::<EventId>)?),
            "authors" => self.authors = Some(list(reader, "authors", json::Reader::bytes::<PublicKey>)?),
            "kinds" => self.kinds = Some(kinds(reader)?),
            "since" => self.since = Some(Seconds::new(number(reader, "since")?)),
            "limit" => self.limit = Some(limit(reader)?),
            "search" => self.search = Some(nip50::Query::parse(&text(reader, "search")?)),
            "intent" => self.intent = Some(text(reader, "intent")?),
            _ => {
                let tag = name.strip_prefix('#').and_then(TagName::from_name);
                let tag = tag.ok_or_else(|| Error::UnknownFilterElement(name.chars().take(32).collect()))?;
                self.tags.push(tag_condition(reader, tag)?);
            }
        }
        Ok(())
    }
}

fn list<'a, T: Ord>(
    reader: &mut json::Reader<'a>,
    name: &'static str,
    mut one: impl FnMut(&mut json::Reader<'a>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut values = Vec::new();
    let read = reader.array(|reader, _| {
        values.push(one(reader)?);
        Ok(())
    });
    read.map_err(|_| Error::Bad(name))?;
    sort(&mut values);
    Ok(values)
}

/// Kinds that don't exist can't match, so they are left out of the list.
fn kinds(reader: &mut json::Reader<'_>) -> Result<Vec<Kind>> {
    let numbers = list(reader, "kinds", json::Reader::integer)?;
    if numbers.first().is_some_and(|least| *least < 0) {
        return Err(Error::Bad("kinds"));
    }
    Ok(numbers.into_iter().filter_map(|number| u16::try_from(number).ok()).map(Kind::new).collect())
}

fn tag_condition(reader: &mut json::Reader<'_>, name: TagName) -> Result<TagCondition> {
    let mut values = Vec::new();
    let read = reader.array(|reader, _| {
        let value = reader.string()?;
        if matches!(name, TagName::E | TagName::P) {
            value.parse::<EventId>()?;
        }
        values.push(value.into_owned());
        Ok(())
    });
    read.map_err(|_| Error::Bad("tag filter"))?;
    Ok(TagCondition::new(name, values))
}

fn limit(reader: &mut json::Reader<'_>) -> Result<usize> {
    let limit = number(reader, "limit")?;
    if limit < 0 { Err(Error::Bad("limit")) } else { Ok(usize::try_from(limit).unwrap_or(usize::MAX)) }
}

fn number(reader: &mut json::Reader<'_>, name: &'static str) -> Result<i64> {
    reader.integer().map_err(|_| Error::Bad(name))
}

fn text(reader: &mut json::Reader<'_>, name: &'static str) -> Result<String> {
    reader.string().map(std::borrow::Cow::into_owned).map_err(|_| Error::Bad(name))
}
