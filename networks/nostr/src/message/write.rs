//! Messages to clients.

use crate::{
    EventId, Reason, hex,
    json::{push_integer, push_string},
};

/// A message to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayMessage<'a> {
    /// An event that a subscription wants, as the JSON that was stored.
    Event {
        /// The subscription's name.
        sub: &'a str,
        /// The event.
        json: &'a str,
    },
    /// An event was taken, with a remark or none.
    Accepted {
        /// The event.
        id: &'a EventId,
        /// Why nothing was stored, if nothing was.
        remark: Option<Reason>,
    },
    /// An event was refused.
    Refused {
        /// The id that the client sent, whatever it was.
        id: &'a str,
        /// Why.
        reason: Reason,
    },
    /// All stored events were sent.
    Eose {
        /// The subscription's name.
        sub: &'a str,
        /// Whether that was all there is, if the relay says so.
        hint: Option<EoseHint>,
    },
    /// A subscription was refused or ended.
    Closed {
        /// The subscription's name.
        sub: &'a str,
        /// Why.
        reason: Reason,
    },
    /// Something that belongs to no event and no subscription.
    Notice(Reason),
    /// Say who you are. (NIP-42)
    Auth {
        /// What must be signed.
        challenge: &'a str,
    },
    /// How many events match. (NIP-45)
    Count {
        /// The query's name.
        sub: &'a str,
        /// The answer.
        answer: CountAnswer<'a>,
    },
    /// The relay's move. (NIP-77)
    NegMsg {
        /// The session's name.
        sub: &'a str,
        /// The move.
        message: &'a [u8],
    },
    /// A session was refused or ended.
    NegErr {
        /// The session's name.
        sub: &'a str,
        /// Why.
        reason: Reason,
        /// How many events a session may cover, if it would cover more.
        limit: Option<usize>,
    },
}

/// Whether a relay has more stored events than it sent. (NIP-67)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EoseHint {
    /// That was all.
    Finish,
    /// There is more.
    More,
}

/// The answer to a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountAnswer<'a> {
    /// How many.
    pub count: u64,
    /// Whether there may be more than `count`.
    pub approximate: bool,
    /// 256 HyperLogLog registers, by which the counts of several relays can be joined.
    pub registers: Option<&'a [u8; 256]>,
}

impl RelayMessage<'_> {
    /// The message as it is sent.
    pub fn to_json(&self) -> String {
        match self {
            Self::Event { sub, json } => event(sub, json),
            Self::Accepted { id, remark } => {
                let remark = remark.as_ref().map(Reason::to_string).unwrap_or_default();
                ok(&id.to_string(), "true", &remark)
            }
            Self::Refused { id, reason } => ok(id, "false", &reason.to_string()),
            Self::Eose { sub, hint } => eose(sub, *hint),
            Self::Closed { sub, reason } => texts("CLOSED", &[sub, &reason.to_string()]),
            Self::Notice(reason) => texts("NOTICE", &[&reason.to_string()]),
            Self::Auth { challenge } => texts("AUTH", &[challenge]),
            Self::Count { sub, answer } => count(sub, answer),
            Self::NegMsg { sub, message } => texts("NEG-MSG", &[sub, &hex::text(message)]),
            Self::NegErr { sub, reason, limit } => neg_err(sub, reason, *limit),
        }
    }
}

fn event(sub: &str, json: &str) -> String {
    let mut out = String::with_capacity(json.len() + sub.len() + 16);
    out.push_str("[\"EVENT\",");
    push_string(&mut out, sub);
    out.push(',');
    out.push_str(json);
    out.push(']');
    out
}

fn ok(id: &str, accepted: &str, message: &str) -> String {
    let mut out = String::from("[\"OK\",");
    push_string(&mut out, id);
    out.push(',');
    out.push_str(accepted);
    out.push(',');
    push_string(&mut out, message);
    out.push(']');
    out
}

fn eose(sub: &str, hint: Option<EoseHint>) -> String {
    let mut out = texts("EOSE", &[sub]);
    let hint = match hint {
        None => return out,
        Some(EoseHint::Finish) => ",[\"finish\"]]",
        Some(EoseHint::More) => ",[\"more\"]]",
    };
    out.pop();
    out.push_str(hint);
    out
}

fn count(sub: &str, answer: &CountAnswer<'_>) -> String {
    let mut out = texts("COUNT", &[sub]);
    out.pop();
    out.push_str(",{\"count\":");
    push_integer(&mut out, i64::try_from(answer.count).unwrap_or(i64::MAX));
    if answer.approximate {
        out.push_str(",\"approximate\":true");
    }
    if let Some(registers) = answer.registers {
        out.push_str(",\"hll\":\"");
        hex::push(&mut out, registers);
        out.push('"');
    }
    out.push_str("}]");
    out
}

fn neg_err(sub: &str, reason: &Reason, limit: Option<usize>) -> String {
    let mut out = texts("NEG-ERR", &[sub, &reason.to_string()]);
    if let Some(limit) = limit {
        out.pop();
        out.push(',');
        push_integer(&mut out, i64::try_from(limit).unwrap_or(i64::MAX));
        out.push(']');
    }
    out
}

/// `["verb","text",…]`.
fn texts(verb: &str, texts: &[&str]) -> String {
    let mut out = format!("[\"{verb}\"");
    for text in texts {
        out.push(',');
        push_string(&mut out, text);
    }
    out.push(']');
    out
}
