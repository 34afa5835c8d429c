//! `SignalR`: how the hub treats its connections.

use std::num::NonZeroU32;
use std::time::Duration;

use dotnet_config::{ByteSize, Choice, Flag, Reader, TimeSpan, Whole};

use super::keys;

/// How the hub treats its connections. Names and defaults are ASP.NET Core's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalR {
    /// Time between two pings of the server. Default: 15 s.
    pub keep_alive_interval: Duration,
    /// Silence of a client that ends its connection. Default: 30 s.
    pub client_timeout_interval: Duration,
    /// Time for the handshake. Default: 15 s.
    pub handshake_timeout: Duration,
    /// Bytes of one message from a client, `None` for no limit. Default: 32,768.
    pub maximum_receive_message_size: Option<usize>,
    /// Calls of one client at a time. Default: 1.
    pub maximum_parallel_invocations_per_client: usize,
    /// Items of an upload stream that wait for their method. Default: 10.
    pub stream_buffer_capacity: usize,
    /// Whether clients see the text of unexpected errors. Default: no.
    pub enable_detailed_errors: bool,
    /// Whether a connection may outlive its transport. Default: no.
    pub allow_stateful_reconnects: bool,
    /// Bytes kept for a client that is away. Default: 100,000.
    pub stateful_reconnect_buffer_size: usize,
    /// Transports on offer, each once. Default: all three.
    pub transports: Vec<TransportKind>,
    /// Life of a connection without a transport. Default: 15 s.
    pub disconnect_timeout: Duration,
    /// Bytes that wait for a client which does not read, more end the connection. Default: 65,536.
    pub transport_max_buffer_size: usize,
    /// Calls of one client that stream at once. Default: 1,000; .NET has no limit.
    pub maximum_streams_per_client: usize,
    /// Whether WebSockets may be opened over HTTP/2. Default: no; each costs several times one over HTTP/1.1.
    pub web_sockets_over_http2: bool,
    /// Connections of one user on this node. Default: 10,000, half of the descriptors of a usual limit.
    pub maximum_connections_per_user: Option<usize>,
    /// Connections from one address. Default: no limit, since a balancer in front is one address for all.
    pub maximum_connections_per_address: Option<usize>,
    /// Calls a second of one client in the long run. Default: no limit.
    pub maximum_invocations_per_second: Option<NonZeroU32>,
    /// Connections that are negotiated and not used. Default: 20,000, about 4 MB.
    pub maximum_unclaimed_connections: usize,
}

/// A way of carrying messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    /// WebSockets.
    WebSockets,
    /// Server-sent events one way, requests the other.
    ServerSentEvents,
    /// Requests that wait for an answer.
    LongPolling,
}

pub(super) fn read(reader: &mut Reader<'_>) -> SignalR {
    let time = TimeSpan::between(INTERVAL_MIN, INTERVAL_MAX);
    let count = Whole::between(0, CONNECTIONS_MAX);
    let signalr = SignalR {
        keep_alive_interval: reader.or(keys::KEEP_ALIVE_INTERVAL, &time, seconds(15)),
        client_timeout_interval: reader.or(keys::CLIENT_TIMEOUT_INTERVAL, &time, seconds(30)),
        handshake_timeout: reader.or(keys::HANDSHAKE_TIMEOUT, &time, seconds(15)),
        maximum_receive_message_size: message_size(reader),
        maximum_parallel_invocations_per_client: reader.or(
            keys::MAX_PARALLEL_INVOCATIONS,
            &Whole::between(1, PARALLEL_INVOCATIONS_MAX),
            1,
        ),
        stream_buffer_capacity: reader.or(
            keys::STREAM_BUFFER,
            &Whole::between(1, STREAM_BUFFER_MAX),
            10,
        ),
        enable_detailed_errors: reader.or(keys::DETAILED_ERRORS, &Flag, false),
        allow_stateful_reconnects: reader.or(keys::STATEFUL_RECONNECTS, &Flag, false),
        stateful_reconnect_buffer_size: size(reader.or(
            keys::STATEFUL_BUFFER,
            &ByteSize::between(1, BUFFER_MAX),
            100_000,
        )),
        transports: transports(reader),
        disconnect_timeout: reader.or(keys::DISCONNECT_TIMEOUT, &time, seconds(15)),
        transport_max_buffer_size: size(reader.or(
            keys::TRANSPORT_BUFFER,
            &ByteSize::between(TRANSPORT_BUFFER_MIN, BUFFER_MAX),
            65_536,
        )),
        maximum_streams_per_client: reader.or(
            keys::STREAMS,
            &Whole::between(1, STREAMS_MAX),
            1_000,
        ),
        web_sockets_over_http2: reader.or(keys::EXTENDED_CONNECT, &Flag, false),
        maximum_connections_per_user: limit(reader.or(keys::USER_CONNECTIONS, &count, 10_000)),
        maximum_connections_per_address: limit(reader.or(keys::ADDRESS_CONNECTIONS, &count, 0)),
        maximum_invocations_per_second: NonZeroU32::new(reader.or(
            keys::INVOCATION_RATE,
            &Whole::between(0, RATE_MAX),
            0,
        )),
        maximum_unclaimed_connections: reader.or(keys::UNCLAIMED_CONNECTIONS, &count, 20_000),
    };
    if signalr.client_timeout_interval < signalr.keep_alive_interval * 2 {
        // .NET says so in its documentation only.
        let text = format!(
            "is less than twice {}: one late ping is enough to lose a client that is set the same way",
            keys::KEEP_ALIVE_INTERVAL
        );
        reader.warn(keys::CLIENT_TIMEOUT_INTERVAL, text);
    }
    signalr
}

/// `0` lifts the limit; nothing or `null` leaves the default, so that a variable that is empty by accident opens no door.
/// (.NET's option is lifted by `null`.)
fn message_size(reader: &mut Reader<'_>) -> Option<usize> {
    let bytes = reader.or(
        keys::MAX_MESSAGE_SIZE,
        &ByteSize::between(0, BUFFER_MAX),
        32_768,
    );
    if bytes == 0 {
        reader.warn(
            keys::MAX_MESSAGE_SIZE,
            "is 0: clients may send messages of any size",
        );
    }
    Some(size(bytes)).filter(|bytes| *bytes > 0)
}

fn transports(reader: &mut Reader<'_>) -> Vec<TransportKind> {
    let all = TRANSPORTS.iter().map(|(_, transport)| *transport).collect();
    let mut transports = Vec::new();
    for transport in reader.list_or(keys::TRANSPORTS, &Choice::of(TRANSPORTS), all) {
        if !transports.contains(&transport) {
            transports.push(transport);
        }
    }
    transports
}

/// `0` stands for no limit.
fn limit(count: usize) -> Option<usize> {
    (count > 0).then_some(count)
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const TRANSPORTS: &[(&str, TransportKind)] = &[
    ("WebSockets", TransportKind::WebSockets),
    ("ServerSentEvents", TransportKind::ServerSentEvents),
    ("LongPolling", TransportKind::LongPolling),
];

/// Below a tenth of a second the pings of ten thousand clients are all that the service does.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// A day: a longer one is a mistaken unit.
const INTERVAL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Calls of this hub take microseconds; a thousand at a time is more than any client can use.
const PARALLEL_INVOCATIONS_MAX: usize = 1000;

/// Items, each as large as a message may be: ten thousand are 320 MB already.
const STREAM_BUFFER_MAX: usize = 10_000;

/// A stream takes about a kilobyte: a hundred thousand are 100 MB of one client's already.
const STREAMS_MAX: usize = 100_000;

/// 4 KiB: less would close clients for one burst of events.
const TRANSPORT_BUFFER_MIN: u64 = 4 * 1024;

/// Ten million: more than any process can hold.
const CONNECTIONS_MAX: usize = 10_000_000;

/// A million calls a second is more than one connection can carry.
const RATE_MAX: u32 = 1_000_000;

/// 1 GiB: more than that for one client is a mistaken unit.
const BUFFER_MAX: u64 = 1 << 30;
