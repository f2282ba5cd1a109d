//! Whether an event is let in, as far as that can be said without its signature and without the store. The
//! cheapest checks come first.

use super::lists::Lists;
use crate::settings::{Retention, Settings, Switch};
use nexus_nostr::{
    Event, Kind, Prefix, PublicKey, Reason, Seconds,
    nip::{nip13, nip40, nip62, nip70, nip90},
};

/// What is to be done with an event that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Keep it, until that moment if one is given.
    Store(Option<Seconds>),
    /// Pass it on and forget it.
    PassOn,
    /// Answer as if it were kept, and forget it.
    Shadow,
    /// Keep it apart for administrators to look at, and refuse it.
    Hold(Reason),
}

/// Checks an event. `client` are the keys that its sender proved to hold.
///
/// # Errors
/// The reason that the sender is told.
pub fn check(
    event: &Event,
    client: &[PublicKey],
    settings: &Settings,
    lists: &Lists,
    now: Seconds,
) -> Result<Admission, Reason> {
    check_size(event, settings)?;
    lists.check(event, client, &settings.write.always_kinds)?;
    check_kind(event, settings)?;
    check_time(event, settings, now)?;
    check_work(event, settings)?;
    check_protection(event, client, settings)?;
    admit(event, settings, lists, now)
}

/// Checks an event that didn't come from a client: it may be as old as it is, and needn't prove work.
///
/// # Errors
/// The reason for which it is refused.
pub fn check_foreign(event: &Event, settings: &Settings, lists: &Lists, now: Seconds) -> Result<Admission, Reason> {
    check_size(event, settings)?;
    lists.check(event, &[], &settings.write.always_kinds)?;
    check_kind(event, settings)?;
    if nip70::reposts_protected(event) {
        return Err(Reason::new(Prefix::Blocked, "reposts cannot embed protected events"));
    }
    admit(event, settings, lists, now)
}

/// What is to be done with an event that passed, by its expiration and the retention of its kind.
fn admit(event: &Event, settings: &Settings, lists: &Lists, now: Seconds) -> Result<Admission, Reason> {
    let expiration = nip40::expiration(event).map_err(|error| Reason::from(&error))?;
    if expiration.is_some_and(|end| end <= now) {
        return Err(invalid("event has expired"));
    }
    if event.kind.is_ephemeral() {
        return Ok(Admission::PassOn);
    }
    let kept = Retention::age_of(&settings.retention, event, lists).map(|age| now.plus(age));
    Ok(Admission::Store([expiration, kept].into_iter().flatten().min()))
}

fn check_size(event: &Event, settings: &Settings) -> Result<(), Reason> {
    let limits = &settings.limits;
    if event.tags.len() > limits.tags {
        return Err(invalid("too many tags"));
    }
    if event.tags.indexed().any(|(_, value)| value.len() > limits.tag_value_bytes) {
        return Err(invalid("a tag value is too long"));
    }
    if event.content.len() > limits.event_bytes || event.to_json().len() > limits.event_bytes {
        return Err(invalid("event is too large"));
    }
    let is_job = nip90::is_request(event.kind) || nip90::is_result(event.kind) || event.kind == Kind::JOB_FEEDBACK;
    if is_job && event.content.len() > settings.market.content_bytes {
        return Err(invalid("job content is too large"));
    }
    Ok(())
}

fn check_kind(event: &Event, settings: &Settings) -> Result<(), Reason> {
    match event.kind {
        Kind::AUTH => Err(invalid("AUTH events must be sent with AUTH")),
        Kind::HTTP_AUTH => Err(invalid("HTTP authentication is not for publishing")),
        Kind::SEAL if settings.write.bare_seals == Switch::Off => Err(invalid("seals belong into gift wraps")),
        Kind::VANISH if !nip62::names_one_of(event, &settings.urls) => {
            Err(invalid("vanish request does not name this relay"))
        }
        _ => Ok(()),
    }
}

fn check_time(event: &Event, settings: &Settings, now: Seconds) -> Result<(), Reason> {
    let limits = &settings.limits;
    if event.created_at > now.plus(limits.future) {
        return Err(invalid("created_at is too far in the future"));
    }
    let past = if event.kind.is_ephemeral() { limits.ephemeral_age } else { limits.past };
    if past > 0 && event.created_at < now.plus(-past) {
        return Err(invalid("created_at is too old"));
    }
    Ok(())
}

fn check_work(event: &Event, settings: &Settings) -> Result<(), Reason> {
    let of_kind = settings.pow.kinds.iter().find(|(kind, _)| *kind == event.kind);
    let min = of_kind.map_or(settings.pow.min, |(_, min)| *min);
    let proven = if min == 0 { 0 } else { nip13::proven(event, settings.pow.commitment) };
    if proven < min {
        return Err(Reason::new(Prefix::Pow, format!("difficulty {proven} is less than {min}")));
    }
    Ok(())
}

fn check_protection(event: &Event, client: &[PublicKey], settings: &Settings) -> Result<(), Reason> {
    if nip70::reposts_protected(event) {
        return Err(Reason::new(Prefix::Blocked, "reposts cannot embed protected events"));
    }
    if !nip70::is_protected(event) || client.contains(&event.pubkey) {
        return Ok(());
    }
    Err(if settings.urls.is_empty() {
        Reason::new(Prefix::Blocked, "event marked as protected")
    } else if client.is_empty() {
        Reason::new(Prefix::AuthRequired, "this event may only be published by its author")
    } else {
        Reason::new(Prefix::Restricted, "this event may only be published by its author")
    })
}

fn invalid(text: &'static str) -> Reason {
    Reason::new(Prefix::Invalid, text)
}
