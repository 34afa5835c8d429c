//! What waits to be sent on one connection.
//!
//! A frame is queued under a lock that is held for the push alone. Whoever finds no writer at work becomes the
//! writer: it takes all that is queued, lets go of the lock, and writes to the socket itself, so that a broadcast
//! wakes no task. What the socket does not take stays queued until the connection's own task sees it writable again.
//!
//! A client that reads is never too slow, however much is sent to it at once: what counts is how much waits for one
//! that has taken nothing for a while.

use std::cell::RefCell;
use std::hint::black_box;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use parking_lot::Mutex;
use signalr_protocol::replay::SendBuffer;
use smallvec::SmallVec;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::cork;
use crate::frame::Frame;
use queue::Queue;

/// The most frames of one write; Linux takes 1,024, and more than this saves nothing.
const FRAMES_PER_WRITE: usize = 64;

/// How long a client may take nothing before the limit holds for what waits for it.
///
/// A second is some round trips to anywhere, and so what a client needs that polls, or whose connection stutters.
const TAKES_NOTHING_FOR: Duration = Duration::from_secs(1);

/// How long a client may acknowledge nothing before the limit holds for what is kept for it.
///
/// Clients acknowledge once a second; the rest is for the way.
const ACKNOWLEDGES_NOTHING_FOR: Duration = Duration::from_secs(3);

/// How many times the limit may wait for a client that does take something, or was just sent a lot at once.
///
/// With ASP.NET Core's 64 KiB it is a mebibyte, which is the most that one client can make the server keep.
const BURST_FACTOR: usize = 16;

/// The frames of one connection on their way out.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    /// Bytes queued, those of a frame that the socket took a part of not among them.
    bytes: usize,
    writer: Writer,
    /// The first frame of the queue is the rest of one that the socket took a part of.
    is_first_partial: bool,
    /// Nothing is queued any more but what ends the connection.
    is_silent: bool,
    /// Grows with every change of the sink: who wrote to the one before has nothing to say any more.
    generation: u32,
    sink: SinkKind,
    /// The socket, if that is what the sink is; apart from it, both take a word less.
    socket: Option<Arc<TcpStream>>,
    /// Since when frames wait without any being taken.
    waiting_since: Option<Instant>,
    replay: Option<Box<Replay>>,
}

/// What goes into one write.
struct Batch {
    first: Bytes,
    /// Nothing, nearly always.
    rest: Vec<Bytes>,
}

/// What stateful reconnect keeps.
#[derive(Debug)]
struct Replay {
    sent: SendBuffer<Frame>,
    /// How many bytes may be unacknowledged before writers wait.
    limit: usize,
    /// Since when they wait.
    full_since: Option<Instant>,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SinkKind {
    Detached,
    Socket,
    Pulled,
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
    /// The sink is broken and another may take its place: the connection's task is to be woken.
    Lost(io::Error),
    /// The sink is broken.
    Failed(io::Error),
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                queue: Queue::default(),
                bytes: 0,
                writer: Writer::Blocked,
                is_first_partial: false,
                is_silent: false,
                generation: 0,
                sink: SinkKind::Detached,
                socket: None,
                waiting_since: None,
                replay: None,
            }),
        }
    }

    /// Keeps numbered frames until they are acknowledged, up to `limit` bytes before writers wait.
    pub(crate) fn enable_replay(&self, limit: usize) {
        self.state.lock().replay = Some(Box::new(Replay {
            sent: SendBuffer::new(limit),
            limit,
            full_since: None,
        }));
    }

    /// Queues a frame behind all others. `limit`: the most bytes that may wait for a client that takes nothing.
    pub(crate) fn push(&self, frame: Frame, limit: usize) -> Queued {
        let mut state = self.state.lock();
        if state.writer == Writer::Closed || state.is_silent {
            return Queued::Done;
        }
        if state.is_over(limit) {
            state.is_silent = true;
            return Queued::Overflow;
        }
        let queued = state.enqueue(frame);
        if state.is_bursting(limit / 2) {
            cork::note_burst();
        }
        queued
    }

    /// Queues a frame behind which only this adds anything, whatever else waits.
    pub(crate) fn push_last(&self, frame: Frame) -> Queued {
        let mut state = self.state.lock();
        if state.writer == Writer::Closed {
            return Queued::Done;
        }
        state.is_silent = true;
        state.enqueue(frame)
    }

    /// Queues nothing more but what ends the connection.
    pub(crate) fn silence(&self) {
        self.state.lock().is_silent = true;
    }

    /// Brings what [`Self::flush`] looks at into the processor's cache.
    pub(crate) fn prepare_flush(&self) {
        black_box(self.state.is_locked());
    }

    /// Writes what is queued, if the sink is a socket and nobody else does.
    pub(crate) fn flush(&self) -> Flushed {
        let (socket, generation, batch) = {
            let mut state = self.state.lock();
            if state.writer != Writer::Scheduled {
                return Flushed::Done;
            }
            let Some(socket) = state.socket.clone() else {
                state.writer = Writer::Blocked;
                if state.sink != SinkKind::Detached {
                    state.waiting_since.get_or_insert_with(Instant::now);
                }
                return Flushed::Blocked;
            };
            let Some(batch) = state.take_batch() else {
                return Flushed::Done;
            };
            (socket, state.generation, batch)
        };
        self.write_all_to(&socket, generation, batch)
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

    /// Writes the batch, and then whatever was queued meanwhile.
    fn write_all_to(&self, socket: &TcpStream, generation: u32, mut batch: Batch) -> Flushed {
        loop {
            let written = try_write(socket, &batch);
            let mut state = self.state.lock();
            if state.generation != generation {
                // Replaced meanwhile: what the new sink gets was laid out for it from the beginning.
                return Flushed::Done;
            }
            match written {
                Ok(0) => return state.fail(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    if written < batch.len() {
                        state.put_back(batch, written);
                    }
                    state.waiting_since = None;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    state.put_back(batch, 0);
                    state.writer = Writer::Blocked;
                    state.waiting_since.get_or_insert_with(Instant::now);
                    return Flushed::Blocked;
                }
                Err(e) => return state.fail(e),
            }
            if state.writer != Writer::Writing {
                return Flushed::Done;
            }
            let Some(next) = state.take_batch() else {
                return Flushed::Done;
            };
            batch = next;
        }
    }

    /// The stream that pulls is broken.
    pub(crate) fn fail(&self, error: io::Error) -> Flushed {
        self.state.lock().fail(error)
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
        if !frames.is_empty() {
            state.waiting_since = None;
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
        state.leave_sink();
        state.set_sink(sink);
        if let Some(replay) = &mut state.replay {
            // A client that was away could not acknowledge anything.
            replay.full_since = replay.sent.is_full().then(Instant::now);
            let first = preface(replay.sent.sequence_id());
            let frames: Queue = std::iter::once(first)
                .chain(replay.sent.unacknowledged().cloned())
                .collect();
            state.bytes = frames.bytes();
            state.queue = frames;
        }
    }

    /// The first transport: nothing was said before.
    pub(crate) fn attach_first(&self, sink: Sink) {
        let mut state = self.state.lock();
        if state.writer != Writer::Closed {
            state.set_sink(sink);
            state.writer = if state.queue.is_empty() {
                Writer::Idle
            } else {
                Writer::Blocked
            };
        }
    }

    /// The transport is gone: frames are kept for the next one.
    pub(crate) fn detach(&self) {
        self.state.lock().detach();
    }

    /// Whether there is no transport; the one that was there may have been found broken by a writer.
    pub(crate) fn is_detached(&self) -> bool {
        let state = self.state.lock();
        state.writer != Writer::Closed && state.sink == SinkKind::Detached
    }

    /// What the peer has acknowledged is forgotten.
    pub(crate) fn handle_ack(&self, sequence_id: i64) {
        if let Some(replay) = &mut self.state.lock().replay {
            replay.sent.handle_ack(sequence_id);
            if !replay.sent.is_full() {
                replay.full_since = None;
            }
        }
    }

    /// Whether writers that can wait ought to: more than `limit` bytes are queued, or the replay buffer is full.
    pub(crate) fn is_congested(&self, limit: usize) -> bool {
        let state = self.state.lock();
        state.writer != Writer::Closed && (state.bytes > limit || state.is_replay_full())
    }

    /// Whether writers wait for the peer to acknowledge something.
    pub(crate) fn is_replay_full(&self) -> bool {
        self.state.lock().is_replay_full()
    }

    /// Whether frames wait for the sink to take more.
    pub(crate) fn is_blocked(&self) -> bool {
        let state = self.state.lock();
        state.writer == Writer::Blocked && state.sink == SinkKind::Socket
    }

    /// The stream that pulls has taken something since it was last asked, or it has not.
    pub(crate) fn set_blocked(&self, has_progressed: bool) {
        let mut state = self.state.lock();
        if has_progressed {
            state.waiting_since = None;
        }
        state.waiting_since.get_or_insert_with(Instant::now);
    }

    /// The stream that pulls has taken all.
    pub(crate) fn set_written(&self) {
        let mut state = self.state.lock();
        if state.queue.is_empty() {
            state.waiting_since = None;
        }
    }

    /// Whether nothing is sent any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().writer == Writer::Closed
    }

    /// Since when the peer has left everything unread, or unacknowledged what holds writers up.
    pub(crate) fn blocked_since(&self) -> Option<Instant> {
        let state = self.state.lock();
        let (unread, unacknowledged) = match state.sink {
            SinkKind::Detached => (None, false),
            // A client that polls late is none that reads slowly.
            SinkKind::Fetched => (None, true),
            SinkKind::Socket | SinkKind::Pulled => (state.waiting_since, true),
        };
        let full_since = state.replay.as_ref().and_then(|replay| replay.full_since);
        [unread, full_since.filter(|_| unacknowledged)]
            .into_iter()
            .flatten()
            .min()
    }

    pub(crate) fn is_empty(&self) -> bool {
        let state = self.state.lock();
        state.queue.is_empty() && state.writer != Writer::Writing
    }

    /// Nothing is sent any more; what waits is dropped.
    pub(crate) fn close(&self) {
        self.state.lock().close();
    }
}

fn try_write(socket: &TcpStream, batch: &Batch) -> io::Result<usize> {
    if batch.rest.is_empty() {
        return try_write_one(socket, &batch.first);
    }
    if batch.len() <= GATHERED_MAX {
        return GATHERED.with_borrow_mut(|gathered| {
            gathered.clear();
            batch
                .iter()
                .for_each(|bytes| gathered.extend_from_slice(bytes));
            try_write_one(socket, gathered)
        });
    }
    let slices: SmallVec<[IoSlice<'_>; 16]> =
        batch.iter().map(|bytes| IoSlice::new(bytes)).collect();
    socket.try_write_vectored(&slices)
}

/// Writes to the socket without a look at what the runtime knows of it, which nearly always is that it takes something.
///
/// What the runtime knows stands in memory of its own, and of thousands of sockets not in the processor's cache. Only where
/// the socket takes nothing is it written to by way of the runtime, which then notes that, and wakes whoever waits.
///
/// To a peer that is gone it is an error to write, here as for the runtime, and no signal that ends the process.
#[cfg(target_os = "linux")]
fn try_write_one(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match SockRef::from(socket).send_with_flags(bytes, libc::MSG_NOSIGNAL) {
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => socket.try_write(bytes),
        sent => sent,
    }
}

#[cfg(not(target_os = "linux"))]
fn try_write_one(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    socket.try_write(bytes)
}

thread_local! {
    /// Where several short frames are put together: shared by all connections of a thread.
    static GATHERED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// How many bytes are copied into one piece rather than handed to the kernel in several: to copy some status events costs a
/// tenth of what the kernel takes to look at as many pieces.
const GATHERED_MAX: usize = 8 * 1024;

fn is_too_much(bytes: usize, limit: usize, is_idle: bool) -> bool {
    bytes > limit && (is_idle || bytes > limit.saturating_mul(BURST_FACTOR))
}

impl Replay {
    /// Whether the client acknowledges nothing, though writers wait for it.
    fn is_idle(&self) -> bool {
        self.full_since
            .is_some_and(|since| since.elapsed() >= ACKNOWLEDGES_NOTHING_FOR)
    }
}

impl State {
    fn enqueue(&mut self, frame: Frame) -> Queued {
        if frame.is_numbered()
            && let Some(replay) = &mut self.replay
        {
            let len = frame.len();
            replay.sent.push(frame.clone(), len);
            if replay.sent.is_full() {
                replay.full_since.get_or_insert_with(Instant::now);
            }
        }
        if self.sink == SinkKind::Detached && self.replay.is_some() {
            // Kept for the replay; the next transport begins with that.
            return Queued::Done;
        }
        self.bytes += frame.len();
        self.queue.push_back(frame);
        match self.writer {
            Writer::Idle => {
                self.writer = Writer::Scheduled;
                Queued::Flush
            }
            Writer::Scheduled | Writer::Writing | Writer::Blocked | Writer::Closed => Queued::Done,
        }
    }

    /// Whether more waits than may. One message of any size may wait: it is what is queued before that counts.
    fn is_over(&self, limit: usize) -> bool {
        let Some(replay) = &self.replay else {
            return is_too_much(self.bytes, limit, self.is_idle());
        };
        // What is repeated after a reconnect is queued at once, and was within its own limit.
        let limit = replay.limit + limit;
        let is_away = self.sink == SinkKind::Detached;
        is_too_much(self.bytes, limit, self.is_idle())
            || is_too_much(replay.sent.bytes(), limit, is_away || replay.is_idle())
    }

    /// Whether the client takes nothing.
    fn is_idle(&self) -> bool {
        self.waiting_since
            .is_some_and(|since| since.elapsed() >= TAKES_NOTHING_FOR)
    }

    /// Whether so much waits that senders ought to let others run, among them who writes it.
    fn is_bursting(&self, limit: usize) -> bool {
        self.bytes > limit && !self.is_idle()
    }

    fn is_replay_full(&self) -> bool {
        self.replay
            .as_ref()
            .is_some_and(|replay| replay.sent.is_full())
    }

    fn detach(&mut self) {
        if self.writer == Writer::Closed {
            return;
        }
        self.leave_sink();
        if self.replay.is_some() {
            self.queue = Queue::default();
            self.bytes = 0;
        }
    }

    fn set_sink(&mut self, sink: Sink) {
        (self.sink, self.socket) = match sink {
            Sink::Detached => (SinkKind::Detached, None),
            Sink::Socket(socket) => (SinkKind::Socket, Some(socket)),
            Sink::Pulled => (SinkKind::Pulled, None),
            Sink::Fetched => (SinkKind::Fetched, None),
        };
    }

    /// Forgets the sink, and what only it was to get.
    fn leave_sink(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.set_sink(Sink::Detached);
        self.writer = Writer::Blocked;
        if std::mem::take(&mut self.is_first_partial) {
            self.queue.pop_front();
        }
        self.waiting_since = None;
    }

    fn fail(&mut self, error: io::Error) -> Flushed {
        if self.replay.is_some() {
            self.detach();
            return Flushed::Lost(error);
        }
        self.close();
        Flushed::Failed(error)
    }

    fn close(&mut self) {
        self.leave_sink();
        self.writer = Writer::Closed;
        self.queue = Queue::default();
        self.bytes = 0;
        self.replay = None;
    }

    /// Takes what goes into the next write, and makes whoever asks the writer; none: there is nothing, and no writer.
    #[inline]
    fn take_batch(&mut self) -> Option<Batch> {
        let Some(first) = self.queue.pop_front() else {
            self.waiting_since = None;
            self.writer = Writer::Idle;
            return None;
        };
        if !std::mem::take(&mut self.is_first_partial) {
            self.bytes -= first.len();
        }
        let mut rest = Vec::with_capacity(self.queue.len().min(FRAMES_PER_WRITE - 1));
        while rest.len() < FRAMES_PER_WRITE - 1
            && let Some(frame) = self.queue.pop_front()
        {
            self.bytes -= frame.len();
            rest.push(frame.into_websocket());
        }
        self.writer = Writer::Writing;
        Some(Batch {
            first: first.into_websocket(),
            rest,
        })
    }

    /// Keeps what was not written as the first to be written next.
    fn put_back(&mut self, batch: Batch, mut written: usize) {
        if self.writer == Writer::Closed {
            return;
        }
        let mut unwritten = batch.into_iter().filter_map(|mut bytes| {
            let len = written.min(bytes.len());
            written -= len;
            bytes.advance(len);
            (!bytes.is_empty()).then(|| Frame::whole(bytes))
        });
        let Some(partial) = unwritten.next() else {
            return;
        };
        let rest: Vec<Frame> = unwritten.collect();
        for frame in rest.into_iter().rev() {
            self.bytes += frame.len();
            self.queue.push_front(frame);
        }
        self.queue.push_front(partial);
        self.is_first_partial = true;
    }
}

impl Batch {
    fn iter(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    fn into_iter(self) -> impl Iterator<Item = Bytes> {
        std::iter::once(self.first).chain(self.rest)
    }

    /// Bytes of all frames.
    fn len(&self) -> usize {
        self.iter().map(Bytes::len).sum()
    }
}

mod queue;

#[cfg(test)]
mod tests;
