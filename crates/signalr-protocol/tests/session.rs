//! Whole conversations through the connection, cut in every way.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use signalr_protocol::negotiate::Transport;
use signalr_protocol::{Connection, Event, HubProtocol, Options, ProtocolError, Timeout};

const HANDSHAKE: &[u8] = b"{\"protocol\":\"json\",\"version\":1}\x1e";
const BINARY_HANDSHAKE: &[u8] = b"{\"protocol\":\"messagepack\",\"version\":1}\x1e";

#[expect(clippy::disallowed_methods, reason = "any origin will do")]
fn origin() -> Instant {
    Instant::now()
}

fn connection(transport: Transport, limit: Option<usize>) -> (Connection, Instant) {
    let options = Options {
        maximum_receive_message_size: limit,
        ..Options::default()
    };
    let now = origin();
    (Connection::new(Arc::new(options), transport, now), now)
}

/// All events, as text, until there are none or the protocol is violated.
fn events(connection: &mut Connection) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        match connection.poll_event() {
            Ok(Some(event)) => all.push(format!("{event:?}")),
            Ok(None) => return all,
            Err(violation) => {
                all.push(violation.to_string());
                return all;
            }
        }
    }
}

fn sent(connection: &mut Connection) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(transmit) = connection.poll_transmit() {
        all.extend_from_slice(&transmit.payload);
    }
    all
}

fn talk(pieces: &[&[u8]], limit: Option<usize>) -> (Vec<String>, Vec<u8>) {
    let (mut connection, now) = connection(Transport::WebSockets, limit);
    let mut all = Vec::new();
    for piece in pieces {
        connection.handle_bytes(piece, now);
        all.extend(events(&mut connection));
    }
    (all, sent(&mut connection))
}

#[test]
fn a_handshake_may_bring_messages_along() {
    let bytes = [HANDSHAKE, b"{\"type\":6}\x1e{\"type\":7}\x1e"].concat();
    let (found, answer) = talk(&[&bytes], Some(1000));
    assert_eq!(
        found,
        [
            "Open(Json)",
            "Message(Ping)",
            "Message(Close { error: None })"
        ]
    );
    assert_eq!(answer, b"{}\x1e");
}

#[test]
fn a_binary_protocol_needs_a_transport_that_carries_it() {
    let (mut connection, now) = connection(Transport::ServerSentEvents, None);
    connection.handle_bytes(BINARY_HANDSHAKE, now);
    assert!(matches!(
        connection.poll_event(),
        Ok(Some(Event::Refused(_)))
    ));
    let answer = String::from_utf8(sent(&mut connection)).unwrap();
    assert!(
        answer.contains("does not support 'Binary' transfer format"),
        "{answer}"
    );
}

/// The limit is a sliding window: many small messages may come at once.
#[test]
fn the_limit_is_for_each_message() {
    let ping = b"{\"type\":6}\x1e";
    let long = b"{\"type\":6,\"x\":\"0123456789\"}\x1e";
    let bytes = [HANDSHAKE, ping, ping, ping, long, ping].concat();
    let (found, _) = talk(&[&bytes], Some(HANDSHAKE.len()));
    assert_eq!(found.len(), 6, "{found:?}");
    let limit = ping.len() + 1;
    let (mut connection, now) = connection(Transport::WebSockets, None);
    connection.handle_bytes(HANDSHAKE, now);
    assert_eq!(events(&mut connection), ["Open(Json)"]);
    let (found, _) = talk(
        &[HANDSHAKE, &[ping.as_slice(), long].concat()],
        Some(HANDSHAKE.len() - 5),
    );
    assert!(
        found[0].contains("Canceled"),
        "a handshake has the limit, too: {found:?}"
    );
    assert!(limit < long.len());
}

#[test]
fn a_message_over_the_limit_ends_the_connection() {
    let big = format!("{{\"type\":6,\"x\":\"{}\"}}\x1e", "x".repeat(100));
    let (found, _) = talk(
        &[
            HANDSHAKE,
            b"{\"type\":6}\x1e",
            big.as_bytes(),
            b"{\"type\":6}\x1e",
        ],
        Some(64),
    );
    let too_large = ProtocolError::TooLarge { limit: 64 }.to_string();
    assert_eq!(found, ["Open(Json)", "Message(Ping)", &too_large]);
    // Also before its end has come: nothing is kept of it.
    let (found, _) = talk(&[HANDSHAKE, &big.as_bytes()[..64]], Some(64));
    assert_eq!(found, ["Open(Json)", &too_large]);
}

#[test]
fn an_end_in_the_middle_of_a_message_is_told() {
    let (mut connection, now) = connection(Transport::WebSockets, None);
    connection.handle_bytes(HANDSHAKE, now);
    connection.handle_bytes(b"{", now);
    assert_eq!(events(&mut connection), ["Open(Json)"]);
    assert_eq!(connection.handle_end(), Err(ProtocolError::Truncated));
}

#[test]
fn a_handshake_that_does_not_come_is_answered() {
    let (mut connection, now) = connection(Transport::WebSockets, None);
    let later = now + Duration::from_secs(15);
    assert_eq!(connection.poll_timeout(), Some(later));
    assert!(matches!(
        connection.handle_timeout(later),
        Ok(Some(Timeout::Refused(_)))
    ));
    assert_eq!(
        sent(&mut connection),
        b"{\"error\":\"Handshake was canceled.\"}\x1e"
    );
    assert_eq!(connection.poll_timeout(), None);
}

#[test]
fn what_was_received_twice_is_handed_on_once() {
    let (mut connection, now) = connection(Transport::WebSockets, None);
    connection.enable_replay();
    connection.handle_bytes(b"{\"protocol\":\"json\",\"version\":2}\x1e", now);
    let cancel = |id: u32| format!("{{\"type\":5,\"invocationId\":\"{id}\"}}\x1e");
    connection.handle_bytes(
        (cancel(1) + &cancel(2) + "{\"type\":5,\"invo").as_bytes(),
        now,
    );
    assert_eq!(events(&mut connection).len(), 3);
    connection.handle_transport_replaced(now);
    let again = "{\"type\":9,\"sequenceId\":2}\x1e".to_owned() + &cancel(2) + &cancel(3);
    connection.handle_bytes(again.as_bytes(), now);
    let found = events(&mut connection);
    assert_eq!(found.len(), 3);
    assert_eq!(found[1], "Skipped");
    assert!(found[2].contains("\"3\""), "{found:?}");
}

fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let json = prop::collection::vec(
        prop_oneof![
            Just("{\"type\":6}\x1e".to_owned()),
            Just("{\"type\":99}\x1e".to_owned()),
            "[a-z]{0,40}".prop_map(|x| format!(
                "{{\"arguments\":[\"{x}\"],\"target\":\"T\",\"type\":1}}\x1e"
            )),
            any::<u16>().prop_map(|id| format!("{{\"type\":5,\"invocationId\":\"{id}\"}}\x1e")),
        ],
        0..20,
    )
    .prop_map(|messages| [HANDSHAKE, messages.concat().as_bytes()].concat());
    let binary = prop::collection::vec(any::<u16>(), 0..20).prop_map(|values| {
        let mut bytes = BINARY_HANDSHAKE.to_vec();
        for value in values {
            HubProtocol::MessagePack
                .write_invocation(
                    &mut bytes,
                    Some("1"),
                    "Target",
                    &(value, "x".repeat(usize::from(value % 300))),
                )
                .unwrap();
        }
        bytes
    });
    prop_oneof![json, binary]
}

proptest! {
    #[test]
    fn it_does_not_matter_where_the_bytes_are_cut(
        bytes in conversation(),
        cuts in prop::collection::vec(1usize..50, 0..60),
    ) {
        let whole = talk(&[&bytes], Some(1000));
        let mut pieces = Vec::new();
        let mut rest = bytes.as_slice();
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        prop_assert_eq!(talk(&pieces, Some(1000)), whole);
    }

    #[test]
    fn no_bytes_panic(
        start in prop_oneof![Just(&b""[..]), Just(HANDSHAKE), Just(BINARY_HANDSHAKE)],
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        text in "[\\[\\]{}\":,a-z0-9\u{1e}]{0,200}",
    ) {
        talk(&[start, &bytes], Some(100));
        talk(&[start, text.as_bytes()], Some(100));
    }

    /// Bytes that are nearly right reach further into the readers.
    #[test]
    fn no_mutation_panics(bytes in conversation(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = bytes;
        let at = at.index(bytes.len());
        bytes[at] = byte;
        talk(&[&bytes], Some(1000));
    }
}
