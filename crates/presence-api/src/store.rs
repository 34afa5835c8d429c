//! Where presence is kept, as the operator chose.

use presence::{
    Condition, ConnectionId, End, MemoryStore, NodeId, RedisStore, Status, StatusChange, Store,
    StoreError, Totals, Touched, UserId,
};

/// One of the stores.
#[derive(Debug)]
pub enum PresenceStore {
    /// In the memory of this process.
    Memory(MemoryStore),
    /// In Redis, shared by all nodes.
    Redis(RedisStore),
}

/// The handle on presence that the parts of the service hold.
pub type Tracker = presence::Tracker<PresenceStore>;

/// Asks the store that was chosen.
macro_rules! chosen {
    ($store:expr, $chosen:ident => $answer:expr) => {
        match $store {
            PresenceStore::Memory($chosen) => $answer,
            PresenceStore::Redis($chosen) => $answer,
        }
    };
}

impl Store for PresenceStore {
    async fn connect(
        &self,
        user: &UserId,
        connection: ConnectionId,
    ) -> Result<Option<StatusChange>, StoreError> {
        chosen!(self, store => store.connect(user, connection).await)
    }

    async fn disconnect(
        &self,
        user: &UserId,
        connection: ConnectionId,
        end: End,
    ) -> Result<Option<StatusChange>, StoreError> {
        chosen!(self, store => store.disconnect(user, connection, end).await)
    }

    async fn touch(&self, user: &UserId, connection: ConnectionId) -> Result<Touched, StoreError> {
        chosen!(self, store => store.touch(user, connection).await)
    }

    async fn lose(&self, node: NodeId) -> Result<usize, StoreError> {
        chosen!(self, store => store.lose(node).await)
    }

    async fn status(&self, user: &UserId) -> Result<Status, StoreError> {
        chosen!(self, store => store.status(user).await)
    }

    async fn statuses(&self, users: &[&str]) -> Result<Vec<Status>, StoreError> {
        chosen!(self, store => store.statuses(users).await)
    }

    fn totals(&self) -> Totals {
        chosen!(self, store => store.totals())
    }

    fn condition(&self) -> Condition {
        chosen!(self, store => store.condition())
    }

    async fn close(&self) {
        chosen!(self, store => store.close().await);
    }
}
