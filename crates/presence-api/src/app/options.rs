//! The hub's options from the configuration's.

use signalr::HubOptions;
use signalr::protocol::keep_alive::Timeouts;
use signalr::protocol::negotiate::Transport;

use crate::config::{SignalR, TransportKind};

/// The options that the configuration gives; what it does not name stays as the library has it.
pub(super) fn of(settings: &SignalR) -> HubOptions {
    HubOptions {
        transports: settings.transports.iter().map(transport).collect(),
        timeouts: Timeouts {
            handshake: settings.handshake_timeout,
            keep_alive: settings.keep_alive_interval,
            client: settings.client_timeout_interval,
        },
        maximum_receive_message_size: settings.maximum_receive_message_size,
        maximum_parallel_invocations: settings.maximum_parallel_invocations_per_client,
        stream_buffer_capacity: settings.stream_buffer_capacity,
        streams_max: settings.maximum_streams_per_client,
        detailed_errors: settings.enable_detailed_errors,
        allow_stateful_reconnects: settings.allow_stateful_reconnects,
        stateful_reconnect_buffer_size: settings.stateful_reconnect_buffer_size,
        disconnect_timeout: settings.disconnect_timeout,
        transport_buffer_size: settings.transport_max_buffer_size,
        connections_per_user_max: settings.maximum_connections_per_user,
        connections_per_address_max: settings.maximum_connections_per_address,
        invocations_per_second_max: settings.maximum_invocations_per_second,
        unclaimed_connections_max: settings.maximum_unclaimed_connections,
        ..HubOptions::default()
    }
}

fn transport(kind: &TransportKind) -> Transport {
    match kind {
        TransportKind::WebSockets => Transport::WebSockets,
        TransportKind::ServerSentEvents => Transport::ServerSentEvents,
        TransportKind::LongPolling => Transport::LongPolling,
    }
}
