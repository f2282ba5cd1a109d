//! The volatile lane: for what never enters a journal, such as ephemeral kinds and transient models. There
//! is no position and no resume; whoever doesn't listen, or listens too slowly, misses it and is told how much.

use std::sync::Arc;
use tokio::sync::broadcast;

/// The sending end. Clones send to the same listeners.
#[derive(Clone, Debug)]
pub struct Lane<T>(broadcast::Sender<Arc<T>>);

/// The hearing end.
#[derive(Debug)]
pub struct Listener<T>(broadcast::Receiver<Arc<T>>);

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard<T> {
    /// An item.
    Item(Arc<T>),
    /// So many items passed by unheard.
    Missed(u64),
}

impl<T> Lane<T> {
    /// A lane that keeps at least `items` for listeners that are behind; the oldest are dropped beyond that.
    ///
    /// # Panics
    /// If `items` is 0.
    pub fn new(items: usize) -> Self {
        Self(broadcast::Sender::new(items))
    }

    /// Sends to whoever listens now, and never waits.
    pub fn send(&self, item: Arc<T>) {
        // Nobody listening is no failure.
        let _ = self.0.send(item);
    }

    /// Listens from now on.
    pub fn listen(&self) -> Listener<T> {
        Listener(self.0.subscribe())
    }
}

impl<T> Listener<T> {
    /// The next item, or how many were missed before it. `None` once nobody can send.
    pub async fn next(&mut self) -> Option<Heard<T>> {
        match self.0.recv().await {
            Ok(item) => Some(Heard::Item(item)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Heard::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_listens_hears_and_who_is_slow_learns_what_it_missed() {
        let lane = Lane::new(2);
        lane.send(Arc::new(0));
        let mut listener = lane.listen();
        (1..=5).for_each(|n| lane.send(Arc::new(n)));
        drop(lane);
        let mut heard = Vec::new();
        while let Some(item) = listener.next().await {
            heard.push(item);
        }
        assert_eq!(heard, [Heard::Missed(3), Heard::Item(Arc::new(4)), Heard::Item(Arc::new(5))]);
    }
}
