//! What the rest of the server holds of a connection.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use signalr_protocol::HubProtocol;
use signalr_protocol::negotiate::Transport;
use smallvec::SmallVec;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::cork;
use super::io::Io;
use super::outbox::{Flushed, Outbox, Queued};
use super::pipe::Pipe;
use crate::caller::Caller;
use crate::close::CloseReason;
use crate::frame::Frame;
use crate::lifetime::index::Members;
use crate::options::HubOptions;

/// One connection, from its negotiation to its end, shared by all who send to it.
///
/// Laid out as it stands here: what is touched where a message is written comes first, in two cache lines together with the
/// counts of an [`Arc`] (pinned by a test). With thousands of connections it is these lines that take time, not
/// instructions.
#[repr(C)]
pub(crate) struct Link {
    pub(crate) outbox: Outbox,
    flags: AtomicU8,
    /// Whether the connection may outlive its transport.
    pub(crate) is_stateful: AtomicBool,
    pub(crate) options: Arc<HubOptions>,
    protocol: OnceLock<HubProtocol>,
    /// Unique within the process and growing: orders members of groups.
    pub(crate) number: u64,
    /// The public id.
    pub(crate) id: Box<str>,
    /// The secret by which requests name the connection; equal to `id` for clients that do not negotiate.
    pub(crate) token: Box<str>,
    pub(crate) caller: Caller,
    /// The groups that this connection has to leave at its end.
    pub(crate) memberships: Mutex<SmallVec<[Arc<Members>; 1]>>,
    /// Woken when a writer that waits for room may look again.
    room: Notify,
    /// Woken when there is something for a request that fetches messages.
    pub(crate) fetchable: Notify,
    /// What clients post to this connection, if its transport is made of requests.
    pipe: OnceLock<Arc<Pipe>>,
    /// Calls that gave their place back while they wait for the client.
    pub(crate) lent_places: AtomicUsize,
    /// In which slot of the timers this connection stands, plus one; zero: in none.
    pub(crate) timer_slot: AtomicUsize,
    transport: OnceLock<Transport>,
    aborted: OnceLock<CancellationToken>,
    control: Mutex<Control>,
    waker: AtomicWaker,
}

#[derive(Default)]
struct Control {
    // Both are rare, and boxed: every connection has this struct.
    close: Option<Box<CloseReason>>,
    attach: Option<Box<Io>>,
    is_closed: bool,
}

/// The driver has to look at [`Control`].
const CONTROL: u8 = 1;
/// The driver waits until less is queued.
const WANTS_ROOM: u8 = 2;
/// Others do.
const AWAITS_ROOM: u8 = 4;

impl Link {
    pub(crate) fn new(
        number: u64,
        id: Box<str>,
        token: Box<str>,
        caller: Caller,
        options: Arc<HubOptions>,
    ) -> Self {
        Self {
            number,
            id,
            token,
            caller,
            options,
            outbox: Outbox::new(),
            memberships: Mutex::default(),
            is_stateful: AtomicBool::new(false),
            room: Notify::new(),
            fetchable: Notify::new(),
            pipe: OnceLock::new(),
            lent_places: AtomicUsize::new(0),
            timer_slot: AtomicUsize::new(0),
            protocol: OnceLock::new(),
            transport: OnceLock::new(),
            aborted: OnceLock::new(),
            control: Mutex::default(),
            waker: AtomicWaker::new(),
            flags: AtomicU8::new(0),
        }
    }

    /// The hub protocol; none before the handshake.
    pub(crate) fn protocol(&self) -> Option<HubProtocol> {
        self.protocol.get().copied()
    }

    pub(crate) fn set_protocol(&self, protocol: HubProtocol) {
        let _ = self.protocol.set(protocol);
    }

    /// The transport; none while the connection is negotiated and not yet used.
    pub(crate) fn transport(&self) -> Option<Transport> {
        self.transport.get().copied()
    }

    /// Fixes the transport; false: there was one before.
    pub(crate) fn claim(&self, transport: Transport) -> bool {
        self.transport.set(transport).is_ok()
    }

    pub(crate) fn is_stateful(&self) -> bool {
        self.is_stateful.load(Ordering::Relaxed)
    }

    pub(crate) fn user_id(&self) -> Option<&Arc<str>> {
        self.caller.user_id.as_ref()
    }

    /// Queues a frame and sees to it that it is written.
    pub(crate) fn send(self: &Arc<Self>, frame: Frame) {
        let limit = self.options.transport_buffer_size;
        self.handle_queued(self.outbox.push(frame, limit));
    }

    /// Queues a frame behind which only this adds anything.
    pub(crate) fn send_last(self: &Arc<Self>, frame: Frame) {
        self.handle_queued(self.outbox.push_last(frame));
    }

    fn handle_queued(self: &Arc<Self>, queued: Queued) {
        match queued {
            Queued::Done => {}
            Queued::Flush => cork::schedule(self),
            Queued::Overflow => self.close(CloseReason::SlowReceiver),
        }
    }

    /// Brings what [`Self::flush`] looks at into the processor's cache; the processor does so for several at once.
    pub(crate) fn prepare_flush(self: &Arc<Self>) {
        black_box(Arc::strong_count(self));
        self.outbox.prepare_flush();
        black_box(self.flags.load(Ordering::Relaxed));
    }

    /// Writes what is queued; called where a cork ends.
    pub(crate) fn flush(&self) {
        self.handle_flushed(self.outbox.flush());
    }

    pub(crate) fn handle_flushed(&self, flushed: Flushed) {
        match flushed {
            Flushed::Done => {
                // A look is enough: whoever waits has said so before it looked at the outbox, under the lock under which
                // that has changed.
                if self.flags.load(Ordering::Relaxed) & (WANTS_ROOM | AWAITS_ROOM) != 0 {
                    self.tell_of_room();
                }
            }
            Flushed::Blocked => {
                self.fetchable.notify_one();
                self.waker.wake();
            }
            Flushed::Lost(error) => {
                tracing::debug!(connection = %self.id, %error, "the transport was lost");
                self.waker.wake();
            }
            Flushed::Failed(error) => {
                tracing::debug!(connection = %self.id, %error, "writing to the client failed");
                self.close(CloseReason::TransportFailed);
            }
        }
    }

    /// Whoever waits for room looks again.
    pub(crate) fn tell_of_room(&self) {
        let waits = !(WANTS_ROOM | AWAITS_ROOM);
        if self.flags.fetch_and(waits, Ordering::AcqRel) & WANTS_ROOM != 0 {
            self.waker.wake();
        }
        self.room.notify_waiters();
    }

    /// Waits until [`Self::tell_of_room`] is called, unless `may_go_on` says that there is no need to.
    async fn wait_for_room_until(&self, may_go_on: impl Fn() -> bool) {
        loop {
            // From here on it hears of all that happens, whether it was polled before or not.
            let room = self.room.notified();
            self.flags.fetch_or(AWAITS_ROOM, Ordering::AcqRel);
            if may_go_on() {
                return;
            }
            room.await;
        }
    }

    /// Whether writers that can wait ought to.
    pub(crate) fn is_congested(&self) -> bool {
        // Half of what closes the connection, as ASP.NET Core resumes at half of what stops it.
        self.outbox
            .is_congested(self.options.transport_buffer_size / 2)
    }

    /// Waits until the client has read enough to be sent more.
    pub(crate) async fn wait_for_room(&self) {
        self.wait_for_room_until(|| !self.is_congested()).await;
    }

    /// What clients post to this connection.
    pub(crate) fn posted(&self) -> &Arc<Pipe> {
        self.pipe.get_or_init(|| {
            let limit = self.options.transport_buffer_size;
            Arc::new(Pipe::new(limit, tokio::time::Instant::now()))
        })
    }

    /// Lets go the requests that wait to post something.
    pub(crate) fn release_posts(&self) {
        if let Some(pipe) = self.pipe.get() {
            pipe.release_writers();
        }
    }

    /// Takes what is queued, for a request that fetches messages.
    pub(crate) fn fetch(&self, bytes_max: usize) -> SmallVec<[Frame; 4]> {
        let frames = self.outbox.pull(bytes_max);
        if !frames.is_empty() {
            self.handle_flushed(Flushed::Done);
        }
        frames
    }

    /// Waits until requests have fetched all there is.
    pub(crate) async fn wait_until_fetched(&self) {
        self.wait_for_room_until(|| self.outbox.is_empty()).await;
    }

    /// Asks to be woken when [`Self::is_congested`] may have changed.
    pub(crate) fn want_room(&self) {
        self.flags.fetch_or(WANTS_ROOM, Ordering::AcqRel);
    }

    /// Gives the place of a running call back until the guard is dropped.
    pub(crate) fn lend_place(self: &Arc<Self>) -> LentPlace {
        self.lent_places.fetch_add(1, Ordering::AcqRel);
        self.waker.wake();
        LentPlace(Arc::clone(self))
    }

    /// Asks the driver to end the connection; the first reason stands.
    pub(crate) fn close(&self, reason: CloseReason) {
        {
            let mut control = self.control.lock();
            if control.close.is_some() || control.is_closed {
                return;
            }
            if reason == CloseReason::Aborted {
                // What the method that aborts still answers is not sent, as in ASP.NET Core.
                self.outbox.silence();
            }
            control.close = Some(Box::new(reason));
        }
        self.signal();
    }

    /// Hands the driver a new transport in the place of a lost one; false: the connection is over.
    pub(crate) fn attach(&self, io: Io) -> bool {
        {
            let mut control = self.control.lock();
            if control.close.is_some() || control.is_closed {
                return false;
            }
            control.attach = Some(Box::new(io));
        }
        self.signal();
        true
    }

    fn signal(&self) {
        self.flags.fetch_or(CONTROL, Ordering::AcqRel);
        self.waker.wake();
    }

    /// Wakes the driver to look at its deadlines and at what it waits for.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Has the current task woken for whatever concerns the driver.
    pub(crate) fn register(&self, cx: &std::task::Context<'_>) {
        self.waker.register(cx.waker());
    }

    /// What others asked the driver to do; registers it to be woken for more.
    pub(crate) fn poll_control(&self, cx: &std::task::Context<'_>) -> Option<Order> {
        self.register(cx);
        if self.flags.load(Ordering::Acquire) & CONTROL == 0 {
            return None;
        }
        let mut control = self.control.lock();
        if let Some(reason) = &control.close {
            return Some(Order::Close(CloseReason::clone(reason)));
        }
        self.flags.fetch_and(!CONTROL, Ordering::AcqRel);
        control.attach.take().map(Order::Attach)
    }

    /// No order is taken any more.
    pub(crate) fn set_closed(&self) {
        let mut control = self.control.lock();
        control.is_closed = true;
        control.attach = None;
    }

    /// Whether the connection ends, though nothing of that may have been done yet.
    pub(crate) fn is_ending(&self) -> bool {
        let control = self.control.lock();
        control.close.is_some() || control.is_closed
    }

    /// Whether the connection is over, though its last messages may wait to be fetched.
    pub(crate) fn is_closed(&self) -> bool {
        self.control.lock().is_closed
    }

    /// Fires when the connection ends.
    pub(crate) fn aborted(&self) -> CancellationToken {
        let token = self.aborted.get_or_init(CancellationToken::new).clone();
        if self.is_ending() {
            token.cancel();
        }
        token
    }

    pub(crate) fn fire_aborted(&self) {
        if let Some(token) = self.aborted.get() {
            token.cancel();
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("id", &self.id)
            .field("caller", &self.caller)
            .field("transport", &self.transport())
            .finish_non_exhaustive()
    }
}

/// A call waits for its own client: other calls may run in its place.
#[derive(Debug)]
pub(crate) struct LentPlace(Arc<Link>);

impl Drop for LentPlace {
    fn drop(&mut self) {
        self.0.lent_places.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What others ask the driver to do.
#[derive(Debug)]
pub(crate) enum Order {
    Close(CloseReason),
    Attach(Box<Io>),
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn what_a_message_touches_stands_in_two_cache_lines() {
        const COUNTS: usize = 2 * size_of::<usize>();
        assert!(COUNTS + offset_of!(Link, flags) < 128);
    }
}
