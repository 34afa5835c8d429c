//! Why a command has no result.

use std::{fmt, sync::Arc, time::Duration};

use redis::{ErrorKind, RedisError, ServerError};

/// Why a command has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// There is no connection, for this reason. The command was not sent.
    #[error("redis is away: {0}")]
    Away(Arc<str>),
    /// The connection was lost before the answer came. The command may have been carried out.
    #[error("the connection to redis was lost before the answer came: {0}")]
    Lost(Arc<str>),
    /// No answer within this time. The command may have been carried out, or may be yet.
    #[error("no answer from redis within {0:?}")]
    TimedOut(Duration),
    /// As many commands as are allowed wait for their answers, or twice as many are unanswered though some of them are not
    /// waited for any more. The command was not sent.
    #[error("too many commands wait for redis")]
    Busy,
    /// The server answered with an error.
    #[error("redis refused: {0}")]
    Refused(Refusal),
    /// The answer is not of the type that was asked for.
    #[error("unexpected answer of redis: {0}")]
    Unreadable(String),
}

/// An error that a server answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Its first word: `ERR`, `NOPERM`, `WRONGTYPE`, ….
    pub code: String,
    /// The rest.
    pub text: String,
}

impl LinkError {
    /// Whether Redis is to blame, or the way to it, and not the command: another try may succeed later.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Away(_) | Self::Lost(_) | Self::TimedOut(_) | Self::Busy => true,
            Self::Refused(refusal) => refusal.is_outage(),
            Self::Unreadable(_) => false,
        }
    }

    /// Whether it is certain that the command was not carried out.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Busy | Self::Refused(_))
    }

    /// Whether the server has answered, if only with an error.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Unreadable(_))
    }

    /// A word for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        Self::LABELS[self.index()]
    }

    /// All words that [`Self::label`] gives.
    pub const LABELS: [&'static str; 6] =
        ["away", "lost", "timed_out", "busy", "refused", "unreadable"];

    pub(crate) fn index(&self) -> usize {
        match self {
            Self::Away(_) => 0,
            Self::Lost(_) => 1,
            Self::TimedOut(_) => 2,
            Self::Busy => 3,
            Self::Refused(_) => 4,
            Self::Unreadable(_) => 5,
        }
    }
}

impl Refusal {
    /// Whether the server cannot serve now, or is not the one to ask any more.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        self.is_wrong_server()
            || matches!(
                self.code.as_str(),
                "CLUSTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK"
            )
    }

    /// Whether another server must be found, or this one waited for.
    pub(crate) fn is_wrong_server(&self) -> bool {
        matches!(self.code.as_str(), "READONLY" | "LOADING" | "MASTERDOWN")
    }

    /// The slot that another master of the cluster has: `MOVED 3999 127.0.0.1:6381`.
    pub(crate) fn moved_slot(&self) -> Option<u16> {
        if self.code != "MOVED" {
            return None;
        }
        self.text.split(' ').next()?.parse().ok()
    }

    /// Whether the server does not let us in.
    pub(crate) fn is_locked_out(&self) -> bool {
        matches!(self.code.as_str(), "WRONGPASS" | "NOAUTH" | "NOPERM")
            || self.text.contains("invalid password")
            || self.text.contains("without any password configured")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

impl From<&ServerError> for Refusal {
    fn from(error: &ServerError) -> Self {
        Self {
            code: error.code().to_owned(),
            text: error.details().unwrap_or_default().to_owned(),
        }
    }
}

impl From<RedisError> for LinkError {
    fn from(error: RedisError) -> Self {
        if let Some(code) = error.code() {
            return Self::Refused(Refusal {
                code: code.to_owned(),
                text: error.detail().unwrap_or_default().to_owned(),
            });
        }
        match error.kind() {
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
                Self::Unreadable(error.to_string())
            }
            _ => Self::Lost(error.to_string().into()),
        }
    }
}
