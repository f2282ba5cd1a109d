//! What is stored, as far as decisions about a few events ask: read in one batch, kept up to date while they are
//! decided.

use crate::d1::{Row as Columns, Statement, escaped, unescaped};
use nexus_model::Seq;
use nexus_nostr::{
    Event, EventId, Kind, PublicKey, Seconds,
    nip::{
        nip09::{self, Address},
        nip59,
    },
};
use nexus_relay::{
    decide::{Known, Row},
    market::Job,
    ports::{PreparedEvent, StorageError},
};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::Arc,
};

type Answer<T> = Result<T, StorageError>;

const LAST: &str = "SELECT last FROM journal";
const EVENTS: &str = "SELECT seq, json FROM event WHERE id IN (SELECT value FROM json_each(?1))";
const VERSIONS: &str = "SELECT e.seq, e.json FROM json_each(?1) a JOIN event e ON e.pubkey = a.value->>'pubkey' \
    AND e.kind = a.value->>'kind' AND e.d = a.value->>'d'";
const DELETERS: &str = "SELECT id, pubkey FROM deleted_event WHERE id IN (SELECT value FROM json_each(?1))";
const DELETED: &str = "SELECT x.kind, x.pubkey, x.d, CAST(x.until AS TEXT) AS until FROM json_each(?1) a \
    JOIN deleted_address x ON x.kind = a.value->>'kind' AND x.pubkey = a.value->>'pubkey' AND x.d = a.value->>'d'";
const EXPIRED: &str = "SELECT x.kind, x.pubkey, x.d, CAST(x.until AS TEXT) AS until FROM json_each(?1) a \
    JOIN expired_address x ON x.kind = a.value->>'kind' AND x.pubkey = a.value->>'pubkey' AND x.d = a.value->>'d'";
const VANISHED: &str = "SELECT pubkey, CAST(until AS TEXT) AS until FROM vanished \
    WHERE pubkey IN (SELECT value FROM json_each(?1))";
const JOBS: &str = "SELECT json FROM job WHERE id IN (SELECT value FROM json_each(?1, '$.ids')) \
    OR customer IN (SELECT value FROM json_each(?1, '$.vanishing')) \
    OR id IN (SELECT id FROM job_provider WHERE pubkey IN (SELECT value FROM json_each(?1, '$.vanishing')))";
const VICTIMS: &str = "SELECT v.value->>'request' AS request, e.seq, e.id FROM json_each(?1) v \
    JOIN event e ON e.pubkey = v.value->>'pubkey' AND e.created_at <= v.value->>'until' \
    UNION SELECT v.value->>'request', e.seq, e.id FROM json_each(?1) v \
    JOIN tag t ON t.name = 'p' AND t.value = v.value->>'pubkey' AND t.created_at <= v.value->>'until' \
    JOIN event e ON e.seq = t.seq WHERE e.kind IN (1059, 21059)";

/// What must be known to decide about some events.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    ids: HashSet<EventId>,
    own: HashSet<EventId>,
    addresses: HashSet<Address>,
    authors: HashSet<PublicKey>,
    jobs: HashSet<EventId>,
    vanishing: Vec<(EventId, PublicKey, Seconds)>,
}

impl Questions {
    /// All questions that these events may raise.
    pub(crate) fn about(events: &[PreparedEvent]) -> Self {
        let mut questions = Self::default();
        events.iter().for_each(|event| questions.ask(event.event()));
        questions
    }

    fn ask(&mut self, event: &Event) {
        self.ids.insert(event.id);
        self.own.insert(event.id);
        self.authors.insert(event.pubkey);
        self.addresses.extend(Address::of(event));
        self.jobs.extend(Job::concerned(event));
        if event.kind.is_gift_wrap() {
            self.authors.extend(nip59::recipients(event));
        }
        match event.kind {
            Kind::DELETION => {
                self.ids.extend(nip09::event_ids(event));
                self.jobs.extend(nip09::event_ids(event));
                self.addresses.extend(nip09::addresses(event));
            }
            Kind::VANISH => self.vanishing.push((event.id, event.pubkey, event.created_at)),
            _ => {}
        }
    }

    /// The batch that answers them, in the order that [`Snapshot::read`] expects.
    pub(crate) fn statements(&self) -> Vec<Statement> {
        let ids = |ids: &HashSet<EventId>| ids.iter().map(ToString::to_string).collect::<Value>();
        let addresses = self.addresses.iter().map(address).collect::<Value>();
        let authors = self.authors.iter().map(ToString::to_string).collect::<Value>();
        let leaving: Vec<String> = self.vanishing.iter().map(|(_, author, _)| author.to_string()).collect();
        let victims = self.vanishing.iter().map(|(request, author, until)| {
            json!({ "request": request.to_string(), "pubkey": author.to_string(), "until": until.get() })
        });
        vec![
            Statement::new(LAST, &Value::Null),
            Statement::new(EVENTS, &ids(&self.ids)),
            Statement::new(VERSIONS, &addresses),
            Statement::new(DELETERS, &ids(&self.own)),
            Statement::new(DELETED, &addresses),
            Statement::new(EXPIRED, &addresses),
            Statement::new(VANISHED, &authors),
            Statement::new(JOBS, &json!({ "ids": ids(&self.jobs), "vanishing": leaving })),
            Statement::new(VICTIMS, &victims.collect()),
        ]
    }
}

/// An address as a parameter.
pub(crate) fn address(address: &Address) -> Value {
    json!({ "kind": address.kind.get(), "pubkey": address.pubkey.to_string(), "d": escaped(&address.d) })
}

/// What is known about what was asked, the uncommitted changes included.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) last: Seq,
    rows: HashMap<EventId, Row>,
    versions: HashMap<Address, EventId>,
    deleters: HashMap<EventId, HashSet<PublicKey>>,
    deleted: HashMap<Address, Seconds>,
    expired: HashMap<Address, Seconds>,
    vanished: HashMap<PublicKey, Seconds>,
    pub(crate) jobs: HashMap<EventId, Job>,
    victims: HashMap<EventId, Vec<(Seq, EventId)>>,
}

impl Snapshot {
    /// Only the position: for writers that decide nothing.
    pub(crate) const POSITION: &str = LAST;

    /// A store of which nothing is known but where its journal stands.
    pub(crate) fn at(last: Seq) -> Self {
        Self { last, ..Self::default() }
    }

    /// Reads the answers to [`Questions::statements`].
    pub(crate) fn read(answers: &[Vec<Columns>]) -> Answer<Self> {
        let [last, events, versions, deleters, deleted, expired, vanished, jobs, victims] = answers else {
            return Err(StorageError::Damaged("a batch answers each statement"));
        };
        let mut snapshot = Self::at(position(last)?);
        for columns in events.iter().chain(versions) {
            snapshot.insert(row(columns)?);
        }
        for columns in deleters {
            snapshot.delete(columns.parsed("id")?, columns.parsed("pubkey")?);
        }
        for columns in deleted {
            let (address, until) = place(columns)?;
            snapshot.delete_address(address, until);
        }
        snapshot.expired = expired.iter().map(place).collect::<Answer<_>>()?;
        for columns in vanished {
            snapshot.vanish(columns.parsed("pubkey")?, Seconds::new(columns.integer("until")?));
        }
        for columns in jobs {
            let job: Job = columns.json("json")?;
            snapshot.jobs.insert(job.id, job);
        }
        for columns in victims {
            let victim = (seq(columns)?, columns.parsed("id")?);
            snapshot.victims.entry(columns.parsed("request")?).or_default().push(victim);
        }
        Ok(snapshot)
    }

    pub(crate) fn insert(&mut self, row: Row) {
        if let Some(address) = Address::of(&row.event) {
            self.versions.insert(address, row.event.id);
        }
        self.rows.insert(row.event.id, row);
    }

    pub(crate) fn remove(&mut self, id: &EventId) {
        self.rows.remove(id);
    }

    pub(crate) fn delete(&mut self, id: EventId, author: PublicKey) {
        self.deleters.entry(id).or_default().insert(author);
    }

    pub(crate) fn delete_address(&mut self, address: Address, until: Seconds) {
        let known = self.deleted.entry(address).or_default();
        *known = until.max(*known);
    }

    pub(crate) fn vanish(&mut self, author: PublicKey, until: Seconds) {
        let known = self.vanished.entry(author).or_default();
        *known = until.max(*known);
    }

    /// What was stored when the request to vanish came, and goes with it.
    pub(crate) fn victims(&self, request: &EventId) -> &[(Seq, EventId)] {
        self.victims.get(request).map_or(&[], Vec::as_slice)
    }
}

impl Known for Snapshot {
    type Error = Infallible;

    fn by_id(&self, id: &EventId) -> Result<Option<Row>, Infallible> {
        Ok(self.rows.get(id).cloned())
    }

    fn version(&self, address: &Address) -> Result<Option<Row>, Infallible> {
        Ok(self.versions.get(address).and_then(|id| self.rows.get(id)).cloned())
    }

    fn deleters(&self, id: &EventId) -> Result<Vec<PublicKey>, Infallible> {
        Ok(self.deleters.get(id).into_iter().flatten().copied().collect())
    }

    fn deleted_until(&self, address: &Address) -> Result<Option<Seconds>, Infallible> {
        Ok(self.deleted.get(address).copied())
    }

    fn expired_until(&self, address: &Address) -> Result<Option<Seconds>, Infallible> {
        Ok(self.expired.get(address).copied())
    }

    fn vanished_until(&self, author: &PublicKey) -> Result<Option<Seconds>, Infallible> {
        Ok(self.vanished.get(author).copied())
    }

    fn job(&self, id: &EventId) -> Result<Option<Job>, Infallible> {
        Ok(self.jobs.get(id).cloned())
    }
}

/// The journal's position, from the answer to [`Snapshot::POSITION`].
pub(crate) fn position(answer: &[Columns]) -> Answer<Seq> {
    let columns = answer.first().ok_or(StorageError::Damaged("the journal has no position"))?;
    Ok(Seq::new(columns.integer("last")?.unsigned_abs()))
}

/// A row's own position.
pub(crate) fn seq(columns: &Columns) -> Answer<Seq> {
    Ok(Seq::new(columns.integer("seq")?.unsigned_abs()))
}

/// The event in a row's `json`.
pub(crate) fn event(columns: &Columns) -> Answer<Event> {
    Event::parse(columns.text("json")?).map_err(|_| StorageError::Damaged("a stored event can't be read"))
}

/// An address, with the moment that is remembered of it.
fn place(columns: &Columns) -> Answer<(Address, Seconds)> {
    let kind = u16::try_from(columns.integer("kind")?).map_err(|_| StorageError::Damaged("a kind"))?;
    let d = unescaped(columns.text("d")?)?;
    let address = Address { kind: Kind::new(kind), pubkey: columns.parsed("pubkey")?, d };
    Ok((address, Seconds::new(columns.integer("until")?)))
}

fn row(columns: &Columns) -> Answer<Row> {
    Ok(Row { seq: seq(columns)?, event: Arc::new(event(columns)?) })
}
