//! What a deployment's variables and secrets mean. One that can't be understood is an error that names it, not a
//! default.

use nexus_nostr::{PublicKey, nip::nip42::RelayUrl};
use nexus_relay::settings::{Requirement, Settings};

/// A deployment: the relay's settings and what it says of itself.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The settings.
    pub settings: Settings,
    /// `RELAY_NAME`
    pub name: Option<String>,
    /// `RELAY_DESCRIPTION`
    pub description: Option<String>,
    /// `RELAY_CONTACT`, a URI.
    pub contact: Option<String>,
    /// `RELAY_PUBKEY`, the operator's key.
    pub pubkey: Option<PublicKey>,
    /// `ADMIN_PUBKEYS`, who may manage the relay.
    pub admins: Vec<PublicKey>,
}

/// A variable that can't be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} must be {expected}")]
pub struct VariableError {
    /// The variable.
    pub name: &'static str,
    /// What it must be.
    pub expected: &'static str,
}

impl Deployment {
    /// The names of all variables and secrets that are read.
    pub const NAMES: [&str; 7] = [
        "RELAY_URL",
        "AUTH_REQUIRED",
        "RELAY_NAME",
        "RELAY_DESCRIPTION",
        "RELAY_PUBKEY",
        "RELAY_CONTACT",
        "ADMIN_PUBKEYS",
    ];

    /// The deployment whose variables `get` gives. One that is empty is one that is missing.
    ///
    /// # Errors
    /// The first variable that can't be understood.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, VariableError> {
        let text = |name: &str| get(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let url = text("RELAY_URL").map(|url| RelayUrl::parse(&url).ok_or(VARIABLE_URL));
        let mut settings = Settings { urls: url.transpose()?.into_iter().collect(), ..Settings::default() };
        settings.auth.required = match text("AUTH_REQUIRED").as_deref() {
            Some("true") => Requirement::Required,
            Some("false") | None => Requirement::Optional,
            Some(_) => return Err(VariableError { name: "AUTH_REQUIRED", expected: "true or false" }),
        };
        if settings.auth.required == Requirement::Required && settings.urls.is_empty() {
            return Err(VariableError { name: "RELAY_URL", expected: "set where AUTH_REQUIRED is true" });
        }
        let key = |name, digits: &str| digits.parse().map_err(|_| VariableError { name, expected: "64 hex digits" });
        let admins = text("ADMIN_PUBKEYS").unwrap_or_default();
        let admins = admins.split([',', ' ', '\n']).filter(|digits| !digits.is_empty());
        Ok(Self {
            settings,
            name: text("RELAY_NAME"),
            description: text("RELAY_DESCRIPTION"),
            contact: text("RELAY_CONTACT"),
            pubkey: text("RELAY_PUBKEY").map(|digits| key("RELAY_PUBKEY", &digits)).transpose()?,
            admins: admins.map(|digits| key("ADMIN_PUBKEYS", digits)).collect::<Result<_, _>>()?,
        })
    }
}

const VARIABLE_URL: VariableError =
    VariableError { name: "RELAY_URL", expected: "a URL such as wss://relay.example.com" };
