//! What is counted; plain atomics that any exporter can read.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::error::LinkError;

/// Counters of a [`crate::Link`], since its start.
#[derive(Debug, Default)]
pub struct LinkCounters {
    pub(crate) connections: AtomicU64,
    pub(crate) losses: AtomicU64,
    pub(crate) commands: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    pub(crate) scripts_loaded: AtomicU64,
    failures: [AtomicU64; LinkError::LABELS.len()],
    latency: [AtomicU64; Self::LATENCY_BOUNDS.len() + 1],
    latency_micros: AtomicU64,
}

/// Counters of a [`crate::Subscriber`], since its start.
#[derive(Debug, Default)]
pub struct SubscriberCounters {
    pub(crate) connections: AtomicU64,
    pub(crate) losses: AtomicU64,
    pub(crate) messages: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) channels: AtomicU64,
}

impl LinkCounters {
    /// The upper bounds of the latency buckets, in seconds; one more bucket holds what took longer.
    ///
    /// From a Redis on the same machine to the time-out of a command.
    pub const LATENCY_BOUNDS: [f64; 11] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 2.5,
    ];

    /// Connections that were made.
    #[must_use]
    pub fn connections(&self) -> u64 {
        read(&self.connections)
    }

    /// Connections that were lost.
    #[must_use]
    pub fn losses(&self) -> u64 {
        read(&self.losses)
    }

    /// Commands that were asked for, sent or not.
    #[must_use]
    pub fn commands(&self) -> u64 {
        read(&self.commands)
    }

    /// Commands that wait for their answers.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        read(&self.in_flight)
    }

    /// How often scripts were loaded because the server did not know them.
    #[must_use]
    pub fn scripts_loaded(&self) -> u64 {
        read(&self.scripts_loaded)
    }

    /// Commands without a result, by [`LinkError::label`].
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        LinkError::LABELS
            .into_iter()
            .zip(self.failures.iter().map(read))
    }

    /// How many calls took how long: one number for each of [`Self::LATENCY_BOUNDS`] and one for what took longer.
    ///
    /// A batch is one call. Only what was answered counts.
    #[must_use]
    pub fn latency(&self) -> [u64; Self::LATENCY_BOUNDS.len() + 1] {
        self.latency.each_ref().map(read)
    }

    /// How long all answered calls took together.
    #[must_use]
    pub fn latency_sum(&self) -> Duration {
        Duration::from_micros(read(&self.latency_micros))
    }

    pub(crate) fn answered_after(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = Self::LATENCY_BOUNDS
            .iter()
            .position(|bound| seconds <= *bound)
            .unwrap_or(Self::LATENCY_BOUNDS.len());
        add(&self.latency[bucket], 1);
        add(
            &self.latency_micros,
            u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        );
    }

    pub(crate) fn failed(&self, error: &LinkError, commands: usize) {
        add(&self.failures[error.index()], commands as u64);
    }
}

impl SubscriberCounters {
    /// Connections that were made.
    #[must_use]
    pub fn connections(&self) -> u64 {
        read(&self.connections)
    }

    /// Connections that were lost.
    #[must_use]
    pub fn losses(&self) -> u64 {
        read(&self.losses)
    }

    /// Messages that came.
    #[must_use]
    pub fn messages(&self) -> u64 {
        read(&self.messages)
    }

    /// Bytes of the messages that came.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        read(&self.bytes)
    }

    /// Channels that are wanted.
    #[must_use]
    pub fn channels(&self) -> u64 {
        read(&self.channels)
    }
}

pub(crate) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_fall_into_their_buckets() {
        let counters = LinkCounters::default();
        for micros in [1, 100, 101, 2_500_000, 2_500_001] {
            counters.answered_after(Duration::from_micros(micros));
        }
        let found = counters.latency();
        assert_eq!((found[0], found[1], found[10], found[11]), (2, 1, 1, 1));
        assert_eq!(found.iter().sum::<u64>(), 5);
        assert_eq!(counters.latency_sum(), Duration::from_micros(5_000_203));
    }

    #[test]
    fn every_error_has_its_label() {
        let counters = LinkCounters::default();
        counters.failed(&LinkError::Busy, 3);
        counters.failed(&LinkError::Away("gone".into()), 1);
        let found: Vec<_> = counters
            .failures()
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(found, [("away", 1), ("busy", 3)]);
    }
}
