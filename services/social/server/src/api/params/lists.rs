//! Lists: comma-separated in queries, arrays in bodies, with a number of items that is bounded.

use super::{LabelText, text_schema};
use nexus_social::row::{Label, PostKind};
use serde::{Deserialize, Deserializer, de::Error};
use std::borrow::Cow;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, RefOr, schema::Schema},
};

/// Checks the number of items, in upstream's words.
fn count<E: Error>(items: usize, maximum: usize) -> Result<(), E> {
    match items {
        0 => Err(E::custom("At least 1 item(s) required")),
        items if items > maximum => Err(E::custom(format_args!("Maximum {maximum} items allowed"))),
        _ => Ok(()),
    }
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// 1 to 5 labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Labels(pub(crate) Vec<Label>);

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let labels = parts(&text).map(|part| LabelText::parse(part).map_err(D::Error::custom));
        let labels = labels.collect::<Result<Vec<_>, _>>()?;
        count(labels.len(), 5)?;
        Ok(Self(labels.into_iter().map(|label| label.0).collect()))
    }
}

/// A kind of post; a text that is none means `unknown`, and so no post.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kind(pub(crate) PostKind);

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Ok(Self(text.parse().unwrap_or(PostKind::Unknown)))
    }
}

/// 1 to 7 known kinds of posts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kinds(pub(crate) Vec<PostKind>);

impl<'de> Deserialize<'de> for Kinds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let kinds = parts(&text).map(|part| part.to_lowercase().parse().map_err(D::Error::custom));
        let kinds = kinds.collect::<Result<Vec<PostKind>, _>>()?;
        count(kinds.len(), 7)?;
        Ok(Self(kinds))
    }
}

text_schema!(
    Labels,
    "Tags",
    "Comma-separated list of tag labels (min=1, max=5). Each label is validated and sanitized.",
    "dev,free,opensource"
);
text_schema!(
    Kinds,
    "PostKinds",
    "Comma-separated list of post kinds (min=1, max=7). Values outside the known kinds are rejected.",
    "collection,link"
);

/// 1 to 100 items of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed<T>(pub(crate) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Listed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = Vec::deserialize(deserializer)?;
        count(items.len(), 100)?;
        Ok(Self(items))
    }
}

impl<T: PartialSchema> PartialSchema for Listed<T> {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new().items(T::schema()).description(Some("1 to 100 items.")).into()
    }
}

impl<T: PartialSchema> ToSchema for Listed<T> {}
