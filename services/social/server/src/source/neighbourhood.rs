//! Who lives where, as far as ingestion knows: the stored mappings in memory, the homeservers they lead to, and
//! whether a homeserver may speak for a user.

use super::{
    client::{Client, FetchError},
    directory::{Directory, DirectoryError},
    homeserver::Homeserver,
};
use nexus_model::Timestamp;
use nexus_outgoing::ChosenBy;
use nexus_pubky::{Authority, PubkyId};
use nexus_social::{
    row::HostRow,
    store::{self, Store},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};
use tokio::{
    sync::{OnceCell, watch},
    time::Instant,
};

/// What ingestion knows of users and their homeservers.
pub(crate) struct Neighbourhood {
    /// Homeservers whose whole log is read.
    pub(crate) primaries: Vec<Arc<Homeserver>>,
    directory: Arc<dyn Directory>,
    blacklist: HashSet<String>,
    strangers: ChosenBy,
    requests: usize,
    answer_holds: Duration,
    homes: RwLock<HashMap<PubkyId, Home>>,
    lookups: Mutex<HashMap<PubkyId, Arc<Lookup>>>,
    others: RwLock<HashMap<Arc<str>, Arc<Homeserver>>>,
    changed: watch::Sender<u64>,
}

#[derive(Clone, Debug)]
struct Home {
    homeserver: Arc<str>,
    standing: Standing,
}

/// One question to the directory, shared by everybody who has it at the same time and for a while after.
struct Lookup {
    since: Instant,
    found: OnceCell<Result<Option<PubkyId>, DirectoryError>>,
}

/// How many answers are kept at once, at least.
const ANSWERS: usize = 10_000;

/// How sure a mapping is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Looked up for an event, not stored yet: a profile will bring it.
    Seen,
    /// Stored.
    Stored,
    /// Stored, and no longer confirmed.
    Stale,
}

/// What is settled about strangers when the neighbourhood is made.
pub(crate) struct Manners {
    pub(crate) blacklist: HashSet<String>,
    pub(crate) strangers: ChosenBy,
    /// Requests to one homeserver at once.
    pub(crate) requests: usize,
    /// How long the directory's answer for a user without a mapping is used.
    pub(crate) answer_holds: Duration,
}

/// Whether a homeserver may speak for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// It may.
    Heard,
    /// The user lives elsewhere, or nobody knows any more whether they live there.
    Foreign,
    /// Nobody knows yet where the user lives.
    Unknown,
}

impl Neighbourhood {
    pub(crate) fn new(primaries: Vec<Arc<Homeserver>>, directory: Arc<dyn Directory>, manners: Manners) -> Self {
        let Manners { blacklist, strangers, requests, answer_holds } = manners;
        let (homes, lookups, others) = (RwLock::default(), Mutex::default(), RwLock::default());
        let changed = watch::Sender::new(0);
        Self { primaries, directory, blacklist, strangers, requests, answer_holds, homes, lookups, others, changed }
    }

    /// Reads the stored mappings.
    ///
    /// # Errors
    /// If the store fails.
    pub(crate) fn load(&self, store: &dyn Store) -> store::Result<()> {
        for row in store.hosts(Timestamp::from_millis(i64::MAX), usize::MAX)? {
            self.learn(&row);
        }
        Ok(())
    }

    /// Takes in a mapping that is stored.
    pub(crate) fn learn(&self, row: &HostRow) {
        let standing = if row.stale { Standing::Stale } else { Standing::Stored };
        self.set(row.user, Home { homeserver: Arc::clone(&row.homeserver), standing });
    }

    /// A mapping could not be confirmed.
    pub(crate) fn doubt(&self, user: &PubkyId) {
        if let Some(home) = self.home(user) {
            self.set(*user, Home { standing: Standing::Stale, ..home });
        }
    }

    fn set(&self, user: PubkyId, home: Home) {
        let mut homes = self.homes.write().unwrap_or_else(PoisonError::into_inner);
        let before = homes.insert(user, home.clone());
        drop(homes);
        let is_same = |old: &Home| old.homeserver == home.homeserver && old.standing == home.standing;
        let is_outside = |home: &Home| !self.is_primary(&home.homeserver);
        // Newcomers of configured homeservers are no news to those who follow the others.
        if !before.as_ref().is_some_and(is_same) && (is_outside(&home) || before.as_ref().is_some_and(is_outside)) {
            self.changed.send_modify(|version| *version += 1);
        }
    }

    fn is_primary(&self, name: &str) -> bool {
        self.primaries.iter().any(|primary| &*primary.name == name)
    }

    fn home(&self, user: &PubkyId) -> Option<Home> {
        self.homes.read().unwrap_or_else(PoisonError::into_inner).get(user).cloned()
    }

    /// True if a mapping of the user is stored.
    pub(crate) fn is_bound(&self, user: &PubkyId) -> bool {
        self.home(user).is_some_and(|home| home.standing != Standing::Seen)
    }

    /// The stored homeserver of a user, stale or not.
    pub(crate) fn bound_to(&self, user: &PubkyId) -> Option<Arc<str>> {
        self.home(user).filter(|home| home.standing != Standing::Seen).map(|home| home.homeserver)
    }

    /// Counts changes of the mappings.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// True if a user or homeserver is never fetched from.
    pub(crate) fn is_blacklisted(&self, key: &str) -> bool {
        self.blacklist.contains(key)
    }

    /// Whether `homeserver` may speak for `user`. A user whom nobody knows yet is looked up, unless the operator
    /// vouches for the homeserver.
    ///
    /// # Errors
    /// If the directory can't be asked now.
    pub(crate) async fn voice(&self, homeserver: &Homeserver, user: &PubkyId) -> Result<Voice, DirectoryError> {
        if self.is_blacklisted(user.as_str()) || self.is_blacklisted(&homeserver.name) {
            return Ok(Voice::Foreign);
        }
        if let Some(home) = self.home(user) {
            let is_heard = home.homeserver == homeserver.name && home.standing != Standing::Stale;
            return Ok(if is_heard { Voice::Heard } else { Voice::Foreign });
        }
        if homeserver.authority == Authority::Configured {
            return Ok(Voice::Heard);
        }
        let Some(found) = self.look_up(user).await? else { return Ok(Voice::Unknown) };
        if found.as_str() != &*homeserver.name {
            return Ok(Voice::Foreign);
        }
        self.set(*user, Home { homeserver: Arc::clone(&homeserver.name), standing: Standing::Seen });
        Ok(Voice::Heard)
    }

    /// What the directory says of a user, asked at most once in a while: an unknown user's history may be long.
    async fn look_up(&self, user: &PubkyId) -> Result<Option<PubkyId>, DirectoryError> {
        let lookup = {
            let mut lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
            if lookups.len() >= ANSWERS {
                lookups.retain(|_, lookup| lookup.since.elapsed() < self.answer_holds);
            }
            let fresh = || Arc::new(Lookup { since: Instant::now(), found: OnceCell::new() });
            let lookup = lookups.entry(*user).or_insert_with(fresh);
            if lookup.since.elapsed() >= self.answer_holds {
                *lookup = fresh();
            }
            Arc::clone(lookup)
        };
        lookup.found.get_or_init(|| self.directory.homeserver_of(user)).await.clone()
    }

    /// Where a user lives now: on a configured homeserver that knows them, else where pkarr says.
    ///
    /// # Errors
    /// If nobody can be asked now.
    pub(crate) async fn locate(&self, client: &Client, user: &PubkyId) -> Result<Option<Arc<str>>, LocateError> {
        for configured in self.primaries.iter().filter(|primary| primary.authority == Authority::Configured) {
            if client.hosts(configured, user).await? {
                return Ok(Some(Arc::clone(&configured.name)));
            }
        }
        match self.directory.homeserver_of(user).await {
            Ok(found) => Ok(found.map(|key| key.as_str().into())),
            Err(DirectoryError::Off) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A homeserver by its name, if it can be read: a configured one, or any by its key.
    pub(crate) fn homeserver(&self, name: &str) -> Option<Arc<Homeserver>> {
        if let Some(primary) = self.primaries.iter().find(|primary| &*primary.name == name) {
            return Some(Arc::clone(primary));
        }
        if self.is_blacklisted(name) {
            return None;
        }
        let key = name.parse().ok()?;
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Homeserver::by_key(key, self.strangers, self.requests));
        Some(Arc::clone(others.entry(name.into()).or_insert_with(fresh)))
    }

    /// The homeserver to read a user's blob from, when a file of somebody else names it.
    pub(crate) fn homeserver_of(&self, user: &PubkyId) -> Option<Arc<Homeserver>> {
        self.homeserver(&self.home(user)?.homeserver)
    }

    /// External homeservers and their users, those with most users first, at most `limit`.
    pub(crate) fn external(&self, limit: usize) -> Vec<(Arc<Homeserver>, Vec<PubkyId>)> {
        let mut users: BTreeMap<Arc<str>, Vec<PubkyId>> = BTreeMap::new();
        for (user, home) in &*self.homes.read().unwrap_or_else(PoisonError::into_inner) {
            if home.standing == Standing::Stored && !self.is_blacklisted(user.as_str()) {
                users.entry(Arc::clone(&home.homeserver)).or_default().push(*user);
            }
        }
        users.retain(|name, _| !self.is_primary(name));
        let mut found: Vec<_> = users.into_iter().collect();
        found.sort_by_key(|(_, users)| std::cmp::Reverse(users.len()));
        let readable = found.into_iter().filter_map(|(name, mut users)| {
            users.sort_unstable();
            Some((self.homeserver(&name)?, users))
        });
        readable.take(limit).collect()
    }
}

/// Why a user could not be located.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocateError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
}
