//! Tagged resources outside the Pubky graph: the normal form of their URIs (spec b.4).

use crate::ResourceId;
use std::fmt;
use url::Url;

/// The URI of a resource, in its normal form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResourceUri(String);

/// Why a text is not the URI of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a resource needs a URI with a scheme")]
pub struct ResourceError;

impl ResourceUri {
    /// Brings `uri` to its normal form. With an authority: scheme and host in lower case, no default port, user
    /// info or fragment. Opaque: no fragment. Unparseable: the scheme in lower case, the rest as it is.
    ///
    /// # Errors
    /// If there is no valid scheme.
    pub fn normalize(uri: &str) -> Result<Self, ResourceError> {
        match Url::parse(uri) {
            Ok(url) => Ok(Self(normal_form(url))),
            Err(_) => unparsed(uri).map(Self),
        }
    }

    /// The normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The scheme, in lower case.
    pub fn scheme(&self) -> &str {
        self.0.split_once(':').map_or("", |(scheme, _)| scheme)
    }

    /// The id under which it is stored.
    pub fn id(&self) -> ResourceId {
        ResourceId::of_normal_form(&self.0)
    }
}

impl fmt::Display for ResourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn normal_form(mut url: Url) -> String {
    url.set_fragment(None);
    if !url.has_authority() {
        return url.into();
    }
    // These fail only for URLs that can have neither user info, port nor host, and have none to remove then.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    if matches!(url.port(), Some(80 | 443)) && !url.is_special() {
        let _ = url.set_port(None);
    }
    if let Some(host) = url.host_str().filter(|host| host.bytes().any(|b| b.is_ascii_uppercase())) {
        let host = host.to_ascii_lowercase();
        let _ = url.set_host(Some(&host));
    }
    url.into()
}

fn unparsed(uri: &str) -> Result<String, ResourceError> {
    let (scheme, rest) = uri.split_once(':').ok_or(ResourceError)?;
    let mut bytes = scheme.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic());
    let others = bytes.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if first && others { Ok(format!("{}:{rest}", scheme.to_ascii_lowercase())) } else { Err(ResourceError) }
}
