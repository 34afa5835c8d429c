//! What waits to be sent on one connection.
//!
//! A frame is queued under a lock that is held for the push alone. Whoever finds no writer at work becomes the
//! writer: it takes all that is queued, lets go of the lock, and writes to the socket itself, so that a broadcast
//! wakes no task. What the socket does not take stays queued until the connection's own task sees it writable again.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use parking_lot::Mutex;
use signalr_protocol::replay::SendBuffer;
use smallvec::SmallVec;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::frame::Frame;

/// The most frames of one write; Linux takes 1,024, and more than this saves nothing.
const FRAMES_PER_WRITE: usize = 64;

/// The frames of one connection on their way out.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Frame>,
    /// What the socket took only a part of; first to be written.
    partial: Bytes,
    /// Bytes queued, `partial` not among them.
    bytes: usize,
    writer: Writer,
    sink: Sink,
    /// Since when the peer has left everything unread.
    blocked_since: Option<Instant>,
    replay: Option<Box<SendBuffer<Frame>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// Nobody writes, and nothing is queued.
    Idle,
    /// Somebody is about to write: what is queued meanwhile goes with it.
    Scheduled,
    /// Somebody writes, and looks again before it stops.
    Writing,
    /// The sink takes no more for now.
    Blocked,
    /// Nothing is sent any more.
    Closed,
}

/// Where frames go.
#[derive(Debug, Clone)]
pub(crate) enum Sink {
    /// Nowhere yet, or for now: frames wait.
    Detached,
    /// A socket that anybody may write to.
    Socket(Arc<TcpStream>),
    /// A stream that takes frames when it is woken.
    Pulled,
    /// Requests that come when the client likes.
    Fetched,
}

/// What the owner of the outbox has to do after a frame was queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queued {
    /// Nothing: a writer will take it along, or nobody will.
    Done,
    /// See to it that [`Outbox::flush`] is called.
    Flush,
    /// More waits than may: the connection is to be closed.
    Overflow,
}

/// How a flush ended.
#[derive(Debug)]
pub(crate) enum Flushed {
    /// All is written.
    Done,
    /// The rest waits until the sink takes more: the connection's task is to be woken.
    Blocked,
    /// The socket is broken.
    Failed(io::Error),
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                partial: Bytes::new(),
                bytes: 0,
                writer: Writer::Blocked,
                sink: Sink::Detached,
                blocked_since: None,
                replay: None,
            }),
        }
    }

    /// Keeps numbered frames until they are acknowledged, up to `limit` bytes before writers wait.
    pub(crate) fn enable_replay(&self, limit: usize) {
        self.state.lock().replay = Some(Box::new(SendBuffer::new(limit)));
    }

    /// Queues a frame behind all others. `limit`: the most bytes that may wait.
    pub(crate) fn push(&self, frame: Frame, limit: usize) -> Queued {
        let mut state = self.state.lock();
        if state.writer == Writer::Closed {
            return Queued::Done;
        }
        if frame.is_numbered()
            && let Some(replay) = &mut state.replay
        {
            let len = frame.len();
            replay.push(frame.clone(), len);
        }
        if matches!(state.sink, Sink::Detached) && state.replay.is_some() {
            // Kept for the replay; the next transport begins with that.
            return Queued::Done;
        }
        state.bytes += frame.len();
        state.queue.push_back(frame);
        if state.bytes > limit {
            return Queued::Overflow;
        }
        match state.writer {
            Writer::Idle => {
                state.writer = Writer::Scheduled;
                Queued::Flush
            }
            Writer::Scheduled | Writer::Writing | Writer::Blocked | Writer::Closed => Queued::Done,
        }
    }

    /// Writes what is queued, if the sink is a socket and nobody else does.
    pub(crate) fn flush(&self) -> Flushed {
        let socket = {
            let mut state = self.state.lock();
            match (state.writer, &state.sink) {
                (Writer::Scheduled, Sink::Socket(socket)) => {
                    let socket = Arc::clone(socket);
                    state.writer = Writer::Writing;
                    socket
                }
                (Writer::Scheduled, sink) => {
                    // A client that polls late is none that reads slowly.
                    let is_awaited = matches!(sink, Sink::Pulled);
                    state.writer = Writer::Blocked;
                    if is_awaited {
                        state.blocked_since.get_or_insert_with(Instant::now);
                    }
                    return Flushed::Blocked;
                }
                (Writer::Idle | Writer::Writing | Writer::Blocked | Writer::Closed, _) => {
                    return Flushed::Done;
                }
            }
        };
        self.write_all_to(&socket)
    }

    /// The sink takes more: goes on where it stopped.
    pub(crate) fn unblock(&self) -> Flushed {
        {
            let mut state = self.state.lock();
            if state.writer == Writer::Blocked {
                state.writer = Writer::Scheduled;
            }
        }
        self.flush()
    }

    fn write_all_to(&self, socket: &TcpStream) -> Flushed {
        loop {
            let mut batch: SmallVec<[Bytes; 4]> = SmallVec::new();
            {
                let mut state = self.state.lock();
                if state.writer != Writer::Writing {
                    return Flushed::Done;
                }
                state.take_batch(&mut batch);
                if batch.is_empty() {
                    state.writer = Writer::Idle;
                    state.blocked_since = None;
                    return Flushed::Done;
                }
            }
            match try_write(socket, &batch) {
                Ok(0) => return self.fail(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.state.lock().put_back(batch, written),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let mut state = self.state.lock();
                    state.put_back(batch, 0);
                    if state.writer == Writer::Writing {
                        state.writer = Writer::Blocked;
                        state.blocked_since.get_or_insert_with(Instant::now);
                    }
                    return Flushed::Blocked;
                }
                Err(e) => return self.fail(e),
            }
        }
    }

    fn fail(&self, error: io::Error) -> Flushed {
        self.close();
        Flushed::Failed(error)
    }

    /// Takes everything that is queued, for a transport that fetches; it is blocked again behind it.
    pub(crate) fn pull(&self, bytes_max: usize) -> SmallVec<[Frame; 4]> {
        let mut state = self.state.lock();
        let mut frames = SmallVec::new();
        let mut bytes = 0;
        while bytes < bytes_max
            && let Some(frame) = state.queue.pop_front()
        {
            bytes += frame.len();
            state.bytes -= frame.len();
            frames.push(frame);
        }
        state.release_if_empty();
        if !frames.is_empty() {
            state.blocked_since = None;
        }
        if state.queue.is_empty() && state.writer == Writer::Blocked {
            state.writer = Writer::Idle;
        }
        frames
    }

    /// Frames go to `sink` from now on, those that wait first.
    ///
    /// With replay, what was not acknowledged comes again, behind `preface` (the Sequence message).
    pub(crate) fn attach(&self, sink: Sink, preface: impl FnOnce(i64) -> Frame) {
        let mut state = self.state.lock();
        if state.writer == Writer::Closed {
            return;
        }
        state.partial = Bytes::new();
        state.sink = sink;
        state.writer = Writer::Blocked;
        if let Some(replay) = &state.replay {
            let first = preface(replay.sequence_id());
            let frames: VecDeque<Frame> = std::iter::once(first)
                .chain(replay.unacknowledged().cloned())
                .collect();
            state.bytes = frames.iter().map(Frame::len).sum();
            state.queue = frames;
        }
    }

    /// The first transport: nothing was said before.
    pub(crate) fn attach_first(&self, sink: Sink) {
        let mut state = self.state.lock();
        if state.writer != Writer::Closed {
            state.sink = sink;
            state.writer = if state.queue.is_empty() {
                Writer::Idle
            } else {
                Writer::Blocked
            };
        }
    }

    /// The transport is gone: frames are kept for the next one.
    pub(crate) fn detach(&self) {
        let mut state = self.state.lock();
        if state.writer == Writer::Closed {
            return;
        }
        state.sink = Sink::Detached;
        state.writer = Writer::Blocked;
        state.partial = Bytes::new();
        if state.replay.is_some() {
            state.queue = VecDeque::new();
            state.bytes = 0;
        }
    }

    /// What the peer has acknowledged is forgotten.
    pub(crate) fn handle_ack(&self, sequence_id: i64) {
        if let Some(replay) = &mut self.state.lock().replay {
            replay.handle_ack(sequence_id);
        }
    }

    /// Whether writers that can wait ought to: more than `limit` bytes are queued, or the replay buffer is full.
    pub(crate) fn is_congested(&self, limit: usize) -> bool {
        let state = self.state.lock();
        state.writer != Writer::Closed
            && (state.bytes > limit || state.replay.as_ref().is_some_and(|replay| replay.is_full()))
    }

    /// Whether frames wait for the sink to take more.
    pub(crate) fn is_blocked(&self) -> bool {
        self.state.lock().writer == Writer::Blocked
    }

    /// What was pulled cannot be written for now.
    pub(crate) fn set_blocked(&self) {
        let mut state = self.state.lock();
        state.blocked_since.get_or_insert_with(Instant::now);
    }

    /// Whether nothing is sent any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().writer == Writer::Closed
    }

    /// Since when the peer has left everything unread.
    pub(crate) fn blocked_since(&self) -> Option<Instant> {
        self.state.lock().blocked_since
    }

    pub(crate) fn is_empty(&self) -> bool {
        let state = self.state.lock();
        state.queue.is_empty() && state.partial.is_empty() && state.writer != Writer::Writing
    }

    /// Nothing is sent any more; what waits is dropped.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.writer = Writer::Closed;
        state.sink = Sink::Detached;
        state.queue = VecDeque::new();
        state.partial = Bytes::new();
        state.bytes = 0;
        state.replay = None;
    }
}

fn try_write(socket: &TcpStream, batch: &[Bytes]) -> io::Result<usize> {
    if let [one] = batch {
        return socket.try_write(one);
    }
    let slices: SmallVec<[IoSlice<'_>; 16]> =
        batch.iter().map(|bytes| IoSlice::new(bytes)).collect();
    socket.try_write_vectored(&slices)
}

impl State {
    fn take_batch(&mut self, batch: &mut SmallVec<[Bytes; 4]>) {
        if !self.partial.is_empty() {
            batch.push(std::mem::take(&mut self.partial));
        }
        while batch.len() < FRAMES_PER_WRITE
            && let Some(frame) = self.queue.pop_front()
        {
            self.bytes -= frame.len();
            batch.push(frame.websocket().clone());
        }
        self.release_if_empty();
    }

    /// Keeps what was not written as the first to be written next.
    fn put_back(&mut self, batch: SmallVec<[Bytes; 4]>, mut written: usize) {
        if self.writer == Writer::Closed {
            return;
        }
        let mut rest: SmallVec<[Bytes; 4]> = SmallVec::new();
        for mut bytes in batch {
            let len = written.min(bytes.len());
            bytes.advance(len);
            written -= len;
            if !bytes.is_empty() {
                rest.push(bytes);
            }
        }
        let mut rest = rest.into_iter();
        self.partial = rest.next().unwrap_or_default();
        for bytes in rest.rev() {
            let frame = Frame::whole(bytes);
            self.bytes += frame.len();
            self.queue.push_front(frame);
        }
    }

    /// An idle connection holds no buffer.
    fn release_if_empty(&mut self) {
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
    }
}
