//! The options of a hub, each with its default and the reason for it.

use std::num::NonZeroU32;
use std::time::Duration;

use signalr_protocol::HubProtocol;
use signalr_protocol::keep_alive::Timeouts;
use signalr_protocol::negotiate::Transport;

/// How a hub treats its connections. Names and, unless said otherwise, defaults are ASP.NET Core's.
#[derive(Debug, Clone)]
pub struct HubOptions {
    /// Hub protocols that clients may choose. Default: JSON and MessagePack.
    pub protocols: Vec<HubProtocol>,
    /// Transports on offer. Default: all that there are.
    pub transports: Vec<Transport>,
    /// How long a handshake, silence and the time between pings may be. Defaults: 15 s, 30 s, 15 s.
    pub timeouts: Timeouts,
    /// The most bytes of one message from a client, framing included; none: no limit. Default: 32,768.
    pub maximum_receive_message_size: Option<usize>,
    /// How many calls of one client run at once. Default: 1, so that calls are answered in order.
    pub maximum_parallel_invocations: usize,
    /// How many items of an upload stream wait for the method that reads them. Default: 10.
    pub stream_buffer_capacity: usize,
    /// How many calls of one client may stream at once, in either direction; more are refused. Default: 1,000.
    ///
    /// Such calls wait for no turn, and ASP.NET Core has no limit. A thousand are more than any page shows, and keep
    /// about a megabyte.
    pub streams_max: usize,
    /// Whether clients are told the text of errors that were not written for them. Default: no.
    pub detailed_errors: bool,
    /// Whether a connection may outlive its transport, for clients that ask for it. Default: no.
    pub allow_stateful_reconnects: bool,
    /// Bytes of unacknowledged messages at which writers wait. Default: 100,000.
    ///
    /// Broadcasts do not wait. A client that is away, or has acknowledged nothing for three seconds, is closed when
    /// [`Self::transport_buffer_size`] more have gathered, and any other at 16 times as much.
    pub stateful_reconnect_buffer_size: usize,
    /// How long a connection lives without a transport, and a negotiated one without its first. Default: 15 s.
    pub disconnect_timeout: Duration,
    /// How long a poll waits for something to say. Default: 90 s; clients give up after 100 s.
    pub poll_timeout: Duration,
    /// How long a closing handshake may take. Default: 5 s.
    ///
    /// A server that shuts down waits a tenth of it for the poll that would be told by 204 that its connection is over:
    /// the Close message has come with the poll before, and nothing new is accepted any more.
    pub close_timeout: Duration,
    /// The most bytes that wait for a client that has taken nothing for a second; more end the connection.
    ///
    /// Default: 65,536, the size at which ASP.NET Core stops writing and makes every sender of a broadcast wait. Here
    /// nobody waits for a slow client: it is closed, and may come back. One that does read, or was sent a lot at once,
    /// may have 16 times as much waiting; and one message may always wait, however large it is.
    pub transport_buffer_size: usize,
    /// How long a client may leave what was sent to it unread. Default: 10 s.
    pub transport_send_timeout: Duration,
    /// The most connections that are negotiated and not yet used. Default: 20,000, about 4 MB; more get 503.
    pub unclaimed_connections_max: usize,
    /// The most connections of one user on this server; more get 429. Default: 10,000.
    ///
    /// Half of the file descriptors of a usual limit: a token that has leaked cannot take the server from everybody.
    pub connections_per_user_max: Option<usize>,
    /// The most connections from one address; more get 429. Default: no limit.
    ///
    /// Behind a load balancer all clients have its address; who has none in front can say what is right.
    pub connections_per_address_max: Option<usize>,
    /// How many calls a second a client may make in the long run; twice as many at once. Default: no limit.
    ///
    /// Calls of one client are taken one after the other and only as fast as it reads the answers, which bounds what
    /// it can ask for; what is too often depends on the hub.
    pub invocations_per_second_max: Option<NonZeroU32>,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            protocols: HubProtocol::ALL.to_vec(),
            transports: Transport::ALL.to_vec(),
            timeouts: Timeouts::default(),
            maximum_receive_message_size: Some(32 * 1024),
            maximum_parallel_invocations: 1,
            stream_buffer_capacity: 10,
            streams_max: 1_000,
            detailed_errors: false,
            allow_stateful_reconnects: false,
            stateful_reconnect_buffer_size: 100_000,
            disconnect_timeout: Duration::from_secs(15),
            poll_timeout: Duration::from_secs(90),
            close_timeout: Duration::from_secs(5),
            transport_buffer_size: 64 * 1024,
            transport_send_timeout: Duration::from_secs(10),
            unclaimed_connections_max: 20_000,
            connections_per_user_max: Some(10_000),
            connections_per_address_max: None,
            invocations_per_second_max: None,
        }
    }
}
