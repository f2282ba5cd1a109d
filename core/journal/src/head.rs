//! The newest durable position, published to whoever waits for it. One number: a slow reader costs nothing.

use nexus_model::Seq;
use tokio::sync::watch;

/// The writer's end: told the newest position after each commit.
#[derive(Debug)]
pub struct Head(watch::Sender<Seq>);

impl Head {
    /// A head that stands at `seq`.
    pub fn new(seq: Seq) -> Self {
        Self(watch::Sender::new(seq))
    }

    /// Moves the head to `seq`. A lower position than the present one is ignored.
    pub fn advance(&self, seq: Seq) {
        self.0.send_if_modified(|head| {
            let moved = seq > *head;
            if moved {
                *head = seq;
            }
            moved
        });
    }

    /// The newest position.
    pub fn get(&self) -> Seq {
        *self.0.borrow()
    }

    /// A reader's end.
    pub fn watch(&self) -> HeadWatch {
        HeadWatch(self.0.subscribe())
    }
}

/// The reader's end.
#[derive(Clone, Debug)]
pub struct HeadWatch(watch::Receiver<Seq>);

impl HeadWatch {
    /// The newest position.
    pub fn get(&self) -> Seq {
        *self.0.borrow()
    }

    /// Waits until there is something after `seq` and gives the newest position, or `None` once the writer
    /// is gone and nothing will follow.
    pub async fn after(&mut self, seq: Seq) -> Option<Seq> {
        self.0.wait_for(|head| *head > seq).await.ok().map(|head| *head)
    }
}
