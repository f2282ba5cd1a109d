//! Relay management: the calls that an administrator may make, as JSON.

use crate::{Error, EventId, Kind, PublicKey, Result};
use serde_json::Value;

/// How long a role's id may be, in bytes.
const MAX_ROLE_ID: usize = 64;

/// A call, read from the body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `supportedmethods`
    SupportedMethods,
    /// `banpubkey`, `allowpubkey`, with the reason given
    ListPubkey(List, PublicKey, String),
    /// `unbanpubkey`, `unallowpubkey`
    UnlistPubkey(List, PublicKey),
    /// `listbannedpubkeys`, `listallowedpubkeys`
    ListedPubkeys(List),
    /// `listeventsneedingmoderation`
    EventsNeedingModeration,
    /// `banevent`, `allowevent`, with the reason given
    ListEvent(List, EventId, String),
    /// `listbannedevents`
    BannedEvents,
    /// `changerelayname`, `changerelaydescription`, `changerelayicon`
    ChangeInfo(InfoField, String),
    /// `allowkind`
    AllowKind(Kind),
    /// `disallowkind`
    DisallowKind(Kind),
    /// `listallowedkinds`
    AllowedKinds,
    /// `blockip`: an address or a network in CIDR form, with the reason given
    BlockIp(String, String),
    /// `unblockip`
    UnblockIp(String),
    /// `listblockedips`
    BlockedIps,
    /// `createrole`, `editrole`
    PutRole(Known, Role),
    /// `deleterole`
    DeleteRole(String),
    /// `assignrole`
    AssignRole(PublicKey, String),
    /// `unassignrole`
    UnassignRole(PublicKey, String),
    /// `nexus_listroles`, which the NIP lacks
    Roles,
}

/// Whether something must be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It must.
    Yes,
    /// It must not.
    No,
}

/// A role of members. (NIP-43)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name for programs.
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// What it is for.
    pub description: String,
    /// Its colour, as the administrator wrote it.
    pub color: String,
    /// Where it stands among the others.
    pub order: i64,
}

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum List {
    /// What is refused.
    Banned,
    /// What is let in.
    Allowed,
}

/// What of the relay's own description can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InfoField {
    /// Its name.
    Name,
    /// What it is for.
    Description,
    /// Its picture.
    Icon,
}

/// The names of all methods that [`Call::parse`] knows.
pub const METHODS: [&str; 26] = [
    "supportedmethods",
    "banpubkey",
    "unbanpubkey",
    "listbannedpubkeys",
    "allowpubkey",
    "unallowpubkey",
    "listallowedpubkeys",
    "listeventsneedingmoderation",
    "allowevent",
    "banevent",
    "listbannedevents",
    "changerelayname",
    "changerelaydescription",
    "changerelayicon",
    "allowkind",
    "disallowkind",
    "listallowedkinds",
    "blockip",
    "unblockip",
    "listblockedips",
    "createrole",
    "editrole",
    "deleterole",
    "assignrole",
    "unassignrole",
    "nexus_listroles",
];

impl Call {
    /// Reads `{"method":…,"params":[…]}`.
    ///
    /// # Errors
    /// [`Error::UnknownMethod`] for an unknown method, [`Error::Bad`] for wrong parameters.
    pub fn parse(body: &str) -> Result<Self> {
        let body: Value = serde_json::from_str(body).map_err(|_| Error::Bad("request"))?;
        let method = body.get("method").and_then(Value::as_str).ok_or(Error::Missing("method"))?;
        let params = Params(body.get("params").and_then(Value::as_array).map_or(&[], Vec::as_slice));
        Self::read(method, &params)
    }

    fn read(method: &str, params: &Params<'_>) -> Result<Self> {
        Ok(match method {
            "supportedmethods" => Self::SupportedMethods,
            "banpubkey" => Self::ListPubkey(List::Banned, params.value()?, params.reason()),
            "unbanpubkey" => Self::UnlistPubkey(List::Banned, params.value()?),
            "listbannedpubkeys" => Self::ListedPubkeys(List::Banned),
            "allowpubkey" => Self::ListPubkey(List::Allowed, params.value()?, params.reason()),
            "unallowpubkey" => Self::UnlistPubkey(List::Allowed, params.value()?),
            "listallowedpubkeys" => Self::ListedPubkeys(List::Allowed),
            "listeventsneedingmoderation" => Self::EventsNeedingModeration,
            "allowevent" => Self::ListEvent(List::Allowed, params.value()?, params.reason()),
            "banevent" => Self::ListEvent(List::Banned, params.value()?, params.reason()),
            "listbannedevents" => Self::BannedEvents,
            "changerelayname" => Self::ChangeInfo(InfoField::Name, params.text()?),
            "changerelaydescription" => Self::ChangeInfo(InfoField::Description, params.text()?),
            "changerelayicon" => Self::ChangeInfo(InfoField::Icon, params.text()?),
            "allowkind" => Self::AllowKind(params.kind()?),
            "disallowkind" => Self::DisallowKind(params.kind()?),
            "listallowedkinds" => Self::AllowedKinds,
            "blockip" => Self::BlockIp(params.text()?, params.reason()),
            "unblockip" => Self::UnblockIp(params.text()?),
            "listblockedips" => Self::BlockedIps,
            "createrole" => Self::PutRole(Known::No, params.role()?),
            "editrole" => Self::PutRole(Known::Yes, params.role()?),
            "deleterole" => Self::DeleteRole(params.role_id(0)?),
            "assignrole" => Self::AssignRole(params.value()?, params.role_id(1)?),
            "unassignrole" => Self::UnassignRole(params.value()?, params.role_id(1)?),
            "nexus_listroles" => Self::Roles,
            _ => return Err(Error::UnknownMethod),
        })
    }
}

struct Params<'a>(&'a [Value]);

impl Params<'_> {
    fn text(&self) -> Result<String> {
        let text = self.0.first().and_then(Value::as_str);
        text.map(str::to_owned).ok_or(Error::Bad("params"))
    }

    fn value<T: std::str::FromStr>(&self) -> Result<T> {
        self.text()?.parse().map_err(|_| Error::Bad("params"))
    }

    fn kind(&self) -> Result<Kind> {
        let number = self.0.first().and_then(Value::as_u64).and_then(|number| u16::try_from(number).ok());
        number.map(Kind::new).ok_or(Error::Bad("params"))
    }

    fn role(&self) -> Result<Role> {
        let text = |index: usize| self.0.get(index).and_then(Value::as_str).unwrap_or_default().to_owned();
        let order = self.0.get(4).and_then(Value::as_i64).unwrap_or(0);
        Ok(Role { id: self.role_id(0)?, label: text(1), description: text(2), color: text(3), order })
    }

    fn role_id(&self, index: usize) -> Result<String> {
        let id = self.0.get(index).and_then(Value::as_str).unwrap_or_default();
        let is_valid = !id.is_empty() && id.len() <= MAX_ROLE_ID && !id.contains(':');
        if is_valid { Ok(id.to_owned()) } else { Err(Error::Bad("params")) }
    }

    fn reason(&self) -> String {
        self.0.get(1).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}
