//! What a peer may take of the listeners before and between requests.

use std::time::Duration;

/// Times and sizes of the listeners, with the defaults the service runs with.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time for the TLS handshake: 10 s, Kestrel's `HandshakeTimeout`.
    pub tls_handshake: Duration,
    /// Time from the connection (after TLS) to its first complete request head on web listeners: 10 s.
    ///
    /// Kestrel gives 30 s. Browsers open connections in advance and do not mind losing them, and an honest client
    /// sends its head within a few round trips.
    pub first_request: Duration,
    /// The same on gRPC listeners: 5 min, since channels of gRPC clients may be opened long before the first call
    /// (round-robin balancers keep one to every node), and would come back at once.
    pub first_request_http2: Duration,
    /// Connections, over all listeners, that have not sent a request yet: 4,096.
    ///
    /// As many as the kernel queues (the backlog) and a fifth of the 20,000 descriptors of a usual limit. One more
    /// and the oldest is dropped: honest peers do not stay in this state for long.
    pub waiting_max: usize,
    /// Time that an HTTP/1.1 connection may be idle between requests: 130 s, Kestrel's `KeepAliveTimeout`, longer
    /// than the 60 s for which load balancers keep connections to reuse.
    pub keep_alive: Duration,
    /// Size of an HTTP/1.1 request head, and of the buffer it is read into, in bytes: 64 KiB.
    ///
    /// Kestrel allows 8 KiB of request line and 32 KiB of headers; a token may be 16 KiB, in either.
    pub head_max: usize,
    /// HTTP/2 streams at a time on one connection: 100, Kestrel's `MaxStreamsPerConnection`.
    pub streams_max: u32,
    /// Bytes in flight to us on one HTTP/2 stream: 96 KiB, Kestrel's before .NET 8.
    pub stream_window: u32,
    /// Bytes in flight to us on one HTTP/2 connection: 128 KiB, Kestrel's before .NET 8.
    pub connection_window: u32,
    /// Bytes that hyper buffers for one HTTP/2 stream on its way out: 64 KiB; hyper's own is 400 KiB.
    pub send_buffer_max: usize,
    /// Bytes that the kernel holds of what a web client does not read: 16 KiB, for which it sets twice as much aside.
    ///
    /// By default Linux lets each socket grow to 4 MiB, beyond every limit of the service: 500 clients that stop reading
    /// take what the kernel has for all sockets. Status events of minutes fit in; longer answers take more round trips.
    pub socket_send_buffer: u64,
    /// Size of the headers of an HTTP/2 request in bytes: 64 KiB, as [`Limits::head_max`].
    pub header_list_max: u32,
    /// Time after which a silent HTTP/2 connection is asked whether it is alive: 30 s, below the 60 s after which
    /// many NAT boxes forget it.
    pub ping_interval: Duration,
    /// Time for the answer to that: 20 s, the usual default of gRPC implementations.
    pub ping_timeout: Duration,
    /// Whether WebSockets may be opened over HTTP/2 (RFC 8441): no. Each costs several times one over HTTP/1.1, to
    /// which browsers turn by themselves when it is not offered.
    pub extended_connect: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tls_handshake: Duration::from_secs(10),
            first_request: Duration::from_secs(10),
            first_request_http2: Duration::from_secs(300),
            waiting_max: 4096,
            keep_alive: Duration::from_secs(130),
            head_max: 64 * 1024,
            streams_max: 100,
            stream_window: 96 * 1024,
            connection_window: 128 * 1024,
            send_buffer_max: 64 * 1024,
            socket_send_buffer: 16 * 1024,
            header_list_max: 64 * 1024,
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(20),
            extended_connect: false,
        }
    }
}
