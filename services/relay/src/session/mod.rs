//! One client's side of the protocol, as a state machine: messages go in, actions come out, and what the
//! actions yield goes in again. No I/O, so that all of it can be tested with a fixed clock.

mod feed;
mod live;
mod negotiate;
mod receive;

pub use live::{News, Pace};

use crate::{
    ports::{ConnectionId, ConnectionMeta, Scope, Viewer},
    rules::{admission::Admission, lists::Lists, rates::Buckets},
    settings::{Requirement, Settings, Switch},
};
use nexus_model::{Raw, Timestamp};
use nexus_nostr::{Event, EventId, Filter, PublicKey, Reason, RelayMessage, Seconds};
use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

/// What a session wants to have done.
#[derive(Debug)]
pub enum Action {
    /// Send this to the client.
    Send(String),
    /// Verify and keep this, or pass it on, and tell [`Session::published`].
    Publish(Publication),
    /// Verify that its author signed this, and tell [`Session::authenticated`].
    Authenticate(Box<Raw<Event>>),
    /// File this subscription, send what is stored, and tell [`Session::stored`].
    Subscribe(Arc<str>, Vec<Filter>),
    /// Take this subscription out.
    Unsubscribe(Arc<str>),
    /// Count, and tell [`Session::counted`].
    Count(String, Vec<Filter>),
    /// Find the ids, and tell [`Session::negotiate`].
    Negotiate(String, Box<Filter>, Vec<u8>),
    /// Close the connection, with this code and reason.
    Close(u16, &'static str),
}

/// An event that a client wants published, and the rules let in.
#[derive(Debug)]
pub struct Publication {
    /// The event. Its signature isn't checked yet.
    pub event: Box<Raw<Event>>,
    /// What is to be done with it.
    pub admission: Admission,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken, with a remark or none.
    Accepted(Option<Reason>),
    /// It was not.
    Refused(Reason),
}

/// What a session needs to judge a message.
#[derive(Debug)]
pub struct Context<'a> {
    /// What the operator chose.
    pub settings: &'a Settings,
    /// What administrators decided.
    pub lists: &'a Lists,
    /// How often who did what.
    pub buckets: &'a Buckets,
    /// The time.
    pub now: Timestamp,
}

/// A client's session.
#[derive(Debug)]
pub struct Session {
    id: ConnectionId,
    ip: Option<IpAddr>,
    challenge: String,
    /// Since when it knows what to sign.
    asked_at: Timestamp,
    keys: Vec<PublicKey>,
    subscriptions: HashMap<Arc<str>, live::Subscription>,
    negotiations: HashMap<String, negotiate::Negotiation>,
    /// Those of the subscriptions that are job feeds.
    feeds: HashSet<Arc<str>>,
    faults: receive::Faults,
}

impl Session {
    /// A session that began at `now` from `ip`. `challenge` must be random.
    pub fn new(id: ConnectionId, ip: Option<IpAddr>, challenge: String, now: Timestamp) -> Self {
        Self {
            id,
            ip,
            challenge,
            asked_at: now,
            keys: Vec::new(),
            subscriptions: HashMap::new(),
            negotiations: HashMap::new(),
            feeds: HashSet::new(),
            faults: receive::Faults::default(),
        }
    }

    /// The session of a client that asks one thing and proved to hold `keys`.
    pub(crate) fn once(id: ConnectionId, ip: Option<IpAddr>, keys: Vec<PublicKey>, now: Timestamp) -> Self {
        Self { keys, ..Self::new(id, ip, String::new(), now) }
    }

    /// What is sent first: the challenge, if the relay has a name under which clients can answer it.
    pub fn begin(&self, settings: &Settings) -> Vec<Action> {
        if settings.urls.is_empty() {
            return Vec::new();
        }
        vec![send(&RelayMessage::Auth { challenge: &self.challenge })]
    }

    /// What is sent when authentication came to mean something else at `now`: the challenge, and with it all the
    /// time that there is to answer it.
    pub fn ask_again(&mut self, settings: &Settings, now: Timestamp) -> Vec<Action> {
        self.asked_at = now;
        self.begin(settings)
    }

    /// The connection.
    pub const fn id(&self) -> ConnectionId {
        self.id
    }

    /// Where the client is.
    pub const fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// What the client must sign.
    pub fn challenge(&self) -> &str {
        &self.challenge
    }

    /// The keys that the client proved to hold.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// What outlives the process where connections do.
    pub fn meta(&self) -> ConnectionMeta {
        ConnectionMeta {
            ip: self.ip,
            challenge: self.challenge.clone(),
            pubkeys: self.keys.iter().copied().collect(),
            subscriptions: self.subscriptions.keys().map(|sub| sub.to_string()).collect(),
        }
    }

    /// What the client may see at `now`.
    pub fn scope(&self, settings: &Settings, now: Timestamp) -> Scope {
        Scope {
            viewer: Viewer::Client(self.keys.clone()),
            restricted_kinds: settings.read.restricted_kinds.clone(),
            now: now.into(),
            max_seq: None,
            jobs_of: None,
        }
    }

    /// What the client may see in the subscription `sub` at `now`.
    pub fn scope_in(&self, sub: &str, settings: &Settings, now: Timestamp) -> Scope {
        let is_exclusive = settings.market.target_exclusive == Switch::On && self.is_feed(sub);
        Scope { jobs_of: is_exclusive.then(|| self.keys.clone()), ..self.scope(settings, now) }
    }

    /// The client proved to hold `key`, or didn't prove it.
    pub fn authenticated(
        &mut self,
        id: &EventId,
        proof: Result<PublicKey, Reason>,
        settings: &Settings,
    ) -> Vec<Action> {
        let key = match proof {
            Ok(key) => key,
            Err(reason) => return vec![send(&RelayMessage::Refused { id: &id.to_string(), reason })],
        };
        if !self.keys.contains(&key) {
            if self.keys.len() >= settings.limits.keys {
                let reason = Reason::new(nexus_nostr::Prefix::Restricted, "too many keys on one connection");
                return vec![send(&RelayMessage::Refused { id: &id.to_string(), reason })];
            }
            self.keys.push(key);
        }
        vec![send(&RelayMessage::Accepted { id, remark: None })]
    }

    /// What became of an event that the client published.
    pub fn published(&self, id: &EventId, verdict: Verdict) -> Action {
        match verdict {
            Verdict::Accepted(remark) => send(&RelayMessage::Accepted { id, remark }),
            Verdict::Refused(reason) => send(&RelayMessage::Refused { id: &id.to_string(), reason }),
        }
    }

    /// The time is `now`: ends what has waited too long.
    pub fn tick(&mut self, settings: &Settings, now: Timestamp) -> Vec<Action> {
        let mut actions = self.end_idle_negotiations(settings, now.into());
        if self.must_authenticate(settings) && self.has_waited(settings.auth.timeout, now) {
            let reason = Reason::new(nexus_nostr::Prefix::AuthRequired, "authentication took too long");
            actions.push(send(&RelayMessage::Notice(reason)));
            actions.push(Action::Close(1008, "authentication took too long"));
        }
        actions
    }

    fn must_authenticate(&self, settings: &Settings) -> bool {
        settings.auth.required == Requirement::Required && self.keys.is_empty()
    }

    fn has_waited(&self, timeout: i64, now: Timestamp) -> bool {
        timeout > 0 && Seconds::from(now) >= Seconds::from(self.asked_at).plus(timeout)
    }
}

/// The action of sending `message`.
fn send(message: &RelayMessage<'_>) -> Action {
    Action::Send(message.to_json())
}
