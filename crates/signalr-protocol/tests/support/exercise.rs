//! What has to hold whatever the bytes: each function takes any and panics where something does not.
//!
//! The fuzz targets and the test of their corpus run the same functions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use signalr_protocol::handshake::{self, HandshakeError};
use signalr_protocol::message::Outcome;
use signalr_protocol::negotiate::Transport;
use signalr_protocol::payload::{Arguments, Value};
use signalr_protocol::{
    Connection, Event, HubMessage, HubProtocol, Options, Timeout, TransferFormat,
};

use super::pack::Pack;

/// A JSON message without its record separator.
pub(crate) fn json(body: &[u8]) {
    message(HubProtocol::Json, body);
}

/// A `MessagePack` message without its length prefix.
pub(crate) fn messagepack(body: &[u8]) {
    message(HubProtocol::MessagePack, body);
}

/// A handshake request without its record separator.
pub(crate) fn handshake(body: &[u8]) {
    let decided = match handshake::read(body) {
        Ok(request) => request.accept(&HubProtocol::ALL, TransferFormat::Text),
        Err(error) => Err(HandshakeError::Unreadable(error)),
    };
    let Err(error) = decided else { return };
    let text = error.message(true);
    let answer = handshake::refused(&text);
    let (separator, answer) = answer.split_last().unwrap();
    assert_eq!(*separator, 0x1e);
    assert!(!answer.contains(separator), "the answer ends too early");
    let answer: serde_json::Value = serde_json::from_slice(answer).unwrap();
    assert_eq!(answer["error"], text);
}

/// A conversation: the first byte chooses the circumstances, the others what is done and with how many bytes.
pub(crate) fn connection(script: &[u8]) {
    let Some((&circumstances, script)) = script.split_first() else {
        return;
    };
    let mut conversation = Conversation::new(circumstances);
    let mut rest = script;
    while let Some((&step, after)) = rest.split_first() {
        rest = conversation.step(step, after);
    }
    conversation.take_all();
}

fn message(protocol: HubProtocol, body: &[u8]) {
    let read = protocol.read(body);
    assert_eq!(read, protocol.read(body), "reading has no memory");
    match read {
        Ok(Some(HubMessage::Invocation(call) | HubMessage::StreamInvocation(call))) => {
            assert_ne!(call.id.as_deref(), Some(""), "an empty id is none");
            arguments(&call.arguments);
        }
        Ok(Some(HubMessage::StreamItem { id, item })) => {
            assert!(!id.is_empty());
            value(item);
        }
        Ok(Some(HubMessage::Completion { id, outcome })) => {
            assert!(!id.is_empty());
            if let Outcome::Result(result) = outcome {
                value(result);
            }
        }
        Ok(_) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn arguments(arguments: &Arguments<'_>) {
    for expected in 0..4 {
        if let Ok(values) = arguments.split(expected) {
            assert_eq!(values.len(), expected);
            values.into_iter().for_each(value);
        }
    }
    // The bytes of MessagePack arguments are that many values, and nothing else.
    if let Arguments::MessagePack { count, items } = arguments
        && !items.is_empty()
        && let Ok(values) = arguments.split(*count)
    {
        let mut rest = *items;
        for value in values {
            let Value::MessagePack(bytes) = value else {
                panic!("a value of another protocol");
            };
            assert_eq!(rest.split_off(..bytes.len()), Some(bytes));
        }
        assert!(rest.is_empty());
    }
}

/// A value stays what it is, is what an independent reader finds, and reading it ends.
fn value(value: Value<'_>) {
    assert_eq!(value.detach().borrow(), value);
    let _ = value.read::<serde::de::IgnoredAny>();
    let _ = value.read::<Vec<Option<String>>>();
    let _ = value.read::<signalr_protocol::payload::ByteArray>();
    match value {
        Value::Json(text) => {
            assert!(text.starts_with(|c: char| !c.is_whitespace()));
            serde_json::from_str::<&serde_json::value::RawValue>(text).unwrap();
        }
        // Where it is missing, and too deep for the independent reader.
        Value::MessagePack(bytes) if bytes.is_empty() || bytes.len() > 256 => {}
        Value::MessagePack(bytes) => assert!(Pack::whole(bytes).is_some(), "{bytes:02x?}"),
    }
}

/// The limit of messages in conversations: short, so that it is met.
const LIMIT: usize = 200;

struct Conversation {
    connection: Connection,
    now: Instant,
    is_limited: bool,
    is_over: bool,
}

impl Conversation {
    fn new(circumstances: u8) -> Self {
        let options = Options {
            maximum_receive_message_size: (circumstances & 1 == 0).then_some(LIMIT),
            detailed_errors: circumstances & 2 == 0,
            ..Options::default()
        };
        let transport = Transport::ALL[usize::from(circumstances >> 2 & 3) % 3];
        #[expect(clippy::disallowed_methods, reason = "any origin will do")]
        let now = Instant::now();
        let mut connection = Connection::new(Arc::new(options), transport, now);
        if circumstances & 0x10 == 0 {
            connection.enable_replay();
        }
        let mut conversation = Self {
            connection,
            now,
            is_limited: circumstances & 1 == 0,
            is_over: false,
        };
        // Most conversations are dull before the handshake.
        let hello: &[u8] = match circumstances >> 5 {
            0 => b"",
            1 => b"{\"protocol\":\"json\",\"version\":1}\x1e",
            2..=4 => b"{\"protocol\":\"json\",\"version\":2}\x1e",
            _ => b"{\"protocol\":\"messagepack\",\"version\":2}\x1e",
        };
        conversation.connection.handle_bytes(hello, now);
        conversation
    }

    /// Does one thing and returns what is left of the script.
    fn step<'a>(&mut self, step: u8, script: &'a [u8]) -> &'a [u8] {
        match step >> 5 {
            0..=3 => {
                let (bytes, rest) = script.split_at(usize::from(step & 0x7f).min(script.len()));
                self.connection.handle_bytes(bytes, self.now);
                if step & 1 == 0 {
                    self.take_all();
                }
                return rest;
            }
            4 => {
                self.now += Duration::from_secs(u64::from(step & 0x1f));
                self.pass_time();
            }
            5 => {
                let _ = self.connection.handle_end();
                self.take_all();
                self.connection.handle_transport_replaced(self.now);
                assert_eq!(self.connection.buffered(), 0);
            }
            6 if step & 1 == 0 => self.connection.hold(),
            6 => self.connection.release(self.now),
            _ => {
                let before = self.connection.buffered();
                for _ in 0..before {
                    if self.connection.poll_ack_ahead().is_none() {
                        break;
                    }
                }
                assert_eq!(self.connection.poll_ack_ahead(), None, "each is found once");
                assert_eq!(
                    self.connection.buffered(),
                    before,
                    "looking ahead takes nothing"
                );
            }
        }
        script
    }

    /// Takes events until there are none: each takes a byte at least.
    fn take_all(&mut self) {
        let mut before = self.connection.buffered();
        loop {
            match self.connection.poll_event() {
                Ok(None) => break,
                Ok(Some(event)) => {
                    assert!(!self.is_over, "an event after the end: {event:?}");
                    self.is_over = matches!(event, Event::Refused(_));
                }
                Err(error) => {
                    assert!(!self.is_over, "an error after the end: {error}");
                    self.is_over = true;
                }
            }
            let after = self.connection.buffered();
            assert!(self.is_over || after < before, "an event of no bytes");
            before = after;
        }
        if !self.is_over {
            assert!(
                !self.is_limited || before < LIMIT,
                "{before} bytes are kept"
            );
            let is_cut_off = before > 0 && self.connection.protocol().is_some();
            assert_eq!(self.connection.handle_end().is_err(), is_cut_off);
        }
        self.take_transmits();
    }

    fn take_transmits(&mut self) {
        self.connection.acknowledge();
        let mut count = 0;
        while let Some(transmit) = self.connection.poll_transmit() {
            count += 1;
            assert!(!transmit.payload.is_empty());
        }
        assert!(
            count <= 4,
            "no more than an answer, a ping and an acknowledgement or two: {count}"
        );
    }

    fn pass_time(&mut self) {
        for round in 0.. {
            assert!(round < 4, "time asks for more and more");
            match self.connection.handle_timeout(self.now) {
                Ok(None) => break,
                Ok(Some(Timeout::Ping | Timeout::Probe)) => {}
                Ok(Some(Timeout::Refused(_))) | Err(_) => self.is_over = true,
            }
        }
        if let Some(next) = self.connection.poll_timeout() {
            assert!(next > self.now, "what is due has been done");
        }
        self.take_transmits();
    }
}
