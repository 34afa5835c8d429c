//! Whole conversations with ASP.NET Core 10, as the wire recorder keeps them: `e2e/wire/aspnet`.
//!
//! What clients said goes through a [`Connection`], which has to live or end as theirs did; what the server said is
//! written again, to the byte.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use signalr_protocol::codec::Answer;
use signalr_protocol::negotiate::Transport;
use signalr_protocol::payload::{EncodeError, EncodeValue};
use signalr_protocol::{Connection, Event, HubMessage, HubProtocol, Options};

use super::pack::Pack;
use super::said::{Said, framed};
use super::{JSON, MESSAGE_PACK, bytes};

#[derive(Deserialize)]
struct Conversation {
    name: String,
    rows: Vec<String>,
}

fn conversations(file: &str) -> Vec<Conversation> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../e2e/wire/aspnet/");
    let text = std::fs::read_to_string(format!("{directory}{file}")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// How a connection ended.
#[derive(Debug, PartialEq)]
enum End {
    /// Not at all.
    Lives,
    /// The client said Close.
    Closed,
    /// With an error of this text.
    Broken(String),
}

/// What the client sent, with the framing of the protocol.
fn sent(protocol: HubProtocol, row: &str) -> Option<Vec<u8>> {
    let row = row.strip_prefix("> ")?;
    Some(match protocol {
        // The recorder reads bytes as Latin-1, so that it can keep those that are no UTF-8.
        HubProtocol::Json => row
            .chars()
            .map(|c| u8::try_from(c).unwrap())
            .chain([0x1e])
            .collect(),
        HubProtocol::MessagePack => bytes(row),
    })
}

/// The messages that the server sent, without their framing.
fn answered(protocol: HubProtocol, row: &str) -> Vec<Vec<u8>> {
    let row = row.strip_prefix("< ").unwrap_or(row);
    match protocol {
        HubProtocol::Json => {
            let messages = row.strip_prefix("text ").unwrap_or_default();
            let whole = messages.split_terminator('\u{241e}');
            whole.map(|message| message.as_bytes().to_vec()).collect()
        }
        HubProtocol::MessagePack => {
            let hex = row.strip_prefix("binary ").unwrap_or_default();
            let mut rest = bytes(hex);
            let mut messages = Vec::new();
            while !rest.is_empty() {
                let len = (1..=rest.len())
                    .find(|len| framed(&rest[prefix_of(*len)..*len]) == rest[..*len])
                    .unwrap_or_else(|| panic!("cut off: {row}"));
                messages.push(rest[prefix_of(len)..len].to_vec());
                rest.drain(..len);
            }
            messages
        }
    }
}

/// How many bytes of a message of `len` bytes are its length, none being longer than 16 KiB.
fn prefix_of(len: usize) -> usize {
    if len <= 0x80 { 1 } else { 2 }
}

fn said(protocol: HubProtocol, message: &[u8]) -> Said {
    match protocol {
        HubProtocol::Json => Said::of_json(&serde_json::from_slice(message).unwrap()),
        HubProtocol::MessagePack => Said::of_pack(&Pack::whole(message).unwrap()),
    }
}

fn their_end(protocol: HubProtocol, conversation: &Conversation) -> End {
    let messages = conversation.rows.iter().flat_map(|row| {
        let messages = answered(protocol, row);
        messages.into_iter().map(|message| said(protocol, &message))
    });
    match messages.into_iter().find(|said| said.kind == 7) {
        None => End::Lives,
        Some(Said { error: None, .. }) => End::Closed,
        Some(Said {
            error: Some(text), ..
        }) => End::Broken(text),
    }
}

#[expect(clippy::disallowed_methods, reason = "any origin will do")]
fn our_end(protocol: HubProtocol, conversation: &Conversation, detailed: bool) -> End {
    let now = std::time::Instant::now();
    let options = Arc::new(Options::default());
    let mut connection = Connection::new(options, Transport::WebSockets, now);
    let handshake = format!(
        "{{\"protocol\":\"{}\",\"version\":1}}\u{1e}",
        protocol.name()
    );
    connection.handle_bytes(handshake.as_bytes(), now);
    for row in &conversation.rows {
        let Some(bytes) = sent(protocol, row) else {
            continue;
        };
        connection.handle_bytes(&bytes, now);
        loop {
            match connection.poll_event() {
                Ok(None) => break,
                Ok(Some(Event::Message(HubMessage::Close { .. }))) => return End::Closed,
                Ok(Some(Event::Refused(error))) => panic!("{error}"),
                Ok(Some(_)) => {}
                Err(error) => {
                    let mut text = "Connection closed with an error.".to_owned();
                    if detailed {
                        text += &format!(" {}: {error}", error.exception());
                    }
                    return End::Broken(text);
                }
            }
        }
        assert_eq!(connection.buffered(), 0, "{}", conversation.name);
    }
    End::Lives
}

/// Conversations that end otherwise here, how they do, and why.
fn meant_end(name: &str) -> Option<(End, &'static str)> {
    let too_large = "Connection closed with an error.";
    match name {
        "json: abort" => Some((End::Lives, "the hub ends it, not the protocol")),
        "msgpack: a length over the limit" => Some((
            End::Broken(too_large.to_owned()),
            "ASP.NET Core waits for ever for such a message",
        )),
        _ => None,
    }
}

fn check_ends(protocol: HubProtocol, file: &str, detailed: bool) {
    let conversations = conversations(file);
    assert!(conversations.len() > 20, "{file}");
    for conversation in conversations {
        let ours = our_end(protocol, &conversation, detailed);
        let theirs = their_end(protocol, &conversation);
        match meant_end(&conversation.name) {
            None => assert_eq!(ours, theirs, "{}", conversation.name),
            Some((meant, reason)) => {
                assert_eq!(ours, meant, "{}: {reason}", conversation.name);
                assert_ne!(ours, theirs, "no difference: {}", conversation.name);
            }
        }
    }
}

#[test]
fn conversations_end_as_theirs_did() {
    check_ends(JSON, "json_messages.json", false);
    check_ends(JSON, "json_messages_detailed.json", true);
    check_ends(MESSAGE_PACK, "msgpack_messages.json", false);
}

/// A value that is written again: scalars by what they mean, what holds others as it stands.
struct Again(Box<RawValue>);

impl EncodeValue for Again {
    fn encode(&self, protocol: HubProtocol, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.0.get().starts_with(['{', '[']) {
            return self.0.as_ref().encode(protocol, out);
        }
        let value: serde_json::Value = serde_json::from_str(self.0.get()).unwrap();
        EncodeValue::encode(&Pack::from(value), protocol, out)
    }
}

/// The members of a JSON message with values that keep their text.
#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    arguments: Vec<Box<RawValue>>,
    item: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    result: Option<Box<RawValue>>,
    #[serde(rename = "allowReconnect", default)]
    allow_reconnect: bool,
}

/// A result of null is a result.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(from).map(Some)
}

fn written_json(message: &[u8]) -> Vec<u8> {
    let raw: Raw = serde_json::from_slice(message).unwrap();
    let arguments: Vec<Again> = raw.arguments.into_iter().map(Again).collect();
    let value = raw.item.or(raw.result).map(Again);
    let value = value.as_ref().map(|value| value as &dyn EncodeValue);
    write(
        JSON,
        &said(JSON, message),
        &arguments,
        value,
        raw.allow_reconnect,
    )
}

fn written_message_pack(message: &[u8]) -> Vec<u8> {
    let said = said(MESSAGE_PACK, message);
    let arguments = said.arguments.clone().unwrap_or_default();
    let value = said.value.as_ref().map(|value| value as &dyn EncodeValue);
    let allow_reconnect = message.ends_with(&[0xc3]);
    write(MESSAGE_PACK, &said, &arguments, value, allow_reconnect)
}

fn write<T: EncodeValue>(
    protocol: HubProtocol,
    said: &Said,
    arguments: &[T],
    value: Option<&dyn EncodeValue>,
    allow_reconnect: bool,
) -> Vec<u8> {
    let mut out = Vec::new();
    let id = said.id.as_deref();
    let written = match said.kind {
        1 => {
            let target = said.target.as_deref().unwrap();
            protocol.write_invocation(&mut out, id, target, &arguments)
        }
        2 => protocol.write_stream_item(&mut out, id.unwrap(), value.unwrap()),
        3 => {
            let answer = match (&said.error, value) {
                (Some(error), _) => Answer::Error(error),
                (None, Some(value)) => Answer::Result(value),
                (None, None) => Answer::Void,
            };
            protocol.write_completion(&mut out, id.unwrap(), answer)
        }
        6 => {
            out.extend_from_slice(&protocol.ping());
            Ok(())
        }
        7 => {
            out.extend_from_slice(&protocol.close(said.error.as_deref(), allow_reconnect));
            Ok(())
        }
        kind => panic!("servers do not write type {kind}"),
    };
    written.unwrap();
    out
}

/// .NET writes a number in the width of its type where it read it as an object of none; here it is the shortest.
fn meant_message<'a>(name: &str, message: &'a [u8]) -> &'a [u8] {
    const WIDE: &[u8] = b"\x95\x03\x80\xa11\x03\x81\xa1a\x94\xcc\x01\xc0\xc3\xa1x";
    const SHORT: &[u8] = b"\x95\x03\x80\xa11\x03\x81\xa1a\x94\x01\xc0\xc3\xa1x";
    if name == "msgpack: anything" && message == WIDE {
        SHORT
    } else {
        message
    }
}

fn check_writes(protocol: HubProtocol, file: &str) -> usize {
    let mut count = 0;
    for conversation in conversations(file) {
        let rows = conversation.rows.iter();
        for message in rows.flat_map(|row| answered(protocol, row)) {
            let (ours, theirs) = match protocol {
                HubProtocol::Json => (written_json(&message), [&message[..], b"\x1e"].concat()),
                HubProtocol::MessagePack => (
                    written_message_pack(&message),
                    framed(meant_message(&conversation.name, &message)),
                ),
            };
            assert_eq!(
                ours.escape_ascii().to_string(),
                theirs.escape_ascii().to_string(),
                "{}",
                conversation.name
            );
            count += 1;
        }
    }
    count
}

#[test]
fn what_the_server_said_is_written_to_the_byte() {
    for (protocol, file, count) in [
        (JSON, "json_messages.json", 100),
        (JSON, "json_messages_detailed.json", 100),
        (MESSAGE_PACK, "msgpack_messages.json", 40),
    ] {
        let written = check_writes(protocol, file);
        assert!(written >= count, "only {written} messages in {file}");
    }
}
