//! Whether a job event makes sense, by how strict the operator wants the market to be.

use super::{Job, JobState};
use nexus_nostr::{
    Event, Kind, Prefix, PublicKey, Reason, Seconds, Tag,
    nip::nip90::{self, Status},
};

/// How much is asked of job events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Nothing.
    Off,
    /// What can never work is refused.
    #[default]
    Lenient,
    /// Everything that the protocol says must hold.
    Strict,
}

/// Checks a job event against what is known of its job.
///
/// # Errors
/// `invalid: job …`
pub fn validate(event: &Event, job: Option<&Job>, profile: Profile, now: Seconds) -> Result<(), Reason> {
    if profile == Profile::Off {
        return Ok(());
    }
    let rules = Rules { event, job, now };
    rules.lenient()?;
    if profile == Profile::Strict { rules.strict() } else { Ok(()) }
}

struct Rules<'a> {
    event: &'a Event,
    job: Option<&'a Job>,
    now: Seconds,
}

impl Rules<'_> {
    fn lenient(&self) -> Result<(), Reason> {
        let event = self.event;
        if self.is_answer() {
            demand(nip90::request_id(event).is_some(), "result or feedback must name its request in an e tag")?;
            demand(nip90::customer(event).is_some(), "result or feedback must name its customer in a p tag")?;
        }
        if event.kind == Kind::JOB_FEEDBACK {
            demand(nip90::status_text(event).is_some(), "feedback must have a status")?;
        }
        if nip90::is_result(event.kind)
            && let Some(request) = self.job.and_then(|job| job.request.as_ref())
        {
            demand(event.kind == nip90::result_kind(request.kind), "result has not the kind of its request")?;
        }
        Ok(())
    }

    fn strict(&self) -> Result<(), Reason> {
        if self.is_answer() {
            self.strict_answer()?;
        }
        if nip90::is_request(self.event.kind) {
            self.strict_request()?;
        }
        if self.event.kind == Kind::HANDLER {
            self.strict_handler()?;
        }
        Ok(())
    }

    fn strict_answer(&self) -> Result<(), Reason> {
        let event = self.event;
        demand(self.amounts_are_numbers("amount"), "amount must be a number of millisatoshi")?;
        demand(nip90::invoice(event).is_none_or(is_invoice), "invoice must begin with lnbc, lntb or lnbcrt")?;
        if event.kind == Kind::JOB_FEEDBACK {
            let status = nip90::status_text(event).and_then(Status::parse);
            demand(status.is_some(), "feedback has an unknown status")?;
            let priced = status != Some(Status::PaymentRequired) || nip90::amount_msat(event).is_some();
            demand(priced, "feedback that requires a payment must name the amount")?;
        }
        let Some(job) = self.job else { return Ok(()) };
        let customer = job.request.as_ref().map(|request| request.customer);
        demand(customer.is_none() || customer == nip90::customer(event), "answer names another customer")?;
        let closed = matches!(job.state(self.now), JobState::Cancelled | JobState::Expired);
        demand(!closed, "is closed")
    }

    fn strict_request(&self) -> Result<(), Reason> {
        demand(self.amounts_are_numbers("bid"), "bid must be a number of millisatoshi")?;
        let known = |kind: Tag<'_>| matches!(kind.get(2), Some("url" | "event" | "job" | "text"));
        demand(self.event.tags.named("i").all(known), "input has an unknown type")?;
        let encrypted = self.event.tags.first("encrypted").is_some();
        demand(!encrypted || self.has_recipient(), "inputs are encrypted for nobody")
    }

    fn strict_handler(&self) -> Result<(), Reason> {
        let tags = &self.event.tags;
        demand(tags.first("d").is_some(), "handler must have a d tag")?;
        demand(tags.first("k").is_some(), "handler must name its kinds in k tags")?;
        let numbers = tags.named("k").all(|tag| tag.value().is_some_and(|kind| kind.parse::<u16>().is_ok()));
        demand(numbers, "handler has a k tag that is no kind")
    }

    const fn is_answer(&self) -> bool {
        nip90::is_result(self.event.kind) || matches!(self.event.kind, Kind::JOB_FEEDBACK)
    }

    fn amounts_are_numbers(&self, name: &str) -> bool {
        self.event.tags.named(name).all(|tag| tag.value().is_some_and(|value| nip90::msat(value).is_some()))
    }

    fn has_recipient(&self) -> bool {
        self.event.tags.values("p").any(|value| value.parse::<PublicKey>().is_ok())
    }
}

fn is_invoice(text: &str) -> bool {
    text.starts_with("lnbc") || text.starts_with("lntb")
}

fn demand(holds: bool, problem: &'static str) -> Result<(), Reason> {
    if holds { Ok(()) } else { Err(Reason::new(Prefix::Invalid, format!("job {problem}"))) }
}
