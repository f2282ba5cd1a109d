//! Messages to relays, for whoever is a client of one.

use crate::{Event, Filter, hex, json::push_string};

/// A message to a relay.
#[derive(Clone, Copy, Debug)]
pub enum Ask<'a> {
    /// Publish this, which is an event as JSON.
    Event(&'a str),
    /// This is who I am. (NIP-42)
    Auth(&'a Event),
    /// Send me what matches.
    Req(&'a str, &'a Filter),
    /// Send no more.
    Close(&'a str),
    /// Let us find out which events one of us lacks. (NIP-77)
    NegOpen(&'a str, &'a Filter, &'a [u8]),
    /// My next move.
    NegMsg(&'a str, &'a [u8]),
    /// I know enough.
    NegClose(&'a str),
}

impl Ask<'_> {
    /// The message as it is sent.
    pub fn to_json(&self) -> String {
        match self {
            Self::Event(json) => array("EVENT", None, json),
            Self::Auth(event) => array("AUTH", None, &event.to_json()),
            Self::Req(sub, filter) => array("REQ", Some(sub), &filter.to_json()),
            Self::Close(sub) => array("CLOSE", Some(sub), ""),
            Self::NegOpen(sub, filter, message) => {
                array("NEG-OPEN", Some(sub), &format!("{},\"{}\"", filter.to_json(), hex::text(message)))
            }
            Self::NegMsg(sub, message) => array("NEG-MSG", Some(sub), &format!("\"{}\"", hex::text(message))),
            Self::NegClose(sub) => array("NEG-CLOSE", Some(sub), ""),
        }
    }
}

/// `["verb","name",json]`, without what isn't there.
fn array(verb: &str, name: Option<&str>, json: &str) -> String {
    let mut out = String::with_capacity(json.len() + 32);
    out.push_str("[\"");
    out.push_str(verb);
    out.push('"');
    if let Some(name) = name {
        out.push(',');
        push_string(&mut out, name);
    }
    if !json.is_empty() {
        out.push(',');
        out.push_str(json);
    }
    out.push(']');
    out
}
