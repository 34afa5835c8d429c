//! The server's half of one connection, without I/O and without a clock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::codec::{HubProtocol, TransferFormat};
use crate::error::ProtocolError;
use crate::framing::{self, Frame};
use crate::handshake::{self, HandshakeError};
use crate::keep_alive::{Due, KeepAlive, Liveness, Timeouts};
use crate::message::HubMessage;
use crate::negotiate::Transport;
use crate::replay::ReceiveWindow;

/// What all connections of a hub have in common.
#[derive(Debug, Clone)]
pub struct Options {
    /// The hub protocols that clients may choose.
    pub protocols: Vec<HubProtocol>,
    /// How long each thing may take.
    pub timeouts: Timeouts,
    /// The most bytes of one message, framing included; none: no limit. ASP.NET Core: 32,768.
    pub maximum_receive_message_size: Option<usize>,
    /// Whether clients are told what exactly went wrong.
    pub detailed_errors: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            protocols: HubProtocol::ALL.to_vec(),
            timeouts: Timeouts::default(),
            maximum_receive_message_size: Some(32 * 1024),
            detailed_errors: false,
        }
    }
}

/// What happened on a connection.
#[derive(Debug, PartialEq)]
pub enum Event<'a> {
    /// The handshake succeeded; its answer waits in [`Connection::poll_transmit`].
    Open(HubProtocol),
    /// The handshake failed; its answer waits, and nothing else will come.
    Refused(HandshakeError),
    /// A message for the application or its owner.
    Message(HubMessage<'a>),
    /// A message that is nobody's: of an unknown type, or repeated after a reconnect.
    Skipped,
}

/// Bytes to send as one transport message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// The bytes.
    pub payload: Bytes,
    /// Whether the transport is to mark them as text or binary.
    pub format: TransferFormat,
}

/// One connection, from its first byte to its end.
///
/// Its owner calls four kinds of methods: `handle_*` take what comes from outside (bytes, time), `poll_*` give what
/// is to be done ([`Self::poll_event`], [`Self::poll_transmit`], [`Self::poll_timeout`]). After every `handle_*`,
/// all of `poll_event` and then all of `poll_transmit` is taken, and `poll_timeout` is asked again.
///
/// At most one message beyond [`Options::maximum_receive_message_size`] is buffered per call of `handle_bytes`:
/// the owner bounds what it hands in at once. An idle connection holds no buffer.
#[derive(Debug)]
pub struct Connection {
    options: Arc<Options>,
    transport: Transport,
    phase: Phase,
    keep_alive: KeepAlive,
    received: Vec<u8>,
    /// Where the first message that was not yet taken begins.
    start: usize,
    /// How many bytes behind `start` hold no record separator.
    scanned: usize,
    /// How many bytes behind `start` were searched for acknowledgements.
    searched: usize,
    /// How many bytes behind `searched` hold no record separator.
    scanned_ahead: usize,
    transmits: VecDeque<Transmit>,
    window: Option<Box<ReceiveWindow>>,
    received_at: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Handshake,
    Open(HubProtocol),
    Over,
}

impl Connection {
    /// A connection over `transport` that begins now.
    #[must_use]
    pub fn new(options: Arc<Options>, transport: Transport, now: Instant) -> Self {
        let liveness = Liveness {
            pings: transport != Transport::LongPolling,
            probes: transport == Transport::WebSockets,
        };
        Self {
            keep_alive: KeepAlive::new(options.timeouts, liveness, now),
            options,
            transport,
            phase: Phase::Handshake,
            received: Vec::new(),
            start: 0,
            scanned: 0,
            searched: 0,
            scanned_ahead: 0,
            transmits: VecDeque::new(),
            window: None,
            received_at: now,
        }
    }

    /// Counts numbered messages from now on, so that the connection can outlive its transport.
    pub fn enable_replay(&mut self) {
        self.window = Some(Box::default());
    }

    /// Whether numbered messages are counted: also the client has to know of it.
    #[must_use]
    pub fn has_replay(&self) -> bool {
        self.window.is_some()
    }

    /// The hub protocol, once the handshake has chosen it.
    #[must_use]
    pub fn protocol(&self) -> Option<HubProtocol> {
        match self.phase {
            Phase::Open(protocol) => Some(protocol),
            Phase::Handshake | Phase::Over => None,
        }
    }

    /// Takes bytes from the transport, cut anywhere; once the connection is over, they are dropped.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) {
        if self.phase == Phase::Over {
            self.forget_received();
            return;
        }
        self.keep_alive.handle_received(now);
        self.received_at = now;
        self.received.extend_from_slice(bytes);
    }

    /// Takes a sign of life that carries no bytes (a WebSocket pong, a poll).
    pub fn handle_alive(&mut self, now: Instant) {
        self.keep_alive.handle_received(now);
    }

    /// Says that events are not taken for a while: the client's silence does not count.
    pub fn hold(&mut self) {
        self.keep_alive.hold();
    }

    /// Says that events are taken again.
    pub fn release(&mut self, now: Instant) {
        self.keep_alive.release(now);
    }

    /// The transport was replaced: what was received of a message is lost with the old one.
    pub fn handle_transport_replaced(&mut self, now: Instant) {
        self.keep_alive.handle_received(now);
        self.forget_received();
    }

    /// The transport ended; an error if that cut a message off.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`].
    pub fn handle_end(&self) -> Result<(), ProtocolError> {
        match self.phase {
            Phase::Open(_) if self.start < self.received.len() => Err(ProtocolError::Truncated),
            Phase::Open(_) | Phase::Handshake | Phase::Over => Ok(()),
        }
    }

    /// The next event; `None`: more bytes are needed.
    ///
    /// # Errors
    /// A violation of the protocol. The connection is over: nothing is read from it any more.
    pub fn poll_event(&mut self) -> Result<Option<Event<'_>>, ProtocolError> {
        match self.phase {
            Phase::Over => Ok(None),
            Phase::Handshake => Ok(self.poll_handshake()),
            Phase::Open(protocol) => {
                let (from, to) = match self.next_message(protocol) {
                    Ok(Some(range)) => range,
                    Ok(None) => return Ok(None),
                    Err(violation) => {
                        self.phase = Phase::Over;
                        return Err(violation);
                    }
                };
                let body = self.received.get(from..to).unwrap_or_default();
                let event = read_event(
                    protocol,
                    body,
                    &mut self.keep_alive,
                    self.window.as_deref_mut(),
                );
                if event.is_err() {
                    self.phase = Phase::Over;
                }
                event.map(Some)
            }
        }
    }

    /// How many bytes were received and not yet taken as messages.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.received.len() - self.start
    }

    /// The next acknowledgement among the messages that wait to be taken; each is found once.
    ///
    /// For an owner that takes no messages until its own are acknowledged: what it waits for stands behind them. It
    /// comes again, in its place, as an event, and then says nothing new.
    pub fn poll_ack_ahead(&mut self) -> Option<i64> {
        let Phase::Open(protocol) = self.phase else {
            return None;
        };
        let limit = self.options.maximum_receive_message_size;
        loop {
            let ahead = self.received.get(self.start + self.searched..)?;
            let (body, len) = match protocol.split(ahead, self.scanned_ahead, limit) {
                Ok(Frame::Complete { body, len }) => (body, len),
                Ok(Frame::Incomplete) => {
                    self.scanned_ahead = ahead.len();
                    return None;
                }
                Err(_) => return None,
            };
            self.searched += len;
            self.scanned_ahead = 0;
            // What is no message will be found out when it is taken.
            if let Ok(Some(HubMessage::Ack { sequence_id })) = protocol.read(body) {
                return Some(sequence_id);
            }
        }
    }

    /// The next bytes to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.transmits.pop_front();
        if self.transmits.is_empty() {
            // An idle connection holds no buffer.
            self.transmits = VecDeque::new();
        }
        transmit
    }

    /// When [`Self::handle_timeout`] has something to do; none: never, as things are.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Over => None,
            Phase::Handshake | Phase::Open(_) => self.keep_alive.poll_timeout(),
        }
    }

    /// Carries out the deadlines that have passed; to be called until it returns nothing.
    ///
    /// # Errors
    /// [`ProtocolError::ClientTimeout`]: the connection is over.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<Option<Timeout>, ProtocolError> {
        match (self.phase, self.keep_alive.handle_timeout(now)) {
            (Phase::Over, _) | (_, None) => Ok(None),
            (_, Some(Due::HandshakeTimeout)) => Ok(Some(Timeout::Refused(
                self.refuse(HandshakeError::Canceled),
            ))),
            (_, Some(Due::Probe)) => Ok(Some(Timeout::Probe)),
            (_, Some(Due::ClientTimeout)) => {
                self.phase = Phase::Over;
                Err(ProtocolError::ClientTimeout)
            }
            (Phase::Open(protocol), Some(Due::Ping)) => {
                self.transmit(protocol.ping(), protocol.transfer_format());
                Ok(Some(Timeout::Ping))
            }
            (Phase::Handshake, Some(Due::Ping)) => Ok(None),
        }
    }

    /// Queues an Ack message if numbered messages have come since the last one.
    pub fn acknowledge(&mut self) {
        if let Phase::Open(protocol) = self.phase
            && let Some(sequence_id) = self.window.as_mut().and_then(|window| window.poll_ack())
        {
            self.transmit(protocol.ack(sequence_id), protocol.transfer_format());
        }
    }

    fn poll_handshake(&mut self) -> Option<Event<'static>> {
        let pending = self.received.get(self.start..).unwrap_or_default();
        let limit = self.options.maximum_receive_message_size;
        let (request, len) = match framing::split_text(pending, self.scanned) {
            Frame::Incomplete if limit.is_some_and(|limit| pending.len() >= limit) => {
                return Some(Event::Refused(self.refuse(HandshakeError::Canceled)));
            }
            Frame::Incomplete => {
                self.scanned = pending.len();
                return None;
            }
            Frame::Complete { len, .. } if limit.is_some_and(|limit| len > limit) => {
                return Some(Event::Refused(self.refuse(HandshakeError::Canceled)));
            }
            Frame::Complete { body, len } => (handshake::read(body), len),
        };
        let accepted = request
            .map_err(HandshakeError::Unreadable)
            .and_then(|request| {
                let protocol =
                    request.accept(&self.options.protocols, self.transport.transfer_format())?;
                Ok((protocol, request.version))
            });
        self.consume(len);
        match accepted {
            Ok((protocol, version)) => {
                // Stateful reconnect came with version 2: a client of version 1 does not number messages.
                if version < crate::codec::VERSION {
                    self.window = None;
                }
                self.phase = Phase::Open(protocol);
                self.keep_alive.handle_open(self.received_at);
                self.transmit(handshake::accepted(), protocol.transfer_format());
                Some(Event::Open(protocol))
            }
            Err(error) => Some(Event::Refused(self.refuse(error))),
        }
    }

    fn refuse(&mut self, error: HandshakeError) -> HandshakeError {
        self.phase = Phase::Over;
        let answer = handshake::refused(&error.message(self.options.detailed_errors));
        self.transmit(answer, TransferFormat::Text);
        error
    }

    /// Finds the next message and steps over it; the range is its body in `received`.
    fn next_message(
        &mut self,
        protocol: HubProtocol,
    ) -> Result<Option<(usize, usize)>, ProtocolError> {
        let pending = self.received.get(self.start..).unwrap_or_default();
        let limit = self.options.maximum_receive_message_size;
        match protocol.split(pending, self.scanned, limit)? {
            Frame::Complete { body, len } => {
                if let Some(limit) = limit
                    && len > limit
                {
                    return Err(ProtocolError::TooLarge { limit });
                }
                let body_offset = match protocol {
                    HubProtocol::Json => 0,
                    HubProtocol::MessagePack => len - body.len(),
                };
                let from = self.start + body_offset;
                let range = (from, from + body.len());
                self.consume(len);
                Ok(Some(range))
            }
            Frame::Incomplete => {
                if let Some(limit) = limit
                    && pending.len() >= limit
                {
                    return Err(ProtocolError::TooLarge { limit });
                }
                self.scanned = pending.len();
                self.compact();
                Ok(None)
            }
        }
    }

    fn consume(&mut self, len: usize) {
        self.start += len;
        self.scanned = 0;
        if len > self.searched {
            // What was taken ends behind all that was scanned: a separator is where no scan had come to.
            self.scanned_ahead = 0;
        }
        self.searched = self.searched.saturating_sub(len);
    }

    fn forget_received(&mut self) {
        self.received = Vec::new();
        self.start = 0;
        self.scanned = 0;
        self.searched = 0;
        self.scanned_ahead = 0;
    }

    /// Gives back what was taken; an idle connection holds no buffer.
    fn compact(&mut self) {
        if self.start == self.received.len() {
            self.received = Vec::new();
        } else {
            self.received.drain(..self.start);
        }
        self.start = 0;
    }

    fn transmit(&mut self, payload: Bytes, format: TransferFormat) {
        self.transmits.push_back(Transmit { payload, format });
    }
}

/// What the time asked for, other than the end of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timeout {
    /// A Ping waits in [`Connection::poll_transmit`].
    Ping,
    /// The transport is to ask the peer for a sign of life.
    Probe,
    /// No handshake came; the answer waits, and nothing else will come.
    Refused(HandshakeError),
}

fn read_event<'a>(
    protocol: HubProtocol,
    body: &'a [u8],
    keep_alive: &mut KeepAlive,
    window: Option<&mut ReceiveWindow>,
) -> Result<Event<'a>, ProtocolError> {
    let Some(message) = protocol.read(body)? else {
        return Ok(Event::Skipped);
    };
    if message == HubMessage::Ping {
        keep_alive.handle_ping();
    }
    if let Some(window) = window {
        if let HubMessage::Sequence { sequence_id } = message {
            window.handle_sequence(sequence_id)?;
        } else if message.is_numbered() && !window.handle_numbered() {
            return Ok(Event::Skipped);
        }
    }
    Ok(Event::Message(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client has sent by now, behind its handshake.
    fn received(bytes: &[u8]) -> (Connection, Instant) {
        #[expect(clippy::disallowed_methods, reason = "any origin will do")]
        let now = Instant::now();
        let mut connection =
            Connection::new(Arc::new(Options::default()), Transport::WebSockets, now);
        connection.handle_bytes(b"{\"protocol\":\"json\",\"version\":2}\x1e", now);
        connection.handle_bytes(bytes, now);
        assert!(matches!(connection.poll_event(), Ok(Some(Event::Open(_)))));
        (connection, now)
    }

    fn next(connection: &mut Connection) -> HubMessage<'_> {
        match connection.poll_event() {
            Ok(Some(Event::Message(message))) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn acknowledgements_are_found_behind_what_is_not_taken() {
        let bytes =
            b"{\"type\":6}\x1e{\"type\":8,\"sequenceId\":3}\x1e{\"type\":6}\x1e{\"type\":8,\"seq";
        let (mut connection, now) = received(bytes);
        assert_eq!(connection.buffered(), bytes.len());
        assert_eq!(connection.poll_ack_ahead(), Some(3));
        assert_eq!(connection.poll_ack_ahead(), None);
        assert_eq!(next(&mut connection), HubMessage::Ping);
        assert_eq!(connection.poll_ack_ahead(), None, "it was found before");
        connection.handle_bytes(b"uenceId\":5}\x1e", now);
        assert_eq!(connection.poll_ack_ahead(), Some(5));
        // Each comes again in its place.
        assert_eq!(next(&mut connection), HubMessage::Ack { sequence_id: 3 });
        assert_eq!(next(&mut connection), HubMessage::Ping);
        assert_eq!(next(&mut connection), HubMessage::Ack { sequence_id: 5 });
        assert_eq!(connection.poll_event(), Ok(None));
        assert_eq!(connection.buffered(), 0);
        connection.handle_bytes(b"{\"type\":8,\"sequenceId\":7}\x1e", now);
        assert_eq!(connection.poll_ack_ahead(), Some(7));
    }

    #[test]
    fn no_byte_is_searched_twice_for_acknowledgements() {
        let (mut connection, now) = received(b"{\"type\":6}\x1e{\"type\":8,");
        assert_eq!(connection.poll_ack_ahead(), None);
        let searched = connection.searched;
        // A separator where the search has been: whoever looked again would find it.
        *connection.received.last_mut().unwrap() = framing::RECORD_SEPARATOR;
        for byte in b"\"sequenceId\":" {
            connection.handle_bytes(&[*byte], now);
            assert_eq!(connection.poll_ack_ahead(), None);
            assert_eq!(connection.searched, searched, "it was looked at again");
            assert_eq!(searched + connection.scanned_ahead, connection.buffered());
        }
    }

    #[test]
    fn acknowledgements_are_found_however_bytes_arrive_and_messages_are_taken() {
        let messages: Vec<String> = (1..=20)
            .flat_map(|i| {
                [
                    format!("{{\"type\":8,\"sequenceId\":{i}}}\x1e"),
                    "{\"type\":6}\x1e".to_owned(),
                ]
            })
            .collect();
        let bytes = messages.concat().into_bytes();
        for at_once in [1, 2, 7, 31, 200] {
            for taken_every in [1, 3, 1_000] {
                let (mut connection, now) = received(b"");
                let mut found = Vec::new();
                for (i, piece) in bytes.chunks(at_once).enumerate() {
                    connection.handle_bytes(piece, now);
                    while let Some(id) = connection.poll_ack_ahead() {
                        found.push(id);
                    }
                    if i % taken_every == 0 {
                        let _ = connection.poll_event().unwrap();
                    }
                }
                assert_eq!(
                    found,
                    (1..=20).collect::<Vec<i64>>(),
                    "{at_once} {taken_every}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_message_is_found_out_when_it_is_taken() {
        let (mut connection, _) = received(b"nonsense\x1e{\"type\":8,\"sequenceId\":3}\x1e");
        assert_eq!(connection.poll_ack_ahead(), Some(3));
        assert!(connection.poll_event().is_err());
        assert_eq!(connection.poll_ack_ahead(), None, "the connection is over");
    }
}
