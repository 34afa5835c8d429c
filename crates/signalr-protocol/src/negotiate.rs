//! What a client learns before it opens a transport.

use bytes::Bytes;
use thiserror::Error;

use crate::codec::{TransferFormat, json};

/// The highest negotiate version; a client that asks for more is answered in this one.
pub const VERSION: i32 = 1;

/// The ways to move bytes, in the order in which they are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// One WebSocket, both directions.
    WebSockets,
    /// An event stream down, POST requests up.
    ServerSentEvents,
    /// GET requests that wait down, POST requests up.
    LongPolling,
}

impl Transport {
    /// Every transport, in the order of the answer.
    pub const ALL: [Self; 3] = [Self::WebSockets, Self::ServerSentEvents, Self::LongPolling];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WebSockets => "WebSockets",
            Self::ServerSentEvents => "ServerSentEvents",
            Self::LongPolling => "LongPolling",
        }
    }

    /// The most that it can carry.
    #[must_use]
    pub fn transfer_format(self) -> TransferFormat {
        match self {
            Self::WebSockets | Self::LongPolling => TransferFormat::Binary,
            Self::ServerSentEvents => TransferFormat::Text,
        }
    }

    fn transfer_formats(self) -> &'static str {
        match self.transfer_format() {
            TransferFormat::Binary => r#"["Text","Binary"]"#,
            TransferFormat::Text => r#"["Text"]"#,
        }
    }
}

/// A query that cannot be answered with a connection; the texts are ASP.NET Core's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NegotiateError {
    /// `negotiateVersion` is no number.
    #[error("The client requested a non-integer protocol version.")]
    NotANumber,
    /// `negotiateVersion` is below zero.
    #[error("The client requested version '{0}', but the server does not support this version.")]
    TooOld(i32),
}

impl NegotiateError {
    /// The body of the answer, whose status is 200.
    #[must_use]
    pub fn body(&self) -> Bytes {
        let mut out = b"{\"error\":".to_vec();
        json::write_text(&mut out, &self.to_string());
        out.push(b'}');
        out.into()
    }
}

/// Reads the query's `negotiateVersion`: absent is 0, more than [`VERSION`] is [`VERSION`].
///
/// # Errors
/// No whole number, or a negative one.
pub fn version(asked: Option<&str>) -> Result<i32, NegotiateError> {
    let Some(asked) = asked else { return Ok(0) };
    match asked.trim().parse::<i32>() {
        Err(_) => Err(NegotiateError::NotANumber),
        Ok(version) if version < 0 => Err(NegotiateError::TooOld(version)),
        Ok(version) => Ok(version.min(VERSION)),
    }
}

/// An answer that reserves a connection.
#[derive(Debug, Clone)]
pub struct Response<'a> {
    /// The version that the answer is written in.
    pub version: i32,
    /// The public id.
    pub connection_id: &'a str,
    /// The secret that later requests carry; version 0 has none, its id serves for both.
    pub connection_token: &'a str,
    /// Whether stateful reconnect was asked for and is granted.
    pub stateful_reconnect: bool,
    /// The transports on offer.
    pub transports: &'a [Transport],
}

impl Response<'_> {
    /// The body: members in .NET's order, nothing that is null.
    #[must_use]
    pub fn body(&self) -> Bytes {
        let mut out = String::with_capacity(352);
        out.push('{');
        if self.stateful_reconnect {
            out.push_str("\"useStatefulReconnect\":true,");
        }
        // Ids are base64url: nothing in them needs an escape.
        out.push_str("\"negotiateVersion\":");
        out.push_str(if self.version > 0 { "1" } else { "0" });
        for (name, value) in [
            ("connectionId", Some(self.connection_id)),
            (
                "connectionToken",
                (self.version > 0).then_some(self.connection_token),
            ),
        ] {
            if let Some(value) = value {
                out.extend([",\"", name, "\":\"", value, "\""]);
            }
        }
        out.push_str(",\"availableTransports\":[");
        for (i, transport) in self.transports.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            out.extend([
                "{\"transport\":\"",
                transport.name(),
                "\",\"transferFormats\":",
                transport.transfer_formats(),
                "}",
            ]);
        }
        out.push_str("]}");
        out.into()
    }
}
