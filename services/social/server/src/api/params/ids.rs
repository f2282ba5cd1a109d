//! Ids in paths, queries and bodies.

use super::{refuse, text_schema};
use nexus_pubky::{PubkyId, TimestampId};
use nexus_social::row::PostKey;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::borrow::Cow;
use utoipa::IntoParams;

/// A post's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PostId(pub(crate) TimestampId);

impl<'de> Deserialize<'de> for PostId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        // Two prefixes are what clients know (spec d.0).
        text.parse().map(Self).map_err(|error| refuse(format_args!("Invalid input: {error}")))
    }
}

/// `author:post`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GlobalPostId(pub(crate) PostKey);

impl<'de> Deserialize<'de> for GlobalPostId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let (author, id) = text.split_once(':').ok_or_else(|| refuse("a post key is `author:post`"))?;
        let author = author.parse().map_err(D::Error::custom)?;
        let id = id.parse().map_err(refuse)?;
        Ok(Self(PostKey { author, id }))
    }
}

/// How OpenAPI names a user's key.
pub(crate) struct PubkyIdText;
/// How OpenAPI names a resource's id.
pub(crate) struct ResourceIdText;

text_schema!(PubkyIdText, "PubkyId", "52 characters of z-base-32: an ed25519 public key.");
text_schema!(PostId, "PostId", "13-character Crockford Base32-encoded post ID.", "00000039YD9DP");
text_schema!(
    ResourceIdText,
    "ResourceId",
    "32-character lowercase hex resource identifier.",
    "0123456789abcdef0123456789abcdef"
);
text_schema!(
    GlobalPostId,
    "GlobalPostId",
    "Composite post identifier in the format `{PubkyId}:{PostId}`.",
    "operrr8wsbpr3ue9d4qj41ge1kcc6r7fdiy6o3ugjrrhi4y77rdo:00000039YD9DP"
);

/// A user in a path.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UserPath {
    /// User Pubky ID
    #[param(value_type = PubkyIdText)]
    pub(crate) user_id: PubkyId,
}

/// A post in a path.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PostPath {
    /// Author Pubky ID
    #[param(value_type = PubkyIdText)]
    author_id: PubkyId,
    /// Post Crockford32 ID
    post_id: PostId,
}

impl PostPath {
    pub(crate) const fn key(&self) -> PostKey {
        PostKey { author: self.author_id, id: self.post_id.0 }
    }
}
