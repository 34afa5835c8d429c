//! How often a client may call.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

/// The generic cell rate algorithm: one time stamp says how much of the allowance is used up.
#[derive(Debug)]
pub(crate) struct Rate {
    /// The allowance of one call.
    interval: Duration,
    /// When the calls so far would have been due at an even pace.
    due: Instant,
}

/// As many calls as two seconds allow may come at once.
const BURST: Duration = Duration::from_secs(2);

impl Rate {
    pub(crate) fn new(per_second: NonZeroU32, now: Instant) -> Self {
        Self {
            interval: Duration::from_secs(1) / per_second.get(),
            due: now,
        }
    }

    /// Counts a call; false: it is one too many.
    pub(crate) fn admit(&mut self, now: Instant) -> bool {
        let due = self.due.max(now) + self.interval;
        if due > now + BURST {
            return false;
        }
        self.due = due;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_of_two_seconds_and_then_an_even_pace() {
        let start = Instant::now();
        let mut rate = Rate::new(NonZeroU32::new(10).unwrap(), start);
        let admitted = |rate: &mut Rate, now| (0..100).filter(|_| rate.admit(now)).count();
        assert_eq!(admitted(&mut rate, start), 20);
        assert_eq!(admitted(&mut rate, start + Duration::from_millis(500)), 5);
        assert_eq!(admitted(&mut rate, start + Duration::from_secs(60)), 20);
    }
}
