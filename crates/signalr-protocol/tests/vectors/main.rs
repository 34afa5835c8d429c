//! The wire as Microsoft's own test suites have it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod handshake;
mod json;
mod messagepack;

use signalr_protocol::codec::Answer;
use signalr_protocol::framing::{self, Frame};
use signalr_protocol::message::{Invocation, Outcome};
use signalr_protocol::payload::EncodeValue;
use signalr_protocol::{HubMessage, HubProtocol, ProtocolError};

const JSON: HubProtocol = HubProtocol::Json;
const MESSAGE_PACK: HubProtocol = HubProtocol::MessagePack;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}

fn read(protocol: HubProtocol, body: &[u8]) -> HubMessage<'_> {
    protocol
        .read(body)
        .unwrap_or_else(|e| panic!("{e}: {body:x?}"))
        .unwrap_or_else(|| panic!("skipped: {body:x?}"))
}

/// A value that is written as the bytes that were read.
#[derive(Clone)]
struct Raw(Vec<u8>);

impl serde::Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let raw: &serde_json::value::RawValue = serde_json::from_slice(&self.0).unwrap();
            raw.serialize(serializer)
        } else {
            unreachable!("MessagePack values are compared by what they mean")
        }
    }
}

/// Writes a message again that the server may send, as it was read.
fn write_again(message: &HubMessage<'_>) -> Option<Vec<u8>> {
    use signalr_protocol::payload::Value;
    let raw = |value: &Value<'_>| match value {
        Value::Json(text) => Raw(text.as_bytes().to_vec()),
        Value::MessagePack(_) => unreachable!(),
    };
    let mut out = Vec::new();
    match message {
        HubMessage::Invocation(call) if call.stream_ids.is_empty() && call.headers.is_empty() => {
            let values = call.arguments.split(count(call)).unwrap();
            let arguments: Vec<Raw> = values.iter().map(raw).collect();
            JSON.write_invocation(
                &mut out,
                call.id.as_deref(),
                &call.target,
                &arguments.as_slice(),
            )
            .unwrap();
        }
        HubMessage::StreamItem { id, item } => {
            JSON.write_stream_item(&mut out, id, &raw(item)).unwrap();
        }
        HubMessage::Completion { id, outcome } => {
            let value = match outcome {
                Outcome::Result(value) => Some(raw(value)),
                Outcome::Void | Outcome::Error(_) => None,
            };
            let answer = match (outcome, &value) {
                (Outcome::Error(text), _) => Answer::Error(text),
                (_, Some(value)) => Answer::Result(value),
                (_, None) => Answer::Void,
            };
            JSON.write_completion(&mut out, id, answer).unwrap();
        }
        HubMessage::Ping => out.extend_from_slice(&JSON.ping()),
        HubMessage::Ack { sequence_id } => out.extend_from_slice(&JSON.ack(*sequence_id)),
        HubMessage::Sequence { sequence_id } => {
            out.extend_from_slice(&JSON.sequence(*sequence_id));
        }
        _ => return None,
    }
    assert_eq!(out.pop(), Some(framing::RECORD_SEPARATOR));
    Some(out)
}

fn count(call: &Invocation<'_>) -> usize {
    (0..10)
        .find(|&expected| call.arguments.split(expected).is_ok())
        .unwrap()
}

#[test]
fn json_messages_are_read_and_written_alike() {
    let mut written = 0;
    for text in json::ROUND_TRIPS {
        let message = read(JSON, text.as_bytes());
        // Headers, upload streams and calls of streams come from clients only.
        let is_ours = !text.contains("headers") && !text.contains("KeyWith");
        if let Some(again) = write_again(&message)
            && is_ours
        {
            assert_eq!(String::from_utf8(again).unwrap(), *text);
            written += 1;
        }
    }
    assert!(written >= 20, "{written} of them are the server's to write");
}

#[test]
fn json_members_come_in_any_order_and_foreign_ones_are_ignored() {
    for text in json::READ_ONLY {
        read(JSON, text.as_bytes());
    }
    let HubMessage::Completion { id, outcome } = read(JSON, json::READ_ONLY[3].as_bytes()) else {
        panic!("not a completion");
    };
    assert_eq!(id, "15");
    assert!(matches!(outcome, Outcome::Result(value) if value.read::<i32>() == Ok(10)));
}

#[test]
fn close_messages_are_written_as_the_vectors_have_them() {
    for (error, allow_reconnect, text) in [
        (None, false, r#"{"type":7}"#),
        (Some("Error!"), false, r#"{"type":7,"error":"Error!"}"#),
        (Some(""), false, r#"{"type":7,"error":""}"#),
        (None, true, r#"{"type":7,"allowReconnect":true}"#),
        (
            Some("Error!"),
            true,
            r#"{"type":7,"error":"Error!","allowReconnect":true}"#,
        ),
    ] {
        assert!(json::ROUND_TRIPS.contains(&text));
        assert_eq!(
            &JSON.close(error, allow_reconnect)[..],
            format!("{text}\x1e").as_bytes()
        );
    }
    for (error, allow_reconnect, hex) in [
        (None, false, "04 93 07 c0 c2"),
        (None, true, "04 93 07 c0 c3"),
        (Some("Error!"), true, "0a 93 07 a6 45 72 72 6f 72 21 c3"),
    ] {
        assert_eq!(MESSAGE_PACK.close(error, allow_reconnect), bytes(hex));
    }
}

#[test]
fn broken_json_is_told_in_the_words_of_dotnet() {
    for (input, text) in json::INVALID {
        let error = JSON.read(input.as_bytes()).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), *text, "{input}");
    }
}

#[test]
fn message_pack_is_read_as_the_vectors_have_it() {
    for (name, hex) in messagepack::MESSAGES {
        let body = bytes(hex);
        let message = read(MESSAGE_PACK, &body);
        let kind = match message {
            HubMessage::Invocation(_) => "Invocation",
            HubMessage::StreamInvocation(_) => "StreamInvocation",
            HubMessage::StreamItem { .. } => "StreamItem",
            HubMessage::Completion { .. } => "Completion",
            HubMessage::CancelInvocation { .. } => "CancelInvocation",
            HubMessage::Ping => "Ping",
            HubMessage::Close { .. } => "CloseMessage",
            HubMessage::Ack { sequence_id } => {
                assert_eq!(sequence_id, 42);
                "AckMessage"
            }
            HubMessage::Sequence { sequence_id } => {
                assert_eq!(sequence_id, 146);
                "SequenceMessage"
            }
        };
        assert!(name.starts_with(kind), "{name} was read as {kind}");
    }
    // Items that are not known are ignored.
    let body = bytes("98 01 80 a3 78 79 7a a6 6d 65 74 68 6f 64 90 90 c3 a2 65 78");
    assert!(
        matches!(read(MESSAGE_PACK, &body), HubMessage::Invocation(call) if call.target == "method")
    );
}

#[test]
fn broken_message_pack_is_told_in_the_words_of_dotnet() {
    for (name, hex, text) in messagepack::INVALID {
        let body = bytes(hex);
        let error = MESSAGE_PACK.read(&body).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), *text, "{name}");
    }
}

#[test]
fn arguments_that_do_not_fit_are_no_violation() {
    for (hex, text) in messagepack::UNBINDABLE {
        let body = bytes(hex);
        let (HubMessage::Invocation(call) | HubMessage::StreamInvocation(call)) =
            read(MESSAGE_PACK, &body)
        else {
            panic!("not a call: {hex}");
        };
        let found = match call.arguments.split(1) {
            Err(error) => error.to_string(),
            Ok(values) => {
                values[0].read::<String>().unwrap_err();
                signalr_protocol::payload::BindError::WrongType.to_string()
            }
        };
        assert_eq!(found, *text, "{hex}");
    }
    for (text, expected) in [
        (
            "[]",
            "Invocation provides 0 argument(s) but target expects 2.",
        ),
        (
            r#"[1,"",{"1":1,"2":2}]"#,
            "Invocation provides 3 argument(s) but target expects 2.",
        ),
    ] {
        let arguments = signalr_protocol::payload::Arguments::Json(text);
        assert_eq!(arguments.split(2).unwrap_err().to_string(), expected);
    }
}

fn check_completion(protocol: HubProtocol, value: &dyn EncodeValue, hex: &str) {
    let mut out = Vec::new();
    protocol
        .write_completion(&mut out, "xyz", Answer::Result(value))
        .unwrap();
    let expected = messagepack::MESSAGES
        .iter()
        .find(|(_, found)| *found == hex)
        .unwrap_or_else(|| panic!("no such vector: {hex}"));
    assert_eq!(out[1..], bytes(expected.1), "{}", expected.0);
    assert_eq!(usize::from(out[0]), out.len() - 1);
}

#[test]
fn message_pack_is_written_as_the_vectors_have_it() {
    check_completion(MESSAGE_PACK, &42, "950380a378797a032a");
    check_completion(MESSAGE_PACK, &42.0f32, "950380a378797a03ca42280000");
    check_completion(MESSAGE_PACK, &"string", "950380a378797a03a6737472696e67");
    check_completion(MESSAGE_PACK, &true, "950380a378797a03c3");
    check_completion(MESSAGE_PACK, &(), "950380a378797a03c0");
    let mut out = Vec::new();
    MESSAGE_PACK
        .write_completion(&mut out, "xyz", Answer::Void)
        .unwrap();
    assert_eq!(out, bytes("08 94 03 80 a3 78 79 7a 02"));
    out.clear();
    MESSAGE_PACK
        .write_completion(&mut out, "xyz", Answer::Error("Error not found!"))
        .unwrap();
    assert_eq!(
        out[1..],
        bytes("950380a378797a01b04572726f72206e6f7420666f756e6421")
    );
    out.clear();
    MESSAGE_PACK
        .write_stream_item(&mut out, "xyz", &42)
        .unwrap();
    assert_eq!(out, bytes("08 94 02 80 a3 78 79 7a 2a"));
    out.clear();
    MESSAGE_PACK
        .write_invocation(&mut out, None, "method", &(42,))
        .unwrap();
    assert_eq!(out, bytes("0e 96 01 80 c0 a6 6d 65 74 68 6f 64 91 2a 90"));
    out.clear();
    MESSAGE_PACK
        .write_invocation(&mut out, None, "method", &(42, "string"))
        .unwrap();
    assert_eq!(
        out[1..],
        bytes("960180c0a66d6574686f64922aa6737472696e6790")
    );
    assert_eq!(MESSAGE_PACK.ping(), bytes("02 91 06"));
    assert_eq!(MESSAGE_PACK.ack(42), bytes("03 92 08 2a"));
    assert_eq!(MESSAGE_PACK.sequence(146), bytes("04 92 09 cc 92"));
}

#[test]
fn an_unknown_type_is_skipped_and_does_not_block() {
    assert_eq!(JSON.read(br#"{"type":99}"#), Ok(None));
    assert_eq!(MESSAGE_PACK.read(&bytes("91 63")), Ok(None));
}

#[test]
fn length_prefixes() {
    let check = |hex: &str, expected: Result<Option<usize>, &str>| {
        let buffer = bytes(hex);
        let found = framing::split_binary(&buffer, None);
        match (found, expected) {
            (Ok(Frame::Incomplete), Ok(None)) => {}
            (Ok(Frame::Complete { body, .. }), Ok(Some(len))) => {
                assert_eq!(body.len(), len, "{hex}")
            }
            (Err(error), Err(text)) => assert_eq!(error.to_string(), text),
            (found, expected) => panic!("{hex}: {found:?}, not {expected:?}"),
        }
    };
    const TOO_LONG: &str = "Messages over 2GB in size are not supported.";
    check("00", Ok(Some(0)));
    check("03 41 42 43", Ok(Some(3)));
    check(&format!("80 01 {}", "00".repeat(128)), Ok(Some(128)));
    check(
        &format!("80 80 01 {}", "00".repeat(16_384)),
        Ok(Some(16_384)),
    );
    check("ff ff ff ff 07", Ok(None));
    check("80", Ok(None));
    check("09 00 00", Ok(None));
    check("05 01", Ok(None));
    check("80 80 80 80 08", Err(TOO_LONG));
    check("ff ff ff ff ff", Err(TOO_LONG));
    check("ff ff ff ff ff ff", Err(TOO_LONG));
    // ASP.NET Core waits for such a message for ever.
    assert_eq!(
        framing::split_binary(&bytes("ff ff ff ff 07"), Some(32_768)),
        Err(ProtocolError::TooLarge { limit: 32_768 })
    );
}

#[test]
fn handshakes_that_are_refused() {
    for (input, detail) in handshake::INVALID {
        let error = signalr_protocol::handshake::read(input.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), *detail, "{input}");
    }
}

#[test]
fn handshakes_that_are_accepted() {
    for (input, protocol, version) in [
        (r#"{"protocol":"dummy","version":1}"#, "dummy", 1),
        (r#"{"protocol":"","version":10,"unknown":null}"#, "", 10),
        (
            r#"{"protocol":"firstProtocol","protocol":"dummy","version":9,"version":1}"#,
            "dummy",
            1,
        ),
        (
            r#"{"protocol":"dummy","version":1}{"protocol":"wrong","version":99}"#,
            "dummy",
            1,
        ),
        (
            r#"{"\u0070rotoco\u006c":"\u0064ummy","version":1}"#,
            "dummy",
            1,
        ),
    ] {
        let request = signalr_protocol::handshake::read(input.as_bytes()).unwrap();
        assert_eq!(
            (&*request.protocol, request.version),
            (protocol, version),
            "{input}"
        );
    }
}

/// Sizes in bytes, framing included.
#[test]
fn sizes() {
    let len = |protocol: HubProtocol, write: &dyn Fn(HubProtocol, &mut Vec<u8>)| {
        let mut out = Vec::new();
        write(protocol, &mut out);
        out.len()
    };
    let call = |id: Option<&'static str>| {
        move |protocol: HubProtocol, out: &mut Vec<u8>| {
            protocol.write_invocation(out, id, "Target", &(1,)).unwrap();
        }
    };
    let complete = |answer: Answer<'static>| {
        move |protocol: HubProtocol, out: &mut Vec<u8>| {
            protocol.write_completion(out, "1", answer).unwrap();
        }
    };
    assert_eq!(len(JSON, &call(None)), 45);
    assert_eq!(len(JSON, &call(Some("1"))), 64);
    assert_eq!(len(JSON, &complete(Answer::Void)), 30);
    assert_eq!(len(JSON, &complete(Answer::Result(&1))), 41);
    assert_eq!(len(JSON, &complete(Answer::Error("error"))), 46);
    assert_eq!(JSON.close(None, false).len(), 11);
    assert_eq!(JSON.close(Some("error"), false).len(), 27);
    assert_eq!(len(MESSAGE_PACK, &call(None)), 15);
    assert_eq!(len(MESSAGE_PACK, &call(Some("1"))), 16);
    assert_eq!(len(MESSAGE_PACK, &complete(Answer::Void)), 7);
    assert_eq!(len(MESSAGE_PACK, &complete(Answer::Result(&1))), 8);
    assert_eq!(len(MESSAGE_PACK, &complete(Answer::Error("error"))), 13);
}
