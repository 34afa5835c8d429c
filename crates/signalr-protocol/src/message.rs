//! Hub messages as they come in from a client.
//!
//! Messages borrow from the receive buffer. What the application gave as arguments, items and results stays raw
//! ([`Arguments`], [`Value`]) until the method that is called is known and with it the types to read.

use std::borrow::Cow;

use crate::payload::{Arguments, Value};

/// One hub message from a client.
#[derive(Debug, Clone, PartialEq)]
pub enum HubMessage<'a> {
    /// A call; answered by one Completion if it has an id.
    Invocation(Invocation<'a>),
    /// A call of a streaming method; answered by items and a Completion.
    StreamInvocation(Invocation<'a>),
    /// The next item of an upload stream.
    StreamItem {
        /// The id of the stream.
        id: Cow<'a, str>,
        /// The item, not yet read.
        item: Value<'a>,
    },
    /// The end of an upload stream, or the answer to a call that the server made.
    Completion {
        /// The id of the stream or of the server's invocation.
        id: Cow<'a, str>,
        /// How it ended.
        outcome: Outcome<'a>,
    },
    /// The client no longer wants the items of a stream.
    CancelInvocation {
        /// The id of the stream invocation.
        id: Cow<'a, str>,
    },
    /// The client is there.
    Ping,
    /// The client ends the connection.
    Close {
        /// Why, if the client says so.
        error: Option<Cow<'a, str>>,
    },
    /// Stateful reconnect: everything up to this number has arrived.
    Ack {
        /// The number of the last message that arrived.
        sequence_id: i64,
    },
    /// Stateful reconnect: the number of the next message.
    Sequence {
        /// The number of the next message.
        sequence_id: i64,
    },
}

impl HubMessage<'_> {
    /// Whether stateful reconnect counts this message (types 1 to 5).
    #[must_use]
    pub fn is_numbered(&self) -> bool {
        match self {
            Self::Invocation(_)
            | Self::StreamInvocation(_)
            | Self::StreamItem { .. }
            | Self::Completion { .. }
            | Self::CancelInvocation { .. } => true,
            Self::Ping | Self::Close { .. } | Self::Ack { .. } | Self::Sequence { .. } => false,
        }
    }
}

/// A call of a hub method.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation<'a> {
    /// Names the call in its answers; none: no answer is wanted.
    pub id: Option<Cow<'a, str>>,
    /// The method, spelled as the client spells it.
    pub target: Cow<'a, str>,
    /// The arguments, not yet read.
    pub arguments: Arguments<'a>,
    /// The ids of the upload streams that belong to the call.
    pub stream_ids: Vec<Cow<'a, str>>,
    /// Headers; only tracing uses them.
    pub headers: Headers<'a>,
}

/// Message headers in the order in which they came.
pub type Headers<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// How a stream or a client's answer ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<'a> {
    /// Without a value.
    Void,
    /// With a value, not yet read.
    Result(Value<'a>),
    /// With an error text.
    Error(Cow<'a, str>),
}
