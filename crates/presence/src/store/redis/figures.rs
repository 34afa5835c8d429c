//! What a store on Redis counts, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// How many so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// What a store on Redis has done since its start.
#[derive(Debug, Default)]
pub struct Figures {
    /// Status words whose time to live was prolonged.
    pub refreshed: Counter,
    /// Status words that were found missing, and written again.
    pub words_lost: Counter,
    /// Status words that another program had made `offline` while the user was connected here, and were set right.
    pub words_corrected: Counter,
    /// Users who were registered again after the server or the lease was lost.
    pub restored: Counter,
    /// Times that all users were registered.
    pub registrations: Counter,
    /// Times that the lease was renewed.
    pub renewals: Counter,
    /// Times that the lease was found to have ended.
    pub leases_lost: Counter,
    /// Times that everything at the server was found to be lost.
    pub epochs_lost: Counter,
    /// Nodes that this one cleaned up after.
    pub sweeps: Counter,
    /// Users of whom something was taken out in doing so.
    pub swept: Counter,
    /// Answers that were given without the server.
    pub degraded_answers: Counter,
    /// Operations whose outcome was unknown, and that were settled later.
    pub doubts: Counter,
    /// Commands by which statuses were read.
    pub reads: Counter,
    /// Statuses that were read by them.
    pub statuses_read: Counter,
    refresh_lag: AtomicU64,
}

impl Figures {
    /// By how much the latest refresh ended later than planned.
    pub fn refresh_lag(&self) -> Duration {
        Duration::from_micros(self.refresh_lag.load(Ordering::Relaxed))
    }

    pub(super) fn set_refresh_lag(&self, lag: Duration) {
        let micros = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        self.refresh_lag.store(micros, Ordering::Relaxed);
    }
}
