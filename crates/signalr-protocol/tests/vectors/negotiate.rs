//! Answers to negotiation.

use signalr_protocol::negotiate::{NegotiateError, Response, Transport, version};

const ALL: &str = r#"{"transport":"WebSockets","transferFormats":["Text","Binary"]},{"transport":"ServerSentEvents","transferFormats":["Text"]},{"transport":"LongPolling","transferFormats":["Text","Binary"]}"#;

#[test]
fn versions() {
    for (asked, expected) in [
        (None, Ok(0)),
        (Some("0"), Ok(0)),
        (Some("1"), Ok(1)),
        (Some("2"), Ok(1)),
        (Some(" 1"), Ok(1)),
        (Some("1 "), Ok(1)),
        (Some("+1"), Ok(1)),
        (Some("-1"), Err(NegotiateError::TooOld(-1))),
        (Some(""), Err(NegotiateError::NotANumber)),
        (Some("x"), Err(NegotiateError::NotANumber)),
        (Some("1.5"), Err(NegotiateError::NotANumber)),
        (Some("99999999999"), Err(NegotiateError::NotANumber)),
    ] {
        assert_eq!(version(asked), expected, "{asked:?}");
    }
}

#[test]
fn errors() {
    for (error, body) in [
        (
            NegotiateError::NotANumber,
            r#"{"error":"The client requested a non-integer protocol version."}"#,
        ),
        (
            NegotiateError::TooOld(-1),
            r#"{"error":"The client requested version '-1', but the server does not support this version."}"#,
        ),
    ] {
        assert_eq!(error.body(), body);
    }
}

fn check(response: &Response<'_>, expected: &str) {
    assert_eq!(response.body(), expected);
}

#[test]
fn answers() {
    let response = Response {
        version: 1,
        connection_id: "id",
        connection_token: "token",
        stateful_reconnect: false,
        transports: &Transport::ALL,
    };
    check(
        &response,
        &format!(
            r#"{{"negotiateVersion":1,"connectionId":"id","connectionToken":"token","availableTransports":[{ALL}]}}"#
        ),
    );
    check(
        &Response {
            version: 0,
            ..response.clone()
        },
        &format!(r#"{{"negotiateVersion":0,"connectionId":"id","availableTransports":[{ALL}]}}"#),
    );
    check(
        &Response {
            stateful_reconnect: true,
            transports: &[Transport::WebSockets],
            ..response.clone()
        },
        r#"{"useStatefulReconnect":true,"negotiateVersion":1,"connectionId":"id","connectionToken":"token","availableTransports":[{"transport":"WebSockets","transferFormats":["Text","Binary"]}]}"#,
    );
    // Microsoft's vectors without ids or with a transport of null cannot be said here: an answer has an id.
    check(
        &Response {
            version: 0,
            transports: &[],
            ..response
        },
        r#"{"negotiateVersion":0,"connectionId":"id","availableTransports":[]}"#,
    );
}
