//! From URIs to addresses. Two readings: what a homeserver's log says must be the canonical text, what a
//! user wrote (a parent, a target) may be anything that `pubky-app-specs` understands.

use crate::{Address, HashId, IdError, Path};
use pubky_app_specs::{ExtendedParsedUri, Resource};
use std::str::FromStr;

/// Why a URI is not the address of an indexed record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a `pubky://` URI with an owner and a path below `/pub/`.
    #[error("not the URI of a public pubky record")]
    NotPubky,
    /// The path belongs to neither of the two indexed families.
    #[error("a path that is not indexed")]
    UnknownPath,
    /// The owner or the last segment is not an id of its kind.
    #[error(transparent)]
    InvalidId(#[from] IdError),
    /// The canonical text of this address is another one.
    #[error("not the canonical text of its address")]
    NotCanonical,
}

impl AddressError {
    /// The reason as a metric's label.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotPubky => "not_pubky",
            Self::UnknownPath => "unknown_path",
            Self::InvalidId(_) => "invalid_id",
            Self::NotCanonical => "not_canonical",
        }
    }
}

/// Reads a URI that a user wrote: lenient where `pubky-app-specs` is.
impl FromStr for Address {
    type Err = AddressError;

    fn from_str(uri: &str) -> Result<Self, AddressError> {
        if let Ok(address) = Self::from_canonical(uri) {
            return Ok(address);
        }
        let path = pubky_app_specs::try_parse_pubky_path(uri).map_err(|_| AddressError::NotPubky)?;
        let user = path.user_id.as_ref().parse()?;
        let parsed = ExtendedParsedUri::try_from(uri).map_err(|_| AddressError::UnknownPath)?;
        let app = match &parsed {
            ExtendedParsedUri::PubkyApp { .. } => None,
            ExtendedParsedUri::UniversalTag { app, .. } => Some(app.as_str().into()),
        };
        Ok(Self { user, path: Path::of_resource(parsed.resource(), app)? })
    }
}

impl Address {
    /// Reads the one text that [`Address`]'s `Display` writes, and nothing else. This is what the logs of
    /// homeservers carry: a second spelling of a path is a second file, and must not reach the first one's record.
    ///
    /// # Errors
    /// If `uri` is not the canonical text of an indexed address.
    pub fn from_canonical(uri: &str) -> Result<Self, AddressError> {
        let (user, path) = split(uri).ok_or(AddressError::NotPubky)?;
        // What has no id ends with its name: `profile.json/` is another path.
        let segments = Segments::of(path).filter(|_| !path.ends_with('/'));
        let user = user.parse()?;
        let path = segments.ok_or(AddressError::UnknownPath)?.path()?;
        Ok(Self { user, path })
    }
}

/// Owner and the path below `/pub/`.
fn split(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("pubky://")?;
    rest.split_once("/pub/")
}

/// `app/collection/id`, or `app/name` with an empty id.
struct Segments<'a> {
    app: &'a str,
    collection: &'a str,
    id: &'a str,
}

impl<'a> Segments<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let mut parts = path.split('/');
        let (app, collection, id) = (parts.next()?, parts.next()?, parts.next().unwrap_or(""));
        (parts.next().is_none()).then_some(Self { app, collection, id })
    }

    fn path(&self) -> Result<Path, AddressError> {
        match (self.app, self.collection, self.id) {
            ("pubky.app", "profile.json", "") => Ok(Path::Profile),
            ("pubky.app", "last_read", "") => Ok(Path::LastRead),
            (_, _, "") => Err(AddressError::UnknownPath),
            ("pubky.app", collection, id) => Path::of_collection(collection, id),
            (app, "tags", id) if is_stable_segment(app) => Ok(Path::Tag { app: Some(app.into()), id: id.parse()? }),
            _ => Err(AddressError::UnknownPath),
        }
    }
}

/// True for a path segment that URL parsers leave as it is.
fn is_stable_segment(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_~".contains(&b);
    let has_shape = || {
        let url = url::Url::parse(&format!("pubky://host/{text}/")).ok()?;
        Some(url.path().strip_prefix('/')?.strip_suffix('/')? == text && url.query().is_none())
    };
    !text.is_empty() && (text.bytes().all(plain) || has_shape() == Some(true))
}

impl Path {
    fn of_collection(collection: &str, id: &str) -> Result<Self, AddressError> {
        Ok(match collection {
            "posts" => Self::Post(id.parse()?),
            "follows" => Self::Follow(id.parse()?),
            "mutes" => Self::Mute(id.parse()?),
            "bookmarks" => Self::Bookmark(id.parse()?),
            "tags" => Self::Tag { app: None, id: id.parse()? },
            "files" => Self::File(id.parse()?),
            "feeds" => Self::Feed(id.parse()?),
            "blobs" => Self::Blob(id.parse()?),
            _ => return Err(AddressError::UnknownPath),
        })
    }

    fn of_resource(resource: &Resource, app: Option<Box<str>>) -> Result<Self, AddressError> {
        Ok(match resource {
            Resource::User => Self::Profile,
            Resource::LastRead => Self::LastRead,
            Resource::Post(id) => Self::Post(id.parse()?),
            Resource::Follow(key) => Self::Follow(key.as_ref().parse()?),
            Resource::Mute(key) => Self::Mute(key.as_ref().parse()?),
            Resource::Bookmark(id) => Self::Bookmark(id.parse()?),
            Resource::Tag(id) => Self::Tag { app, id: id.parse::<HashId>()? },
            Resource::File(id) => Self::File(id.parse()?),
            Resource::Blob(id) => Self::Blob(id.parse()?),
            Resource::Feed(id) => Self::Feed(id.parse()?),
            Resource::Unknown => return Err(AddressError::UnknownPath),
        })
    }
}
