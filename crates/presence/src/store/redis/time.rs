//! Two clocks: this node's, for its own deadlines, and the server's, for what nodes share.

#[cfg(test)]
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
#[cfg(test)]
use std::time::Duration;

use crate::store::clock::Clock;
use crate::timestamp::Timestamp;

/// The clocks of a store.
#[derive(Debug, Clone)]
pub(super) enum Time {
    /// Each its own.
    Real(Clock),
    /// Both show these milliseconds.
    #[cfg(test)]
    Told(Arc<AtomicU64>),
    /// The server's shows so many milliseconds more, and may be set.
    #[cfg(test)]
    Apart(Clock, Arc<AtomicU64>),
}

impl Time {
    pub(super) fn now(&self) -> Timestamp {
        match self {
            Self::Real(clock) => clock.now(),
            #[cfg(test)]
            Self::Apart(clock, _) => clock.now(),
            #[cfg(test)]
            Self::Told(now) => {
                Timestamp::since_origin(Duration::from_millis(now.load(Ordering::Relaxed)))
            }
        }
    }

    /// What the server's clock shows; `None`: ask the server.
    pub(super) fn of_server(&self) -> Option<u64> {
        match self {
            Self::Real(_) => None,
            #[cfg(test)]
            Self::Told(now) => Some(now.load(Ordering::Relaxed)),
            #[cfg(test)]
            Self::Apart(clock, ahead) => {
                let elapsed = clock.now().elapsed().as_millis() as u64;
                Some(elapsed + ahead.load(Ordering::Relaxed))
            }
        }
    }

    /// Until when a task has to sleep to see a time on this node's clock.
    pub(super) fn instant(&self, at: Timestamp) -> tokio::time::Instant {
        match self {
            Self::Real(clock) => clock.instant(at),
            #[cfg(test)]
            Self::Apart(clock, _) => clock.instant(at),
            // Nobody sleeps by a clock that is told.
            #[cfg(test)]
            Self::Told(_) => tokio::time::Instant::now(),
        }
    }
}
