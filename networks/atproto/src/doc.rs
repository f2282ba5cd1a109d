//! DID documents: who signs for an account, where its repo is, and what handle it declares. A declared handle
//! is a claim; only resolving the handle back to the DID makes it true.

use crate::error::{Error, Reason, Result};
use crate::key::PublicKey;
use crate::syntax::{Did, Handle};
use serde::{Deserialize, Deserializer, Serialize};

/// The largest document that is worth reading, in bytes.
pub const MAX_DOCUMENT: usize = 1 << 20;

/// The longest address of a server, in bytes: whoever knows a million accounts keeps theirs in memory.
pub const MAX_ADDRESS: usize = 2_048;

/// How much is told of what is wrong with a document, in characters: the parser quotes what it can't read.
const MAX_COMPLAINT: usize = 300;

/// A DID document, reduced to what the protocol uses.
///
/// It serialises to the form that `/resolve` answers with: no `@context`, keys of other controllers dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Document {
    #[serde(serialize_with = "as_text")]
    id: Did,
    #[serde(rename = "alsoKnownAs")]
    also_known_as: Vec<String>,
    #[serde(rename = "verificationMethod")]
    methods: Vec<Method>,
    service: Vec<Service>,
}

/// A key, named by a fragment of the DID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Method {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    controller: String,
    #[serde(rename = "publicKeyMultibase", default)]
    key: String,
}

/// A server, named by a fragment of the DID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Service {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "serviceEndpoint")]
    endpoint: String,
}

#[derive(Deserialize)]
struct Wire {
    id: String,
    #[serde(rename = "alsoKnownAs", default, deserialize_with = "known_items")]
    also_known_as: Vec<String>,
    #[serde(rename = "verificationMethod", default, deserialize_with = "known_items")]
    methods: Vec<Method>,
    #[serde(default, deserialize_with = "known_items")]
    service: Vec<Service>,
}

/// The items that have the expected shape. Documents may hold others, which are none of our business.
fn known_items<'de, D: Deserializer<'de>, T: for<'v> Deserialize<'v>>(
    deserializer: D,
) -> std::result::Result<Vec<T>, D::Error> {
    let items = Option::<Vec<serde_json::Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect())
}

fn as_text<S: serde::Serializer>(did: &Did, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(did.as_str())
}

fn broken(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Reason::Identity, detail)
}

fn unreadable(error: &serde_json::Error) -> Error {
    let complaint: String = error.to_string().chars().take(MAX_COMPLAINT).collect();
    broken(format!("not a document: {complaint}"))
}

impl Document {
    /// Reads the document of `did`.
    ///
    /// # Errors
    /// If it is not JSON of the right shape, too large, or of another DID.
    pub fn parse(did: &Did, json: &[u8]) -> Result<Self> {
        if json.len() > MAX_DOCUMENT {
            return Err(broken("a document too large"));
        }
        let wire: Wire = serde_json::from_slice(json).map_err(|error| unreadable(&error))?;
        if wire.id != did.as_str() {
            return Err(broken("a document of another DID"));
        }
        let own = |method: &Method| method.controller == did.as_str();
        let methods =
            wire.methods.into_iter().filter(own).map(|method| Method { id: whole_id(did, &method.id), ..method });
        let service = wire.service.into_iter().map(|service| Service { id: fragment(did, &service.id), ..service });
        let (methods, service) = (methods.collect(), service.collect());
        Ok(Self { id: did.clone(), also_known_as: wire.also_known_as, methods, service })
    }

    /// Whose document it is.
    pub const fn did(&self) -> &Did {
        &self.id
    }

    /// The multibase text and kind of the key that signs the repo, to tell whether it has changed.
    pub fn signing_method(&self) -> Option<(&str, &str)> {
        let id = whole_id(&self.id, "#atproto");
        self.methods.iter().find(|method| method.id == id).map(|method| (method.kind.as_str(), method.key.as_str()))
    }

    /// The key that signs the repo.
    ///
    /// # Errors
    /// If there is none, or it is of a kind that the protocol doesn't use.
    pub fn signing_key(&self) -> Result<PublicKey> {
        let (kind, key) = self.signing_method().ok_or_else(|| broken("no signing key"))?;
        PublicKey::from_method(kind, key)
    }

    /// The address of the server that holds the repo, without a slash at the end, of at most [`MAX_ADDRESS`] bytes.
    pub fn pds(&self) -> Option<&str> {
        let service = self.service.iter().find(|service| service.id == "#atproto_pds")?;
        Some(service.endpoint.trim_end_matches('/')).filter(|address| address.len() <= MAX_ADDRESS)
    }

    /// The handle that the account declares: the first that is one.
    pub fn declared_handle(&self) -> Option<Handle> {
        let names = self.also_known_as.iter().filter_map(|name| name.strip_prefix("at://"));
        names.filter_map(|name| Handle::parse(name).ok()).next()
    }
}

fn fragment(did: &Did, id: &str) -> String {
    id.strip_prefix(did.as_str()).unwrap_or(id).to_owned()
}

fn whole_id(did: &Did, id: &str) -> String {
    format!("{did}{}", fragment(did, id))
}
