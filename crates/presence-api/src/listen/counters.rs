//! What the listeners count.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use super::Protocol;

/// Counts of connections over all listeners, as plain atomics.
#[derive(Debug, Default)]
pub struct ConnectionCounters {
    accepted: AtomicU64,
    ended: AtomicU64,
    silent: AtomicU64,
    tls_failed: AtomicU64,
    accept_failed: AtomicU64,
    web_listeners: AtomicUsize,
    grpc_listeners: AtomicUsize,
}

impl ConnectionCounters {
    /// Connections accepted since the start.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// Connections that HTTP is spoken on now; upgraded sockets are not among them.
    pub fn open(&self) -> u64 {
        // Read in this order, an end in between cannot make the difference negative.
        let ended = self.ended.load(Relaxed);
        self.accepted.load(Relaxed).saturating_sub(ended)
    }

    /// Connections dropped because no request came in time or too many others waited.
    pub fn silent(&self) -> u64 {
        self.silent.load(Relaxed)
    }

    /// TLS handshakes that failed or took too long.
    pub fn tls_failed(&self) -> u64 {
        self.tls_failed.load(Relaxed)
    }

    /// Times that the system refused to hand out a connection, for want of file descriptors or memory.
    pub fn accept_failures(&self) -> u64 {
        self.accept_failed.load(Relaxed)
    }

    /// Sockets of this kind that are accepting now: what a health check of the listeners asks.
    pub fn listeners(&self, protocol: Protocol) -> usize {
        self.of(protocol).load(Relaxed)
    }

    pub(super) fn listen(self: &Arc<Self>, protocol: Protocol) -> Accepting {
        self.of(protocol).fetch_add(1, Relaxed);
        Accepting(Arc::clone(self), protocol)
    }

    pub(super) fn accept(self: &Arc<Self>) -> Open {
        self.accepted.fetch_add(1, Relaxed);
        Open(Arc::clone(self))
    }

    pub(super) fn fell_silent(&self) {
        self.silent.fetch_add(1, Relaxed);
    }

    pub(super) fn failed_tls(&self) {
        self.tls_failed.fetch_add(1, Relaxed);
    }

    pub(super) fn accept_failed(&self) {
        self.accept_failed.fetch_add(1, Relaxed);
    }

    fn of(&self, protocol: Protocol) -> &AtomicUsize {
        match protocol {
            Protocol::Http1AndHttp2 => &self.web_listeners,
            Protocol::Http2 => &self.grpc_listeners,
        }
    }
}

/// A socket that is accepting, until this is dropped.
#[derive(Debug)]
pub(super) struct Accepting(Arc<ConnectionCounters>, Protocol);

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.of(self.1).fetch_sub(1, Relaxed);
    }
}

/// An accepted connection; it has ended when this is dropped, whatever the reason.
#[derive(Debug)]
pub(super) struct Open(Arc<ConnectionCounters>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Relaxed);
    }
}
