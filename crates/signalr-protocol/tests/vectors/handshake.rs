//! Handshakes of Microsoft's test suites.

use signalr_protocol::handshake::{self, HandshakeError, read};
use signalr_protocol::{HubProtocol, TransferFormat};

#[test]
fn requests_are_read() {
    for (input, protocol, version) in [
        (r#"{"protocol":"dummy","version":1}"#, "dummy", 1),
        (r#"{"protocol":"","version":10}"#, "", 10),
        (r#"{"protocol":"","version":10,"unknown":null}"#, "", 10),
        (
            r#"{"protocol":"firstProtocol","protocol":"dummy","version":1}"#,
            "dummy",
            1,
        ),
        (
            r#"{"protocol":"dummy","version":9,"version":1}"#,
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
        let request = read(input.as_bytes()).unwrap();
        assert_eq!(
            (&*request.protocol, request.version),
            (protocol, version),
            "{input}"
        );
    }
}

#[test]
fn what_is_no_request_is_told_in_the_words_of_dotnet() {
    for (input, detail) in INVALID {
        let error = read(input.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), *detail, "{input}");
        assert_eq!(
            HandshakeError::Unreadable(error.clone()).message(false),
            "An unexpected error occurred during connection handshake."
        );
        assert_eq!(
            HandshakeError::Unreadable(error).message(true),
            format!(
                "An unexpected error occurred during connection handshake. InvalidDataException: {detail}"
            )
        );
    }
}

fn check(input: &str, transport: TransferFormat, expected: Result<HubProtocol, &str>) {
    let request = read(input.as_bytes()).unwrap();
    let decided = request.accept(&HubProtocol::ALL, transport);
    assert_eq!(
        decided.map_err(|error| error.to_string()),
        expected.map_err(str::to_owned),
        "{input}"
    );
}

#[test]
fn protocols_are_chosen_by_name_and_version() {
    use HubProtocol::{Json, MessagePack};
    use TransferFormat::{Binary, Text};
    check(r#"{"protocol":"json","version":0}"#, Text, Ok(Json));
    check(r#"{"protocol":"JSON","version":2}"#, Binary, Ok(Json));
    check(
        r#"{"protocol":"MessagePack","version":1}"#,
        Binary,
        Ok(MessagePack),
    );
    check(
        r#"{"protocol":"dummy","version":1}"#,
        Text,
        Err("The protocol 'dummy' is not supported."),
    );
    check(
        r#"{"protocol":"json","version":9001}"#,
        Text,
        Err("The server does not support version 9001 of the 'json' protocol."),
    );
    check(
        r#"{"protocol":"messagepack","version":3}"#,
        Text,
        Err("The server does not support version 3 of the 'messagepack' protocol."),
    );
    check(
        r#"{"protocol":"MessagePack","version":1}"#,
        Text,
        Err(
            "Cannot use the 'messagepack' protocol on the current transport. The transport does not support 'Binary' transfer format.",
        ),
    );
    let request = read(br#"{"protocol":"messagepack","version":1}"#).unwrap();
    let error = request.accept(&[Json], Binary).unwrap_err();
    assert_eq!(
        error,
        HandshakeError::UnknownProtocol("messagepack".to_owned())
    );
}

#[test]
fn answers() {
    assert_eq!(handshake::accepted(), "{}\u{1e}");
    assert_eq!(
        handshake::refused("a \"b\""),
        "{\"error\":\"a \\\"b\\\"\"}\u{1e}"
    );
}

/// Input and detail of requests that are refused.
const INVALID: &[(&str, &str)] = &[
    (
        r#"42"#,
        r#"Unexpected JSON Token Type 'Number'. Expected a JSON Object."#,
    ),
    (
        r#""42""#,
        r#"Unexpected JSON Token Type 'String'. Expected a JSON Object."#,
    ),
    (
        r#"null"#,
        r#"Unexpected JSON Token Type 'Null'. Expected a JSON Object."#,
    ),
    (
        r#"[]"#,
        r#"Unexpected JSON Token Type 'Array'. Expected a JSON Object."#,
    ),
    (
        r#"{}"#,
        r#"Missing required property 'protocol'. Message content: {}"#,
    ),
    (
        r#"{"version":1}"#,
        r#"Missing required property 'protocol'. Message content: {"version":1}"#,
    ),
    (
        r#"{"protocol":"json"}"#,
        r#"Missing required property 'version'. Message content: {"protocol":"json"}"#,
    ),
    (
        r#"{"type":4,"invocationId":"42","target":"foo","arguments":{}}"#,
        r#"Missing required property 'protocol'. Message content: {"type":4,"invocationId":"42","target":"foo","arguments":{}}"#,
    ),
    (
        r#"{"version":"123"}"#,
        r#"Expected 'version' to be of type Number."#,
    ),
    (
        r#"{"protocol":null,"version":123}"#,
        r#"Expected 'protocol' to be of type String."#,
    ),
];
