//! Whatever the order of appends and reads, the speed of listeners and the size of the ring: a session sees
//! exactly the changes that its filter wants, once and in order.

use crate::journal::{MemoryJournal, Wants, tail_of};
use nexus_delivery::{Frame, Limits, Session, Start, Tail};
use nexus_filter::Filter;
use nexus_journal::Journal;
use nexus_model::Seq;
use proptest::prelude::*;
use std::{sync::Arc, time::Duration};

#[derive(Clone, Debug)]
enum Step {
    Append {
        author: usize,
        collection: usize,
        gap: u64,
    },
    Pull,
    Open {
        wants: Wants,
        from: Option<u64>,
    },
    Read {
        listener: usize,
    },
    /// A read that is given up before it has an answer.
    Abandon {
        listener: usize,
    },
}

const AUTHORS: [&str; 3] = ["ada", "bob", "eve"];
const COLLECTIONS: [&str; 2] = ["posts", "tags"];

fn wants() -> impl Strategy<Value = Wants> {
    let named = |names: &'static [&str]| prop::option::of(prop::sample::select(names).prop_map(str::to_owned));
    (named(&AUTHORS), named(&COLLECTIONS)).prop_map(|(author, collection)| Wants { author, collection })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_usize, 0..2_usize, 1..3_u64)
            .prop_map(|(author, collection, gap)| Step::Append { author, collection, gap }),
        3 => Just(Step::Pull),
        1 => (wants(), prop::option::of(0..40_u64)).prop_map(|(wants, from)| Step::Open { wants, from }),
        3 => (0..8_usize).prop_map(|listener| Step::Read { listener }),
        1 => (0..8_usize).prop_map(|listener| Step::Abandon { listener }),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    let bytes = prop_oneof![Just(1_usize), Just(60), Just(64 << 10)];
    (1..10_usize, 1..6_usize, bytes).prop_map(|(ring_changes, page, batch_bytes)| Limits {
        ring_changes,
        page,
        batch_bytes,
        readers: 1,
        heartbeat: Duration::from_secs(3600),
        ..Limits::default()
    })
}

struct Listener {
    session: Session,
    wants: Wants,
    start: Seq,
    seen: Vec<Seq>,
}

impl Listener {
    /// Reads what there is. False if the session has nothing to tell.
    async fn read(&mut self) -> bool {
        // The clock is held: the time passes only once nothing else can happen.
        let Ok(frames) = tokio::time::timeout(Duration::from_millis(1), self.session.next()).await else {
            return false;
        };
        for frame in frames.unwrap() {
            match frame {
                Frame::Change(entry) => self.seen.push(entry.change.seq),
                other => panic!("unexpected {other:?}"),
            }
        }
        true
    }
}

struct World {
    journal: Arc<MemoryJournal>,
    tail: Tail,
    listeners: Vec<Listener>,
}

impl World {
    async fn play(&mut self, step: Step) {
        match step {
            Step::Append { author, collection, gap } => {
                self.journal.append(AUTHORS[author], COLLECTIONS[collection], gap);
            }
            Step::Pull => self.tail.pull().await.unwrap(),
            Step::Open { wants, from } => self.open(wants, from),
            Step::Read { listener } => {
                if let Some(listener) = self.listeners.get_mut(listener) {
                    listener.read().await;
                }
            }
            Step::Abandon { listener } => {
                if let Some(listener) = self.listeners.get_mut(listener) {
                    let mut next = Box::pin(listener.session.next());
                    let polled = futures_util::poll!(&mut next);
                    drop(next);
                    // What was handed over before the reader gave up counts as read.
                    listener.note(polled);
                }
            }
        }
    }

    fn open(&mut self, wants: Wants, from: Option<u64>) {
        let start = from.map(|from| Seq::new(from.min(self.tail.position().get())));
        let begin = start.map_or(Start::Now, Start::After);
        let session = self.tail.subscribe("client", Arc::new(wants.clone()), begin).unwrap();
        let start = session.cursor();
        self.listeners.push(Listener { session, wants, start, seen: Vec::new() });
    }

    async fn settle(&mut self) {
        let end = self.journal.last().await.unwrap();
        while self.tail.position() < end {
            self.tail.pull().await.unwrap();
        }
        for listener in &mut self.listeners {
            while listener.read().await {}
        }
    }
}

impl Listener {
    fn note(&mut self, polled: std::task::Poll<Option<Vec<Frame>>>) {
        if let std::task::Poll::Ready(Some(frames)) = polled {
            self.seen.extend(frames.iter().map(|frame| match frame {
                Frame::Change(entry) => entry.change.seq,
                other => panic!("unexpected {other:?}"),
            }));
        }
    }
}

async fn wanted(journal: &MemoryJournal, listener: &Listener) -> Vec<Seq> {
    let history = journal.read(Seq::START, usize::MAX).await.unwrap().changes;
    let wanted = history.iter().filter(|c| c.seq > listener.start && listener.wants.matches(c));
    wanted.map(|c| c.seq).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_session_sees_what_it_wants_once_and_in_order(
        limits in limits(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let journal = MemoryJournal::new();
            let tail = tail_of(&journal, limits).await;
            let mut world = World { journal, tail, listeners: Vec::new() };
            for step in steps {
                world.play(step).await;
            }
            world.settle().await;
            for listener in &world.listeners {
                let wanted = wanted(&world.journal, listener).await;
                prop_assert_eq!(&listener.seen, &wanted, "{:?} from {}", &listener.wants, listener.start);
            }
            Ok(())
        })?;
    }
}
