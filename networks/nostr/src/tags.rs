//! The tags of an event. An event has a dozen short strings here, so they lie in one buffer with their ends
//! beside it: three allocations instead of one for each.

use crate::{Error, Result, TagName, json};
use std::fmt;

/// All tags of an event, in order. Each has at least one element.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tags {
    text: String,
    /// Where each element ends in `text`.
    elements: Vec<u32>,
    /// Where each tag ends in `elements`.
    tags: Vec<u32>,
}

/// One tag: its name, its value, and what follows.
#[derive(Clone, Copy)]
pub struct Tag<'a> {
    tags: &'a Tags,
    first: usize,
    end: usize,
}

impl Tags {
    /// Tags from lists of strings. Empty lists, which Nostr doesn't know, are left out.
    pub fn new<T: AsRef<str>>(tags: impl IntoIterator<Item = impl IntoIterator<Item = T>>) -> Self {
        let mut all = Self::default();
        for tag in tags {
            for element in tag {
                all.text.push_str(element.as_ref());
                all.end_element();
            }
            all.end_tag();
        }
        all
    }

    /// How many tags there are.
    pub const fn len(&self) -> usize {
        self.tags.len()
    }

    /// True if there are none.
    pub const fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// Each tag, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Tag<'_>> + Clone {
        (0..self.tags.len()).map(|index| Tag {
            tags: self,
            first: index.checked_sub(1).map_or(0, |before| self.tags[before] as usize),
            end: self.tags[index] as usize,
        })
    }

    /// Each tag of this name, in order.
    pub fn named<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = Tag<'a>> + Clone {
        self.iter().filter(move |tag| tag.name() == name)
    }

    /// The first tag of this name.
    pub fn first(&self, name: &str) -> Option<Tag<'_>> {
        self.iter().find(|tag| tag.name() == name)
    }

    /// The values of all tags of this name that have one.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + Clone {
        self.named(name).filter_map(|tag| tag.value())
    }

    /// What filters can ask for: the values of tags whose name is a single letter. Repeats are not removed.
    pub fn indexed(&self) -> impl Iterator<Item = (TagName, &str)> + Clone {
        self.iter().filter_map(|tag| Some((TagName::from_name(tag.name())?, tag.value()?)))
    }

    /// Reads the value of an event's member `tags`.
    pub(crate) fn read(reader: &mut json::Reader<'_>) -> Result<Self> {
        let mut tags = Self::default();
        reader.array(|reader, _| {
            let before = tags.elements.len();
            reader.array(|reader, _| {
                reader.string_into(&mut tags.text)?;
                tags.end_element();
                Ok(())
            })?;
            if tags.elements.len() == before {
                return Err(Error::Bad("tag: it is empty"));
            }
            tags.end_tag();
            Ok(())
        })?;
        Ok(tags)
    }

    /// Appends the canonical JSON.
    pub(crate) fn push_json(&self, out: &mut String) {
        out.push('[');
        for (index, tag) in self.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            tag.push_json(out);
        }
        out.push(']');
    }

    fn end_element(&mut self) {
        self.elements.push(u32::try_from(self.text.len()).expect("messages are far below 4 GiB"));
    }

    fn end_tag(&mut self) {
        let end = u32::try_from(self.elements.len()).expect("messages are far below 4 GiB");
        if self.tags.last().copied().unwrap_or(0) < end {
            self.tags.push(end);
        }
    }
}

impl<'a> Tag<'a> {
    /// The first element.
    pub fn name(&self) -> &'a str {
        self.get(0).unwrap_or_default()
    }

    /// The second element.
    pub fn value(&self) -> Option<&'a str> {
        self.get(1)
    }

    /// The element at `index`, from 0.
    pub fn get(&self, index: usize) -> Option<&'a str> {
        let at = self.first + index;
        if at >= self.end {
            return None;
        }
        let start = at.checked_sub(1).map_or(0, |before| self.tags.elements[before] as usize);
        Some(&self.tags.text[start..self.tags.elements[at] as usize])
    }

    /// Each element, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let tag = *self;
        (0..tag.end - tag.first).filter_map(move |index| tag.get(index))
    }

    /// Appends the canonical JSON.
    pub(crate) fn push_json(&self, out: &mut String) {
        out.push('[');
        for (index, element) in self.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            json::push_string(out, element);
        }
        out.push(']');
    }
}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Tag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
