//! Words that people write: labels, prefixes and searches.

use super::{refuse, text_schema};
use nexus_social::row::Label;
use pubky_app_specs::{PubkyAppTag, traits::Validatable as _};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;

/// A label, trimmed and in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LabelText(pub(crate) Label);

impl LabelText {
    /// Reads a label as the schema of tags does.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        // The schema checks labels within tags; any URI will do.
        let tag = PubkyAppTag::new("urn:label".into(), text.into());
        match tag.validate(None) {
            Ok(()) => Ok(Self(Label::from_valid(&tag.label))),
            Err(reason) => Err(format!("Invalid input: {reason}")),
        }
    }
}

impl<'de> Deserialize<'de> for LabelText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Cow::<str>::deserialize(deserializer)?).map_err(refuse)
    }
}

/// The beginning of a user's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsernamePrefix(pub(crate) String);

impl<'de> Deserialize<'de> for UsernamePrefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let prefix = text.trim();
        if prefix.is_empty() { Err(refuse("Username cannot be empty")) } else { Ok(Self(prefix.into())) }
    }
}

/// The beginning of a user's key, at least 3 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserIdPrefix(pub(crate) String);

impl<'de> Deserialize<'de> for UserIdPrefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let prefix = text.trim();
        if prefix.chars().count() < 3 {
            return Err(refuse("ID prefix must be at least 3 chars"));
        }
        Ok(Self(prefix.into()))
    }
}

/// A search in the texts of posts: 2 to 30 characters, up to 4 terms in lower case, possibly none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SearchText(pub(crate) Vec<String>);

impl<'de> Deserialize<'de> for SearchText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let text = text.trim();
        match text.chars().count() {
            0 | 1 => return Err(refuse("Search query must be at least 2 characters")),
            2..=30 => {}
            _ => return Err(refuse("Search query exceeds maximum length of 30 characters")),
        }
        let terms = text.split(|c: char| !c.is_alphanumeric()).filter(|term| !term.is_empty());
        let terms: Vec<_> = terms.map(str::to_lowercase).collect();
        if terms.len() > 4 { Err(refuse("Search query exceeds maximum of 4 terms")) } else { Ok(Self(terms)) }
    }
}

text_schema!(
    LabelText,
    "TagLabel",
    "Tag label (1-20 characters, lowercased and trimmed; no commas, colons, or whitespace).",
    "rust"
);
text_schema!(UsernamePrefix, "UsernamePrefix", "Username search prefix (must be non-empty).", "alice");
text_schema!(UserIdPrefix, "UserIdPrefix", "User-ID search prefix (minimum 3 characters).", "ope");
text_schema!(SearchText, "PostSearchQuery", "Post content search query (2–30 characters, up to 4 terms).", "bitcoin");
