//! The task of a connection: the one place that waits for more than one thing.
//!
//! Each time it is woken it takes the same steps in the same order: orders from others, messages that were received,
//! what comes in, calls that run, deadlines, what is to be sent. It ends with a reason, and then ends the connection
//! for everybody else.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::poll_fn;
use signalr_protocol::negotiate::Transport;
use signalr_protocol::{Event, HubMessage, ProtocolError, Timeout, message};
use tokio::time::Instant;

use super::cork::corked;
use super::io::{End, Io};
use super::link::{Link, Order};
use super::outbox::Sink;
use super::pipe::{Ended, Pipe};
use super::rate::Rate;
use crate::close::CloseReason;
use crate::error::HubError;
use crate::frame::Frame;
use crate::hub::calls::Calls;
use crate::hub::context::{Context, Role};
use crate::hub::runtime::HubShared;
use crate::lifetime::Connection;
use crate::transport::websocket::frame::{OpCode, close_code};

mod ending;

/// How soon numbered messages are acknowledged, as ASP.NET Core does it.
const ACKNOWLEDGE_AFTER: Duration = Duration::from_secs(1);

/// How long a client's last request may take once its event stream is closed.
///
/// Stock clients send their Close message and close the stream in the same moment, over two sockets.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How many bytes are read ahead while messages cannot be taken: for pings, acknowledgements, and the client's end.
///
/// A stock client has at most 100,000 bytes under way that the server has not acknowledged; the next message of its
/// is an acknowledgement of its own. Pings take a few bytes every 15 s.
const READ_AHEAD_MAX: usize = 128 * 1024;

/// How a connection moves its bytes.
#[derive(Debug)]
pub(crate) enum Moving {
    /// Over a WebSocket.
    WebSocket(Io),
    /// In requests of their own.
    Requests(Arc<Pipe>),
    /// Not at all, until the client brings a new transport.
    Lost {
        /// Since when.
        since: Instant,
    },
}

/// One connection at work.
#[derive(Debug)]
pub(crate) struct Driver {
    hub: Arc<HubShared>,
    link: Arc<Link>,
    protocol: signalr_protocol::Connection,
    moving: Moving,
    calls: Calls,
    /// When the timers will wake this task.
    scheduled_at: Instant,
    acknowledge_at: Option<Instant>,
    rate: Option<Box<Rate>>,
    /// Whether the client has sent a close frame over the WebSocket.
    has_close_frame: bool,
    /// How and when the transport ended, until all that came over it was handed on.
    end: Option<(End, Instant)>,
}

impl Driver {
    pub(crate) fn new(
        hub: Arc<HubShared>,
        link: Arc<Link>,
        transport: Transport,
        moving: Moving,
    ) -> Self {
        let now = Instant::now();
        let options = Arc::clone(&hub.protocol_options);
        let rate = hub.options.invocations_per_second_max;
        let rate = rate.map(|per_second| Box::new(Rate::new(per_second, now)));
        let mut protocol = signalr_protocol::Connection::new(options, transport, now.into_std());
        let is_stateful = link.is_stateful() && transport == Transport::WebSockets;
        link.is_stateful.store(is_stateful, Ordering::Relaxed);
        if is_stateful {
            protocol.enable_replay();
        }
        Self {
            hub,
            link,
            protocol,
            moving,
            calls: Calls::default(),
            scheduled_at: now,
            acknowledge_at: None,
            rate,
            has_close_frame: false,
            end: None,
        }
    }

    /// Drives the connection to its end.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn would hold the driver twice, once as its argument"
    )]
    pub(crate) fn run(mut self) -> impl Future<Output = ()> + Send {
        async move {
            self.link.outbox.attach_first(match &self.moving {
                Moving::WebSocket(io) => io.sink(),
                Moving::Requests(_) if self.link.transport() == Some(Transport::LongPolling) => {
                    Sink::Fetched
                }
                Moving::Requests(_) => Sink::Pulled,
                Moving::Lost { .. } => Sink::Detached,
            });
            let mut outcome = Outcome {
                reason: CloseReason::TransportEnded,
                had_opened: false,
                was_registered: false,
                is_faulted: false,
                has_peer_closed: false,
            };
            // Hub methods are guarded one by one; this is for what the application does besides, such as writing and
            // reading its own types. Whatever it is, the connection is to be ended for everybody else.
            let conversation = AssertUnwindSafe(self.converse(&mut outcome)).catch_unwind();
            if conversation.await.is_err() {
                tracing::error!(connection = %self.link.id, "the connection's task panicked");
                outcome.reason = CloseReason::Panicked;
                outcome.is_faulted = true;
            }
            tracing::debug!(
                connection = %self.link.id,
                reason = outcome.reason.label(),
                "connection ends"
            );
            // In a box of its own: the end needs more room than all the time before, and every idle connection
            // would pay for it.
            Box::pin(self.finish(outcome)).await;
        }
    }

    /// From the handshake to the reason for the end.
    async fn converse(&mut self, outcome: &mut Outcome) {
        if let Some(reason) = poll_fn(|cx| corked(|| self.poll_handshake(cx))).await {
            outcome.reason = reason;
            return;
        }
        let connection = Connection(Arc::clone(&self.link));
        outcome.was_registered = true;
        if let Err(error) = self.hub.lifetime.connected(&connection).await {
            tracing::warn!(connection = %self.link.id, %error, "connection cannot be registered");
            outcome.reason = CloseReason::OnConnected(error.to_string());
            outcome.is_faulted = true;
            return;
        }
        if let Err(error) = self.open().await {
            tracing::debug!(connection = %self.link.id, ?error, "the hub refused the connection");
            let detail = format!("{}: {}", error.exception(), error.message());
            outcome.reason = CloseReason::OnConnected(detail);
            return;
        }
        outcome.had_opened = true;
        outcome.reason = poll_fn(|cx| corked(|| self.poll_messages(cx))).await;
    }

    /// Runs the hub's `on_connected`; nothing is read meanwhile, but pings go out.
    async fn open(&mut self) -> Result<(), HubError> {
        self.protocol.hold();
        let mut opening = self.hub.hub.on_connected(self.context(Role::Connecting));
        let opened = poll_fn(|cx| {
            self.link.register(cx);
            if self.link.is_ending() {
                self.link.fire_aborted();
            }
            corked(|| {
                let opened = opening.as_mut().poll(cx);
                if opened.is_pending() {
                    // Orders and deadlines are looked at when the hub has decided.
                    let _ = self.poll_timers(Instant::now());
                    self.poll_transmit(cx);
                }
                opened
            })
        })
        .await;
        self.protocol.release(Instant::now().into_std());
        opened
    }

    fn context(&self, role: Role) -> Context {
        Context {
            link: Arc::clone(&self.link),
            hub: Arc::clone(&self.hub),
            role,
        }
    }

    /// Waits for the handshake; a reason: it failed.
    fn poll_handshake(&mut self, cx: &mut TaskContext<'_>) -> Poll<Option<CloseReason>> {
        let now = Instant::now();
        loop {
            if let Some(Order::Close(reason)) = self.link.poll_control(cx) {
                return Poll::Ready(Some(reason));
            }
            if let Err(reason) = self.poll_timers(now) {
                // There may be an answer that says so.
                self.poll_transmit(cx);
                return Poll::Ready(Some(reason));
            }
            match self.protocol.poll_event() {
                Ok(None) => {}
                Ok(Some(Event::Open(protocol))) => {
                    self.link.set_protocol(protocol);
                    if self.link.is_stateful() {
                        self.settle_replay();
                    }
                    self.poll_transmit(cx);
                    return Poll::Ready(None);
                }
                Ok(Some(Event::Refused(error))) => {
                    self.poll_transmit(cx);
                    return Poll::Ready(Some(CloseReason::Handshake(error)));
                }
                Ok(Some(Event::Message(_) | Event::Skipped)) => continue,
                Err(violation) => return Poll::Ready(Some(CloseReason::Protocol(violation))),
            }
            self.poll_transmit(cx);
            match self.poll_receive(cx, now) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(reason)) => return Poll::Ready(Some(reason)),
            }
        }
    }

    /// A client that does not speak of stateful reconnect in its handshake does not get it.
    fn settle_replay(&self) {
        if self.protocol.has_replay() {
            let limit = self.link.options.stateful_reconnect_buffer_size;
            self.link.outbox.enable_replay(limit);
        } else {
            self.link.is_stateful.store(false, Ordering::Relaxed);
        }
    }

    /// Serves an open connection until there is a reason to end it.
    ///
    /// What comes in goes before what goes out: a stream that gives items as fast as they leave would otherwise keep
    /// its connection from ever being read, and its own cancellation from being seen.
    fn poll_messages(&mut self, cx: &mut TaskContext<'_>) -> Poll<CloseReason> {
        // What only passes through is of the same time: to look at a clock costs as much as a lock.
        let mut now = Instant::now();
        loop {
            match self.link.poll_control(cx) {
                Some(Order::Close(reason)) => return Poll::Ready(reason),
                Some(Order::Attach(io)) => self.attach(*io),
                None => {}
            }
            let may_call = self.protocol.buffered() > 0;
            let are_all_taken = match self.handle_events(cx) {
                Ok(are_all_taken) => are_all_taken,
                Err(reason) => return Poll::Ready(reason),
            };
            if may_call {
                // A method may have taken its time.
                now = Instant::now();
            }
            if are_all_taken {
                match self.poll_receive(cx, now) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(())) => continue,
                    Poll::Ready(Err(reason)) => return Poll::Ready(reason),
                }
            }
            let detailed = self.hub.options.detailed_errors;
            self.calls.poll(cx, &self.link, detailed);
            // Behind all that may have moved a deadline.
            if let Err(reason) = self.poll_timers(now) {
                return Poll::Ready(reason);
            }
            self.poll_transmit(cx);
            if self.calls.is_stalled() || self.must_wait_for_room() {
                match self.poll_while_held(cx, now) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(reason)) => return Poll::Ready(reason),
                }
            } else if are_all_taken {
                return Poll::Pending;
            }
            // Else what kept messages from being taken is over already.
        }
    }

    /// What is done while no messages can be taken: little, for the client is to wait as well.
    fn poll_while_held(
        &mut self,
        cx: &mut TaskContext<'_>,
        now: Instant,
    ) -> Poll<Result<(), CloseReason>> {
        // Calls that came before a good end are run, but that is not waited for without end: see the deadlines. Room
        // for answers to a client that goes is not waited for at all.
        let is_waited_for = self.calls.is_stalled();
        match self.end {
            None => {}
            Some((End::Closed(_), _)) if is_waited_for => {
                self.protocol.hold();
                return Poll::Pending;
            }
            Some(_) => return self.poll_receive(cx, now),
        }
        if let Moving::Requests(pipe) = &self.moving
            && matches!(pipe.ended(), Some((Ended::Asked, _)))
            && !is_waited_for
        {
            return Poll::Ready(Err(CloseReason::TransportEnded));
        }
        // What is waited for may be an acknowledgement that stands behind the messages that are not taken; and calls
        // may last for ever, while their client is gone. ASP.NET Core does not read meanwhile, and does not notice.
        if let Moving::Requests(pipe) = &self.moving {
            if is_waited_for && !pipe.is_full() {
                if let Some(at) = pipe.take_written_at() {
                    self.protocol.handle_alive(at.into_std());
                }
                return Poll::Pending;
            }
        } else if (is_waited_for || self.link.outbox.is_replay_full())
            && self.protocol.buffered() < READ_AHEAD_MAX
        {
            let received = ready!(self.poll_receive(cx, now));
            while let Some(sequence_id) = self.protocol.poll_ack_ahead() {
                self.handle_ack(sequence_id);
            }
            return Poll::Ready(received);
        }
        // It cannot show that it is there.
        self.protocol.hold();
        Poll::Pending
    }

    fn handle_ack(&self, sequence_id: i64) {
        self.link.outbox.handle_ack(sequence_id);
        self.link.tell_of_room();
    }

    /// Whether so much waits to be sent that nothing more is read.
    fn must_wait_for_room(&self) -> bool {
        if !self.link.is_congested() {
            return false;
        }
        self.link.want_room();
        // Room may have come before it was wanted.
        self.link.is_congested()
    }

    /// Hands on what was received; false: something is left, for which calls have to end or answers to leave.
    fn handle_events(&mut self, cx: &mut TaskContext<'_>) -> Result<bool, CloseReason> {
        let detailed = self.hub.options.detailed_errors;
        while !self.calls.is_stalled() && !self.link.is_congested() {
            let event = match self.protocol.poll_event() {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(true),
                Err(violation) => return Err(CloseReason::Protocol(violation)),
            };
            let message = match event {
                Event::Message(message) => Some(message),
                Event::Skipped | Event::Open(_) | Event::Refused(_) => None,
            };
            // Also what is repeated: its acknowledgement was lost.
            if self.link.is_stateful()
                && message.as_ref().is_none_or(HubMessage::is_numbered)
                && self.acknowledge_at.is_none()
            {
                self.acknowledge_at = Some(Instant::now() + ACKNOWLEDGE_AFTER);
            }
            let Some(message) = message else { continue };
            if let HubMessage::Invocation(_) | HubMessage::StreamInvocation(_) = message
                && let Some(rate) = &mut self.rate
                && !rate.admit(Instant::now())
            {
                return Err(CloseReason::RateLimit);
            }
            match message {
                HubMessage::Invocation(call) => {
                    self.calls
                        .handle_invocation(cx, &self.hub, &self.link, &call, false);
                }
                HubMessage::StreamInvocation(call) => {
                    self.calls
                        .handle_invocation(cx, &self.hub, &self.link, &call, true);
                }
                HubMessage::StreamItem { id, item } => {
                    self.calls.handle_item(&id, item, detailed);
                }
                HubMessage::Completion { id, outcome } => {
                    if !self.calls.handle_upload_end(&id, &outcome) {
                        answer(&self.hub, &self.link, &id, &outcome);
                    }
                }
                HubMessage::CancelInvocation { id } => self.calls.handle_cancel(&id),
                HubMessage::Close { error } => {
                    return Err(CloseReason::Client(error.map(Into::into)));
                }
                HubMessage::Ack { sequence_id } => self.handle_ack(sequence_id),
                HubMessage::Ping | HubMessage::Sequence { .. } => {}
            }
        }
        Ok(false)
    }

    /// Reads once from the transport.
    fn poll_receive(
        &mut self,
        cx: &mut TaskContext<'_>,
        now: Instant,
    ) -> Poll<Result<(), CloseReason>> {
        if let Some((end, _)) = self.end.take() {
            return Poll::Ready(self.handle_transport_end(end));
        }
        if let Moving::WebSocket(_) = self.moving
            && self.link.outbox.is_detached()
        {
            // Who wrote found it broken.
            return Poll::Ready(self.handle_transport_end(End::Broken));
        }
        if !matches!(self.moving, Moving::Lost { .. }) {
            self.protocol.release(now.into_std());
        }
        let (protocol, link) = (&mut self.protocol, &self.link);
        match &mut self.moving {
            Moving::WebSocket(io) => {
                let received = io.poll_pieces(cx, |piece| {
                    use crate::transport::websocket::decoder::Piece;
                    match piece {
                        Piece::Data(bytes) => protocol.handle_bytes(bytes, now.into_std()),
                        Piece::Ping(payload) => {
                            protocol.handle_alive(now.into_std());
                            link.send(Frame::unnumbered(OpCode::Pong, &payload));
                        }
                        Piece::Pong => protocol.handle_alive(now.into_std()),
                        Piece::Close(_) => {}
                    }
                });
                // What came before the end is handed on before the end is looked at.
                received.map(|received| {
                    self.end = received.err().map(|end| (end, now));
                    self.has_close_frame = matches!(self.end, Some((End::Closed(_), _)));
                    Ok(())
                })
            }
            Moving::Requests(pipe) => {
                let bytes = pipe.take();
                if !bytes.is_empty() {
                    protocol.handle_bytes(&bytes, now.into_std());
                    return Poll::Ready(Ok(()));
                }
                match pipe.ended() {
                    None | Some((Ended::Broken, _)) => Poll::Pending,
                    Some((Ended::Asked, _)) => Poll::Ready(Err(CloseReason::TransportEnded)),
                }
            }
            Moving::Lost { .. } => Poll::Pending,
        }
    }

    /// The transport is over: the end, unless the client may come back with another.
    fn handle_transport_end(&mut self, end: End) -> Result<(), CloseReason> {
        match end {
            End::Broken if self.link.is_stateful() && self.link.protocol().is_some() => {
                self.link.outbox.detach();
                // Its silence is no fault of the client's; how long it may be away has a limit of its own.
                self.protocol.hold();
                self.moving = Moving::Lost {
                    since: Instant::now(),
                };
                Ok(())
            }
            End::Broken => Err(CloseReason::TransportFailed),
            End::Violation(code) => Err(CloseReason::WebSocket(code)),
            End::Closed(code) => Err(match (self.protocol.handle_end(), code) {
                (Err(ProtocolError::Truncated), _) => {
                    CloseReason::Protocol(ProtocolError::Truncated)
                }
                (_, None | Some(close_code::NORMAL)) => CloseReason::TransportEnded,
                (_, Some(_)) => CloseReason::GoingAway,
            }),
        }
    }

    /// Goes on over a new transport: first the Sequence message, then what was not acknowledged.
    fn attach(&mut self, io: Io) {
        let Some(protocol) = self.link.protocol() else {
            return;
        };
        self.protocol
            .handle_transport_replaced(Instant::now().into_std());
        self.link.outbox.attach(io.sink(), |sequence_id| {
            Frame::unnumbered(
                OpCode::of(protocol.transfer_format()),
                &protocol.sequence(sequence_id),
            )
        });
        self.moving = Moving::WebSocket(io);
        self.has_close_frame = false;
        self.end = None;
    }

    /// Queues what the protocol has to say and writes what the transport takes.
    fn poll_transmit(&mut self, cx: &mut TaskContext<'_>) {
        while let Some(transmit) = self.protocol.poll_transmit() {
            let op_code = OpCode::of(transmit.format);
            self.link
                .send(Frame::unnumbered(op_code, &transmit.payload));
        }
        if let Moving::WebSocket(io) = &mut self.moving {
            io.poll_write(cx, &self.link);
        }
    }

    /// Carries out the deadlines that have passed, and files the next one.
    fn poll_timers(&mut self, now: Instant) -> Result<(), CloseReason> {
        loop {
            match self.protocol.handle_timeout(now.into_std()) {
                Ok(None) => break,
                Ok(Some(Timeout::Ping)) => {}
                Ok(Some(Timeout::Probe)) => self.link.send(Frame::unnumbered(OpCode::Ping, &[])),
                Ok(Some(Timeout::Refused(error))) => return Err(CloseReason::Handshake(error)),
                Err(violation) => return Err(CloseReason::Protocol(violation)),
            }
        }
        if self.acknowledge_at.is_some_and(|at| at <= now) {
            self.acknowledge_at = None;
            self.protocol.acknowledge();
        }
        let options = &self.link.options;
        let blocked_until = self
            .link
            .outbox
            .blocked_since()
            .map(|since| since + options.transport_send_timeout);
        if blocked_until.is_some_and(|at| at <= now) {
            return Err(CloseReason::SlowReceiver);
        }
        if let Some((end, at)) = self.end
            && at + options.close_timeout <= now
        {
            return self.handle_transport_end(end);
        }
        let ended_until = self.end.map(|(_, at)| at + options.close_timeout);
        let (absent_until, absence) = match &self.moving {
            Moving::WebSocket(_) => (None, CloseReason::TransportFailed),
            Moving::Lost { since } => (
                Some(*since + options.disconnect_timeout),
                CloseReason::Abandoned,
            ),
            Moving::Requests(pipe) => match (pipe.ended(), pipe.idle_since()) {
                (Some((Ended::Broken, at)), _) => {
                    (Some(at + LAST_WORDS), CloseReason::TransportFailed)
                }
                (Some((Ended::Asked, at)), _) => (
                    Some(at + options.close_timeout),
                    CloseReason::TransportEnded,
                ),
                (None, idle_since) => (
                    idle_since.map(|since| since + options.disconnect_timeout),
                    CloseReason::Abandoned,
                ),
            },
        };
        if absent_until.is_some_and(|at| at <= now) {
            return Err(absence);
        }
        let next = [
            self.protocol.poll_timeout().map(Instant::from_std),
            self.acknowledge_at,
            blocked_until,
            ended_until,
            absent_until,
        ]
        .into_iter()
        .flatten()
        .min();
        if let Some(next) = next
            && (self.link.timer_slot.load(Ordering::Relaxed) == 0 || next < self.scheduled_at)
        {
            self.scheduled_at = next;
            self.hub.registry.timers.schedule(&self.link, next);
        }
        Ok(())
    }
}

/// The client answers somebody of this process, or of another.
fn answer(hub: &HubShared, link: &Arc<Link>, id: &str, outcome: &message::Outcome<'_>) {
    let results = &hub.client_results;
    if !results.handle_completion(link.number, id, outcome) {
        let connection = Connection(Arc::clone(link));
        hub.lifetime.handle_answer(&connection, id, outcome);
    }
}

/// How a connection ended.
struct Outcome {
    reason: CloseReason,
    /// The hub let it in, and is told of its end.
    had_opened: bool,
    was_registered: bool,
    /// The server failed rather than the client.
    is_faulted: bool,
    /// The peer's WebSocket has said its last word: nothing but a close frame can follow.
    has_peer_closed: bool,
}

#[cfg(test)]
#[cfg(target_pointer_width = "64")]
mod tests {
    use super::*;

    fn size_of_task<F: Future>(_run: impl FnOnce(Driver) -> F) -> usize {
        size_of::<F>()
    }

    /// Every idle connection has both: what makes them larger is to be noticed.
    #[test]
    fn an_idle_connection_is_small() {
        assert!(size_of_task(Driver::run) <= 640);
        assert!(size_of::<Link>() <= 432);
    }
}
