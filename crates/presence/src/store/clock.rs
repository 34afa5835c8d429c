//! The clock of one store.

use tokio::time::Instant;

use crate::timestamp::Timestamp;

/// The runtime's clock, counted from the start of a store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    pub(super) fn now(self) -> Timestamp {
        Timestamp::since_origin(self.origin.elapsed())
    }

    pub(super) fn instant(self, at: Timestamp) -> Instant {
        self.origin + at.elapsed()
    }
}
