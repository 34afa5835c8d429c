//! As whom this node is known to the others.

use std::time::Duration;

use parking_lot::Mutex;

use crate::ids::NodeId;
use crate::timestamp::Timestamp;

/// A node with a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    /// Its name for as long as the lease is never broken; after that it comes back as another.
    pub(super) node: NodeId,
    /// The version that unknown users start from.
    pub(super) first_version: u64,
}

/// Whether this node has a lease, as far as it knows.
///
/// A node that was frozen finds here that its lease must have ended, before it says anything under its old name: others
/// may have cleaned up after it.
#[derive(Debug, Default)]
pub(super) struct Membership(Mutex<Option<Lease>>);

/// A lease, on this node's clock.
#[derive(Debug, Clone, Copy)]
struct Lease {
    member: Member,
    held: Held,
    until: Timestamp,
}

/// For how long a lease has been proven without a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) since: Timestamp,
    /// On which connection; see [`LinkState`](redis_link::LinkState).
    pub(super) generation: u64,
}

impl Membership {
    pub(super) fn at(&self, now: Timestamp) -> Option<Member> {
        let lease = self.0.lock().filter(|lease| now < lease.until)?;
        Some(lease.member)
    }

    /// For how long there has been a lease and an answer to each renewal, all on this connection; nothing if there is no
    /// lease.
    pub(super) fn age(&self, now: Timestamp, generation: u64) -> Duration {
        let is_proven = |lease: &Lease| now < lease.until && lease.held.generation == generation;
        let lease = self.0.lock().filter(is_proven);
        lease.map_or(Duration::ZERO, |lease| now.since(lease.held.since))
    }

    /// Whether there ever was a lease.
    pub(super) fn has_begun(&self) -> bool {
        self.0.lock().is_some()
    }

    /// A lease was given, or goes on, until a time.
    pub(super) fn set(&self, member: Member, held: Held, until: Timestamp) {
        *self.0.lock() = Some(Lease {
            member,
            held,
            until,
        });
    }

    /// From now on this node has no lease.
    pub(super) fn end(&self, now: Timestamp) {
        if let Some(lease) = &mut *self.0.lock() {
            lease.until = now;
        }
    }
}
