//! What a connection keeps.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use signalr_protocol::negotiate::Transport;
use signalr_protocol::{Connection, Event, Options, Timeout};

/// An open connection whose answer to the handshake is sent.
fn open(now: Instant) -> Connection {
    let options = Arc::new(Options::default());
    let mut connection = Connection::new(options, Transport::WebSockets, now);
    take(
        &mut connection,
        b"{\"protocol\":\"json\",\"version\":1}\x1e",
        now,
    );
    connection
}

/// Hands in bytes, and takes all that comes of them.
fn take(connection: &mut Connection, bytes: &[u8], now: Instant) {
    connection.handle_bytes(bytes, now);
    while let Some(event) = connection.poll_event().unwrap() {
        assert!(!matches!(event, Event::Refused(_)));
    }
    while connection.poll_transmit().is_some() {}
}

/// The most connections are idle at any time, and there are very many of them.
#[test]
#[expect(clippy::disallowed_methods, reason = "any origin will do")]
fn an_idle_connection_holds_no_buffer() {
    let now = Instant::now();
    let mut connection = open(now);
    let ping = format!("{{\"type\":6,\"x\":\"{}\"}}\x1e", "x".repeat(30_000));
    let kept = allocation_counter::measure(|| take(&mut connection, ping.as_bytes(), now));
    assert!(kept.bytes_total > 30_000, "nothing was measured");
    assert_eq!(kept.bytes_current, 0, "after a message");

    let later = now + Duration::from_secs(15);
    let kept = allocation_counter::measure(|| {
        assert_eq!(connection.handle_timeout(later), Ok(Some(Timeout::Ping)));
        assert!(connection.poll_transmit().is_some());
    });
    assert!(kept.bytes_total > 0, "nothing was measured");
    assert_eq!(kept.bytes_current, 0, "after a ping of the server");

    let half = &ping.as_bytes()[..20_000];
    let kept = allocation_counter::measure(|| {
        take(&mut connection, half, later);
        connection.handle_transport_replaced(later);
    });
    assert_eq!(kept.bytes_current, 0, "after half a message");
}
