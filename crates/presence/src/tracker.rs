//! What an application holds to tell of connections and to ask for statuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::change::{Cause, Changes, StatusChange, Touched, Version};
use crate::ids::{ConnectionId, NodeId, UserId};
use crate::settings::ValidSettings;
use crate::state::End;
use crate::status::Status;
use crate::store::memory::MemoryStore;
use crate::store::{Condition, Store, StoreError, Totals};

/// The handle on a presence store, for every part of an application.
///
/// Cloning gives another handle on the same. Statuses that change are told to the listener that the store was given,
/// not here: an operation returns its change only for whoever wants to know.
#[derive(Debug)]
pub struct Tracker<S = MemoryStore> {
    inner: Arc<Inner<S>>,
}

impl Tracker {
    /// A tracker on a new [`MemoryStore`], as a node of its own.
    ///
    /// # Panics
    ///
    /// As [`MemoryStore::start`] and [`NodeId::random`].
    pub fn in_memory(settings: &ValidSettings, listener: Arc<dyn Changes>) -> Self {
        let counters = Arc::new(Counters::default());
        let store = MemoryStore::start(settings, counters.listen(listener));
        Self::new(store, NodeId::random(), counters)
    }
}

impl<S: Store> Tracker<S> {
    /// A tracker on `store`, for the node that this process is.
    ///
    /// For the counters to count, the store has to be made with a listener from [`Counters::listen`].
    pub fn new(store: S, node: NodeId, counters: Arc<Counters>) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                node,
                connections: AtomicU64::new(0),
                counters,
            }),
        }
    }

    /// The node that this process is.
    pub fn node(&self) -> NodeId {
        self.inner.node
    }

    /// A name for a connection that has just come: one that no other has or had.
    pub fn new_connection(&self) -> ConnectionId {
        let number = self.inner.connections.fetch_add(1, Ordering::Relaxed);
        ConnectionId {
            node: self.inner.node,
            number,
        }
    }

    /// A connection of `user` came. Returns the change, if it made the user online.
    pub async fn connect(
        &self,
        user: &UserId,
        connection: ConnectionId,
    ) -> Result<Option<StatusChange>, StoreError> {
        self.inner.store.connect(user, connection).await
    }

    /// A connection of `user` is gone. Returns the change, if it made the user offline at once.
    pub async fn disconnect(
        &self,
        user: &UserId,
        connection: ConnectionId,
        end: End,
    ) -> Result<Option<StatusChange>, StoreError> {
        self.inner.store.disconnect(user, connection, end).await
    }

    /// A client said that it is there.
    ///
    /// Unless the connection is unknown, the listener is told in any case, of a change or of a confirmation: there is
    /// nothing left for the caller to announce.
    pub async fn touch(
        &self,
        user: &UserId,
        connection: ConnectionId,
    ) -> Result<Touched, StoreError> {
        self.inner.store.touch(user, connection).await
    }

    /// A node is gone, with every connection it kept. Returns how many users that made offline.
    pub async fn lose(&self, node: NodeId) -> Result<usize, StoreError> {
        self.inner.store.lose(node).await
    }

    /// What others see of `user`.
    pub async fn status(&self, user: &UserId) -> Result<Status, StoreError> {
        self.inner.store.status(user).await
    }

    /// What others see of each of `users`, in the same order, in one read of the store.
    pub async fn statuses(&self, users: &[&str]) -> Result<Vec<Status>, StoreError> {
        self.inner.store.statuses(users).await
    }

    /// How many users are online and how many connections there are.
    pub fn totals(&self) -> Totals {
        self.inner.store.totals()
    }

    /// Whether answers are the whole truth.
    pub fn condition(&self) -> Condition {
        self.inner.store.condition()
    }

    /// The store behind.
    pub fn store(&self) -> &S {
        &self.inner.store
    }

    /// This process ends: what it has to end later is left to others, if there are any.
    pub async fn close(&self) {
        self.inner.store.close().await;
    }

    /// What was announced so far.
    pub fn counters(&self) -> &Counters {
        &self.inner.counters
    }
}

impl<S> Clone for Tracker<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

#[derive(Debug)]
struct Inner<S> {
    store: S,
    node: NodeId,
    /// How many connections were named.
    connections: AtomicU64,
    counters: Arc<Counters>,
}

/// How much was announced since the start, for metrics.
#[derive(Debug, Default)]
pub struct Counters {
    changes: [AtomicU64; Cause::ALL.len()],
    confirmations: AtomicU64,
}

impl Counters {
    /// A listener that counts what it hears and passes it on to `listener`.
    pub fn listen(self: &Arc<Self>, listener: Arc<dyn Changes>) -> Arc<dyn Changes> {
        Arc::new(Counting {
            counters: Arc::clone(self),
            listener,
        })
    }

    /// How many changes had this cause.
    pub fn changes(&self, cause: Cause) -> u64 {
        self.changes[cause as usize].load(Ordering::Relaxed)
    }

    /// How many times an online user said again that it is there.
    pub fn confirmations(&self) -> u64 {
        self.confirmations.load(Ordering::Relaxed)
    }
}

struct Counting {
    counters: Arc<Counters>,
    listener: Arc<dyn Changes>,
}

impl Changes for Counting {
    fn changed(&self, change: &StatusChange) {
        self.counters.changes[change.cause as usize].fetch_add(1, Ordering::Relaxed);
        self.listener.changed(change);
    }

    fn confirmed(&self, user: &UserId, version: Version) {
        self.counters.confirmations.fetch_add(1, Ordering::Relaxed);
        self.listener.confirmed(user, version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{Heard, Recorder};

    fn tracker() -> (Tracker, Arc<Recorder>, UserId) {
        let recorder = Arc::new(Recorder::default());
        let tracker = Tracker::in_memory(&ValidSettings::default(), recorder.clone());
        (tracker, recorder, UserId::new("alice").unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn everything_announced_is_counted_and_passed_on() {
        let (tracker, recorder, alice) = tracker();
        let connection = tracker.new_connection();
        let change = tracker.connect(&alice, connection).await.unwrap().unwrap();
        tracker.touch(&alice, connection).await.unwrap();
        assert_eq!(
            tracker.totals(),
            Totals {
                users_online: 1,
                connections: 1
            }
        );
        tracker
            .disconnect(&alice, connection, End::Lost)
            .await
            .unwrap();
        assert_eq!(
            tracker.totals(),
            Totals {
                users_online: 1,
                connections: 0
            }
        );

        let heard = recorder.wait_for(3).await;
        assert_eq!(heard[0], Heard::Changed(change));
        assert_eq!(heard[1], Heard::Confirmed(alice, Version::new(1)));
        let counted = Cause::ALL.map(|cause| tracker.counters().changes(cause));
        assert_eq!(counted, [1, 0, 0, 1, 0, 0], "connected, and a link lost");
        assert_eq!(tracker.counters().confirmations(), 1);
        assert_eq!(tracker.totals(), Totals::default());
    }

    #[tokio::test]
    async fn connections_never_have_the_same_name() {
        let (tracker, ..) = tracker();
        let clone = tracker.clone();
        let names = [
            tracker.new_connection(),
            clone.new_connection(),
            tracker.new_connection(),
        ];
        assert_eq!(names.map(|name| name.number), [0, 1, 2]);
        assert!(names.iter().all(|name| name.node == tracker.node()));
        assert_ne!(
            Tracker::in_memory(&ValidSettings::default(), Arc::new(Recorder::default())).node(),
            tracker.node()
        );
    }

    #[tokio::test]
    async fn a_lost_node_takes_its_users() {
        let (tracker, _, alice) = tracker();
        tracker
            .connect(
                &alice,
                ConnectionId {
                    node: NodeId::new(7),
                    number: 1,
                },
            )
            .await
            .unwrap();
        assert_eq!(tracker.lose(NodeId::new(7)).await.unwrap(), 1);
        assert_eq!(tracker.counters().changes(Cause::NodeLost), 1);
        assert_eq!(tracker.status(&alice).await.unwrap(), Status::Offline);
    }

    /// A store that cannot be reached.
    struct Away;

    fn away<T>() -> Result<T, StoreError> {
        Err(StoreError::Away("connection refused".into()))
    }

    impl Store for Away {
        async fn connect(
            &self,
            _: &UserId,
            _: ConnectionId,
        ) -> Result<Option<StatusChange>, StoreError> {
            away()
        }
        async fn disconnect(
            &self,
            _: &UserId,
            _: ConnectionId,
            _: End,
        ) -> Result<Option<StatusChange>, StoreError> {
            away()
        }
        async fn touch(&self, _: &UserId, _: ConnectionId) -> Result<Touched, StoreError> {
            away()
        }
        async fn lose(&self, _: NodeId) -> Result<usize, StoreError> {
            away()
        }
        async fn status(&self, _: &UserId) -> Result<Status, StoreError> {
            away()
        }
        async fn statuses(&self, _: &[&str]) -> Result<Vec<Status>, StoreError> {
            away()
        }
        fn totals(&self) -> Totals {
            Totals::default()
        }
    }

    #[tokio::test]
    async fn a_store_that_is_away_is_reported_as_that() {
        let tracker = Tracker::new(Away, NodeId::random(), Arc::default());
        let (alice, connection) = (UserId::new("alice").unwrap(), tracker.new_connection());
        let error = tracker.connect(&alice, connection).await.unwrap_err();
        assert_eq!(error.to_string(), "the presence store does not answer");
        assert_eq!(
            std::error::Error::source(&error).unwrap().to_string(),
            "connection refused"
        );
        assert!(
            tracker
                .disconnect(&alice, connection, End::Clean)
                .await
                .is_err()
        );
        assert!(tracker.touch(&alice, connection).await.is_err());
        assert!(tracker.lose(tracker.node()).await.is_err());
        assert!(tracker.status(&alice).await.is_err());
        assert!(tracker.statuses(&[alice.as_str()]).await.is_err());
    }
}
