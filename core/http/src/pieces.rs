//! Answers over HTTP/2, handed on piece by piece: the next one once the client has taken the last. So little waits
//! for a client that gives an answer no window, and who takes no piece for too long loses that answer; what else is
//! asked on the connection goes on. An answer that has nothing to say may take as long as it likes.

use axum::body::Body;
use bytes::Bytes;
use hyper::{
    body::{Frame, SizeHint},
    rt::Executor,
};
use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until};

/// Bytes of a piece: what a frame holds, unless the client wants larger ones (RFC 9113, section 6.5.2).
const PIECE: usize = 16 << 10;

/// What the client of one answer hasn't taken yet, which is at most a piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct Untaken(Arc<Mutex<Wait>>);

#[derive(Debug, Default)]
struct Wait {
    /// Until when the piece may wait, while there is one.
    until: Option<Instant>,
    /// Who is told when it is taken.
    waker: Option<Waker>,
}

impl Untaken {
    fn wait(&self) -> MutexGuard<'_, Wait> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn until(&self) -> Option<Instant> {
        self.wait().until
    }
}

/// A piece that waits. What sends it drops it once it has left.
struct Piece {
    bytes: Bytes,
    untaken: Untaken,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut wait = self.untaken.wait();
        wait.until = None;
        let waker = wait.waker.take();
        drop(wait);
        waker.into_iter().for_each(Waker::wake);
    }
}

/// A body in pieces, of which each may wait for as long as `patience`.
pub(crate) struct Pieces {
    body: Body,
    rest: Bytes,
    untaken: Untaken,
    patience: Duration,
}

impl Pieces {
    pub(crate) const fn new(body: Body, untaken: Untaken, patience: Duration) -> Self {
        Self { body, rest: Bytes::new(), untaken, patience }
    }

    fn next(&mut self) -> Frame<Bytes> {
        let bytes = self.rest.split_to(self.rest.len().min(PIECE));
        if bytes.is_empty() {
            return Frame::data(bytes);
        }
        self.untaken.wait().until = Some(Instant::now() + self.patience);
        Frame::data(Bytes::from_owner(Piece { bytes, untaken: self.untaken.clone() }))
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        {
            let mut wait = self.untaken.wait();
            if wait.until.is_some() {
                wait.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
        }
        if self.rest.is_empty() {
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)?) else { return Poll::Ready(None) };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        Poll::Ready(Some(Ok(self.next())))
    }

    /// The end is told after the last piece was taken: the answer can be given up until then.
    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream() && self.untaken.until().is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let exact = self.body.size_hint().exact().map(|left| SizeHint::with_exact(left + self.rest.len() as u64));
        exact.unwrap_or_default()
    }
}

/// Runs the streams of one HTTP/2 connection, each until it ends or its client has taken nothing for too long.
#[derive(Clone, Default)]
pub(crate) struct Streams {
    begun: Arc<Mutex<Option<Untaken>>>,
}

impl Streams {
    /// Watches over the stream that is run next: hyper runs each one as soon as it has handed its request in.
    pub(crate) fn begin(&self) -> Untaken {
        let untaken = Untaken::default();
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(untaken.clone());
        untaken
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        match begun {
            Some(untaken) => drop(tokio::spawn(Watched { stream: Box::pin(stream), untaken, sleep: None })),
            None => drop(tokio::spawn(stream)),
        }
    }
}

/// A stream that is given up, and so reset, when a piece has waited for too long.
struct Watched<F> {
    stream: Pin<Box<F>>,
    untaken: Untaken,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<F: Future> Future for Watched<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.stream.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let Some(until) = self.untaken.until() else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if sleep.deadline() != until {
            sleep.as_mut().reset(until);
        }
        ready!(sleep.as_mut().poll(context));
        metrics::counter!("http_stalled_total").increment(1);
        Poll::Ready(())
    }
}
