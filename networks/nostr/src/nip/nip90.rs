//! Data vending machines: what a job request, a result and a feedback say in their tags. Whether that makes
//! sense is the market's to judge.

use crate::{Event, EventId, Kind, PublicKey};
use std::fmt;

/// The five things that a feedback can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The provider wants to be paid first.
    PaymentRequired,
    /// The provider is at it.
    Processing,
    /// It didn't work.
    Error,
    /// It worked.
    Success,
    /// Here is a part of the result.
    Partial,
}

impl Status {
    /// Reads the value of a `status` tag.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "payment-required" => Self::PaymentRequired,
            "processing" => Self::Processing,
            "error" => Self::Error,
            "success" => Self::Success,
            "partial" => Self::Partial,
            _ => return None,
        })
    }

    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PaymentRequired => "payment-required",
            Self::Processing => "processing",
            Self::Error => "error",
            Self::Success => "success",
            Self::Partial => "partial",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// True for kinds 5000 to 5999.
pub const fn is_request(kind: Kind) -> bool {
    matches!(kind.get(), 5000..=5999)
}

/// True for kinds 6000 to 6999.
pub const fn is_result(kind: Kind) -> bool {
    matches!(kind.get(), 6000..=6999)
}

/// The kind of result that answers a request.
pub const fn result_kind(request: Kind) -> Kind {
    Kind::new(request.get() + 1000)
}

/// The request that a result or feedback is about: its first well-formed `e` tag.
pub fn request_id(answer: &Event) -> Option<EventId> {
    answer.tags.values("e").find_map(|value| value.parse().ok())
}

/// The customer that a result or feedback is for: its first well-formed `p` tag.
pub fn customer(answer: &Event) -> Option<PublicKey> {
    super::nip59::recipients(answer).next()
}

/// The value of the `status` tag, whatever it says.
pub fn status_text(feedback: &Event) -> Option<&str> {
    feedback.tags.first("status")?.value()
}

/// The price that a result or feedback asks for, in millisatoshi.
pub fn amount_msat(answer: &Event) -> Option<u64> {
    msat(answer.tags.first("amount")?.value()?)
}

/// The price that a request offers, in millisatoshi.
pub fn bid_msat(request: &Event) -> Option<u64> {
    msat(request.tags.first("bid")?.value()?)
}

/// The value of an amount: a decimal integer and nothing else.
pub fn msat(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// The invoice beside an amount. (BOLT 11)
pub fn invoice(answer: &Event) -> Option<&str> {
    answer.tags.first("amount")?.get(2)
}
