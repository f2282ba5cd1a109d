//! External homeservers: the live streams of the users who live there, up to fifty on one connection.
//!
//! A homeserver that closes a stream at the end of its log is asked again after a pause, so one that can't stream
//! is polled by the same code.

use super::{
    carry::{Carrier, Step, Unwatched},
    client::{Answer, FetchError, patiently},
    fetch::{Halt, Job},
    homeserver::Homeserver,
    measure,
    pause::Backoff,
    stored,
};
use futures_util::{
    StreamExt,
    stream::{self, FuturesUnordered},
};
use http::StatusCode;
use nexus_pubky::{Malformed, PubkyId, StreamEvent, StreamParser};
use nexus_runtime::CancellationToken;
use nexus_social::{
    effects::{SourceCursor, SourceLog},
    store::{self, Store},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, timeout},
};

/// What is said of a log that went backwards.
const OUT_OF_ORDER: &str = "cursor_out_of_order";

/// A stream that is silent for this long has told all of its history.
const HISTORY_ENDS: Duration = Duration::from_millis(300);

/// A stream that is silent for this long is opened anew: the other side may be gone without a word.
const LONGEST_SILENCE: Duration = Duration::from_secs(300);

/// Most bytes of a stream without an event in them; keep-alives are far fewer.
const POINTLESS: usize = 1 << 20;

/// A run that lasted this long was a good one, however it ended.
const GOOD_RUN: Duration = Duration::from_secs(60);

/// Most runs that a user is left out of after the homeserver said not to know them.
const LONGEST_ABSENCE: u32 = 10;

/// Users asked for at once when a homeserver refuses some of them.
const ASKED_AT_ONCE: usize = 8;

/// How external homeservers are followed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    /// Homeservers followed at once.
    pub(crate) homeservers: usize,
    /// Users on one connection.
    pub(crate) users: usize,
    /// Events that are checked and handed on together: one that is out of order rejects all of them.
    pub(crate) batch: usize,
    /// Between two looks at a homeserver that doesn't stream, and at who lives where.
    pub(crate) interval: Duration,
    /// After a homeserver failed.
    pub(crate) backoff: Backoff,
}

/// Follows all external homeservers.
pub(crate) struct UserLogs {
    pub(crate) carrier: Arc<Carrier>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) habits: Habits,
}

/// A homeserver that is followed: whom for, and how to stop.
struct Followed {
    users: watch::Sender<Vec<PubkyId>>,
    stop: CancellationToken,
}

impl UserLogs {
    /// Follows whoever lives elsewhere, until `stop`.
    ///
    /// # Errors
    /// If the writer has stopped or the store fails.
    pub(crate) async fn follow(self, stop: CancellationToken) -> Result<(), Halt> {
        let this = Arc::new(self);
        let mut changes = this.carrier.fetcher.neighbourhood.changes();
        let mut followed: HashMap<Arc<str>, Followed> = HashMap::new();
        let mut running = JoinSet::new();
        while !stop.is_cancelled() {
            changes.mark_unchanged();
            this.arrange(&mut followed, &mut running, &stop);
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = running.join_next() => ended.unwrap_or(Err(Halt::Log("a follower panicked")))?,
                // Many newcomers at once are one change.
                _ = changes.changed() => tokio::time::sleep(this.habits.interval.min(Duration::from_millis(200))).await,
            }
        }
        while let Some(ended) = running.join_next().await {
            ended.unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    fn arrange(
        self: &Arc<Self>,
        followed: &mut HashMap<Arc<str>, Followed>,
        running: &mut JoinSet<Result<(), Halt>>,
        stop: &CancellationToken,
    ) {
        let wanted = self.carrier.fetcher.neighbourhood.external(self.habits.homeservers);
        followed.retain(|name, followed| {
            let stays = wanted.iter().any(|(at, _)| at.name == *name);
            if !stays {
                followed.stop.cancel();
            }
            stays
        });
        for (at, users) in wanted {
            if let Some(known) = followed.get(&at.name) {
                known.users.send_if_modified(|now| std::mem::replace(now, users.clone()) != users);
                continue;
            }
            measure::followed(&at.name);
            let (users, told) = watch::channel(users);
            let stop = stop.child_token();
            followed.insert(Arc::clone(&at.name), Followed { users, stop: stop.clone() });
            let streams = Streams { at, all: Arc::clone(self) };
            let one = OneHomeserver { streams, users: told, absent: Absent::default() };
            running.spawn(one.follow(stop));
        }
    }
}

/// One external homeserver.
struct OneHomeserver {
    streams: Streams,
    users: watch::Receiver<Vec<PubkyId>>,
    absent: Absent,
}

/// The streams of one homeserver.
struct Streams {
    at: Arc<Homeserver>,
    all: Arc<UserLogs>,
}

/// Users whom a homeserver doesn't know: how often in a row it said so, and until when they are left out.
#[derive(Default)]
struct Absent(HashMap<PubkyId, (u32, Instant)>);

impl Absent {
    fn is_out(&self, user: &PubkyId) -> bool {
        self.0.get(user).is_some_and(|(_, until)| *until > Instant::now())
    }

    /// After the n-th refusal in a row, the next n runs go without the user.
    fn note(&mut self, user: PubkyId, interval: Duration) {
        measure::rejected("user_not_found");
        let (times, until) = self.0.entry(user).or_insert((0, Instant::now()));
        *times = (*times + 1).min(LONGEST_ABSENCE);
        *until = Instant::now() + interval * (*times + 1);
    }

    /// Those who are worth asking for again, once there is one.
    async fn due(&self) -> Vec<PubkyId> {
        let Some(first) = self.0.values().map(|(_, until)| *until).min() else { return std::future::pending().await };
        tokio::time::sleep_until(first).await;
        self.0.keys().filter(|user| !self.is_out(user)).copied().collect()
    }
}

/// How a run ended.
enum Ended {
    /// Other users live there now.
    Changed,
    /// Streams were refused; these users are not known there.
    Absent(Vec<PubkyId>),
}

impl OneHomeserver {
    async fn follow(mut self, stop: CancellationToken) -> Result<(), Halt> {
        let mut backoff = self.streams.all.habits.backoff;
        loop {
            let began = Instant::now();
            let ended = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                ended = self.run() => ended,
            };
            if ended.is_ok() || began.elapsed() > GOOD_RUN {
                backoff.succeeded();
            }
            let pause = match ended {
                Ok(ended) => self.pause_after(ended),
                Err(halt @ (Halt::Writer(_) | Halt::Store(store::Error::Damaged(_) | store::Error::TooNew { .. }))) => {
                    return if stop.is_cancelled() { Ok(()) } else { Err(halt) };
                }
                Err(halt) => self.wait_after(&halt, backoff.failed()),
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn pause_after(&mut self, ended: Ended) -> Duration {
        let interval = self.streams.all.habits.interval;
        match ended {
            Ended::Changed => return Duration::ZERO,
            Ended::Absent(users) => users.into_iter().for_each(|user| self.absent.note(user, interval)),
        }
        interval
    }

    fn wait_after(&self, halt: &Halt, pause: Duration) -> Duration {
        if let Halt::Log(OUT_OF_ORDER) = halt {
            measure::out_of_order(&self.streams.at.name);
        }
        measure::rejected(match halt {
            Halt::Unreachable(error) => error.reason(),
            Halt::Log(reason) => reason,
            Halt::Store(_) => "store",
            Halt::Disk(_) | Halt::Writer(_) => "disk",
        });
        tracing::warn!(homeserver = %self.streams.at.name, error = %halt, ?pause, "an external homeserver is left alone");
        pause
    }

    /// Streams everybody who lives there, until something changes or fails.
    async fn run(&mut self) -> Result<Ended, Halt> {
        let mut users = self.users.borrow_and_update().clone();
        self.absent.0.retain(|user, _| users.contains(user));
        users.retain(|user| !self.absent.0.contains_key(user));
        tokio::select! {
            told = self.streams.tell(&users), if !users.is_empty() => told,
            returned = returned(&self.streams, &mut self.absent) => returned,
            _ = self.users.changed() => Ok(Ended::Changed),
        }
    }
}

/// Waits until the homeserver knows somebody whom it didn't know before.
async fn returned(streams: &Streams, absent: &mut Absent) -> Result<Ended, Halt> {
    loop {
        let mut has_returned = false;
        for (user, is_known) in streams.who_is_known(absent.due().await).await? {
            if is_known {
                absent.0.remove(&user);
                has_returned = true;
            } else {
                absent.note(user, streams.all.habits.interval);
            }
        }
        if has_returned {
            return Ok(Ended::Changed);
        }
    }
}

impl Streams {
    /// Streams these users until the homeserver doesn't know one of them.
    async fn tell(&self, users: &[PubkyId]) -> Result<Ended, Halt> {
        let streams = users.chunks(self.all.habits.users).map(|users| self.stream(users));
        let mut streams: FuturesUnordered<_> = streams.collect();
        let absent = streams.next().await.unwrap_or_else(|| Ok(Vec::new()))?;
        Ok(Ended::Absent(absent))
    }

    /// Streams users on one connection, which is opened anew whenever it ends. Gives those who turn out to be
    /// unknown.
    async fn stream(&self, users: &[PubkyId]) -> Result<Vec<PubkyId>, Halt> {
        loop {
            if let Some(absent) = self.stream_once(users).await? {
                return Ok(absent);
            }
            tokio::time::sleep(self.all.habits.interval).await;
        }
    }

    async fn stream_once(&self, users: &[PubkyId]) -> Result<Option<Vec<PubkyId>>, Halt> {
        let cursors = self.cursors(users).await?;
        let query = query(&cursors);
        let answer = match patiently(|| self.all.carrier.fetcher.client.stream(&self.at, &query)).await {
            Err(error) if error.is_status(StatusCode::NOT_FOUND) => {
                return Ok(Some(self.who_is_absent(users, error).await?));
            }
            answer => answer?,
        };
        let (steps, carried) = mpsc::channel(1);
        let batch = self.all.habits.batch;
        let telling = Telling { at: &self.at, cursors, live: false, pointless: 0, batch }.tell(answer, steps);
        let carrying = self.all.carrier.carry(&self.at, carried, Unwatched);
        let (told, carried) = tokio::join!(telling, carrying);
        carried?;
        told.map(|()| None)
    }

    async fn cursors(&self, users: &[PubkyId]) -> Result<BTreeMap<PubkyId, u64>, Halt> {
        let (name, users) = (Arc::clone(&self.at.name), users.to_vec());
        let cursors = stored(&self.all.store, move |store| {
            let of = |user: PubkyId| {
                let log = SourceLog::User { homeserver: Arc::clone(&name), user };
                Ok((user, store.cursor(&log)?.unwrap_or_default()))
            };
            users.into_iter().map(of).collect()
        });
        Ok(cursors.await?)
    }

    /// One unknown user makes the homeserver refuse all: each is asked for alone.
    async fn who_is_absent(&self, users: &[PubkyId], refusal: FetchError) -> Result<Vec<PubkyId>, FetchError> {
        let answers = self.who_is_known(users.to_vec()).await?;
        let absent: Vec<_> = answers.into_iter().filter(|(_, is_known)| !is_known).map(|(user, _)| user).collect();
        if absent.is_empty() { Err(refusal) } else { Ok(absent) }
    }

    async fn who_is_known(&self, users: Vec<PubkyId>) -> Result<Vec<(PubkyId, bool)>, FetchError> {
        let client = &self.all.carrier.fetcher.client;
        let ask = |user| async move { client.hosts(&self.at, &user).await.map(|is_known| (user, is_known)) };
        let answers: Vec<_> = stream::iter(users).map(ask).buffer_unordered(ASKED_AT_ONCE).collect().await;
        answers.into_iter().collect()
    }
}

fn query(cursors: &BTreeMap<PubkyId, u64>) -> String {
    let users = cursors.iter().map(|(user, cursor)| format!("&user={user}:{cursor}"));
    format!("live=true&path=%2Fpub%2F{}", users.collect::<String>())
}

/// Reads one stream.
struct Telling<'a> {
    at: &'a Homeserver,
    /// Who is on it, and how far each was read.
    cursors: BTreeMap<PubkyId, u64>,
    /// Whether history has ended.
    live: bool,
    /// Bytes since the last event.
    pointless: usize,
    /// Events handed on together at the most.
    batch: usize,
}

impl Telling<'_> {
    async fn tell(mut self, mut answer: Answer<'_>, steps: mpsc::Sender<Vec<Step>>) -> Result<(), Halt> {
        let mut parser = StreamParser::default();
        while let Some(piece) = self.piece(&mut answer).await? {
            let told = parser.feed(&piece);
            self.pointless = if told.iter().any(Result::is_ok) { 0 } else { self.pointless + piece.len() };
            if self.pointless > POINTLESS {
                return Err(Halt::Log("stream_without_events"));
            }
            let mut told = told.into_iter().peekable();
            while told.peek().is_some() {
                let batch = self.steps(told.by_ref().take(self.batch))?;
                if !batch.is_empty() && steps.send(batch).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn piece(&mut self, answer: &mut Answer<'_>) -> Result<Option<bytes::Bytes>, FetchError> {
        if !self.live {
            match timeout(HISTORY_ENDS, answer.piece_within(LONGEST_SILENCE)).await {
                Ok(piece) => return piece,
                Err(_) => self.live = true,
            }
        }
        match answer.piece_within(LONGEST_SILENCE).await {
            // Opened anew from the durable cursors: nothing is lost, and a dead connection is found out.
            Err(FetchError::Slow) => Ok(None),
            piece => piece,
        }
    }

    /// What a batch told. Its rules are checked before any of it is handled.
    fn steps(&mut self, told: impl Iterator<Item = Result<StreamEvent, Malformed>>) -> Result<Vec<Step>, Halt> {
        let told: Vec<_> = told.collect();
        measure::received(told.len());
        let mut steps = Vec::with_capacity(told.len());
        let mut read = BTreeMap::new();
        for event in told {
            let event = match event {
                Ok(event) => event,
                Err(malformed) => {
                    measure::rejected(malformed.reason());
                    continue;
                }
            };
            let user = self.advance(&event)?;
            read.insert(user, event.cursor);
            match event.address {
                Ok(address) => {
                    let (verb, announced, live) = (event.verb, event.hash, self.live);
                    steps.push(Step::Event(Job { verb, address, announced, live }));
                }
                Err(malformed) => measure::rejected(malformed.reason()),
            }
        }
        let homeserver = &self.at.name;
        let cursor =
            |(user, cursor)| SourceCursor { log: SourceLog::User { homeserver: Arc::clone(homeserver), user }, cursor };
        steps.extend(read.into_iter().map(cursor).map(Step::Read));
        Ok(steps)
    }

    /// Whose log an event belongs to. It must be one that was asked for, and go forward.
    fn advance(&mut self, event: &StreamEvent) -> Result<PubkyId, Halt> {
        let owner = event.uri.strip_prefix("pubky://").and_then(|rest| rest.get(..PubkyId::LENGTH));
        let owner = owner.and_then(|key| PubkyId::from_stored(key).ok()).ok_or(Halt::Log("wrong_owner"))?;
        let cursor = self.cursors.get_mut(&owner).ok_or(Halt::Log("wrong_owner"))?;
        if event.cursor <= *cursor {
            return Err(Halt::Log(OUT_OF_ORDER));
        }
        *cursor = event.cursor;
        Ok(owner)
    }
}
