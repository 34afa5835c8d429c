//! Points in time as the state model knows them.

use std::time::Duration;

/// A point on one monotonic clock: the time since that clock's origin.
///
/// Only timestamps of the same clock can be compared, and none can be turned into a date: deadlines that follow a wall
/// clock fire when somebody sets it. In nanoseconds, which lasts for 584 years after the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The clock's origin.
    pub const ORIGIN: Self = Self(0);

    /// The point that is `elapsed` after the origin, or the last one there is.
    pub fn since_origin(elapsed: Duration) -> Self {
        Self(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The point that is `wait` later, or the last one there is.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(Self::since_origin(wait).0))
    }

    /// The time since the clock's origin.
    pub const fn elapsed(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// How much later this is than `earlier`; nothing if it is not.
    #[cfg(feature = "redis")]
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The same in nanoseconds, for an atomic.
    pub(crate) const fn nanos(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_ordered_and_exact_to_the_nanosecond() {
        let point = Timestamp::ORIGIN.after(Duration::new(5, 1));
        assert_eq!(point.elapsed(), Duration::new(5, 1));
        assert!(point > Timestamp::since_origin(Duration::from_secs(5)));
    }

    #[test]
    fn a_wait_without_end_stops_at_the_last_point() {
        let last = Timestamp::ORIGIN.after(Duration::MAX);
        assert_eq!(last.after(Duration::from_secs(1)), last);
        assert_eq!(last.nanos(), u64::MAX);
    }
}
