//! Channels against an obvious model, through random histories: appends, connections that come and go,
//! acknowledgements in any order, silence, slow reads and writes, and a kill at any instant.

use nexus_delivery::channel::{Action, Channel, Config, ConnectionId, Event, Order, Settled, Settlement, Window};
use nexus_model::{Seq, Timestamp};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

const RETRY: i64 = 1_000;
const AUTHORS: usize = 4;

fn small(settlement: Settlement) -> Config {
    Config {
        settlement,
        window: Window { start: 3, max: 6, ..Window::default() },
        max_events: 16,
        max_bytes: 1 << 20,
        author_backlog: 3,
        max_gaps: 1_000,
        page: 4,
        store_millis: 100,
        drain_millis: 0,
    }
}

fn acknowledged() -> Config {
    small(Settlement::Acknowledged { retry_millis: Some(RETRY) })
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// An event of an author, after this many positions that hold nothing.
    Append(usize, Order, u64),
    Open,
    Close(usize),
    /// So many actions are carried out.
    Work(usize),
    /// The oldest read or write comes back.
    Finish,
    /// Another one comes back before it.
    Overtake(usize),
    /// The oldest read or store fails.
    Fail,
    /// One of the events that consumers have is settled over one of the connections, not necessarily its own.
    Acknowledge(usize, usize),
    /// A consumer settles what it may never have had.
    Nonsense(u64),
    Wait(i64),
    /// The process is killed and starts again.
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    let order = prop_oneof![Just(Order::Together), Just(Order::Alone)];
    prop_oneof![
        6 => (0..AUTHORS, order, 0..3_u64).prop_map(|(author, order, gap)| Step::Append(author, order, gap)),
        1 => Just(Step::Open),
        1 => (0..4_usize).prop_map(Step::Close),
        6 => (1..6_usize).prop_map(Step::Work),
        4 => Just(Step::Finish),
        1 => (1..4_usize).prop_map(Step::Overtake),
        1 => Just(Step::Fail),
        6 => (0..20_usize, 0..3_usize).prop_map(|(which, over)| Step::Acknowledge(which, over)),
        1 => (0..60_u64).prop_map(Step::Nonsense),
        2 => (1..700_i64).prop_map(Step::Wait),
        1 => Just(Step::Kill),
    ]
}

#[derive(Debug)]
enum Pending {
    Action(Action<u64>, Seq),
    Written(ConnectionId, Seq),
    Store(Vec<u8>),
}

struct World {
    config: Config,
    channel: Channel<u64>,
    now: Timestamp,
    journal: BTreeMap<Seq, (usize, Order)>,
    head: Seq,
    /// What a restart finds.
    durable: Vec<u8>,
    pending: VecDeque<Pending>,
    connections: Vec<ConnectionId>,
    /// What the consumers have, with the time of writing.
    held: BTreeMap<Seq, (ConnectionId, Option<Timestamp>)>,
    /// What was sent since the last restart, and what is settled, by the model.
    sent: BTreeSet<Seq>,
    settled: BTreeSet<Seq>,
    ever_sent: BTreeSet<Seq>,
}

fn name(author: usize) -> Arc<str> {
    format!("author {author}").into()
}

impl World {
    fn new(config: Config) -> Self {
        Self {
            config,
            channel: Channel::new(config, Settled::default()),
            now: Timestamp::from_millis(1),
            journal: BTreeMap::new(),
            head: Seq::START,
            durable: Settled::default().encode(),
            pending: VecDeque::new(),
            connections: Vec::new(),
            held: BTreeMap::new(),
            sent: BTreeSet::new(),
            settled: BTreeSet::new(),
            ever_sent: BTreeSet::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Append(author, order, gap) => {
                self.head = Seq::new(self.head.get() + 1 + gap);
                self.journal.insert(self.head, (author, order));
                self.channel.appended(self.head);
            }
            Step::Open if self.connections.len() < 3 => self.connections.push(self.channel.open(self.now)),
            Step::Open => {}
            Step::Close(which) if which < self.connections.len() => {
                let id = self.connections.remove(which);
                self.channel.close(id);
                self.held.retain(|_, (at, _)| *at != id);
            }
            Step::Close(_) => {}
            Step::Work(count) => (0..count).for_each(|_| {
                self.work();
            }),
            Step::Finish => self.finish(0),
            Step::Overtake(which) => self.finish(which),
            Step::Fail => self.fail(),
            Step::Acknowledge(which, over) => {
                let seq = self.held.keys().nth(which).copied();
                let over = self.connections.get(over).or(self.connections.last()).copied();
                seq.zip(over).into_iter().for_each(|(seq, over)| self.acknowledge_over(over, seq));
            }
            Step::Nonsense(seq) => self.acknowledge(Seq::new(seq)),
            Step::Wait(millis) => self.now = self.now.plus_millis(millis),
            Step::Kill => self.kill(),
        }
        self.check();
    }

    fn acknowledge(&mut self, seq: Seq) {
        let last = self.connections.last().copied();
        last.into_iter().for_each(|last| self.acknowledge_over(last, seq));
    }

    fn acknowledge_over(&mut self, from: ConnectionId, seq: Seq) {
        self.channel.acknowledge(from, seq, self.now);
        if self.sent.contains(&seq) {
            self.settled.insert(seq);
            self.held.remove(&seq);
        }
    }

    /// Carries out one action; false if there was none.
    fn work(&mut self) -> bool {
        match self.channel.next_action(self.now) {
            Some(Action::Send { connection, seq, payload }) => {
                assert_eq!(payload, seq.get() * 10);
                assert!(self.connections.contains(&connection));
                self.check_order(seq);
                self.held.insert(seq, (connection, None));
                self.sent.insert(seq);
                self.ever_sent.insert(seq);
                self.pending.push_back(Pending::Written(connection, seq));
            }
            Some(Action::Store) => self.pending.push_back(Pending::Store(self.channel.settled().encode())),
            Some(action) => self.pending.push_back(Pending::Action(action, self.head)),
            None => return false,
        }
        true
    }

    /// The rule of order: everything of the author before is settled, or all of it up to here may be under
    /// way together. And what a consumer has is not sent again before its time is up.
    fn check_order(&self, seq: Seq) {
        let (author, order) = self.journal[&seq];
        assert!(!self.settled.contains(&seq), "{seq} is settled");
        let before = self.journal.range(..seq).filter(|(_, (other, _))| *other == author);
        for (earlier, (_, other)) in before.filter(|(earlier, _)| !self.settled.contains(earlier)) {
            let together = order == Order::Together && *other == Order::Together;
            assert!(together, "{seq} before {earlier}");
            assert!(self.sent.contains(earlier), "{seq} for the first time before {earlier}");
        }
        let later = self.journal.range(seq.next()..).filter(|(_, (other, _))| *other == author);
        for (later, (_, other)) in later.filter(|(later, _)| self.held.contains_key(later)) {
            let together = order == Order::Together && *other == Order::Together;
            assert!(together, "{seq} beside {later}");
        }
        if let Some((_, written)) = self.held.get(&seq) {
            let due = written.expect("sent again before it was written").plus_millis(RETRY);
            assert!(due <= self.now, "{seq} is sent again too early");
        }
    }

    fn fail(&mut self) {
        let failing = self.pending.iter().position(|pending| !matches!(pending, Pending::Written(..)));
        match failing.and_then(|at| self.pending.remove(at)) {
            Some(Pending::Action(action, _)) => self.channel.failed(&action),
            Some(Pending::Store(_)) => self.channel.failed(&Action::Store),
            Some(Pending::Written(..)) | None => {}
        }
    }

    fn finish(&mut self, which: usize) {
        match self.pending.remove(which) {
            Some(Pending::Written(id, seq)) => self.written(id, seq),
            Some(Pending::Store(bytes)) => {
                self.durable = bytes;
                self.channel.stored(self.now);
            }
            Some(Pending::Action(Action::Read { after, limit }, _)) => {
                let (events, through) = self.read(after, limit, None, self.head);
                self.channel.read(events, through);
            }
            Some(Pending::Action(Action::ReadAuthor { author, after, limit }, head)) => {
                let (events, through) = self.read(after, limit, Some(&author), head);
                self.channel.read_author(&author, events, through);
            }
            Some(Pending::Action(action, _)) => panic!("{action:?}"),
            None => {}
        }
    }

    fn written(&mut self, id: ConnectionId, seq: Seq) {
        self.channel.written(id, seq, self.now);
        if let Some((_, written)) = self.held.get_mut(&seq).filter(|(at, _)| *at == id) {
            written.get_or_insert(self.now);
            if self.config.settlement == Settlement::Written {
                self.settled.insert(seq);
                self.held.remove(&seq);
            }
        }
    }

    fn read(&self, after: Seq, limit: usize, author: Option<&str>, head: Seq) -> (Vec<Event<u64>>, Seq) {
        let all = self.journal.range(after.next()..=head.max(after.next()));
        let wanted = all.filter(|(seq, (who, _))| **seq <= head && author.is_none_or(|author| *name(*who) == *author));
        let events = wanted.take(limit).map(|(seq, (who, order))| Event {
            seq: *seq,
            author: name(*who),
            order: *order,
            bytes: 10,
            payload: seq.get() * 10,
        });
        let events: Vec<_> = events.collect();
        let through =
            if events.len() == limit { events.last().map_or(after, |event| event.seq) } else { head.max(after) };
        (events, through)
    }

    fn kill(&mut self) {
        let settled = Settled::decode(&self.durable).unwrap();
        self.settled.retain(|seq| settled.contains(*seq));
        self.channel = Channel::new(self.config, settled);
        self.channel.appended(self.head);
        self.pending.clear();
        self.connections.clear();
        self.held.clear();
        self.sent.clear();
    }

    fn check(&self) {
        for seq in self.journal.keys() {
            assert_eq!(self.channel.settled().contains(*seq), self.settled.contains(seq), "{seq}");
        }
        let stats = self.channel.stats();
        assert!(stats.events <= self.config.max_events + AUTHORS * self.config.author_backlog, "{stats:?}");
        // What was given up on is still held by its consumer.
        assert!(stats.under_way <= self.held.len(), "{stats:?}");
        assert_eq!(stats.bytes, stats.events * 10);
    }

    /// A consumer that settles all it gets must end up with everything, and the channel with nothing.
    fn drain(&mut self) {
        if self.connections.is_empty() {
            self.step(Step::Open);
        }
        for _ in 0..2_000 {
            if Settled::decode(&self.durable).unwrap().floor() == self.head && self.channel.stats().authors == 0 {
                break;
            }
            while self.work() {}
            while !self.pending.is_empty() {
                self.finish(0);
            }
            self.held.keys().copied().collect::<Vec<_>>().into_iter().for_each(|seq| self.acknowledge(seq));
            self.check();
            self.now = self.now.plus_millis(self.config.store_millis);
        }
        assert_eq!(self.channel.settled().floor(), self.head);
        let stats = self.channel.stats();
        assert_eq!((stats.events, stats.authors, stats.gaps), (0, 0, 0), "{stats:?}");
        assert_eq!(self.ever_sent.len(), self.journal.len());
        assert_eq!(Settled::decode(&self.durable).unwrap().floor(), self.head);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn any_history_keeps_the_order_and_loses_nothing(steps in prop::collection::vec(step(), 0..250)) {
        let mut world = World::new(acknowledged());
        steps.into_iter().for_each(|step| world.step(step));
        world.drain();
    }

    #[test]
    fn without_acknowledgements_what_is_written_is_settled(steps in prop::collection::vec(step(), 0..150)) {
        let mut world = World::new(small(Settlement::Written));
        let steps = steps.into_iter().filter(|step| !matches!(step, Step::Acknowledge(..) | Step::Nonsense(_)));
        steps.for_each(|step| world.step(step));
        world.drain();
    }
}

/// Carries out everything that can be carried out, without settling anything.
fn run(world: &mut World) -> Vec<Seq> {
    let before: BTreeSet<Seq> = world.sent.clone();
    for _ in 0..200 {
        while world.work() {}
        while !world.pending.is_empty() {
            world.finish(0);
        }
    }
    world.sent.difference(&before).copied().collect()
}

fn seqs(numbers: &[u64]) -> Vec<Seq> {
    numbers.iter().map(|number| Seq::new(*number)).collect()
}

#[test]
fn the_example_of_the_protocol_goes_as_told() {
    use Order::{Alone, Together};
    let mut config = acknowledged();
    config.author_backlog = 16;
    let mut world = World::new(config);
    for order in [Together, Together, Alone, Together, Together, Alone, Together] {
        world.step(Step::Append(0, order, 0));
    }
    world.step(Step::Open);
    for wave in [&[1, 2][..], &[3], &[4, 5], &[6], &[7]] {
        assert_eq!(run(&mut world), seqs(wave));
        let half = wave.len() / 2;
        wave[..half].iter().for_each(|seq| world.acknowledge(Seq::new(*seq)));
        assert_eq!(run(&mut world), []);
        wave[half..].iter().for_each(|seq| world.acknowledge(Seq::new(*seq)));
    }
    assert_eq!(world.channel.stats().authors, 0);
}

#[test]
fn an_author_whose_events_never_settle_holds_back_nobody() {
    let mut world = World::new(acknowledged());
    world.step(Step::Open);
    for n in 0..500 {
        world.step(Step::Append(n % AUTHORS, Order::Alone, 0));
    }
    for _ in 0..2_000 {
        run(&mut world);
        let others = world.held.keys().copied().filter(|seq| world.journal[seq].0 != 0).collect::<Vec<_>>();
        if others.is_empty() {
            break;
        }
        others.into_iter().for_each(|seq| world.acknowledge(seq));
        world.check();
    }
    let left: Vec<_> = world.journal.iter().filter(|(seq, _)| !world.settled.contains(seq)).collect();
    assert_eq!(left.len(), 500 / AUTHORS);
    assert!(left.iter().all(|(_, (author, _))| *author == 0));
    assert!(world.channel.stats().events <= 4, "{:?}", world.channel.stats());
    world.drain();
}

#[test]
fn an_authors_events_stay_on_one_connection_and_move_when_it_ends() {
    let mut world = World::new(acknowledged());
    (0..2).for_each(|_| world.step(Step::Open));
    (0..6).for_each(|_| world.step(Step::Append(0, Order::Together, 0)));
    run(&mut world);
    let places: BTreeSet<_> = world.held.values().map(|(id, _)| *id).collect();
    assert_eq!((places.len(), world.held.len()), (1, 3));
    let home = world.connections.iter().position(|id| places.contains(id)).unwrap();
    world.step(Step::Close(home));
    run(&mut world);
    assert!(world.held.values().all(|(id, _)| !places.contains(id)) && world.held.len() == 3);
}

#[test]
fn a_silent_connection_is_given_little_and_others_take_over() {
    let mut world = World::new(acknowledged());
    (0..2).for_each(|_| world.step(Step::Open));
    for n in 0..120 {
        world.step(Step::Append(n % AUTHORS, Order::Alone, 0));
    }
    let silent = world.connections[0];
    for _ in 0..400 {
        run(&mut world);
        let heard = world.held.iter().filter(|(_, (id, _))| *id != silent).map(|(seq, _)| *seq);
        heard.collect::<Vec<_>>().into_iter().for_each(|seq| world.acknowledge(seq));
        world.step(Step::Wait(100));
    }
    let stuck = world.journal.len() - world.settled.len();
    assert!(stuck <= 1, "{stuck} events wait for a connection that never speaks");
}

#[test]
fn nothing_is_read_while_nobody_listens() {
    let mut world = World::new(acknowledged());
    (0..100).for_each(|_| world.step(Step::Append(0, Order::Together, 0)));
    run(&mut world);
    assert_eq!(world.channel.stats().events, 0);
}

#[test]
fn a_failed_read_or_store_is_asked_for_again() {
    let mut world = World::new(acknowledged());
    world.step(Step::Open);
    world.step(Step::Append(0, Order::Together, 0));
    let asked = world.channel.next_action(world.now).unwrap();
    assert_eq!(world.channel.next_action(world.now), None);
    world.channel.failed(&asked);
    assert_eq!(world.channel.next_action(world.now), Some(asked));
    world.channel.read(vec![], Seq::new(1));
    assert_eq!(world.channel.next_action(world.now), None);
    let later = world.now.plus_millis(world.config.store_millis);
    assert_eq!(world.channel.deadline(), Some(later));
    assert_eq!(world.channel.next_action(later), Some(Action::Store));
    world.channel.failed(&Action::Store);
    assert_eq!(world.channel.next_action(later), None);
    assert_eq!(world.channel.next_action(later.plus_millis(world.config.store_millis)), Some(Action::Store));
    world.channel.stored(later);
    assert_eq!(world.channel.deadline(), None);
}
