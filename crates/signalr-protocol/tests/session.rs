//! Whole conversations through the connection.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use signalr_protocol::negotiate::Transport;
use signalr_protocol::{
    Connection, Event, HubMessage, HubProtocol, Options, ProtocolError, Timeout, TransferFormat,
};

const HANDSHAKE: &str = "{\"protocol\":\"json\",\"version\":1}\u{1e}";
const HANDSHAKE_2: &str = "{\"protocol\":\"json\",\"version\":2}\u{1e}";
const BINARY_HANDSHAKE: &str = "{\"protocol\":\"messagepack\",\"version\":1}\u{1e}";
const PING: &str = "{\"type\":6}\u{1e}";

/// One connection and its clock.
struct Session {
    connection: Connection,
    start: Instant,
    now: Instant,
}

impl Session {
    fn over(transport: Transport) -> Self {
        Self::with(transport, Options::default())
    }

    fn with(transport: Transport, options: Options) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any origin will do")]
        let now = Instant::now();
        Self {
            connection: Connection::new(Arc::new(options), transport, now),
            start: now,
            now,
        }
    }

    fn limited(limit: usize) -> Self {
        let options = Options {
            maximum_receive_message_size: Some(limit),
            ..Options::default()
        };
        Self::with(Transport::WebSockets, options)
    }

    /// A connection that is open, and has said so.
    fn open() -> Self {
        let mut session = Self::over(Transport::WebSockets);
        assert_eq!(session.hear(HANDSHAKE), ["open"]);
        assert_eq!(session.sent(), ["{}\u{1e}"]);
        session
    }

    /// What happens when these bytes come.
    fn hear(&mut self, bytes: impl AsRef<[u8]>) -> Vec<String> {
        self.connection.handle_bytes(bytes.as_ref(), self.now);
        let mut events = Vec::new();
        loop {
            events.push(match self.connection.poll_event() {
                Ok(None) => return events,
                Ok(Some(Event::Open(_))) => "open".to_owned(),
                Ok(Some(Event::Refused(error))) => error.to_string(),
                Ok(Some(Event::Skipped)) => "skipped".to_owned(),
                Ok(Some(Event::Message(message))) => brief(&message),
                Err(violation) => {
                    events.push(violation.to_string());
                    return events;
                }
            });
        }
    }

    /// What is to be sent, as text.
    fn sent(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.connection.poll_transmit())
            .map(|transmit| String::from_utf8(transmit.payload.to_vec()).unwrap())
            .collect()
    }

    /// What the time asks for at `seconds` after the start, until nothing more.
    fn at(&mut self, seconds: u64) -> Vec<&'static str> {
        self.now = self.start + Duration::from_secs(seconds);
        let mut due = Vec::new();
        loop {
            due.push(match self.connection.handle_timeout(self.now) {
                Ok(None) => return due,
                Ok(Some(Timeout::Ping)) => "ping",
                Ok(Some(Timeout::Probe)) => "probe",
                Ok(Some(Timeout::Refused(_))) => "refused",
                Err(ProtocolError::ClientTimeout) => "silent",
                Err(other) => panic!("{other}"),
            });
        }
    }

    /// When the next time-out is, in seconds after the start.
    fn next_timeout(&self) -> Option<u64> {
        let next = self.connection.poll_timeout()?;
        Some(next.duration_since(self.start).as_secs())
    }
}

fn brief(message: &HubMessage<'_>) -> String {
    match message {
        HubMessage::Invocation(call) | HubMessage::StreamInvocation(call) => {
            call.target.to_string()
        }
        HubMessage::StreamItem { id, .. }
        | HubMessage::Completion { id, .. }
        | HubMessage::CancelInvocation { id } => id.to_string(),
        HubMessage::Ping => "ping".to_owned(),
        HubMessage::Close { .. } => "close".to_owned(),
        HubMessage::Ack { sequence_id } => format!("ack {sequence_id}"),
        HubMessage::Sequence { sequence_id } => format!("sequence {sequence_id}"),
    }
}

fn cancel(id: u32) -> String {
    format!("{{\"type\":5,\"invocationId\":\"{id}\"}}\u{1e}")
}

/// A ping of `len` bytes, record separator included.
fn ping_of(len: usize) -> String {
    let ping = format!("{{\"type\":6,\"x\":\"{}\"}}\u{1e}", "x".repeat(len - 18));
    assert_eq!(ping.len(), len);
    ping
}

#[test]
fn a_handshake_may_come_in_pieces() {
    let mut session = Session::over(Transport::WebSockets);
    for byte in &HANDSHAKE.as_bytes()[..HANDSHAKE.len() - 1] {
        assert_eq!(session.hear([*byte]), [""; 0]);
    }
    assert_eq!(session.sent(), [""; 0]);
    assert_eq!(session.connection.protocol(), None);
    assert_eq!(session.hear([0x1e]), ["open"]);
    assert_eq!(session.sent(), ["{}\u{1e}"]);
    assert_eq!(session.connection.protocol(), Some(HubProtocol::Json));
}

#[test]
fn a_handshake_may_bring_messages_along() {
    let mut session = Session::over(Transport::WebSockets);
    let events = session.hear([HANDSHAKE, PING, &cancel(1), "{\"type\":7}\u{1e}"].concat());
    assert_eq!(events, ["open", "ping", "1", "close"]);
    assert_eq!(session.sent(), ["{}\u{1e}"]);
}

#[test]
fn answers_are_marked_as_the_protocol_wants() {
    let format = |request: &str| {
        let mut session = Session::over(Transport::WebSockets);
        session.hear(request);
        session.connection.poll_transmit().unwrap().format
    };
    assert_eq!(format(HANDSHAKE), TransferFormat::Text);
    assert_eq!(format(BINARY_HANDSHAKE), TransferFormat::Binary);
    assert_eq!(
        format("{\"protocol\":\"messagepack\",\"version\":3}\u{1e}"),
        TransferFormat::Text
    );
}

#[test]
fn a_binary_protocol_needs_a_transport_that_carries_it() {
    let mut session = Session::over(Transport::ServerSentEvents);
    session.hear(BINARY_HANDSHAKE);
    assert_eq!(
        session.sent(),
        [
            "{\"error\":\"Cannot use the 'messagepack' protocol on the current transport. The transport does not support 'Binary' transfer format.\"}\u{1e}"
        ]
    );
    for transport in [Transport::WebSockets, Transport::LongPolling] {
        assert_eq!(Session::over(transport).hear(BINARY_HANDSHAKE), ["open"]);
    }
}

#[test]
fn after_a_refusal_nothing_is_heard_or_kept() {
    let mut session = Session::over(Transport::WebSockets);
    let request = ["{\"protocol\":\"xml\",\"version\":1}\u{1e}", PING].concat();
    assert_eq!(
        session.hear(request),
        ["The protocol 'xml' is not supported."]
    );
    assert_eq!(
        session.sent(),
        ["{\"error\":\"The protocol 'xml' is not supported.\"}\u{1e}"]
    );
    assert_eq!(session.hear(HANDSHAKE), [""; 0]);
    assert_eq!(session.connection.buffered(), 0);
    assert_eq!(session.connection.handle_end(), Ok(()));
    assert_eq!(session.next_timeout(), None);
}

/// Sizes at which ASP.NET Core was seen to change its mind.
#[test]
fn a_handshake_may_be_as_long_as_a_message() {
    let handshake = |len: usize| {
        let request = format!(
            "{{\"protocol\":\"json\",\"version\":1,\"x\":\"{}\"}}\u{1e}",
            "x".repeat(len - 39)
        );
        assert_eq!(request.len(), len);
        request
    };
    let canceled = ["Handshake was canceled."];
    assert_eq!(Session::limited(32_768).hear(handshake(32_768)), ["open"]);
    assert_eq!(Session::limited(32_768).hear(handshake(32_769)), canceled);
    // Also before it has an end, and whatever stands before it.
    assert_eq!(Session::limited(32_768).hear("x".repeat(32_768)), canceled);
    assert_eq!(Session::limited(32_768).hear("x".repeat(32_767)), [""; 0]);
}

#[test]
fn a_message_may_be_as_long_as_the_limit() {
    let too_large = ProtocolError::TooLarge { limit: 32_768 }.to_string();
    for (len, expected) in [(32_767, "ping"), (32_768, "ping"), (32_769, &*too_large)] {
        let mut session = Session::open();
        assert_eq!(session.hear(ping_of(len)), [expected], "{len}");
    }
    // Also before its end has come.
    assert_eq!(Session::open().hear("x".repeat(32_768)), [too_large]);
    assert_eq!(Session::open().hear("x".repeat(32_767)), [""; 0]);
}

/// Many messages may come at once: the limit is for each.
#[test]
fn the_limit_is_a_sliding_window() {
    let (one, two, three) = (ping_of(60), ping_of(60), ping_of(62));
    let all = [HANDSHAKE, &one, &two, &three].concat();
    let mut session = Session::limited(one.len() + 1);
    let too_large = ProtocolError::TooLarge { limit: 61 }.to_string();
    assert_eq!(session.hear(&all), ["open", "ping", "ping", &*too_large]);
    let mut session = Session::limited(three.len() + 10);
    assert_eq!(session.hear(&all), ["open", "ping", "ping", "ping"]);
}

/// ASP.NET Core waits for ever for a message whose length is above the limit; here it ends the connection at once.
#[test]
fn a_length_above_the_limit_ends_the_connection_before_the_message_comes() {
    let mut session = Session::limited(100);
    assert_eq!(session.hear(BINARY_HANDSHAKE), ["open"]);
    assert_eq!(session.hear([0x02, 0x91, 0x06, 0x63]), ["ping"]);
    assert_eq!(session.connection.buffered(), 1);
    let mut session = Session::limited(100);
    assert_eq!(session.hear(BINARY_HANDSHAKE), ["open"]);
    let too_large = ProtocolError::TooLarge { limit: 100 }.to_string();
    assert_eq!(
        session.hear([0x02, 0x91, 0x06, 0x64]),
        ["ping", &*too_large]
    );
    assert_eq!(session.hear([0x02, 0x91, 0x06]), [""; 0], "it is over");
    assert_eq!(session.connection.buffered(), 0);
}

#[test]
fn unknown_types_are_skipped() {
    let mut session = Session::open();
    assert_eq!(
        session.hear(["{\"type\":99}\u{1e}", PING].concat()),
        ["skipped", "ping"]
    );
    let mut session = Session::over(Transport::WebSockets);
    session.hear(BINARY_HANDSHAKE);
    assert_eq!(
        session.hear([0x02, 0x91, 0x63, 0x02, 0x91, 0x06]),
        ["skipped", "ping"]
    );
}

#[test]
fn a_violation_ends_the_connection() {
    let mut session = Session::open();
    let events = session.hear([PING, "nonsense\u{1e}", PING].concat());
    assert_eq!(events, ["ping", "Error reading JSON."]);
    assert_eq!(session.hear(PING), [""; 0]);
    assert_eq!(session.connection.buffered(), 0);
    assert_eq!(session.connection.protocol(), None);
    assert_eq!(session.next_timeout(), None);
    assert_eq!(
        session.sent(),
        [""; 0],
        "the Close message is the owner's to send"
    );
}

#[test]
fn an_end_in_the_middle_of_a_message_is_told() {
    let mut session = Session::open();
    assert_eq!(session.connection.handle_end(), Ok(()));
    session.hear([PING, "{"].concat());
    assert_eq!(
        session.connection.handle_end(),
        Err(ProtocolError::Truncated)
    );
    session.hear("\"type\":6}\u{1e}");
    assert_eq!(session.connection.handle_end(), Ok(()));
    // Whoever goes before the handshake says nothing and is told nothing.
    let mut session = Session::over(Transport::WebSockets);
    session.hear("{\"prot");
    assert_eq!(session.connection.handle_end(), Ok(()));
}

#[test]
fn a_message_may_come_in_two_frames() {
    let mut session = Session::over(Transport::WebSockets);
    session.hear(BINARY_HANDSHAKE);
    let call = b"\x0d\x96\x01\x80\xa1\x31\xa3\x41\x64\x64\x92\x01\x02\x90";
    assert_eq!(session.hear(&call[..5]), [""; 0]);
    assert_eq!(session.hear(&call[5..]), ["Add"]);
    assert_eq!(
        session.hear([call.as_slice(), call].concat()),
        ["Add", "Add"]
    );
    assert_eq!(session.connection.buffered(), 0);
}

#[test]
fn a_handshake_that_does_not_come_is_answered() {
    let mut session = Session::over(Transport::WebSockets);
    assert_eq!(session.next_timeout(), Some(15));
    session.hear("{\"protocol\":");
    assert_eq!(session.at(14), [""; 0]);
    assert_eq!(session.at(15), ["refused"]);
    assert_eq!(
        session.sent(),
        ["{\"error\":\"Handshake was canceled.\"}\u{1e}"]
    );
    assert_eq!(session.next_timeout(), None);
    assert_eq!(session.hear("\"json\",\"version\":1}\u{1e}"), [""; 0]);
}

#[test]
fn pings_go_out_and_a_client_that_pinged_has_to_go_on() {
    let mut session = Session::open();
    assert_eq!(session.at(14), [""; 0]);
    assert_eq!(session.hear(PING), ["ping"]);
    assert_eq!(session.at(15), ["ping"]);
    assert_eq!(session.sent(), [PING]);
    assert_eq!(session.at(30), ["ping"]);
    assert_eq!(session.at(43), [""; 0]);
    assert_eq!(session.hear("{"), [""; 0], "a byte is a sign of life");
    assert_eq!(session.at(72), ["ping"]);
    assert_eq!(session.at(73), ["silent"]);
    assert_eq!(session.next_timeout(), None);
    assert_eq!(session.hear(PING), [""; 0]);
}

/// ASP.NET Core never times out such a client.
#[test]
fn a_client_that_never_pings_is_asked() {
    let mut session = Session::open();
    assert_eq!(session.at(30), ["probe", "ping"]);
    session.connection.handle_alive(session.now);
    assert_eq!(session.at(60), ["probe", "ping"]);
    assert_eq!(session.at(90), ["silent"]);
}

#[test]
fn silence_does_not_count_while_the_server_does_not_listen() {
    let mut session = Session::open();
    session.hear(PING);
    session.connection.hold();
    assert_eq!(session.at(100), ["ping"]);
    session.connection.release(session.now);
    assert_eq!(session.at(129), ["ping"]);
    assert_eq!(session.at(130), ["silent"]);
}

#[test]
fn long_polling_lives_by_its_polls() {
    let mut session = Session::over(Transport::LongPolling);
    session.hear(HANDSHAKE);
    assert_eq!(session.next_timeout(), None);
    assert_eq!(session.at(1000), [""; 0]);
    session.hear(PING);
    assert_eq!(session.next_timeout(), Some(1030));
}

/// An event stream cannot ask, and what the client posts says nothing of it.
#[test]
fn an_event_stream_is_pinged_and_not_asked() {
    let mut session = Session::over(Transport::ServerSentEvents);
    session.hear(HANDSHAKE);
    assert_eq!(session.at(30), ["ping"]);
    assert_eq!(session.at(1000), ["ping"]);
    session.hear(PING);
    assert_eq!(session.at(1030), ["silent"]);
}

/// A connection that can outlive its transport, and has heard its first two messages.
fn resumable() -> Session {
    let mut session = Session::over(Transport::WebSockets);
    session.connection.enable_replay();
    session.hear(HANDSHAKE_2);
    assert!(session.connection.has_replay());
    assert_eq!(
        session.hear(cancel(1) + PING + &cancel(2)),
        ["1", "ping", "2"]
    );
    session.sent();
    session
}

#[test]
fn what_was_received_twice_is_handed_on_once() {
    let mut session = resumable();
    // Half a message, longer than the one that comes next.
    session.hear("{\"type\":1,\"target\":\"this one does not come to its end, but has come far");
    session.connection.handle_transport_replaced(session.now);
    let again = "{\"type\":9,\"sequenceId\":2}\u{1e}".to_owned() + &cancel(2) + &cancel(3);
    assert_eq!(session.hear(again), ["sequence 2", "skipped", "3"]);
}

#[test]
fn messages_are_acknowledged_once() {
    let mut session = resumable();
    session.connection.acknowledge();
    session.connection.acknowledge();
    assert_eq!(session.sent(), ["{\"type\":8,\"sequenceId\":2}\u{1e}"]);
    session.hear(PING);
    session.connection.acknowledge();
    assert_eq!(session.sent(), [""; 0], "pings have no number");
    session.hear(cancel(3));
    session.connection.acknowledge();
    assert_eq!(session.sent(), ["{\"type\":8,\"sequenceId\":3}\u{1e}"]);
}

#[test]
fn numbers_that_were_left_out_end_the_connection() {
    let mut session = resumable();
    session.connection.handle_transport_replaced(session.now);
    assert_eq!(
        session.hear("{\"type\":9,\"sequenceId\":3}\u{1e}"),
        ["sequence 3"]
    );
    assert_eq!(
        session.hear("{\"type\":9,\"sequenceId\":4}\u{1e}"),
        ["Sequence ID greater than amount of messages we've received."]
    );
}

/// ASP.NET Core does not wait for the Sequence message, either.
#[test]
fn messages_before_the_sequence_are_new() {
    let mut session = resumable();
    session.connection.handle_transport_replaced(session.now);
    assert_eq!(session.hear(cancel(3)), ["3"]);
}

#[test]
fn a_client_of_version_1_does_not_number_its_messages() {
    let mut session = Session::over(Transport::WebSockets);
    session.connection.enable_replay();
    session.hear([HANDSHAKE, &cancel(1)].concat());
    assert!(!session.connection.has_replay());
    session.sent();
    session.connection.acknowledge();
    assert_eq!(session.sent(), [""; 0]);
}

/// Nor does anything happen where nobody asked for it.
#[test]
fn acks_and_sequences_are_messages_like_others_without_replay() {
    let mut session = Session::open();
    let events =
        session.hear("{\"type\":8,\"sequenceId\":1}\u{1e}{\"type\":9,\"sequenceId\":7}\u{1e}");
    assert_eq!(events, ["ack 1", "sequence 7"]);
}

#[test]
fn writers_wait_beyond_the_limit_and_not_at_it() {
    let mut sent = signalr_protocol::replay::SendBuffer::new(10);
    sent.push("a", 4);
    sent.push("b", 6);
    assert!(!sent.is_full());
    sent.push("c", 1);
    assert!(sent.is_full());
    sent.handle_ack(1);
    assert_eq!((sent.is_full(), sent.bytes()), (false, 7));
}
