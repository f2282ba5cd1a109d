//! Parameters: what a text must be, and the words for what it isn't. A value that exists is valid.

mod bounded;
mod choices;
mod ids;
mod lists;
mod range;
mod text;
mod viewer;

pub(crate) use bounded::{Count, Limit, Skip, schemas};
pub(crate) use choices::{
    Content, PostSourceName, ReachName, Sorted, SortedResources, Timespan, UserSourceName, Which,
};
pub(crate) use ids::{GlobalPostId, PostId, PostPath, PubkyIdText, ResourceIdText, UserPath};
pub(crate) use lists::{Kind, Kinds, Labels, Listed};
pub(crate) use range::{After, Paged, Range, TagPage};
pub(crate) use text::{LabelText, SearchText, UserIdPrefix, UsernamePrefix};
pub(crate) use viewer::{ExcludeMuted, Trust, Viewer, steps_within};

use serde::de::Error;
use std::fmt::Display;

/// A refusal in upstream's words, which carry their own prefix.
pub(crate) fn refuse<E: Error>(reason: impl Display) -> E {
    E::custom(format_args!("Invalid input: {reason}"))
}

/// Declares how OpenAPI shows a type whose values are text.
macro_rules! text_schema {
    ($type:ty, $name:literal, $description:literal $(, $example:literal)?) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some($description))
                    $(.examples([$example]))?
                    .into()
            }
        }

        impl utoipa::ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
        }
    };
}
use text_schema;
