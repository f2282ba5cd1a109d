//! Numbers with bounds. Out of bounds is an error, never cut silently.

use super::refuse;
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, Ref, RefOr,
        schema::{Schema, Type},
    },
};

/// How many rows, 1 to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit<const DEFAULT: usize, const MAX: usize>(pub(crate) usize);

/// How many rows to pass over, 0 to `MAX`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Skip<const MAX: usize = 10_000>(pub(crate) usize);

/// How many rows, 0 to `MAX`: for parts of an answer that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count<const DEFAULT: usize, const MAX: usize>(pub(crate) usize);

impl<const DEFAULT: usize, const MAX: usize> Default for Count<DEFAULT, MAX> {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

impl<const DEFAULT: usize, const MAX: usize> Default for Limit<DEFAULT, MAX> {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

/// The schemas of every pair of bounds that a parameter refers to.
pub(crate) fn schemas() -> Vec<(String, RefOr<Schema>)> {
    fn of<T: ToSchema>() -> (String, RefOr<Schema>) {
        (T::name().into_owned(), T::schema())
    }
    vec![
        of::<Limit<3, 10>>(),
        of::<Limit<4, 6>>(),
        of::<Limit<5, 20>>(),
        of::<Limit<5, 100>>(),
        of::<Limit<10, 50>>(),
        of::<Limit<10, 100>>(),
        of::<Limit<20, 20>>(),
        of::<Limit<20, 100>>(),
        of::<Limit<20, 200>>(),
        of::<Limit<40, 40>>(),
        of::<Limit<40, 100>>(),
        of::<Limit<50, 200>>(),
        of::<Limit<500, 1000>>(),
        of::<Skip<1000>>(),
        of::<Skip>(),
    ]
}

/// A number as query strings carry it: as text, also where serde has buffered it.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    Cow::<str>::deserialize(deserializer)?.parse().map_err(refuse)
}

impl<'de, const DEFAULT: usize, const MAX: usize> Deserialize<'de> for Limit<DEFAULT, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match number(deserializer)? {
            0 => Err(refuse("limit must be at least 1")),
            limit if limit > MAX => Err(refuse(format_args!("limit exceeds maximum of {MAX}"))),
            limit => Ok(Self(limit)),
        }
    }
}

impl<'de, const DEFAULT: usize, const MAX: usize> Deserialize<'de> for Count<DEFAULT, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match number(deserializer)? {
            count if count > MAX => Err(refuse(format_args!("count exceeds maximum of {MAX}"))),
            count => Ok(Self(count)),
        }
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Skip<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match number(deserializer)? {
            skip if skip > MAX => Err(refuse(format_args!("skip exceeds maximum of {MAX}"))),
            skip => Ok(Self(skip)),
        }
    }
}

fn bounds(default: usize, minimum: usize, maximum: usize) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .default(Some(default.into()))
        .minimum(Some(minimum))
        .maximum(Some(maximum))
        .into()
}

impl<const DEFAULT: usize, const MAX: usize> Limit<DEFAULT, MAX> {
    /// How parameters refer to the schema.
    pub(crate) fn reference() -> Ref {
        Ref::from_schema_name(Self::name())
    }
}

impl<const MAX: usize> Skip<MAX> {
    /// How parameters refer to the schema.
    pub(crate) fn reference() -> Ref {
        Ref::from_schema_name(Self::name())
    }
}

impl<const DEFAULT: usize, const MAX: usize> PartialSchema for Limit<DEFAULT, MAX> {
    fn schema() -> RefOr<Schema> {
        bounds(DEFAULT, 1, MAX)
    }
}

impl<const DEFAULT: usize, const MAX: usize> ToSchema for Limit<DEFAULT, MAX> {
    fn name() -> Cow<'static, str> {
        format!("BoundedLimit_{DEFAULT}_{MAX}").into()
    }
}

impl<const MAX: usize> PartialSchema for Skip<MAX> {
    fn schema() -> RefOr<Schema> {
        bounds(0, 0, MAX)
    }
}

impl<const MAX: usize> ToSchema for Skip<MAX> {
    fn name() -> Cow<'static, str> {
        format!("BoundedSkip_{MAX}").into()
    }
}

impl<const DEFAULT: usize, const MAX: usize> PartialSchema for Count<DEFAULT, MAX> {
    fn schema() -> RefOr<Schema> {
        bounds(DEFAULT, 0, MAX)
    }
}

impl<const DEFAULT: usize, const MAX: usize> ToSchema for Count<DEFAULT, MAX> {
    fn name() -> Cow<'static, str> {
        format!("BoundedCount_{DEFAULT}_{MAX}").into()
    }
}
