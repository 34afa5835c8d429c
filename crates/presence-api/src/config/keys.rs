//! The names of all keys: the only list, held against the documentation by a test.

/// Name of the environment; read by the chain itself.
pub const ENVIRONMENT: &str = "Environment";
/// Directory of the settings files; read by the chain itself.
pub const CONTENT_ROOT: &str = "ContentRoot";

/// Address of the token issuer.
pub const AUTHORITY: &str = "ApiAuth:Authority";
/// Name of the issuer in tokens.
pub const VALID_ISSUER: &str = "ApiAuth:ValidIssuer";
/// This service's name in tokens.
pub const AUDIENCE: &str = "ApiAuth:Audience";
/// Scope that a token must grant.
pub const SCOPE: &str = "ApiAuth:Scope";
/// Whether the issuer must be asked over TLS.
pub const REQUIRE_HTTPS_METADATA: &str = "ApiAuth:RequireHttpsMetadata";
/// Difference of clocks that is forgiven.
pub const CLOCK_SKEW: &str = "ApiAuth:ClockSkew";

/// Origins whose pages may call.
pub const ALLOWED_ORIGINS: &str = "Cors:AllowedOrigins";

/// Hosts that may be asked for; only `*` is supported.
pub const ALLOWED_HOSTS: &str = "AllowedHosts";
/// Addresses of the web listeners.
pub const URLS: &str = "Urls";
/// Ports of plain web listeners on all addresses.
pub const HTTP_PORTS: &str = "Http_Ports";
/// Ports of web listeners with TLS on all addresses.
pub const HTTPS_PORTS: &str = "Https_Ports";
/// Port to which plain requests are sent.
pub const HTTPS_PORT: &str = "Https_Port";
/// Section of named listeners.
pub const ENDPOINTS: &str = "Kestrel:Endpoints";
/// Address of the gRPC listener.
pub const GRPC_URL: &str = "Kestrel:Grpc:Url";
/// Section of the certificate for all listeners with TLS.
pub const DEFAULT_CERTIFICATE: &str = "Kestrel:Certificates:Default";
/// Idle time of an HTTP/1.1 connection.
pub const KEEP_ALIVE_TIMEOUT: &str = "Kestrel:Limits:KeepAliveTimeout";
/// Time for the head of the first request.
pub const REQUEST_HEADERS_TIMEOUT: &str = "Kestrel:Limits:RequestHeadersTimeout";
/// Bytes that the kernel holds of what a web client does not read.
pub const MAX_RESPONSE_BUFFER_SIZE: &str = "Kestrel:Limits:MaxResponseBufferSize";
/// Streams at a time on an HTTP/2 connection.
pub const MAX_STREAMS: &str = "Kestrel:Limits:Http2:MaxStreamsPerConnection";
/// Whether WebSockets may be opened over HTTP/2.
pub const EXTENDED_CONNECT: &str = "SignalR:WebSocketsOverHttp2";

/// Section of log levels by category.
pub const LOG_LEVELS: &str = "Logging:LogLevel";
/// Section of log levels by category, for the console only.
pub const CONSOLE_LOG_LEVELS: &str = "Logging:Console:LogLevel";
/// Form of log lines.
pub const FORMATTER_NAME: &str = "Logging:Console:FormatterName";

/// Where presence is kept.
pub const STORE: &str = "Presence:Store";
/// How long a status stands without being renewed.
pub const STATUS_TTL: &str = "Presence:StatusTtl";
/// How often a node renews statuses.
pub const REFRESH_INTERVAL: &str = "Presence:RefreshInterval";
/// How long a lost connection may take to come back.
pub const GRACE: &str = "Presence:Grace";
/// When a silent node counts as gone.
pub const NODE_TTL: &str = "Presence:NodeTtl";
/// What makes a connection count.
pub const LIVENESS: &str = "Presence:Liveness";
/// Users in one gRPC request.
pub const MAX_USERS_PER_REQUEST: &str = "Presence:MaxUsersPerRequest";
/// Where Redis is.
pub const REDIS: &str = "Redis:ConnectionString";
/// Whether messages between nodes stay within one shard of a cluster.
pub const SHARDED_PUB_SUB: &str = "Redis:ShardedPubSub";

/// Time for the connections to end.
pub const SHUTDOWN_TIMEOUT: &str = "Shutdown:Timeout";
/// The same, in .NET's spelling and in seconds.
pub const SHUTDOWN_TIMEOUT_SECONDS: &str = "ShutdownTimeoutSeconds";

/// Time between two pings of the server.
pub const KEEP_ALIVE_INTERVAL: &str = "SignalR:KeepAliveInterval";
/// Silence of a client that ends its connection.
pub const CLIENT_TIMEOUT_INTERVAL: &str = "SignalR:ClientTimeoutInterval";
/// Time for the handshake.
pub const HANDSHAKE_TIMEOUT: &str = "SignalR:HandshakeTimeout";
/// Size of one message from a client.
pub const MAX_MESSAGE_SIZE: &str = "SignalR:MaximumReceiveMessageSize";
/// Calls of one client at a time.
pub const MAX_PARALLEL_INVOCATIONS: &str = "SignalR:MaximumParallelInvocationsPerClient";
/// Items of an upload stream that wait.
pub const STREAM_BUFFER: &str = "SignalR:StreamBufferCapacity";
/// Whether clients see the text of errors.
pub const DETAILED_ERRORS: &str = "SignalR:EnableDetailedErrors";
/// Whether a connection may outlive its transport.
pub const STATEFUL_RECONNECTS: &str = "SignalR:AllowStatefulReconnects";
/// Bytes kept for a client that is away.
pub const STATEFUL_BUFFER: &str = "SignalR:StatefulReconnectBufferSize";
/// Transports on offer.
pub const TRANSPORTS: &str = "SignalR:Transports";
/// Life of a connection without a transport.
pub const DISCONNECT_TIMEOUT: &str = "SignalR:DisconnectTimeout";
/// Most bytes that wait for a client which does not read.
pub const TRANSPORT_BUFFER: &str = "SignalR:TransportMaxBufferSize";
/// Most calls of one client that stream at once.
pub const STREAMS: &str = "SignalR:MaximumStreamsPerClient";
/// Most connections of one user.
pub const USER_CONNECTIONS: &str = "SignalR:MaximumConnectionsPerUser";
/// Most connections from one address.
pub const ADDRESS_CONNECTIONS: &str = "SignalR:MaximumConnectionsPerAddress";
/// Most calls a second of one client.
pub const INVOCATION_RATE: &str = "SignalR:MaximumInvocationsPerSecond";
/// Most connections that are negotiated and not used.
pub const UNCLAIMED_CONNECTIONS: &str = "SignalR:MaximumUnclaimedConnections";

/// Every key that has an effect; `*` stands for a name that the operator chooses, or for an index.
pub const EFFECTIVE: &[&str] = &[
    ENVIRONMENT,
    CONTENT_ROOT,
    AUTHORITY,
    VALID_ISSUER,
    AUDIENCE,
    SCOPE,
    REQUIRE_HTTPS_METADATA,
    CLOCK_SKEW,
    ALLOWED_ORIGINS,
    ALLOWED_HOSTS,
    URLS,
    HTTP_PORTS,
    HTTPS_PORTS,
    HTTPS_PORT,
    "Kestrel:Endpoints:*:Url",
    "Kestrel:Endpoints:*:Protocols",
    "Kestrel:Endpoints:*:Certificate:Path",
    "Kestrel:Endpoints:*:Certificate:KeyPath",
    "Kestrel:Endpoints:*:Certificate:Password",
    GRPC_URL,
    "Kestrel:Certificates:Default:Path",
    "Kestrel:Certificates:Default:KeyPath",
    "Kestrel:Certificates:Default:Password",
    KEEP_ALIVE_TIMEOUT,
    REQUEST_HEADERS_TIMEOUT,
    MAX_RESPONSE_BUFFER_SIZE,
    MAX_STREAMS,
    EXTENDED_CONNECT,
    "Logging:LogLevel:*",
    "Logging:Console:LogLevel:*",
    FORMATTER_NAME,
    STORE,
    STATUS_TTL,
    REFRESH_INTERVAL,
    GRACE,
    NODE_TTL,
    LIVENESS,
    MAX_USERS_PER_REQUEST,
    REDIS,
    SHARDED_PUB_SUB,
    SHUTDOWN_TIMEOUT,
    SHUTDOWN_TIMEOUT_SECONDS,
    KEEP_ALIVE_INTERVAL,
    CLIENT_TIMEOUT_INTERVAL,
    HANDSHAKE_TIMEOUT,
    MAX_MESSAGE_SIZE,
    MAX_PARALLEL_INVOCATIONS,
    STREAM_BUFFER,
    DETAILED_ERRORS,
    STATEFUL_RECONNECTS,
    STATEFUL_BUFFER,
    TRANSPORTS,
    DISCONNECT_TIMEOUT,
    TRANSPORT_BUFFER,
    STREAMS,
    USER_CONNECTIONS,
    ADDRESS_CONNECTIONS,
    INVOCATION_RATE,
    UNCLAIMED_CONNECTIONS,
];

/// Keys that ASP.NET has and that are passed over in silence, because templates and images set them.
pub const PASSED_OVER: &[&str] = &[
    "ApplicationName",
    "Kestrel:Certificates:Development:**",
    "Logging:Console:FormatterOptions:**",
    "Logging:Debug:**",
    "Logging:EventLog:**",
    "Logging:EventSource:**",
];

/// [`EFFECTIVE`], the elements of lists, and [`PASSED_OVER`]: whatever else lies in one of our sections is reported.
pub(super) const KNOWN: &[&str] = &{
    const LISTS: &[&str] = &["Cors:AllowedOrigins:*", "SignalR:Transports:*"];
    let mut known = [""; EFFECTIVE.len() + LISTS.len() + PASSED_OVER.len()];
    let mut at = 0;
    while at < known.len() {
        known[at] = if at < EFFECTIVE.len() {
            EFFECTIVE[at]
        } else if at < EFFECTIVE.len() + LISTS.len() {
            LISTS[at - EFFECTIVE.len()]
        } else {
            PASSED_OVER[at - EFFECTIVE.len() - LISTS.len()]
        };
        at += 1;
    }
    known
};
