//! ASP.NET Core 10 as the judge: what it made of these messages, recorded with detailed errors.
//!
//! The same messages go through this library and a hub with the same methods. Where the outcome is another one, a
//! line of `DIFFERENT` says so and why.

mod handshake;
mod json;
mod messagepack;

use std::sync::Arc;

use signalr_protocol::codec::Answer;
use signalr_protocol::message::Invocation;
use signalr_protocol::negotiate::Transport;
use signalr_protocol::payload::{BindError, ByteArray, EncodeValue, Value};
use signalr_protocol::{Connection, HubMessage, HubProtocol, Options};

use super::pack::Pack;
use super::{JSON, MESSAGE_PACK, bind, bind_two, bytes};

/// What came of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
    /// Accepted, without an answer.
    Quiet,
    /// Accepted, with this completion.
    Answer(&'static str),
    /// Accepted, with a completion that has this error.
    Failure(&'static str),
    /// The client said Close, and the connection ended.
    Closed,
    /// The connection ended with this exception.
    Fatal(&'static str),
    /// Nothing happened any more. Here: skipped.
    Stuck,
}

/// The verdict of this library, in one text.
fn ours(protocol: HubProtocol, body: &[u8]) -> String {
    match protocol.read(body) {
        Err(error) => format!("fatal {}: {error}", error.exception()),
        Ok(None) => "skipped".to_owned(),
        Ok(Some(HubMessage::Close { .. })) => "closed".to_owned(),
        Ok(Some(HubMessage::Invocation(call))) => {
            let Some(id) = &call.id else {
                return "quiet".to_owned();
            };
            let mut out = Vec::new();
            let result = run(&call);
            let answer = match &result {
                Ok(value) => Answer::Result(&**value),
                Err(text) => Answer::Error(text),
            };
            protocol.write_completion(&mut out, id, answer).unwrap();
            match (protocol, &result) {
                (HubProtocol::MessagePack, Err(text)) => format!("failure {text}"),
                (HubProtocol::MessagePack, Ok(_)) => format!("answer {out:02x?}"),
                (HubProtocol::Json, _) => {
                    format!(
                        "answer {}",
                        String::from_utf8(out).unwrap().trim_end_matches('\u{1e}')
                    )
                }
            }
        }
        Ok(Some(_)) => "quiet".to_owned(),
    }
}

fn theirs(protocol: HubProtocol, verdict: Verdict) -> String {
    match (verdict, protocol) {
        (Verdict::Quiet, _) => "quiet".to_owned(),
        (Verdict::Answer(text), HubProtocol::Json) => format!("answer {text}"),
        (Verdict::Answer(hex), HubProtocol::MessagePack) => {
            let body = bytes(hex);
            format!("answer {:02x?}", super::said::framed(&body))
        }
        (Verdict::Failure(text), _) => format!("failure {text}"),
        (Verdict::Closed, _) => "closed".to_owned(),
        (Verdict::Fatal(text), _) => format!("fatal {text}"),
        (Verdict::Stuck, _) => "skipped".to_owned(),
    }
}

/// Calls a method of the hub; the error is the text of the completion.
fn run(call: &Invocation<'_>) -> Result<Box<dyn EncodeValue>, String> {
    let result = self::call(&call.target, call).ok_or_else(|| {
        format!("Failed to invoke '{}' due to an error on the server. HubException: Method does not exist.", call.target)
    })?;
    result.map_err(|error| {
        format!(
            "Failed to invoke '{}' due to an error on the server. InvalidDataException: {error}",
            call.target
        )
    })
}

/// The methods of the hub that was recorded.
fn call(name: &str, call: &Invocation<'_>) -> Option<Result<Box<dyn EncodeValue>, BindError>> {
    fn boxed<T: EncodeValue + 'static>(
        value: Result<T, BindError>,
    ) -> Result<Box<dyn EncodeValue>, BindError> {
        value.map(|value| Box::new(value) as Box<dyn EncodeValue>)
    }
    let arguments = &call.arguments;
    Some(match name {
        "Add" => boxed(bind_two(arguments).map(|(a, b): (i32, i32)| a + b)),
        "Half" => boxed(bind(arguments, 1).map(|value: f64| value / 2.0)),
        "Not" => boxed(bind(arguments, 1).map(|value: bool| !value)),
        "EchoString" => boxed(bind::<Option<String>>(arguments, 1)),
        "EchoBytes" => boxed(bind::<Option<ByteArray>>(arguments, 1)),
        "Nothing" => boxed(arguments.split(0).map(|_| ())),
        "Echo" => boxed(arguments.split(1).and_then(|values| match values[..] {
            [Value::MessagePack(value)] => Pack::whole(value).ok_or(BindError::WrongType),
            _ => Err(BindError::WrongType),
        })),
        _ => return None,
    })
}

/// Compares one outcome; `different` has what this library makes of some messages, and why that is well.
fn compare(
    key: &str,
    ours: &str,
    theirs: &str,
    different: &[(&str, &str, &str)],
) -> Result<(), String> {
    let meant = different
        .iter()
        .find(|(found, ..)| *found == key)
        .map(|(_, meant, _)| *meant);
    match meant {
        None if ours == theirs => Ok(()),
        Some(meant) if ours == meant && ours != theirs => Ok(()),
        meant => Err(format!(
            "{key}\n  ours   {ours}\n  theirs {theirs}\n  meant  {meant:?}"
        )),
    }
}

fn check(results: impl Iterator<Item = Result<(), String>>) {
    let wrong: Vec<String> = results.filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn json_messages() {
    check(json::JSON.iter().map(|(text, verdict)| {
        let ours = ours(JSON, text.as_bytes());
        compare(text, &ours, &theirs(JSON, *verdict), JSON_DIFFERENT)
    }));
}

#[test]
fn message_pack_messages() {
    check(
        messagepack::MESSAGE_PACK
            .iter()
            .map(|(name, hex, verdict)| {
                let ours = ours(MESSAGE_PACK, &bytes(hex));
                compare(
                    name,
                    &ours,
                    &theirs(MESSAGE_PACK, *verdict),
                    MESSAGE_PACK_DIFFERENT,
                )
            }),
    );
}

#[test]
fn every_difference_belongs_to_a_message() {
    for (key, ..) in JSON_DIFFERENT {
        assert!(json::JSON.iter().any(|(text, _)| text == key), "{key}");
    }
    for (key, ..) in MESSAGE_PACK_DIFFERENT {
        assert!(
            messagepack::MESSAGE_PACK
                .iter()
                .any(|(name, ..)| name == key),
            "{key}"
        );
    }
    for (key, ..) in HANDSHAKES_DIFFERENT {
        assert!(
            handshake::HANDSHAKES
                .iter()
                .any(|(request, _)| request == key),
            "{key}"
        );
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "any origin will do")]
fn handshakes() {
    let options = Arc::new(Options {
        detailed_errors: true,
        ..Options::default()
    });
    check(handshake::HANDSHAKES.iter().map(|(request, answer)| {
        let now = std::time::Instant::now();
        let mut connection = Connection::new(Arc::clone(&options), Transport::WebSockets, now);
        connection.handle_bytes(format!("{request}\u{1e}").as_bytes(), now);
        connection.poll_event().unwrap().unwrap();
        let transmit = connection.poll_transmit().unwrap();
        let ours = std::str::from_utf8(&transmit.payload).unwrap();
        let ours = ours.trim_end_matches('\u{1e}');
        compare(request, ours, answer, HANDSHAKES_DIFFERENT)
    }));
}

/// Message, what this library makes of it, and why that is well.
const JSON_DIFFERENT: &[(&str, &str, &str)] = &[
    (
        r#"{"type":1,"invocationId":"\ud800","target":"Nothing","arguments":[]}"#,
        "fatal InvalidDataException: Error reading JSON.",
        "the same end in other words",
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Nothing","arguments":[],"streamIds":[1]}"#,
        "fatal InvalidDataException: Expected 'streamIds' to be of type String.",
        "the same end in other words",
    ),
    (
        r#"{"type":2,"invocationId":"","item":1}"#,
        "fatal InvalidDataException: Missing required property 'invocationId'.",
        "the same end in other words",
    ),
    (
        r#"{"type":6,"\ud800":1}"#,
        "fatal InvalidDataException: Error reading JSON.",
        "the same end in other words",
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Add","arguments":[-0,2]}"#,
        r#"answer {"type":3,"invocationId":"1","error":"Failed to invoke 'Add' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."}"#,
        "serde reads -0 as a floating-point number, and nobody writes it as a whole one",
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"EchoBytes","arguments":[" AQID"]}"#,
        r#"answer {"type":3,"invocationId":"1","error":"Failed to invoke 'EchoBytes' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."}"#,
        "blanks are no base64",
    ),
];

/// Name, what this library makes of it, and why that is well.
const MESSAGE_PACK_DIFFERENT: &[(&str, &str, &str)] = &[
    (
        "empty body",
        "fatal InvalidDataException: Reading array length for 'itemCount' failed.",
        "the same end in other words",
    ),
    (
        "nil",
        "fatal InvalidDataException: Reading array length for 'itemCount' failed.",
        "the same end in other words",
    ),
    (
        "int",
        "fatal InvalidDataException: Reading array length for 'itemCount' failed.",
        "the same end in other words",
    ),
    (
        "map ping",
        "fatal InvalidDataException: Reading array length for 'itemCount' failed.",
        "the same end in other words",
    ),
    (
        "type missing",
        "fatal InvalidDataException: Reading array length for 'itemCount' failed.",
        "the same end in other words",
    ),
    (
        "ping count lies",
        "fatal InvalidDataException: Reading array length for 'itemCount' failed.",
        "the same end in other words",
    ),
    (
        "headers truncated",
        "fatal InvalidDataException: Reading 'headers[1].Key' as String failed.",
        "the same end in other words",
    ),
    (
        "header dup",
        "answer [07, 95, 03, 80, a1, 31, 03, 07]",
        "only tracing reads headers, and JSON allows it on both sides",
    ),
    (
        "id bad utf8",
        "fatal InvalidDataException: Reading 'invocationId' as String failed.",
        "text is UTF-8; .NET puts replacement characters into ids, which then match nothing",
    ),
    (
        "id truncated",
        "fatal InvalidDataException: Reading array length for 'itemCount' failed.",
        "the same end in other words",
    ),
    (
        "target bad utf8",
        "fatal InvalidDataException: Reading 'target' as String failed.",
        "text is UTF-8; .NET puts replacement characters into ids, which then match nothing",
    ),
    (
        "streams with int",
        "fatal InvalidDataException: Reading 'streamIds' as String failed.",
        "the same end in other words",
    ),
    (
        "bad args and bad streams",
        "fatal InvalidDataException: Null or empty value in streamIds received.",
        "the whole envelope is read before the arguments are bound",
    ),
    (
        "string bin",
        "answer [08, 95, 03, 80, a1, 31, 03, a1, 78]",
        "binary that is UTF-8 is taken for the text that it is",
    ),
    (
        "string bad utf8",
        "failure Failed to invoke 'EchoString' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.",
        "text is UTF-8; .NET puts replacement characters into ids, which then match nothing",
    ),
    (
        "bytes str8",
        "answer [0b, 95, 03, 80, a1, 31, 03, c4, 03, 61, 62, 63]",
        ".NET takes short text for bytes and not long text",
    ),
    (
        "completion result missing",
        "quiet",
        "a result that is not there does not bind, and nobody waits for this one",
    ),
    (
        "close reconnect missing",
        "fatal InvalidDataException: Reading array length for 'itemCount' failed.",
        "the same end in other words",
    ),
];

/// Request, this library's answer, and why that is well.
const HANDSHAKES_DIFFERENT: &[(&str, &str, &str)] = &[
    (
        "",
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Error reading JSON."}"#,
        "the same end in other words",
    ),
    (
        "hello",
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Error reading JSON."}"#,
        "the same end in other words",
    ),
    (
        r#"{"protocol":"json","version":1,}"#,
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Error reading JSON."}"#,
        "the same end in other words",
    ),
    (
        r#"{"protocol":"json","version":1"#,
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Error reading JSON."}"#,
        "the same end in other words",
    ),
    (
        "\u{feff}{\"protocol\":\"json\",\"version\":1}",
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Error reading JSON."}"#,
        "the same end in other words",
    ),
    (
        r#"{"protocol":"json","version":01}"#,
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Error reading JSON."}"#,
        "the same end in other words",
    ),
    (
        r#"{"protocol":"\ud800","version":1}"#,
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Expected 'protocol' to be of type String."}"#,
        "the same end in other words",
    ),
];
