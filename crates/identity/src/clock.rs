//! Wall-clock time in whole seconds, and where it comes from.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp, civil};

/// A moment: seconds since 1970-01-01T00:00:00Z, the `NumericDate` of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(i64);

impl UnixTime {
    /// The moment so many seconds after the start of 1970.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since the start of 1970.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0
    }

    /// The time from `earlier` to this moment; zero if that lies in the future.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// So much later, at most the last moment there is.
    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(whole_seconds(span)))
    }

    /// So much earlier, at least the first moment there is.
    #[must_use]
    pub fn saturating_sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(whole_seconds(span)))
    }
}

fn whole_seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

/// As .NET's invariant culture writes it, for example `06/16/2021 05:16:01`.
///
/// .NET knows no time before 1970 in a token and none after the year 9999; what lies beyond is shown as the border.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = civil::date(1970, 1, 1)
            .at(0, 0, 0, 0)
            .saturating_add(SignedDuration::from_secs(self.0.max(0)));
        write!(
            f,
            "{:02}/{:02}/{:04} {:02}:{:02}:{:02}",
            at.month(),
            at.day(),
            at.year(),
            at.hour(),
            at.minute(),
            at.second()
        )
    }
}

/// Where the time of day comes from.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> UnixTime;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        UnixTime(Timestamp::now().as_second())
    }
}

/// A clock that stands until it is set, for tests.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub const fn new(now: UnixTime) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Sets the clock on.
    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(whole_seconds(span), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_dotnet_writes_it() {
        assert_eq!(UnixTime(1_623_820_561).to_string(), "06/16/2021 05:16:01");
    }

    #[test]
    fn moments_outside_of_dotnets_calendar_are_shown_as_its_borders() {
        assert_eq!(UnixTime(-5).to_string(), "01/01/1970 00:00:00");
        assert_eq!(UnixTime(i64::MIN).to_string(), "01/01/1970 00:00:00");
        assert_eq!(UnixTime(i64::MAX).to_string(), "12/31/9999 23:59:59");
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        assert_eq!(
            UnixTime(i64::MAX - 1).saturating_add(Duration::from_secs(5)),
            UnixTime(i64::MAX)
        );
        assert_eq!(
            UnixTime(i64::MIN + 1).saturating_sub(Duration::MAX),
            UnixTime(i64::MIN)
        );
        assert_eq!(UnixTime(5).saturating_since(UnixTime(9)), Duration::ZERO);
        assert_eq!(
            UnixTime(9).saturating_since(UnixTime(5)),
            Duration::from_secs(4)
        );
    }
}
