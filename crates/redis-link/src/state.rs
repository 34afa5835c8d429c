//! How a connection is.

use std::{fmt, sync::Arc, time::Duration};

/// How a connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkState {
    /// It was never there yet, and no try has failed.
    Connecting,
    /// It is there.
    Ready {
        /// Grows with each new connection, and in a cluster also when a master was replaced or restarted: what was
        /// written may be gone.
        generation: u64,
    },
    /// It is not there.
    Away {
        /// Why, as the last try found it. Never contains a password.
        reason: Arc<str>,
        /// How many tries have failed since it was there.
        tries: u32,
    },
}

impl LinkState {
    /// Whether the connection is there.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready { .. })
    }

    /// Which connection it is; none: it is not there.
    #[must_use]
    pub fn generation(&self) -> Option<u64> {
        match self {
            Self::Ready { generation } => Some(*generation),
            Self::Connecting | Self::Away { .. } => None,
        }
    }

    /// Why it is not there; none: it is.
    pub(crate) fn reason(&self) -> Option<Arc<str>> {
        match self {
            Self::Connecting => Some("not connected yet".into()),
            Self::Away { reason, .. } => Some(Arc::clone(reason)),
            Self::Ready { .. } => None,
        }
    }
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("Redis is not connected yet"),
            Self::Ready { .. } => f.write_str("Redis is there"),
            Self::Away { reason, .. } => write!(f, "Redis is away: {reason}"),
        }
    }
}

/// How often the other side is made to say something when nothing comes from it.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long the other side may then be silent before the connection counts as dead.
///
/// With [`HEARTBEAT`], a stall is found within 2.5 s: after the time-out of a command (2 s by default), and well before the
/// leases and statuses that live for 6 s and 10 s.
pub(crate) const SILENCE_MAX: Duration = Duration::from_millis(1500);
