//! Values of the settings that have a grammar of their own.

use nexus_atproto::{Did, Nsid};
use nexus_config::Scalar;
use serde::de::{self, Deserialize, Deserializer};
use serde::{Deserialize as Derived, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Values that are read from text and written as text.
macro_rules! textual {
    ($name:ident, $kind:literal, $example:literal) => {
        impl Scalar for $name {
            fn kind() -> String {
                $kind.to_owned()
            }

            fn example() -> Self {
                $example.to_owned().try_into().expect("an example is valid")
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Derived)]
#[serde(try_from = "String", into = "String")]
pub struct Account(pub Did);

textual!(Account, "DID", "did:plc:ewvi7nxzyoun6zhxrhs64oiz");

impl TryFrom<String> for Account {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.trim().parse().map(Self).map_err(|_| "not a DID".to_owned())
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One collection, without wildcards.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Derived)]
#[serde(try_from = "String", into = "String")]
pub struct Collection(pub Nsid);

textual!(Collection, "collection", "app.bsky.actor.profile");

impl TryFrom<String> for Collection {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.trim().parse().map(Self).map_err(|_| "not the name of a collection".to_owned())
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The base of a server: `http://` or `https://`, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Derived)]
#[serde(try_from = "String", into = "String")]
pub struct WebUrl(url::Url);

textual!(WebUrl, "URL that begins with http:// or https://", "https://example.com");

impl WebUrl {
    /// The public directory of `did:plc`.
    pub(super) fn plc() -> Self {
        "https://plc.directory".to_owned().try_into().expect("the address is valid")
    }

    /// Its text, without a slash at the end.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// True if it names this machine or an address of a private network.
    pub fn is_private(&self) -> bool {
        match self.0.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => is_private(address.into()),
            Some(url::Host::Ipv6(address)) => is_private(address.into()),
            None => false,
        }
    }
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

impl TryFrom<String> for WebUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let url = url::Url::parse(text.trim()).map_err(|error| error.to_string())?;
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        if is_web { Ok(Self(url)) } else { Err("it must begin with http:// or https://".to_owned()) }
    }
}

impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A base URL at which names that end in a text are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Derived)]
#[serde(try_from = "String", into = "String")]
pub struct NameHost {
    suffix: String,
    url: WebUrl,
}

textual!(NameHost, "SUFFIX=URL", ".test=http://127.0.0.1:2583");

impl NameHost {
    /// The end of the names, and the base URL without a slash at the end.
    pub fn parts(&self) -> (String, String) {
        (self.suffix.clone(), self.url.to_string())
    }
}

impl TryFrom<String> for NameHost {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (suffix, url) = text.split_once('=').ok_or("it has the form SUFFIX=URL")?;
        Ok(Self { suffix: suffix.trim().to_owned(), url: url.to_owned().try_into()? })
    }
}

impl fmt::Display for NameHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.suffix, self.url)
    }
}

/// Relays: one, or several as a list or between commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relays(Vec<WebUrl>);

impl Relays {
    /// The relay that most people follow.
    pub(super) fn public() -> Self {
        Self(vec!["https://relay1.us-east.bsky.network".to_owned().try_into().expect("the address is valid")])
    }

    /// The relays, at least one.
    pub fn all(&self) -> &[WebUrl] {
        &self.0
    }
}

#[derive(Serialize, Derived)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Serialize for Relays {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        match <[String; 1]>::try_from(texts) {
            Ok([one]) => OneOrMore::One(one),
            Err(more) => OneOrMore::More(more),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Relays {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = match OneOrMore::deserialize(deserializer)? {
            OneOrMore::One(text) => text.split(',').map(str::to_owned).collect(),
            OneOrMore::More(texts) => texts,
        };
        let urls: Vec<WebUrl> =
            texts.into_iter().map(WebUrl::try_from).collect::<Result<_, _>>().map_err(de::Error::custom)?;
        if urls.is_empty() { Err(de::Error::custom("at least one is needed")) } else { Ok(Self(urls)) }
    }
}

impl Scalar for Relays {
    fn kind() -> String {
        "URL that begins with http:// or https://, or a list of them".to_owned()
    }

    fn example() -> Self {
        Self::public()
    }
}

/// The database's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Derived)]
#[serde(try_from = "String", into = "String")]
pub struct DatabaseFile(PathBuf);

textual!(DatabaseFile, "path, or sqlite://PATH", "./nexus.db");

impl DatabaseFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl TryFrom<String> for DatabaseFile {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let path = match text.split_once("://") {
            None => text.as_str(),
            Some(("sqlite", path)) => path,
            Some(("postgres" | "postgresql", _)) => {
                return Err("PostgreSQL is not supported: it is a SQLite file, and \
                `nexus sync import-tap FILE` takes over that of a Tap"
                    .to_owned());
            }
            Some(_) => return Err("it must be a path, or begin with sqlite://".to_owned()),
        };
        let path = path.strip_prefix("file:").unwrap_or(path);
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        match path {
            "" => Err("there is no path".to_owned()),
            ":memory:" => Err("events must survive a restart, so it must be a file".to_owned()),
            path => Ok(Self(path.into())),
        }
    }
}

impl fmt::Display for DatabaseFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::Value;

    #[test]
    fn a_database_is_a_path_with_or_without_its_scheme() {
        for (text, path) in [
            ("./nexus.db", "./nexus.db"),
            ("sqlite://./tap.db", "./tap.db"),
            ("sqlite:///data/tap.db", "/data/tap.db"),
            ("sqlite://file:tap.db?cache=shared", "tap.db"),
        ] {
            assert_eq!(DatabaseFile::try_from(text.to_owned()).unwrap().path(), Path::new(path), "{text}");
        }
        for text in ["postgres://localhost/tap", "mysql://x", "sqlite://", "sqlite://file::memory:?cache=shared"] {
            assert!(DatabaseFile::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn one_relay_is_as_good_as_a_list() {
        let one: Relays = Value::from("https://a.example/").try_into().unwrap();
        let two: Relays = Value::from("https://a.example, http://b.example").try_into().unwrap();
        let list: Relays = Value::from(vec!["https://a.example", "http://b.example"]).try_into().unwrap();
        assert_eq!((one.all().len(), one.all()[0].as_str(), &two), (1, "https://a.example", &list));
        assert!(Value::from("ws://a.example").try_into::<Relays>().is_err());
        assert!(Value::from(Vec::<String>::new()).try_into::<Relays>().is_err());
    }

    #[test]
    fn private_addresses_are_known() {
        for (text, private) in [
            ("http://localhost:1", true),
            ("http://127.0.0.1", true),
            ("http://10.1.2.3", true),
            ("http://[::1]:2", true),
            ("https://plc.directory", false),
            ("http://9.9.9.9", false),
        ] {
            assert_eq!(WebUrl::try_from(text.to_owned()).unwrap().is_private(), private, "{text}");
        }
    }
}
