//! The macros that declare sections and choices.

/// Declares a section: a struct whose fields carry their documentation and default.
///
/// ```
/// use nexus_config::{Bounded, Setting, section};
/// section! {
///     /// What the example is for.
///     pub struct Example {
///         /// How many at a time.
///         pub limit: Bounded<1, 1000> = Bounded::of(50),
///         /// A key whose name is no identifier.
///         pub trust_score as "trust-score": bool = false,
///     }
/// }
/// assert_eq!(Example::default().limit.get(), 50);
/// ```
#[macro_export]
macro_rules! section {
    ($(#[doc = $doc:literal])* $vis:vis struct $name:ident {
        $( $(#[doc = $said:literal])* pub $field:ident $(as $key:literal)? : $type:ty = $default:expr ),* $(,)?
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, $crate::serde::Serialize, $crate::serde::Deserialize)]
        #[serde(default, deny_unknown_fields, crate = "nexus_config::serde")]
        $vis struct $name {
            $( $(#[doc = $said])* $(#[serde(rename = $key)])? pub $field: $type, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $crate::Setting for $name {
            fn node(&self, doc: &[&'static str]) -> $crate::Node {
                $crate::Node::table(doc, vec![
                    $( ($crate::key_name!($field $($key)?), $crate::Setting::node(&self.$field, &[$($said),*])), )*
                ])
            }
        }
    };
}

/// The name of a key: that of its field, unless another is given.
#[doc(hidden)]
#[macro_export]
macro_rules! key_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

/// Declares a choice between words.
///
/// ```
/// use nexus_config::{Scalar, choice};
/// choice! {
///     /// How logs look.
///     pub enum Format {
///         /// For people.
///         Text = "text",
///         /// For machines.
///         Json = "json",
///     }
/// }
/// assert_eq!(Format::kind(), "one of text, json");
/// assert_eq!(Format::Json.as_str(), "json");
/// ```
#[macro_export]
macro_rules! choice {
    ($(#[doc = $doc:literal])* $vis:vis enum $name:ident {
        $( $(#[doc = $said:literal])* $variant:ident = $word:literal ),+ $(,)?
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, $crate::serde::Serialize, $crate::serde::Deserialize)]
        #[serde(crate = "nexus_config::serde")]
        $vis enum $name {
            $( $(#[doc = $said])* #[serde(rename = $word)] $variant, )+
        }

        impl $name {
            /// Every choice.
            $vis const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the configuration.
            $vis const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }
        }

        impl $crate::Scalar for $name {
            fn kind() -> String {
                format!("one of {}", [$($word),+].join(", "))
            }

            fn example() -> Self {
                Self::ALL[0]
            }
        }
    };
}
