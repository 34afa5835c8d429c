//! Bytes on their way to clients: written once, framed once, shared by all who get them.

use std::cell::OnceCell;

use bytes::{Buf as _, BufMut as _, Bytes};
use signalr_protocol::HubProtocol;
use signalr_protocol::codec::Answer;
use signalr_protocol::payload::{EncodeArguments, EncodeError, EncodeValue};

use crate::transport::websocket::frame::{HEADER_LEN_MAX, OpCode, write_header};

/// One hub message, ready for every transport.
///
/// WebSockets take all of it; the other transports take what stands behind the WebSocket header.
#[derive(Debug, Clone)]
pub struct Frame {
    bytes: Bytes,
    header_len: u8,
    is_numbered: bool,
}

impl Frame {
    /// Frames a hub message that stateful reconnect numbers (types 1 to 5).
    pub(crate) fn numbered(
        protocol: HubProtocol,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<Self, EncodeError> {
        // Room for the longest header, so that the message need not be moved when its length is known.
        let mut buffer = Vec::with_capacity(128);
        buffer.put_bytes(0, HEADER_LEN_MAX);
        write(&mut buffer)?;
        Ok(Self::seal(
            OpCode::of(protocol.transfer_format()),
            buffer,
            true,
        ))
    }

    /// Frames bytes that stateful reconnect does not number.
    pub(crate) fn unnumbered(op_code: OpCode, payload: &[u8]) -> Self {
        let mut buffer = Vec::with_capacity(HEADER_LEN_MAX + payload.len());
        buffer.put_bytes(0, HEADER_LEN_MAX);
        buffer.extend_from_slice(payload);
        Self::seal(op_code, buffer, false)
    }

    /// A hub message of another server's, as the backplane brings it.
    #[must_use]
    pub fn relayed(protocol: HubProtocol, message: &[u8]) -> Self {
        Self {
            is_numbered: true,
            ..Self::unnumbered(OpCode::of(protocol.transfer_format()), message)
        }
    }

    fn seal(op_code: OpCode, mut buffer: Vec<u8>, is_numbered: bool) -> Self {
        let payload_len = buffer.len() - HEADER_LEN_MAX;
        let header = write_header(op_code, payload_len);
        let start = HEADER_LEN_MAX - header.len();
        buffer[start..HEADER_LEN_MAX].copy_from_slice(&header);
        let mut bytes = Bytes::from(buffer);
        bytes.advance(start);
        Self {
            bytes,
            header_len: u8::try_from(header.len()).unwrap_or(u8::MAX),
            is_numbered,
        }
    }

    /// A frame that was taken from a queue and goes back into it; it was numbered before.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self {
            bytes,
            header_len: 0,
            is_numbered: false,
        }
    }

    /// The message with its WebSocket header.
    #[must_use]
    pub fn websocket(&self) -> &Bytes {
        &self.bytes
    }

    /// The same, for whoever has no use for the frame any more.
    pub(crate) fn into_websocket(self) -> Bytes {
        self.bytes
    }

    /// The message alone.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(usize::from(self.header_len)..)
    }

    /// Bytes that this frame counts for in limits.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never: a frame has a header at least.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether stateful reconnect counts it.
    pub(crate) fn is_numbered(&self) -> bool {
        self.is_numbered
    }
}

/// A call to clients that is written at most once per hub protocol, however many get it.
pub struct Broadcast<'a> {
    source: Source<'a>,
    frames: [OnceCell<Result<Frame, EncodeError>>; HubProtocol::ALL.len()],
}

/// What a message is made from.
enum Source<'a> {
    Call {
        target: &'a str,
        arguments: &'a dyn EncodeArguments,
    },
    /// By the number of the protocol.
    Written([Option<&'a [u8]>; HubProtocol::ALL.len()]),
}

impl<'a> Broadcast<'a> {
    /// A call of the client method `target`; nothing is written yet.
    #[must_use]
    pub fn new(target: &'a str, arguments: &'a dyn EncodeArguments) -> Self {
        Self::from(Source::Call { target, arguments })
    }

    /// A message that another server wrote, in each of the protocols that it knows.
    #[must_use]
    pub fn relayed(written: impl Fn(HubProtocol) -> Option<&'a [u8]>) -> Self {
        Self::from(Source::Written(HubProtocol::ALL.map(written)))
    }

    fn from(source: Source<'a>) -> Self {
        Self {
            source,
            frames: [const { OnceCell::new() }; HubProtocol::ALL.len()],
        }
    }

    /// The call in one protocol.
    ///
    /// # Errors
    /// An argument that has no form in the protocol; a server that did not know the protocol.
    pub fn frame(&self, protocol: HubProtocol) -> Result<&Frame, EncodeError> {
        self.frames[protocol as usize]
            .get_or_init(|| self.source.frame(protocol))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Appends the call in one protocol, as messages are framed there: for whoever sends it another way than in a [`Frame`].
    ///
    /// # Errors
    /// An argument that has no form in the protocol; a server that did not know the protocol. `out` is then as it was.
    pub fn write(&self, protocol: HubProtocol, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match &self.source {
            Source::Call { target, arguments } => {
                protocol.write_invocation(out, None, target, *arguments)
            }
            Source::Written(written) => {
                out.extend_from_slice(of_protocol(written, protocol)?);
                Ok(())
            }
        }
    }

    /// The call in one protocol, if it was asked for before: nothing of the application's runs.
    pub(crate) fn written(&self, protocol: HubProtocol) -> Option<&Result<Frame, EncodeError>> {
        self.frames[protocol as usize].get()
    }
}

impl std::fmt::Debug for Broadcast<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut broadcast = f.debug_struct("Broadcast");
        match self.source {
            Source::Call { target, arguments } => broadcast
                .field("target", &target)
                .field("arguments", &arguments.count()),
            Source::Written(_) => broadcast.field("source", &"another server"),
        };
        broadcast.finish_non_exhaustive()
    }
}

impl Source<'_> {
    fn frame(&self, protocol: HubProtocol) -> Result<Frame, EncodeError> {
        match self {
            Self::Call { target, arguments } => invocation(protocol, None, target, *arguments),
            Self::Written(written) => {
                of_protocol(written, protocol).map(|message| Frame::relayed(protocol, message))
            }
        }
    }
}

fn of_protocol<'a>(
    written: &[Option<&'a [u8]>; HubProtocol::ALL.len()],
    protocol: HubProtocol,
) -> Result<&'a [u8], EncodeError> {
    written[protocol as usize].ok_or_else(|| EncodeError {
        protocol: protocol.name(),
        reason: PROTOCOL_MISSING.to_owned(),
    })
}

/// In the words of ASP.NET Core.
const PROTOCOL_MISSING: &str = "This message was received from another server that did not have the requested protocol available.";

/// A call that one client is to answer.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    target: &'a str,
    arguments: &'a dyn EncodeArguments,
}

impl<'a> Question<'a> {
    /// A call of the client method `target`.
    #[must_use]
    pub fn new(target: &'a str, arguments: &'a dyn EncodeArguments) -> Self {
        Self { target, arguments }
    }

    /// The call in one protocol; its answer bears the same id.
    ///
    /// # Errors
    /// An argument that has no form in the protocol.
    pub fn frame(&self, protocol: HubProtocol, id: &str) -> Result<Frame, EncodeError> {
        invocation(protocol, Some(id), self.target, self.arguments)
    }

    /// Appends the same, as messages are framed in the protocol: for whoever sends it another way than in a [`Frame`].
    ///
    /// # Errors
    /// An argument that has no form in the protocol; `out` is then as it was.
    pub fn write(
        &self,
        protocol: HubProtocol,
        id: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        protocol.write_invocation(out, Some(id), self.target, self.arguments)
    }
}

impl std::fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question")
            .field("target", &self.target)
            .field("arguments", &self.arguments.count())
            .finish_non_exhaustive()
    }
}

pub(crate) fn invocation(
    protocol: HubProtocol,
    id: Option<&str>,
    target: &str,
    arguments: &dyn EncodeArguments,
) -> Result<Frame, EncodeError> {
    Frame::numbered(protocol, |out| {
        protocol.write_invocation(out, id, target, arguments)
    })
}

pub(crate) fn completion(
    protocol: HubProtocol,
    id: &str,
    answer: Answer<'_>,
) -> Result<Frame, EncodeError> {
    Frame::numbered(protocol, |out| protocol.write_completion(out, id, answer))
}

pub(crate) fn stream_item(
    protocol: HubProtocol,
    id: &str,
    item: &dyn EncodeValue,
) -> Result<Frame, EncodeError> {
    Frame::numbered(protocol, |out| protocol.write_stream_item(out, id, item))
}
