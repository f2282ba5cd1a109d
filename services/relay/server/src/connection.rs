//! One client's connection: one half reads what has arrived and hands it to the relay, the other writes what
//! waits. Both are one task, and an idle one holds no buffers.

use crate::{
    adapters::Outbox,
    door::Seat,
    hands::Hands,
    wire::{Compression, Fault, Message, Opcode, Reader},
};
use nexus_nostr::{Prefix, Reason, RelayMessage};
use nexus_relay::ports::{ConnectionId, StorageAdapter, WebSocketAdapter};
use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    sync::Notify,
};

/// Bytes that are read at once; more is left to the next time.
const GATHERED: usize = 256 << 10;
/// The part of them that one call of the system reads.
const PIECE: usize = 16 << 10;
/// Messages that are handed to the relay together, and their bytes: what was read may have been compressed.
const TOGETHER: usize = 1_024;
const TOGETHER_BYTES: usize = 1 << 20;

/// A connection while it lasts.
pub(crate) struct Connection<S> {
    hands: Arc<Hands<S>>,
    outbox: Arc<Outbox>,
    id: ConnectionId,
    seat: Seat,
}

/// Whether more is to be handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    /// No: we close.
    Over,
    /// No: the client has closed.
    Left,
}

impl<S: StorageAdapter + 'static> Connection<S> {
    /// Registers a connection from `ip`.
    pub(crate) fn open(hands: Arc<Hands<S>>, compression: Compression, seat: Seat, ip: IpAddr) -> Self {
        let (id, outbox) = hands.relay().sockets().open(compression);
        hands.relay().on_connect(id, Some(ip));
        Self { hands, outbox, id, seat }
    }

    /// Serves it until either side has enough.
    pub(crate) async fn serve<I: AsyncRead + AsyncWrite + Unpin>(self, io: I) {
        let (reader, writer) = tokio::io::split(io);
        let flushed = Notify::new();
        let listen = pin!(self.listen(reader, &flushed));
        tokio::join!(biased; self.outbox.before_taking(listen), self.speak(writer, &flushed));
        self.hands.relay().sockets().remove(self.id);
        self.hands.relay().on_close(self.id).await;
    }

    /// Reads until the client leaves or the outbox ends. While it closes nothing is handed over, and reading goes
    /// on until both sides have said so: else the system would tell the client that its words were not read, and
    /// throw our last ones away.
    async fn listen(&self, mut io: impl AsyncRead + Unpin, flushed: &Notify) {
        let mut reader = self.reader();
        let (mut stopped, mut left) = (false, false);
        loop {
            let gathered = tokio::select! {
                biased;
                () = self.outbox.ended() => break,
                () = flushed.notified(), if left => break,
                () = self.hands.stopping(), if !stopped => {
                    stopped = true;
                    self.hands.relay().on_stop(self.id).await;
                    continue;
                }
                gathered = self.hear(&mut io, &mut reader) => gathered,
            };
            let Ok(bytes @ 1..) = gathered else { break };
            self.outbox.heard(self.now());
            if self.outbox.is_closing() {
                left |= self.has_left(&mut reader);
                continue;
            }
            match self.take(&mut reader).await {
                Flow::On => {
                    self.outbox.amid(reader.is_amid(), self.now());
                    self.pause(bytes).await;
                }
                Flow::Over => left = self.has_left(&mut reader),
                Flow::Left => left = true,
            }
        }
        self.outbox.end();
    }

    /// Reads what has come, once the client has taken enough of its answers.
    async fn hear(&self, io: &mut (impl AsyncRead + Unpin), reader: &mut Reader) -> io::Result<usize> {
        self.outbox.room(self.soft()).await;
        gather(io, reader).await
    }

    fn soft(&self) -> usize {
        self.hands.relay().sockets().bounds().soft
    }

    fn reader(&self) -> Reader {
        Reader::new(self.hands.settings().limits.message_bytes, self.outbox.compression())
    }

    /// True if the client has closed its side. What else it sent is thrown away.
    fn has_left(&self, reader: &mut Reader) -> bool {
        loop {
            match reader.next() {
                Ok(Some(Message::Close)) => return true,
                Ok(Some(_)) => {}
                Ok(None) => return false,
                Err(_) => {
                    *reader = self.reader();
                    return false;
                }
            }
        }
    }

    /// Hands over everything that has come.
    async fn take(&self, reader: &mut Reader) -> Flow {
        reader.allow(self.hands.settings().limits.message_bytes);
        let (mut texts, mut bytes) = (Vec::new(), 0);
        loop {
            let message = match reader.next() {
                Ok(Some(Message::Text(text))) => {
                    bytes += text.len();
                    texts.push(text);
                    if texts.len() == TOGETHER || bytes >= TOGETHER_BYTES {
                        self.hand_over(&mut texts).await;
                        bytes = 0;
                    }
                    continue;
                }
                Ok(None) => break,
                other => other,
            };
            // What stands before it comes first.
            self.hand_over(&mut texts).await;
            let flow = self.react(message).await;
            if flow != Flow::On {
                return flow;
            }
        }
        self.hand_over(&mut texts).await;
        Flow::On
    }

    async fn hand_over(&self, texts: &mut Vec<String>) {
        if texts.is_empty() {
            return;
        }
        let texts = std::mem::take(texts);
        texts.iter().for_each(|text| self.hands.verbs().count(text));
        let started = std::time::Instant::now();
        // Boxed, so that a connection that says nothing has no room for it.
        Box::pin(self.hands.relay().on_messages(self.id, &texts)).await;
        self.hands.admitted(started.elapsed());
    }

    /// Reacts to whatever is no text.
    async fn react(&self, message: Result<Option<Message>, Fault>) -> Flow {
        match message {
            Ok(Some(Message::Binary(bytes))) => self.take_binary(bytes).await,
            Ok(Some(Message::Ping(payload))) => {
                // A full outbox closes by itself.
                let _ = self.outbox.push(Opcode::Pong, Compression::Off, &payload, usize::MAX);
            }
            Ok(Some(Message::Close)) => {
                self.outbox.close(1000, "", self.now());
                return Flow::Left;
            }
            Err(fault) => {
                self.explain(fault);
                return Flow::Over;
            }
            Ok(Some(Message::Pong | Message::Text(_)) | None) => {}
        }
        Flow::On
    }

    async fn take_binary(&self, bytes: Vec<u8>) {
        match String::from_utf8(bytes) {
            Ok(text) if self.hands.config().connections.lenient_binary => self.hand_over(&mut vec![text]).await,
            _ => Box::pin(self.hands.relay().on_binary(self.id)).await,
        }
    }

    /// Tells what can't be read, where the protocol has words for it, and closes.
    fn explain(&self, fault: Fault) {
        let (code, reason) = fault.close();
        if fault == Fault::TooLarge {
            let notice = RelayMessage::Notice(Reason::new(Prefix::Invalid, reason));
            // Gone or full: then nobody reads it.
            let _ = self.hands.relay().sockets().send(self.id, &notice.to_json());
        }
        self.outbox.close(code, reason, self.now());
    }

    /// Waits, if the client's address sent more than it may.
    async fn pause(&self, bytes: usize) {
        if let Some(wait) = self.seat.sent(bytes, self.hands.clock().now()) {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.outbox.ended() => {}
                () = self.hands.stopping() => {}
            }
        }
    }

    /// Writes what waits until nothing more comes.
    async fn speak(&self, mut io: impl AsyncWrite + Unpin, flushed: &Notify) {
        while let Some(bytes) = self.outbox.take().await {
            let soft = self.soft();
            let written = tokio::select! {
                written = self.write(&mut io, &bytes, soft) => written,
                () = self.outbox.ended() => return,
            };
            if written.is_err() {
                return self.outbox.end();
            }
        }
        tokio::select! {
            // Whether the other side still listens is all the same now.
            _ = io.shutdown() => {}
            () = self.outbox.ended() => {}
        }
        flushed.notify_one();
    }

    async fn write(&self, io: &mut (impl AsyncWrite + Unpin), bytes: &[u8], soft: usize) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = io.write(rest).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = &rest[written..];
            self.outbox.written(written, self.now(), soft);
        }
        io.flush().await
    }

    fn now(&self) -> u64 {
        self.hands.relay().sockets().now()
    }
}

/// Feeds `reader` with everything that can be read now, and gives how much it was; 0 at the end. The room for
/// it is the thread's, and none is kept while there is nothing.
async fn gather(io: &mut (impl AsyncRead + Unpin), reader: &mut Reader) -> io::Result<usize> {
    let mut io = Pin::new(io);
    poll_fn(|context| {
        let mut room = [MaybeUninit::uninit(); PIECE];
        let mut gathered = 0;
        while gathered < GATHERED {
            let mut piece = ReadBuf::uninit(&mut room);
            match io.as_mut().poll_read(context, &mut piece) {
                Poll::Ready(Ok(())) if piece.filled().is_empty() => break,
                Poll::Ready(Ok(())) => {
                    gathered += piece.filled().len();
                    reader.feed(piece.filled());
                }
                Poll::Ready(Err(error)) if gathered == 0 => return Poll::Ready(Err(error)),
                Poll::Pending if gathered == 0 => return Poll::Pending,
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(gathered))
    })
    .await
}
