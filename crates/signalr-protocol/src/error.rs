//! What can be wrong with bytes from a client.

use std::borrow::Cow;

use thiserror::Error;

/// A violation of the protocol: the connection cannot go on.
///
/// The texts are ASP.NET Core's, to the letter: with detailed errors they reach the client inside a Close message,
/// where test suites compare them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// A message that cannot be read.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// A number of another form or range than it has to have.
    #[error("{0}")]
    Format(&'static str),
    /// A message longer than the limit, framing included.
    #[error(
        "The maximum message size of {limit}B was exceeded. The message size can be configured in AddHubOptions."
    )]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The transport ended in the middle of a message.
    #[error("Connection terminated while reading a message.")]
    Truncated,
    /// A Sequence message that skips numbered messages.
    #[error("Sequence ID greater than amount of messages we've received.")]
    SequenceGap,
    /// Nothing was received for the client time-out.
    #[error("Client hasn't sent a message/ping within the configured ClientTimeoutInterval.")]
    ClientTimeout,
}

impl ProtocolError {
    /// The .NET exception type that carries this text in detailed errors.
    #[must_use]
    pub fn exception(&self) -> &'static str {
        match self {
            Self::Invalid(_) | Self::TooLarge { .. } | Self::Truncated => "InvalidDataException",
            Self::Format(_) => "FormatException",
            Self::SequenceGap => "InvalidOperationException",
            Self::ClientTimeout => "OperationCanceledException",
        }
    }

    pub(crate) fn invalid(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(text.into())
    }
}
