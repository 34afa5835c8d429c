//! Several nodes in one process, as one store.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use redis_link::Link;
use testkit::redis::RedisServer;

use super::Plain;
use crate::change::{Changes, StatusChange, Touched};
use crate::ids::{ConnectionId, NodeId, UserId};
use crate::settings::ValidSettings;
use crate::state::End;
use crate::status::Status;
use crate::store::redis::RedisStore;
use crate::store::redis::membership::{Held, Member};
use crate::store::redis::shared::Shard;
use crate::store::redis::time::Time;
use crate::store::{Condition, Store, StoreError, Totals};
use crate::timestamp::Timestamp;

/// A server of the test's own.
pub(super) struct Server {
    pub(super) process: RedisServer,
}

impl Server {
    /// `None`, said with a word: there is no Redis on this machine.
    pub(super) async fn start() -> Option<Self> {
        let process = RedisServer::start().await?;
        Some(Self { process })
    }

    pub(super) fn link(&self) -> Link {
        link_to(&self.process.url())
    }
}

pub(super) fn link_to(connection_string: &str) -> Link {
    let parsed = redis_link::Settings::parse(connection_string).unwrap();
    Link::start(&parsed.settings)
}

/// A node whose tasks do not run, with a lease that does not end and a clock that is told.
pub(super) fn idle(
    settings: &ValidSettings,
    link: Link,
    listener: Arc<dyn Changes>,
    now: &Arc<AtomicU64>,
) -> (NodeId, RedisStore) {
    let node = NodeId::random();
    let shards = [Shard::new(settings), Shard::new(settings)].into();
    let publication = Arc::new(Plain::default());
    let time = Time::Told(Arc::clone(now));
    let (store, _) = RedisStore::assemble(settings, shards, link, publication, listener, time);
    let member = Member {
        node,
        first_version: 0,
    };
    let for_ever = Timestamp::since_origin(Duration::MAX);
    let membership = &store.shared.membership;
    membership.set(member, HELD, for_ever);
    (node, store)
}

/// A lease from the beginning, on the first connection.
pub(super) const HELD: Held = Held {
    since: Timestamp::ORIGIN,
    generation: 1,
};

/// Each operation goes to the node that holds the connection.
pub(super) struct Nodes {
    /// Kept for its process.
    _server: Server,
    nodes: HashMap<NodeId, RedisStore>,
    dead: Mutex<HashSet<NodeId>>,
    /// One that holds no connections, and cleans up after others.
    witness: RedisStore,
}

impl Nodes {
    pub(super) async fn start(
        server: Server,
        settings: &ValidSettings,
        listener: Arc<dyn Changes>,
    ) -> Self {
        let start = |node| {
            let publication = Arc::new(Plain::default());
            let listener = Arc::clone(&listener);
            RedisStore::start(settings, server.link(), node, publication, listener)
        };
        let names = [0xa, 0xb].map(NodeId::new);
        let nodes: HashMap<_, _> = names.into_iter().map(|node| (node, start(node))).collect();
        let witness = start(NodeId::new(0xc));
        for store in nodes.values().chain([&witness]) {
            while store.condition() != Condition::Sound {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Self {
            _server: server,
            nodes,
            dead: Mutex::default(),
            witness,
        }
    }

    fn of(&self, connection: ConnectionId) -> &RedisStore {
        &self.nodes[&connection.node]
    }
}

impl Store for Nodes {
    async fn connect(
        &self,
        user: &UserId,
        connection: ConnectionId,
    ) -> Result<Option<StatusChange>, StoreError> {
        self.of(connection).connect(user, connection).await
    }

    async fn disconnect(
        &self,
        user: &UserId,
        connection: ConnectionId,
        end: End,
    ) -> Result<Option<StatusChange>, StoreError> {
        self.of(connection).disconnect(user, connection, end).await
    }

    async fn touch(&self, user: &UserId, connection: ConnectionId) -> Result<Touched, StoreError> {
        self.of(connection).touch(user, connection).await
    }

    /// The node ends without a word, and another finds what it left.
    async fn lose(&self, node: NodeId) -> Result<usize, StoreError> {
        self.nodes[&node].die();
        self.dead.lock().insert(node);
        self.witness.lose(node).await
    }

    async fn status(&self, user: &UserId) -> Result<Status, StoreError> {
        self.witness.status(user).await
    }

    async fn statuses(&self, users: &[&str]) -> Result<Vec<Status>, StoreError> {
        self.witness.statuses(users).await
    }

    fn totals(&self) -> Totals {
        let dead = self.dead.lock();
        let living = self.nodes.iter().filter(|(node, _)| !dead.contains(*node));
        living.fold(Totals::default(), |sum, (_, store)| {
            let totals = store.totals();
            Totals {
                users_online: sum.users_online + totals.users_online,
                connections: sum.connections + totals.connections,
            }
        })
    }
}
