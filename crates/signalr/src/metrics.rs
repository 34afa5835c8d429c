//! What the server counts; plain atomics that any exporter can read.

use std::sync::atomic::{AtomicU64, Ordering};

use signalr_protocol::negotiate::Transport;

use crate::close::CloseReason;

/// Counters and gauges of one hub, since its start.
#[derive(Debug, Default)]
pub struct Metrics {
    open: [AtomicU64; Transport::ALL.len()],
    opened: [AtomicU64; Transport::ALL.len()],
    closed: [AtomicU64; CloseReason::LABELS.len()],
    invocations: AtomicU64,
    failed_invocations: AtomicU64,
    deliveries: AtomicU64,
    negotiations: AtomicU64,
    refused: [AtomicU64; Refused::LABELS.len()],
}

/// Why a connection was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Too many connections are negotiated and not used.
    Unclaimed,
    /// The user has too many.
    User,
    /// The address has too many.
    Address,
    /// The server shuts down.
    Closing,
}

impl Refused {
    pub(crate) const LABELS: [&'static str; 4] = ["unclaimed", "user", "address", "closing"];
}

impl Metrics {
    /// Connections that are open over a transport.
    #[must_use]
    pub fn open(&self, transport: Transport) -> u64 {
        read(&self.open[transport as usize])
    }

    /// Connections that were ever opened over a transport.
    #[must_use]
    pub fn opened(&self, transport: Transport) -> u64 {
        read(&self.opened[transport as usize])
    }

    /// Each reason to close, by its label, and how often it applied.
    pub fn closed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CloseReason::LABELS
            .into_iter()
            .zip(self.closed.iter().map(read))
    }

    /// Calls that clients made.
    #[must_use]
    pub fn invocations(&self) -> u64 {
        read(&self.invocations)
    }

    /// Calls that clients made and that ended in an error.
    #[must_use]
    pub fn failed_invocations(&self) -> u64 {
        read(&self.failed_invocations)
    }

    /// Messages to clients that were queued on their connections.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        read(&self.deliveries)
    }

    /// Negotiations that reserved a connection.
    #[must_use]
    pub fn negotiations(&self) -> u64 {
        read(&self.negotiations)
    }

    /// Each limit that keeps connections out, by its label, and how often it did.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refused::LABELS
            .into_iter()
            .zip(self.refused.iter().map(read))
    }

    pub(crate) fn count_open(&self, transport: Transport) {
        add(&self.open[transport as usize], 1);
        add(&self.opened[transport as usize], 1);
    }

    pub(crate) fn count_closed(&self, transport: Option<Transport>, reason: &CloseReason) {
        if let Some(transport) = transport {
            self.open[transport as usize].fetch_sub(1, Ordering::Relaxed);
        }
        add(&self.closed[reason.index()], 1);
    }

    pub(crate) fn count_invocation(&self) {
        add(&self.invocations, 1);
    }

    pub(crate) fn count_failed_invocation(&self) {
        add(&self.failed_invocations, 1);
    }

    pub(crate) fn count_deliveries(&self, deliveries: usize) {
        add(&self.deliveries, deliveries as u64);
    }

    pub(crate) fn count_negotiation(&self) {
        add(&self.negotiations, 1);
    }

    pub(crate) fn count_refused(&self, why: Refused) {
        add(&self.refused[why as usize], 1);
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}
