//! HTTP authentication: an event in the `Authorization` header that vouches for one request.

use super::nip42::RelayUrl;
use crate::{Error, Event, Kind, Result, Seconds, SignatureScheme, Signed, hex};
use base64::Engine;
use nexus_model::{Raw, Verified};
use sha2::{Digest, Sha256};

/// How far from now the event may be dated, in seconds. Who remembers ids for twice as long meets no replay.
pub const WINDOW: u64 = 60;

/// The request that the event must vouch for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// The path, beginning with a slash.
    pub path: &'a str,
    /// The body, whose hash the event must carry.
    pub body: &'a [u8],
}

/// Reads and checks the header `Nostr <base64 of the event>`.
///
/// # Errors
/// [`Error::NotAuthentic`] with what failed, or the event's own fault.
pub fn authenticate<S: SignatureScheme>(
    header: &str,
    request: Request<'_>,
    relays: &[RelayUrl],
    now: Seconds,
    scheme: S,
) -> Result<Verified<Event>> {
    claimed(header, request, relays, now)?.verify(&Signed(scheme))
}

/// The event in the header, if it vouches for the request as far as that can be told without its signature.
///
/// # Errors
/// [`Error::NotAuthentic`] with what failed.
pub fn claimed(header: &str, request: Request<'_>, relays: &[RelayUrl], now: Seconds) -> Result<Raw<Event>> {
    let event = read(header)?;
    check(&event, request, relays, now)?;
    Ok(Raw::new(event))
}

fn read(header: &str) -> Result<Event> {
    let token = header.strip_prefix("Nostr ").ok_or(Error::NotAuthentic("the scheme is not Nostr"))?;
    let json = base64::engine::general_purpose::STANDARD.decode(token.trim());
    let json = json.map_err(|_| Error::NotAuthentic("the token is not base64"))?;
    Event::parse(std::str::from_utf8(&json).map_err(|_| Error::NotAuthentic("the token is not an event"))?)
}

fn check(event: &Event, request: Request<'_>, relays: &[RelayUrl], now: Seconds) -> Result<()> {
    let tag = |name| event.tags.first(name).and_then(|tag| tag.value());
    if event.kind != Kind::HTTP_AUTH {
        return Err(Error::NotAuthentic("wrong kind"));
    }
    if event.created_at.distance(now) > WINDOW {
        return Err(Error::NotAuthentic("created_at is too far from now"));
    }
    if tag("method") != Some(request.method) {
        return Err(Error::NotAuthentic("wrong method"));
    }
    if !tag("u").is_some_and(|url| names(url, request.path, relays)) {
        return Err(Error::NotAuthentic("wrong url"));
    }
    if tag("payload") != Some(hex::text(&Sha256::digest(request.body)).as_str()) {
        return Err(Error::NotAuthentic("wrong payload"));
    }
    Ok(())
}

fn names(url: &str, path: &str, relays: &[RelayUrl]) -> bool {
    let same_path =
        url::Url::parse(url).is_ok_and(|url| url.path().trim_end_matches('/') == path.trim_end_matches('/'));
    same_path && RelayUrl::names_one_of(url, relays)
}
