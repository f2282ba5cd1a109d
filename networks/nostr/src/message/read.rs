//! Messages from clients. What can't be read is answered where the protocol has an address for the answer:
//! an event by its id, a subscription by its name, everything else by a notice.

use super::parts::Parts;
use crate::{Error, Event, Filter, RelayMessage, Result, hex, json};
use nexus_model::Raw;

/// How long an id may be that is repeated to the client, in characters.
const MAX_ECHO: usize = 64;
/// How long a subscription's name may be, in bytes. In characters it is 64.
const MAX_NAME_BYTES: usize = 256;

/// A message from a client.
#[derive(Clone, Debug)]
pub enum ClientMessage {
    /// Publish this.
    Event(Box<Raw<Event>>),
    /// This is who I am. (NIP-42)
    Auth(Box<Raw<Event>>),
    /// Send me what matches, and go on doing so.
    Req {
        /// The subscription's name.
        sub: String,
        /// What is wanted; at least one.
        filters: Vec<Filter>,
    },
    /// Tell me how many match. (NIP-45)
    Count {
        /// The query's name.
        sub: String,
        /// What is counted; at least one.
        filters: Vec<Filter>,
    },
    /// Send no more.
    Close {
        /// The subscription's name.
        sub: String,
    },
    /// Let us find out which events one of us lacks. (NIP-77)
    NegOpen {
        /// The session's name.
        sub: String,
        /// Which events.
        filter: Box<Filter>,
        /// The client's first move.
        message: Vec<u8>,
    },
    /// The client's next move.
    NegMsg {
        /// The session's name.
        sub: String,
        /// The move.
        message: Vec<u8>,
    },
    /// The client knows enough.
    NegClose {
        /// The session's name.
        sub: String,
    },
}

/// A message that can't be read, with the address for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// There is no address.
    Message(Error),
    /// An event, or an authentication, with the id that it claims.
    Event {
        /// At most 64 characters of what stands there.
        id: String,
        /// What is wrong.
        error: Error,
    },
    /// A subscription or a count.
    Subscription {
        /// At most 64 characters of its name.
        sub: String,
        /// What is wrong.
        error: Error,
    },
    /// A negentropy session.
    Negentropy {
        /// At most 64 characters of its name.
        sub: String,
        /// What is wrong.
        error: Error,
    },
}

impl Unreadable {
    /// What the client is told.
    pub fn answer(&self) -> RelayMessage<'_> {
        match self {
            Self::Message(error) => RelayMessage::Notice(error.into()),
            Self::Event { id, error } => RelayMessage::Refused { id, reason: error.into() },
            Self::Subscription { sub, error } => RelayMessage::Closed { sub, reason: error.into() },
            Self::Negentropy { sub, error } => RelayMessage::NegErr { sub, reason: error.into(), limit: None },
        }
    }
}

impl ClientMessage {
    /// Reads a message from its text.
    ///
    /// # Errors
    /// What is wrong, with the address for the answer.
    pub fn parse(text: &str) -> std::result::Result<Self, Unreadable> {
        match Parts::read(text, |verb, index| index == 1 && carries_event(verb)) {
            Ok(parts) => parts.into_message(),
            Err(error) => Err(claimed_id(text).map_or_else(
                || Unreadable::Message(error.clone()),
                |id| Unreadable::Event { id, error: error.clone() },
            )),
        }
    }
}

impl<'a> Parts<'a> {
    fn into_message(self) -> std::result::Result<ClientMessage, Unreadable> {
        match self.verb.as_str() {
            "EVENT" => self.event().map(ClientMessage::Event),
            "AUTH" => self.event().map(ClientMessage::Auth),
            "REQ" => self.filters().map(|(sub, filters)| ClientMessage::Req { sub, filters }),
            "COUNT" => self.filters().map(|(sub, filters)| ClientMessage::Count { sub, filters }),
            "CLOSE" => self.alone().map(|sub| ClientMessage::Close { sub }),
            "NEG-OPEN" => self.neg_open(),
            "NEG-MSG" => self.neg_msg(),
            "NEG-CLOSE" => self.alone().map(|sub| ClientMessage::NegClose { sub }),
            _ => Err(Unreadable::Message(Error::UnknownMessage)),
        }
    }

    fn event(self) -> std::result::Result<Box<Raw<Event>>, Unreadable> {
        let event = self.event.ok_or(Unreadable::Message(Error::Missing("the event")))?;
        if self.rest.is_empty() {
            return Ok(Box::new(Raw::new(event)));
        }
        Err(Unreadable::Event { id: event.id.to_string(), error: Error::Bad("number of elements") })
    }

    /// The name of the subscription, and what follows it.
    fn named(&self) -> std::result::Result<(String, &[&'a str]), Unreadable> {
        let (name, rest) = self.rest.split_first().ok_or(Unreadable::Message(Error::Missing("the subscription id")))?;
        let name = json::Reader::new(name).string();
        let name = name.map_err(|_| Unreadable::Message(Error::Bad("subscription id")))?;
        Ok((name.into_owned(), rest))
    }

    fn alone(&self) -> std::result::Result<String, Unreadable> {
        match self.named()? {
            (name, []) => Ok(name),
            _ => Err(Unreadable::Message(Error::Bad("number of elements"))),
        }
    }

    fn filters(&self) -> std::result::Result<(String, Vec<Filter>), Unreadable> {
        let (sub, rest) = self.named()?;
        let refuse = |error| Unreadable::Subscription { sub: echo(&sub), error };
        check_name(&sub).map_err(refuse)?;
        if rest.is_empty() {
            return Err(refuse(Error::Missing("a filter")));
        }
        let filters: Result<Vec<Filter>> = rest.iter().map(|text| Filter::parse(text)).collect();
        let filters = filters.map_err(refuse)?;
        Ok((sub, filters))
    }

    fn neg_open(&self) -> std::result::Result<ClientMessage, Unreadable> {
        let (sub, rest) = self.named()?;
        let refuse = |error| Unreadable::Negentropy { sub: echo(&sub), error };
        check_name(&sub).map_err(refuse)?;
        let [filter, message] = rest else {
            return Err(refuse(Error::Bad("number of elements")));
        };
        let filter = Box::new(Filter::parse(filter).map_err(refuse)?);
        let message = hex_text(message).map_err(refuse)?;
        Ok(ClientMessage::NegOpen { sub, filter, message })
    }

    fn neg_msg(&self) -> std::result::Result<ClientMessage, Unreadable> {
        let (sub, rest) = self.named()?;
        let refuse = |error| Unreadable::Negentropy { sub: echo(&sub), error };
        check_name(&sub).map_err(refuse)?;
        let [message] = rest else {
            return Err(refuse(Error::Bad("number of elements")));
        };
        let message = hex_text(message).map_err(refuse)?;
        Ok(ClientMessage::NegMsg { sub, message })
    }
}

fn carries_event(verb: &str) -> bool {
    matches!(verb, "EVENT" | "AUTH")
}

fn hex_text(json: &str) -> Result<Vec<u8>> {
    hex::bytes(&json::Reader::new(json).string()?).ok_or(Error::Bad("hex"))
}

fn check_name(name: &str) -> Result<()> {
    let valid = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name.chars().count() <= 64
        && !name.bytes().any(|byte| byte < 0x20);
    if valid {
        Ok(())
    } else {
        Err(Error::Bad("subscription id: it must have 1 to 64 characters, none of them a control"))
    }
}

fn echo(text: &str) -> String {
    text.chars().take(MAX_ECHO).collect()
}

/// What stands where the id of a faulty event would be, if the rest of the message is JSON.
fn claimed_id(text: &str) -> Option<String> {
    let mut has_event = false;
    let mut id = None;
    let mut reader = json::Reader::new(text);
    let read = reader.array(|reader, index| match index {
        0 => {
            has_event = carries_event(&reader.string()?);
            Ok(())
        }
        1 if has_event => reader.object(|reader, name| {
            if name == "id" && reader.is_string() {
                id = Some(echo(&reader.string()?));
                return Ok(());
            }
            reader.skip()
        }),
        _ => reader.skip(),
    });
    read.and_then(|()| reader.end()).ok().and(id)
}
