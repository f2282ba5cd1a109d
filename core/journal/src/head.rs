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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_head_never_moves_backwards() {
        let head = Head::new(Seq::new(5));
        head.advance(Seq::new(3));
        assert_eq!(head.get(), Seq::new(5));
        head.advance(Seq::new(9));
        assert_eq!(head.get(), Seq::new(9));
    }

    #[test]
    fn a_reader_waits_for_what_is_new_and_learns_the_end() {
        let head = Head::new(Seq::new(1));
        let mut watch = head.watch();
        assert_eq!(watch.after(Seq::START).now_or_never(), Some(Some(Seq::new(1))));
        assert_eq!(watch.after(Seq::new(1)).now_or_never(), None);
        head.advance(Seq::new(2));
        assert_eq!(watch.after(Seq::new(1)).now_or_never(), Some(Some(Seq::new(2))));
        drop(head);
        assert_eq!(watch.after(Seq::new(2)).now_or_never(), Some(None));
    }
}
