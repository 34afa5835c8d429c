//! How long to wait before the next try.

use std::time::Duration;

/// Doubles from try to try, with full jitter: nodes that lost Redis together do not come back together.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// How long to wait now, by a random number.
    pub(crate) fn next(&mut self, random: u64) -> Duration {
        let longest = FIRST
            .saturating_mul(1u32.checked_shl(self.tries).unwrap_or(u32::MAX))
            .min(LONGEST);
        self.tries = self.tries.saturating_add(1);
        part(longest, random)
    }

    /// How many tries there were.
    pub(crate) fn tries(&self) -> u32 {
        self.tries
    }

    /// Begins anew, after a connection that was good for something.
    pub(crate) fn reset(&mut self) {
        self.tries = 0;
    }
}

/// How long to wait when the server does not let us in.
///
/// Wrong passwords fill the server's log, and no hurry helps; but a rotated one is taken up within seconds.
pub(crate) fn locked_out(random: u64) -> Duration {
    LONGEST + part(LONGEST * 2, random)
}

/// A random number; without one from the system, jitter is not worth failing for.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or(u64::MAX / 2)
}

fn part(longest: Duration, random: u64) -> Duration {
    longest.mul_f64(random as f64 / u64::MAX as f64)
}

/// A server that only restarted is back within milliseconds.
const FIRST: Duration = Duration::from_millis(50);

/// Redis is found again within 2 s after it is back; a hundred nodes cost it a hundred connections a second.
const LONGEST: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_limit_and_stays_there() {
        let mut backoff = Backoff::default();
        let most: Vec<u128> = (0..8).map(|_| backoff.next(u64::MAX).as_millis()).collect();
        assert_eq!(most, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(backoff.tries(), 8);
        for _ in 0..100 {
            assert_eq!(backoff.next(u64::MAX), LONGEST);
        }
        backoff.reset();
        assert_eq!(backoff.next(u64::MAX), FIRST);
    }

    #[test]
    fn jitter_reaches_from_nothing_to_all() {
        assert_eq!(Backoff::default().next(0), Duration::ZERO);
        let half = Backoff::default().next(u64::MAX / 2);
        assert!((24..=26).contains(&half.as_millis()), "{half:?}");
        assert_eq!(locked_out(0), LONGEST);
        assert_eq!(locked_out(u64::MAX), LONGEST * 3);
    }
}
