//! The two hub protocols.

use bytes::Bytes;

use crate::error::ProtocolError;
use crate::framing::{self, Frame};
use crate::message::HubMessage;
use crate::payload::{EncodeArguments, EncodeError, EncodeValue};

pub(crate) mod json;
pub(crate) mod messagepack;
mod number;

/// The highest version of both hub protocols that a client may ask for.
///
/// Version 2 added stateful reconnect and changed nothing else.
pub const VERSION: i32 = 2;

/// A hub protocol: how hub messages are written as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HubProtocol {
    /// `json`: text, each message ended by a record separator.
    Json,
    /// `messagepack`: binary, each message behind its length.
    MessagePack,
}

/// What a transport has to be able to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferFormat {
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
}

impl TransferFormat {
    /// The name that negotiation uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Binary => "Binary",
        }
    }
}

/// How a call ends, as the server tells it.
#[derive(Clone, Copy)]
pub enum Answer<'a> {
    /// The end of a stream.
    Void,
    /// The value that a method returned; methods without one return null.
    Result(&'a dyn EncodeValue),
    /// The text of an error. An empty one is written as [`Answer::Void`], as ASP.NET Core does.
    Error(&'a str),
}

impl std::fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Void => f.write_str("Void"),
            Self::Result(_) => f.write_str("Result"),
            Self::Error(text) => f.debug_tuple("Error").field(text).finish(),
        }
    }
}

impl HubProtocol {
    /// Every protocol, in the order in which ASP.NET Core registers them.
    pub const ALL: [Self; 2] = [Self::Json, Self::MessagePack];

    /// The name in the handshake and in the backplane's messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "messagepack",
        }
    }

    /// The protocol of a name, in whatever case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }

    /// What the transport has to be able to carry.
    #[must_use]
    pub fn transfer_format(self) -> TransferFormat {
        match self {
            Self::Json => TransferFormat::Text,
            Self::MessagePack => TransferFormat::Binary,
        }
    }

    /// Finds the first message of a buffer; see [`framing`].
    ///
    /// # Errors
    /// A length prefix that is none, or above `limit`.
    pub fn split(
        self,
        buffer: &[u8],
        scanned: usize,
        limit: Option<usize>,
    ) -> Result<Frame<'_>, ProtocolError> {
        match self {
            Self::Json => Ok(framing::split_text(buffer, scanned)),
            Self::MessagePack => framing::split_binary(buffer, limit),
        }
    }

    /// Reads a message without its framing.
    ///
    /// `None`: a type that this version of the protocol does not know. ASP.NET Core up to version 10 gets stuck on
    /// one; here it is skipped, as the specification asks.
    ///
    /// # Errors
    /// Whatever makes the envelope unreadable. What is wrong with arguments, items and results comes to light only
    /// when they are read as the types of a method.
    pub fn read(self, body: &[u8]) -> Result<Option<HubMessage<'_>>, ProtocolError> {
        match self {
            Self::Json => json::read(body),
            Self::MessagePack => messagepack::read(body),
        }
    }

    /// Appends a call to a client; with an id, the client answers it. An empty id is none, as in ASP.NET Core.
    ///
    /// # Errors
    /// An argument that has no form in this protocol; `out` is then as it was.
    pub fn write_invocation(
        self,
        out: &mut Vec<u8>,
        id: Option<&str>,
        target: &str,
        arguments: &dyn EncodeArguments,
    ) -> Result<(), EncodeError> {
        let id = id.filter(|id| !id.is_empty());
        undo_on_error(out, |out| match self {
            Self::Json => json::write_invocation(out, id, target, arguments),
            Self::MessagePack => messagepack::write_invocation(out, id, target, arguments),
        })
    }

    /// Appends one item of a stream.
    ///
    /// # Errors
    /// An item that has no form in this protocol; `out` is then as it was.
    pub fn write_stream_item(
        self,
        out: &mut Vec<u8>,
        id: &str,
        item: &dyn EncodeValue,
    ) -> Result<(), EncodeError> {
        undo_on_error(out, |out| match self {
            Self::Json => json::write_stream_item(out, id, item),
            Self::MessagePack => messagepack::write_stream_item(out, id, item),
        })
    }

    /// Appends the end of a call.
    ///
    /// # Errors
    /// A result that has no form in this protocol; `out` is then as it was.
    pub fn write_completion(
        self,
        out: &mut Vec<u8>,
        id: &str,
        answer: Answer<'_>,
    ) -> Result<(), EncodeError> {
        let answer = match answer {
            Answer::Error("") => Answer::Void,
            answer => answer,
        };
        undo_on_error(out, |out| match self {
            Self::Json => json::write_completion(out, id, answer),
            Self::MessagePack => messagepack::write_completion(out, id, answer),
        })
    }

    /// The Ping message.
    #[must_use]
    pub fn ping(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Json => b"{\"type\":6}\x1e",
            Self::MessagePack => &[0x02, 0x91, 0x06],
        })
    }

    /// A Close message.
    #[must_use]
    pub fn close(self, error: Option<&str>, allow_reconnect: bool) -> Bytes {
        let mut out = Vec::new();
        match self {
            Self::Json => json::write_close(&mut out, error, allow_reconnect),
            Self::MessagePack => messagepack::write_close(&mut out, error, allow_reconnect),
        }
        out.into()
    }

    /// An Ack message: everything up to `sequence_id` has arrived.
    #[must_use]
    pub fn ack(self, sequence_id: i64) -> Bytes {
        self.numbered(8, sequence_id)
    }

    /// A Sequence message: the next message has the number `sequence_id`.
    #[must_use]
    pub fn sequence(self, sequence_id: i64) -> Bytes {
        self.numbered(9, sequence_id)
    }

    fn numbered(self, kind: u8, sequence_id: i64) -> Bytes {
        let mut out = Vec::new();
        match self {
            Self::Json => json::write_numbered(&mut out, kind, sequence_id),
            Self::MessagePack => messagepack::write_numbered(&mut out, kind, sequence_id),
        }
        out.into()
    }
}

fn undo_on_error(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let before = out.len();
    let written = write(out);
    if written.is_err() {
        out.truncate(before);
    }
    written
}
