//! The event: read in one pass, hashed and written in one canonical form.

use crate::{Error, EventId, Kind, KindClass, PublicKey, Result, Seconds, Signature, Tags, json};
use sha2::{Digest, Sha256};

/// How many members that Nostr doesn't know an event may bring. They are dropped.
const MAX_UNKNOWN_MEMBERS: usize = 16;

/// An event of NIP-01. Nothing about it is believed until it is `Verified`: the id may be wrong and the
/// signature missing its point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The hash of everything but the signature.
    pub id: EventId,
    /// The author.
    pub pubkey: PublicKey,
    /// When the author says it was written.
    pub created_at: Seconds,
    /// What it is about.
    pub kind: Kind,
    /// The tags, in order.
    pub tags: Tags,
    /// The content.
    pub content: String,
    /// The author's signature over the id.
    pub sig: Signature,
}

impl Event {
    /// Reads an event from JSON text. Members that Nostr doesn't know are dropped.
    ///
    /// # Errors
    /// The first fault of the text. Neither the id nor the signature is checked.
    pub fn parse(json: &str) -> Result<Self> {
        let mut reader = json::Reader::new(json);
        let event = Self::read(&mut reader)?;
        reader.end()?;
        Ok(event)
    }

    pub(crate) fn read(reader: &mut json::Reader<'_>) -> Result<Self> {
        let mut members = Members::default();
        reader.object(|reader, name| members.read(reader, name))?;
        members.finish()
    }

    /// The event as compact JSON: id, pubkey, `created_at`, kind, tags, content, sig.
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(self.content.len() + 512);
        out.push_str("{\"id\":\"");
        self.id.push_hex(&mut out);
        out.push_str("\",\"pubkey\":\"");
        self.pubkey.push_hex(&mut out);
        out.push_str("\",\"created_at\":");
        json::push_integer(&mut out, self.created_at.get());
        out.push_str(",\"kind\":");
        json::push_integer(&mut out, i64::from(self.kind.get()));
        out.push_str(",\"tags\":");
        self.tags.push_json(&mut out);
        out.push_str(",\"content\":");
        json::push_string(&mut out, &self.content);
        out.push_str(",\"sig\":\"");
        self.sig.push_hex(&mut out);
        out.push_str("\"}");
        out
    }

    /// The id that this event must have: SHA-256 over `[0,pubkey,created_at,kind,tags,content]`. (NIP-01)
    pub fn computed_id(&self) -> EventId {
        let mut text = String::with_capacity(self.content.len() + 512);
        text.push_str("[0,\"");
        self.pubkey.push_hex(&mut text);
        text.push_str("\",");
        json::push_integer(&mut text, self.created_at.get());
        text.push(',');
        json::push_integer(&mut text, i64::from(self.kind.get()));
        text.push(',');
        self.tags.push_json(&mut text);
        text.push(',');
        json::push_string(&mut text, &self.content);
        text.push(']');
        EventId::from_bytes(Sha256::digest(text.as_bytes()).into())
    }

    /// The value of the first `d` tag; a missing tag or value counts as empty. (NIP-01)
    pub fn d(&self) -> &str {
        self.tags.first("d").and_then(|tag| tag.value()).unwrap_or_default()
    }

    /// What, beside author and kind, names the one version that is kept: `d` for addressable kinds, nothing
    /// for replaceable ones. `None` for kinds that are not versioned.
    pub fn version_key(&self) -> Option<&str> {
        match self.kind.class() {
            KindClass::Replaceable => Some(""),
            KindClass::Addressable => Some(self.d()),
            KindClass::Regular | KindClass::Ephemeral => None,
        }
    }

    /// True if of two versions this one stays: the later, and of two at the same second the lower id.
    pub fn supersedes(&self, created_at: Seconds, id: &EventId) -> bool {
        (self.created_at, std::cmp::Reverse(self.id)) > (created_at, std::cmp::Reverse(*id))
    }
}

/// The members of an event as they come.
#[derive(Default)]
struct Members {
    id: Option<EventId>,
    pubkey: Option<PublicKey>,
    created_at: Option<Seconds>,
    kind: Option<Kind>,
    tags: Option<Tags>,
    content: Option<String>,
    sig: Option<Signature>,
    unknown: Vec<String>,
}

impl Members {
    fn read(&mut self, reader: &mut json::Reader<'_>, name: &str) -> Result<()> {
        match name {
            "id" => once(&mut self.id, "id", reader.bytes()?),
            "pubkey" => once(&mut self.pubkey, "pubkey", reader.bytes()?),
            "created_at" => once(&mut self.created_at, "created_at", moment(reader.integer()?)?),
            "kind" => {
                let kind = u16::try_from(reader.integer()?).map_err(|_| Error::KindOutOfRange)?;
                once(&mut self.kind, "kind", Kind::new(kind))
            }
            "tags" => once(&mut self.tags, "tags", Tags::read(reader)?),
            "content" => once(&mut self.content, "content", reader.string()?.into_owned()),
            "sig" => once(&mut self.sig, "sig", reader.bytes()?),
            _ => self.skip(reader, name),
        }
    }

    fn skip(&mut self, reader: &mut json::Reader<'_>, name: &str) -> Result<()> {
        if self.unknown.iter().any(|known| known == name) {
            return Err(Error::Twice("a member"));
        }
        if self.unknown.len() == MAX_UNKNOWN_MEMBERS {
            return Err(Error::Bad("event: too many unknown members"));
        }
        self.unknown.push(name.to_owned());
        reader.skip()
    }

    fn finish(self) -> Result<Event> {
        Ok(Event {
            id: self.id.ok_or(Error::Missing("id"))?,
            pubkey: self.pubkey.ok_or(Error::Missing("pubkey"))?,
            created_at: self.created_at.ok_or(Error::Missing("created_at"))?,
            kind: self.kind.ok_or(Error::Missing("kind"))?,
            tags: self.tags.ok_or(Error::Missing("tags"))?,
            content: self.content.ok_or(Error::Missing("content"))?,
            sig: self.sig.ok_or(Error::Missing("sig"))?,
        })
    }
}

fn once<T>(place: &mut Option<T>, name: &'static str, value: T) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::Twice(name)),
    }
}

fn moment(seconds: i64) -> Result<Seconds> {
    if seconds < 0 { Err(Error::Bad("created_at")) } else { Ok(Seconds::new(seconds)) }
}
