//! When something is meant to happen, whatever the server does meanwhile.
//!
//! Latencies are counted from these times. A generator that waits for a slow server before it sends the next message
//! measures only what the server let it: "coordinated omission".

use std::time::Duration;

use tokio::time::Instant;

/// How work arrives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// All of it at the beginning.
    AtOnce,
    /// So many a second, evenly.
    PerSecond(f64),
}

impl Pace {
    pub(crate) fn from_rate(rate: Option<f64>) -> Self {
        rate.map_or(Self::AtOnce, Self::PerSecond)
    }

    /// When the `index`th piece of work is due.
    pub(crate) fn due(self, start: Instant, index: u64) -> Instant {
        match self {
            Self::AtOnce => start,
            #[expect(
                clippy::cast_precision_loss,
                reason = "exact up to 2^53 pieces of work"
            )]
            Self::PerSecond(rate) => start + Duration::from_secs_f64(index as f64 / rate),
        }
    }
}

/// Waits until then, more precisely than the runtime's timer, whose step is a millisecond.
///
/// The last stretch is spun: the generator has a core of its own, and others run between the rounds.
pub(crate) async fn wait_until(due: Instant) {
    let now = Instant::now();
    if due <= now {
        return;
    }
    if due - now > TIMER_STEP {
        tokio::time::sleep_until(due - TIMER_STEP).await;
    }
    while Instant::now() < due {
        tokio::task::yield_now().await;
    }
}

/// The timer may be late by its step of 1 ms, and by the work that is ready before it.
const TIMER_STEP: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_is_due_at_even_times_however_long_it_takes() {
        let start = Instant::now();
        let pace = Pace::from_rate(Some(200.0));
        assert_eq!(pace.due(start, 0), start);
        assert_eq!(pace.due(start, 3), start + Duration::from_millis(15));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(pace.due(start, 200), start + Duration::from_secs(1));
        assert_eq!(Pace::from_rate(None).due(start, 9), start);
    }

    #[tokio::test]
    async fn waiting_never_ends_early() {
        for micros in [0, 100, 2_500, 5_000] {
            let due = Instant::now() + Duration::from_micros(micros);
            wait_until(due).await;
            assert!(Instant::now() >= due);
        }
    }
}
