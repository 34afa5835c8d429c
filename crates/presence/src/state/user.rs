//! What is known of one user who has a connection, or had one a moment ago.

use smallvec::SmallVec;

use crate::change::{Cause, StatusChange, Version};
use crate::ids::{ConnectionId, NodeId, UserId};
use crate::status::Status;
use crate::timestamp::Timestamp;

#[derive(Debug)]
pub(super) struct User {
    pub(super) links: Links,
    pub(super) version: Version,
    pub(super) phase: Phase,
    /// Where this user stands among the deadlines, if it does: never later than the true one.
    pub(super) filed: Option<Timestamp>,
}

impl User {
    /// Somebody who has not come yet.
    pub(super) fn new(version: Version) -> Self {
        Self {
            links: Links::default(),
            version,
            phase: Phase::Silent,
            filed: None,
        }
    }

    pub(super) fn status(&self) -> Status {
        match self.phase {
            Phase::Online | Phase::Grace { .. } => Status::Online,
            Phase::Silent => Status::Offline,
        }
    }

    /// Whether there is nothing to know about this user but its version.
    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Silent && self.links.is_empty()
    }

    /// Counts a change of the status, and describes it.
    pub(super) fn change(&mut self, id: &UserId, cause: Cause) -> StatusChange {
        self.version = self.version.next();
        let to = cause.leads_to();
        let from = match to {
            Status::Online => Status::Offline,
            Status::Offline => Status::Online,
        };
        StatusChange {
            user: id.clone(),
            from,
            to,
            version: self.version,
            cause,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Online by a connection.
    Online,
    /// Online because the last connection may come back.
    Grace { until: Timestamp },
    /// Offline; there may be connections, but none counts.
    Silent,
}

/// One connection, and when something was last heard through it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    id: ConnectionId,
    pub(super) heard: Timestamp,
}

/// The connections of one user, ordered by id; room for one inside, because that is how many most people have.
#[derive(Debug, Default)]
pub(super) struct Links(SmallVec<[Link; 1]>);

/// Whether a connection was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    New,
    Known,
}

impl Links {
    /// Notes that something was heard through a connection, and adds it if need be.
    pub(super) fn hear(&mut self, id: ConnectionId, now: Timestamp) -> Heard {
        match self.position(id) {
            Ok(place) => {
                self.0[place].heard = now;
                Heard::Known
            }
            Err(place) => {
                self.0.insert(place, Link { id, heard: now });
                Heard::New
            }
        }
    }

    pub(super) fn find_mut(&mut self, id: ConnectionId) -> Option<&mut Link> {
        let place = self.position(id).ok()?;
        self.0.get_mut(place)
    }

    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Link> {
        let place = self.position(id).ok()?;
        let link = self.0.remove(place);
        self.release();
        Some(link)
    }

    /// Removes what a node kept, and says whether any of it fulfilled the condition.
    pub(super) fn remove_node(&mut self, node: NodeId, condition: impl Fn(&Link) -> bool) -> bool {
        let mut any = false;
        self.0.retain(|link| {
            let removed = link.id.node == node;
            any |= removed && condition(link);
            !removed
        });
        self.release();
        any
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Link> {
        self.0.iter()
    }

    pub(super) fn last_heard(&self) -> Option<Timestamp> {
        self.iter().map(|link| link.heard).max()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, id: ConnectionId) -> Result<usize, usize> {
        self.0.binary_search_by(|link| link.id.cmp(&id))
    }

    /// Gives memory back once three quarters of it lie idle: somebody closed their fifty tabs.
    fn release(&mut self) {
        if self.0.spilled() && self.0.len() <= self.0.capacity() / 4 {
            self.0.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> ConnectionId {
        ConnectionId {
            node: NodeId::new(u128::from(number % 2)),
            number,
        }
    }

    #[test]
    fn a_user_with_one_connection_takes_80_bytes() {
        assert_eq!(size_of::<Link>(), 32);
        assert_eq!(size_of::<User>(), 80);
    }

    #[test]
    fn connections_are_found_in_whatever_order_they_came() {
        let mut links = Links::default();
        for number in [5, 1, 4, 2, 3] {
            assert_eq!(links.hear(id(number), Timestamp::ORIGIN), Heard::New);
            assert_eq!(links.hear(id(number), Timestamp::ORIGIN), Heard::Known);
        }
        for number in 1..=5 {
            assert_eq!(links.find_mut(id(number)).unwrap().id, id(number));
        }
        assert!(links.remove(id(3)).is_some());
        assert!(links.remove(id(3)).is_none());
        assert!(links.remove_node(NodeId::new(1), |link| link.id == id(5)));
        assert!(
            !links.remove_node(NodeId::new(1), |_| true),
            "there is nothing left to fulfil it"
        );
        assert_eq!(
            links.iter().map(|link| link.id).collect::<Vec<_>>(),
            [id(2), id(4)]
        );
    }

    #[test]
    fn memory_of_many_connections_is_given_back() {
        let mut links = Links::default();
        for number in 0..50 {
            links.hear(id(number), Timestamp::ORIGIN);
        }
        for number in 1..50 {
            links.remove(id(number));
        }
        assert!(!links.0.spilled());
        assert!(links.find_mut(id(0)).is_some());
    }
}
