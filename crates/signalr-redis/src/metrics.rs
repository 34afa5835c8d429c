//! What the backplane counts; plain atomics that any exporter can read.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one hub's backplane, since its start.
#[derive(Debug, Default)]
pub struct Metrics {
    pub(crate) published: Counter,
    pub(crate) published_bytes: Counter,
    pub(crate) publish_failures: Counter,
    pub(crate) received: Counter,
    pub(crate) received_bytes: Counter,
    pub(crate) malformed: Counter,
    pub(crate) unknown_protocols: Counter,
    pub(crate) acks_timed_out: Counter,
    pub(crate) refused: Counter,
    pub(crate) resumed: Counter,
}

impl Metrics {
    /// Messages that Redis took.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.published.read()
    }

    /// The bytes of their payloads.
    #[must_use]
    pub fn published_bytes(&self) -> u64 {
        self.published_bytes.read()
    }

    /// Messages that Redis did not take, or of which that is not known.
    #[must_use]
    pub fn publish_failures(&self) -> u64 {
        self.publish_failures.read()
    }

    /// Messages that came, this server's own among them.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.read()
    }

    /// The bytes of their payloads.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes.read()
    }

    /// Messages that could not be read.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.malformed.read()
    }

    /// Messages that somebody did not get, as the sending server did not write them in the receiver's protocol.
    #[must_use]
    pub fn unknown_protocols(&self) -> u64 {
        self.unknown_protocols.read()
    }

    /// Changes of groups that no server confirmed in time.
    #[must_use]
    pub fn acks_timed_out(&self) -> u64 {
        self.acks_timed_out.read()
    }

    /// What other servers asked for and did not get, because too much of it was under way.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.read()
    }

    /// How often the subscriptions were broken and came back.
    #[must_use]
    pub fn resumed(&self) -> u64 {
        self.resumed.read()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Gives the new value.
    pub(crate) fn add(&self, amount: u64) -> u64 {
        self.0.fetch_add(amount, Ordering::Relaxed) + amount
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
