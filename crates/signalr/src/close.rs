//! Why connections end.

use signalr_protocol::ProtocolError;
use signalr_protocol::handshake::HandshakeError;

use crate::transport::websocket::frame::close_code;

/// Why a connection ended: a closed set, one label each in the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The client sent a Close message, with an error text if it had one.
    Client(Option<String>),
    /// The transport ended without a Close message.
    TransportEnded,
    /// The client's page or app went away without a word to the hub: a WebSocket close code other than 1000.
    ///
    /// Browsers send 1001 when a tab is closed and when it is reloaded, so it is no clean end: who reloads comes back.
    GoingAway,
    /// The transport broke.
    TransportFailed,
    /// No handshake, or one that was refused.
    Handshake(HandshakeError),
    /// The client violated the hub protocol, or fell silent.
    Protocol(ProtocolError),
    /// The client violated the WebSocket protocol.
    WebSocket(u16),
    /// The application aborted the connection.
    Aborted,
    /// The hub refused the connection in `on_connected`; with the exception and its message for detailed errors.
    OnConnected(String),
    /// The client did not read what was sent to it.
    SlowReceiver,
    /// The client called faster than it may.
    RateLimit,
    /// The server drains: clients are asked to come back.
    ServerShutdown,
    /// The transport was lost and not replaced in time, or a negotiated connection was never used.
    Abandoned,
    /// The application or the server panicked outside of a hub method.
    Panicked,
}

impl CloseReason {
    /// Every label, for metrics that begin at zero.
    pub const LABELS: [&'static str; 14] = [
        "client",
        "transport_ended",
        "going_away",
        "transport_failed",
        "handshake",
        "protocol",
        "websocket",
        "aborted",
        "on_connected",
        "slow_receiver",
        "rate_limit",
        "server_shutdown",
        "abandoned",
        "panicked",
    ];

    /// The name in metrics and logs.
    #[must_use]
    pub fn label(&self) -> &'static str {
        Self::LABELS[self.index()]
    }

    pub(crate) fn index(&self) -> usize {
        match self {
            Self::Client(_) => 0,
            Self::TransportEnded => 1,
            Self::GoingAway => 2,
            Self::TransportFailed => 3,
            Self::Handshake(_) => 4,
            Self::Protocol(_) => 5,
            Self::WebSocket(_) => 6,
            Self::Aborted => 7,
            Self::OnConnected(_) => 8,
            Self::SlowReceiver => 9,
            Self::RateLimit => 10,
            Self::ServerShutdown => 11,
            Self::Abandoned => 12,
            Self::Panicked => 13,
        }
    }

    /// Whether the connection ended as its client meant it to.
    ///
    /// A clean end is a Close message or a WebSocket closing handshake; all else may be a lost network.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        match self {
            Self::Client(_) | Self::TransportEnded | Self::Aborted => true,
            Self::GoingAway
            | Self::TransportFailed
            | Self::Handshake(_)
            | Self::Protocol(_)
            | Self::WebSocket(_)
            | Self::OnConnected(_)
            | Self::SlowReceiver
            | Self::RateLimit
            | Self::ServerShutdown
            | Self::Abandoned
            | Self::Panicked => false,
        }
    }

    /// What the Close message says; none where the client gets no such message.
    pub(crate) fn close_message(&self, detailed: bool) -> Option<CloseMessage> {
        const ERROR: &str = "Connection closed with an error.";
        let with_detail = |detail: Option<String>| match detail {
            Some(detail) if detailed => format!("{ERROR} {detail}"),
            _ => ERROR.to_owned(),
        };
        let (error, allow_reconnect) = match self {
            Self::Client(_) | Self::Aborted => (None, false),
            Self::TransportEnded | Self::GoingAway | Self::ServerShutdown | Self::Abandoned => {
                (None, true)
            }
            Self::TransportFailed | Self::Handshake(_) | Self::WebSocket(_) | Self::Panicked => {
                return None;
            }
            Self::OnConnected(detail) => (Some(with_detail(Some(detail.clone()))), false),
            Self::Protocol(violation) => {
                let detail = format!("{}: {violation}", violation.exception());
                (Some(with_detail(Some(detail))), true)
            }
            // ASP.NET Core has neither limit; the client may come back, and reads why.
            Self::SlowReceiver => (Some(format!("{ERROR} The client reads too slowly.")), true),
            Self::RateLimit => (Some(format!("{ERROR} The client calls too often.")), true),
        };
        Some(CloseMessage {
            error,
            allow_reconnect,
        })
    }

    /// The code of the WebSocket close frame.
    pub(crate) fn websocket_code(&self) -> u16 {
        match self {
            Self::WebSocket(code) => *code,
            _ => close_code::NORMAL,
        }
    }
}

pub(crate) struct CloseMessage {
    pub(crate) error: Option<String>,
    pub(crate) allow_reconnect: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reason: &CloseReason, detailed: bool, expected: Option<(Option<&str>, bool)>) {
        let message = reason.close_message(detailed);
        let found = message
            .as_ref()
            .map(|message| (message.error.as_deref(), message.allow_reconnect));
        assert_eq!(found, expected, "{reason:?}");
    }

    #[test]
    fn close_messages_are_those_of_aspnet_core() {
        let too_large = CloseReason::Protocol(ProtocolError::TooLarge { limit: 32_768 });
        check(&CloseReason::Client(None), false, Some((None, false)));
        check(&CloseReason::Aborted, false, Some((None, false)));
        check(&CloseReason::TransportEnded, false, Some((None, true)));
        check(&CloseReason::ServerShutdown, false, Some((None, true)));
        check(
            &too_large,
            false,
            Some((Some("Connection closed with an error."), true)),
        );
        check(
            &too_large,
            true,
            Some((
                Some(
                    "Connection closed with an error. InvalidDataException: The maximum message size of 32768B was exceeded. The message size can be configured in AddHubOptions.",
                ),
                true,
            )),
        );
        check(
            &CloseReason::OnConnected("InvalidOperationException: Hub OnConnected failed.".into()),
            true,
            Some((
                Some(
                    "Connection closed with an error. InvalidOperationException: Hub OnConnected failed.",
                ),
                false,
            )),
        );
        check(&CloseReason::TransportFailed, false, None);
    }

    #[test]
    fn every_label_is_there_once() {
        let mut labels = CloseReason::LABELS.to_vec();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), CloseReason::LABELS.len());
    }
}
