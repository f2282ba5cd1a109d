//! Messages from relays, for whoever is a client of one.

use super::parts::Parts;
use crate::{Error, Event, EventId, Result, hex, json};
use nexus_model::Raw;

/// A message from a relay.
#[derive(Clone, Debug)]
pub enum Reply {
    /// An event that a subscription wants.
    Event {
        /// The subscription's name.
        sub: String,
        /// The event. The relay's word is not enough to believe it.
        event: Box<Raw<Event>>,
    },
    /// What became of an event.
    Ok {
        /// The event.
        id: EventId,
        /// Whether the relay took it.
        taken: bool,
        /// Why, if it says so.
        message: String,
    },
    /// All stored events were sent.
    Eose {
        /// The subscription's name.
        sub: String,
    },
    /// A subscription was refused or ended.
    Closed {
        /// The subscription's name.
        sub: String,
        /// Why.
        message: String,
    },
    /// Something for people.
    Notice(String),
    /// Say who you are. (NIP-42)
    Auth(String),
    /// The relay's move. (NIP-77)
    NegMsg {
        /// The session's name.
        sub: String,
        /// The move.
        message: Vec<u8>,
    },
    /// A session was refused or ended. (NIP-77)
    NegErr {
        /// The session's name.
        sub: String,
        /// Why.
        message: String,
    },
    /// Something that isn't known here.
    Other,
}

impl Reply {
    /// Reads a message from its text.
    ///
    /// # Errors
    /// The first fault of the text.
    pub fn parse(text: &str) -> Result<Self> {
        Parts::read(text, |verb, index| index == 2 && verb == "EVENT")?.into_reply()
    }
}

impl Parts<'_> {
    fn text(&self, index: usize) -> Result<String> {
        let text = self.rest.get(index).ok_or(Error::Missing("an element"))?;
        Ok(json::Reader::new(text).string()?.into_owned())
    }

    /// A text that some relays leave out.
    fn remark(&self, index: usize) -> String {
        self.text(index).unwrap_or_default()
    }

    fn into_reply(mut self) -> Result<Reply> {
        Ok(match self.verb.as_str() {
            "EVENT" => {
                let event = self.event.take().ok_or(Error::Missing("the event"))?;
                Reply::Event { sub: self.text(0)?, event: Box::new(Raw::new(event)) }
            }
            "OK" => {
                let taken = self.rest.get(1).is_some_and(|text| text.trim() == "true");
                Reply::Ok { id: self.text(0)?.parse()?, taken, message: self.remark(2) }
            }
            "EOSE" => Reply::Eose { sub: self.text(0)? },
            "CLOSED" => Reply::Closed { sub: self.text(0)?, message: self.remark(1) },
            "NOTICE" => Reply::Notice(self.remark(0)),
            "AUTH" => Reply::Auth(self.text(0)?),
            "NEG-MSG" => {
                let message = hex::bytes(&self.text(1)?).ok_or(Error::Bad("hex"))?;
                Reply::NegMsg { sub: self.text(0)?, message }
            }
            "NEG-ERR" => Reply::NegErr { sub: self.text(0)?, message: self.remark(1) },
            _ => Reply::Other,
        })
    }
}
