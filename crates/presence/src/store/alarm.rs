//! When the sleeping task has to be up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::timestamp::Timestamp;

/// The earliest deadline that anybody has named, and a bell for the one who waits for it.
#[derive(Debug)]
pub(super) struct Alarm {
    /// In nanoseconds; `u64::MAX` while there is none.
    at: AtomicU64,
    bell: Notify,
}

impl Alarm {
    /// Sees to it that the sleeper is up at `at`; wakes it only if it meant to sleep longer.
    pub(super) fn set(&self, at: Timestamp) {
        if at.nanos() < self.at.fetch_min(at.nanos(), Ordering::AcqRel) {
            self.bell.notify_one();
        }
    }

    /// The same for the sleeper itself, who is up already and needs no bell.
    pub(super) fn set_for_oneself(&self, at: Timestamp) {
        self.at.fetch_min(at.nanos(), Ordering::AcqRel);
    }

    /// Forgets the deadline. The sleeper does so before it looks for what is due and for what comes next.
    ///
    /// A deadline that is named meanwhile rings the bell. The bell is heard at the next wait, which ends at once: one
    /// round too many, none too few.
    pub(super) fn clear(&self) {
        self.at.store(u64::MAX, Ordering::Release);
    }

    /// Sleeps until the deadline, or until an earlier one is named.
    pub(super) async fn wait(&self, instant: impl Fn(Timestamp) -> Instant) {
        match self.at.load(Ordering::Acquire) {
            u64::MAX => self.bell.notified().await,
            nanos => {
                let at = Timestamp::since_origin(Duration::from_nanos(nanos));
                // Either way it is time to look.
                drop(timeout_at(instant(at), self.bell.notified()).await);
            }
        }
    }
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            at: AtomicU64::new(u64::MAX),
            bell: Notify::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64) -> Timestamp {
        Timestamp::since_origin(Duration::from_secs(seconds))
    }

    /// How long the sleeper sleeps, in seconds; `None` if it is not up within an hour.
    async fn sleep(alarm: &Alarm, origin: Instant) -> Option<u64> {
        let before = Instant::now();
        let wait = alarm.wait(|at| origin + at.elapsed());
        tokio::time::timeout(Duration::from_secs(3600), wait)
            .await
            .ok()?;
        Some(before.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_deadline_nobody_wakes() {
        assert_eq!(sleep(&Alarm::default(), Instant::now()).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_sleeper_is_up_at_the_earliest_deadline() {
        let (alarm, origin) = (Alarm::default(), Instant::now());
        for seconds in [9, 7, 8] {
            alarm.set_for_oneself(after(seconds));
        }
        assert_eq!(sleep(&alarm, origin).await, Some(7));
    }

    #[tokio::test(start_paused = true)]
    async fn the_bell_rings_for_an_earlier_deadline_only() {
        let (alarm, origin) = (Alarm::default(), Instant::now());
        alarm.set_for_oneself(after(10));
        alarm.set(after(11));
        alarm.set(after(10));
        assert_eq!(
            sleep(&alarm, origin).await,
            Some(10),
            "no bell for a later one, nor for the same"
        );
        alarm.set(after(5));
        assert_eq!(sleep(&alarm, origin).await, Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_named_between_look_and_sleep_is_not_lost() {
        let (alarm, origin) = (Alarm::default(), Instant::now());
        alarm.clear();
        alarm.set(after(3));
        assert_eq!(sleep(&alarm, origin).await, Some(0), "one round too many");
        assert_eq!(sleep(&alarm, origin).await, Some(3));
    }
}
