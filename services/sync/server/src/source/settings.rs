//! What the operator chooses about the sources. Every bound is here; how it is spelled in files and environments is
//! the configuration's business.

use nexus_atproto::Limits;
use nexus_outgoing::ChosenBy;
use nexus_sync::identity::Lifetimes;
use nexus_sync::resync::Portions;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// All of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Base URLs of the relays that are followed, `http` or `https`. Several are followed at once; the first is also
    /// asked which repos there are.
    pub relays: Vec<String>,
    /// How requests introduce themselves.
    pub user_agent: String,
    /// What addresses in documents and handles are worth: [`ChosenBy::Operator`] lets them lead into private networks.
    pub strangers: ChosenBy,
    /// Following relays.
    pub firehose: Firehose,
    /// Looking up identities.
    pub identity: Identity,
    /// Fetching repos.
    pub resync: Resync,
    /// Listing repos, where repos are tracked that nobody asked for.
    pub listing: Listing,
}

/// Following relays.
#[derive(Clone, Debug)]
pub struct Firehose {
    /// Threads that verify. What concerns one account is handled by one thread, in order.
    pub workers: usize,
    /// Bytes of messages of one relay that may be in work; a relay that sends more waits, and others don't.
    pub in_work: usize,
    /// Bytes of a message; larger ones are dropped.
    pub max_message: usize,
    /// How often the position is stored while nothing else is.
    pub cursor: CursorSaving,
    /// Where to begin.
    pub start: Start,
    /// Silence after which a connection is given up. A relay is pinged twice in that time.
    pub silence: Duration,
    /// What a message may be at most.
    pub limits: Limits,
}

/// Whether the position in a relay's stream survives a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorSaving {
    /// It doesn't: every start is at the newest message.
    Never,
    /// It is stored with every group, and at most this often when there is nothing else to store.
    Every(Duration),
}

/// Where following a relay begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Where it ended, if that is known.
    #[default]
    Resume,
    /// At the newest message: what was missed is healed repo by repo.
    Head,
}

/// Looking up identities.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Base URL of the directory of `did:plc`.
    pub plc: String,
    /// How long answers are believed.
    pub lifetimes: Lifetimes,
    /// Identities in memory.
    pub cache: usize,
    /// Requests to the directory at once.
    pub requests: usize,
    /// Requests to the directory in a second.
    pub rate: u32,
    /// The longest a request may take.
    pub patience: Duration,
    /// The longest a name look-up may take.
    pub dns_patience: Duration,
    /// Name servers to ask instead of the system's.
    pub name_servers: Vec<SocketAddr>,
    /// Handles and `did:web` names that end in the text are asked for at the base URL beside it, and not in the DNS:
    /// for networks that have no names of their own.
    pub name_hosts: Vec<(String, String)>,
}

/// Fetching repos.
#[derive(Clone, Debug)]
pub struct Resync {
    /// Repos that are fetched at once.
    pub workers: usize,
    /// Repos that are fetched from one server at once.
    pub per_server: usize,
    /// The longest a fetch may take.
    pub timeout: Duration,
    /// Bytes of one repo in memory; more go to a file.
    pub memory: usize,
    /// Bytes of one repo from which on it has to wait until no other so large is in work.
    pub large: u64,
    /// Bytes of one repo at all.
    pub max_repo: u64,
    /// Blocks of one repo at all: each takes 32 bytes of memory.
    pub max_blocks: usize,
    /// Where the files are made. They have no names, and are gone when the program is.
    pub folder: PathBuf,
    /// How much is compared and stored at once.
    pub portions: Portions,
    /// How long a server is left alone that asks for patience and doesn't say how much.
    pub pause: Duration,
    /// How often is looked for repos that are due.
    pub poll: Duration,
}

/// Listing repos.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Repos on a page.
    pub page: usize,
    /// The longest a request may take.
    pub patience: Duration,
    /// Pause after a failure.
    pub pause: Duration,
    /// Time between the end of a list and its next reading, from the start.
    pub again: Duration,
}

impl Settings {
    /// The usual choices, with `folder` for large repos.
    pub fn new(relays: Vec<String>, plc: impl Into<String>, folder: PathBuf, user_agent: impl Into<String>) -> Self {
        Self {
            relays,
            user_agent: user_agent.into(),
            strangers: ChosenBy::Stranger,
            firehose: Firehose::default(),
            identity: Identity::new(plc),
            resync: Resync::new(folder),
            listing: Listing::default(),
        }
    }
}

impl Default for Firehose {
    fn default() -> Self {
        Self {
            workers: 10,
            in_work: 32 << 20,
            max_message: 6 << 20,
            cursor: CursorSaving::Every(Duration::from_secs(1)),
            start: Start::Resume,
            silence: Duration::from_secs(60),
            limits: Limits::default(),
        }
    }
}

impl Identity {
    /// The usual choices.
    pub fn new(plc: impl Into<String>) -> Self {
        Self {
            plc: plc.into(),
            lifetimes: Lifetimes::default(),
            cache: 2_000_000,
            requests: 20,
            rate: 250,
            patience: Duration::from_secs(10),
            dns_patience: Duration::from_secs(3),
            name_servers: Vec::new(),
            name_hosts: Vec::new(),
        }
    }
}

impl Resync {
    /// The usual choices.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            workers: 5,
            per_server: 4,
            timeout: Duration::from_secs(300),
            memory: 16 << 20,
            large: 64 << 20,
            max_repo: 2 << 30,
            max_blocks: 8_000_000,
            folder,
            portions: Portions::default(),
            pause: Duration::from_secs(10),
            poll: Duration::from_millis(250),
        }
    }
}

impl Default for Listing {
    fn default() -> Self {
        let (minute, day) = (Duration::from_secs(60), Duration::from_secs(24 * 3_600));
        Self { page: 1_000, patience: Duration::from_secs(30), pause: minute, again: day }
    }
}
