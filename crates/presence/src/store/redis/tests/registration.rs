//! What is said again, and in which order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis_link::{Link, LinkState};
use testkit::redis::Cluster;

use super::nodes::{Server, idle, link_to};
use crate::change::{Cause, Touched, Version};
use crate::ids::{ConnectionId, UserId};
use crate::settings::{Liveness, Settings, ValidSettings};
use crate::state::End;
use crate::status::Status;
use crate::store::Store;
use crate::store::conformance::Recorder;
use crate::store::redis::registration::{doubt_departures, register_all, settle, settle_strangers};
use crate::store::redis::{RedisStore, deadlines, keys};

/// A cluster, which is one master's, and a connection to it.
async fn cluster_of_one() -> Option<(Cluster, Link)> {
    let cluster = Cluster::start(1).await?;
    let link = link_to(&cluster.connection_string());
    link.state().wait_for(LinkState::is_ready).await.unwrap();
    assert!(link.is_cluster());
    Some((cluster, link))
}

/// In a cluster no two commands have an order unless the second waits for the answer to the first.
#[tokio::test]
async fn somebody_who_has_gone_is_settled_in_order() {
    let Some((cluster, link)) = cluster_of_one().await else {
        return;
    };
    // A heartbeat counts for a while: whoever asked before it is taken back would believe that there is a time to wait.
    let settings = Settings {
        liveness: Liveness::Heartbeat,
        ..Settings::default()
    };
    let (recorder, now) = (Arc::new(Recorder::default()), Arc::default());
    let (node, store) = idle(
        &settings.validate().unwrap(),
        link.clone(),
        recorder.clone(),
        &now,
    );
    let alice = UserId::new("alice").unwrap();
    let connection = ConnectionId { node, number: 1 };
    store.connect(&alice, connection).await.unwrap();
    let shared = &store.shared;
    let local = &shared.shard_of(alice.as_str()).local;
    let now = shared.time.now();
    local.lock().disconnect(&alice, 1, End::Clean, now);
    assert!(local.lock().forget_if_idle(&alice));

    let loaded = link.counters().scripts_loaded();
    cluster.servers()[0].cli(&["SCRIPT", "FLUSH"]).await;
    settle(shared, &alice, false).await.unwrap();
    // Side by side, both would have found that the server has no scripts, and both would have loaded them.
    assert_eq!(link.counters().scripts_loaded() - loaded, 1);
    let causes: Vec<_> = recorder
        .changes()
        .iter()
        .map(|change| change.cause)
        .collect();
    assert_eq!(causes, [Cause::Connected, Cause::LinkLost]);
    assert!(
        !local.lock().contains(&alice),
        "nothing is left to wait for"
    );
    let users = cluster.servers()[0]
        .cli(&["SMEMBERS", &keys::users_of(node)])
        .await;
    assert_eq!(users, "");
}

/// A replica that takes over may not have heard of a departure; the list of the node's users is on another master.
#[tokio::test]
async fn a_departure_that_a_failover_lost_is_said_again() {
    let Some((cluster, link)) = cluster_of_one().await else {
        return;
    };
    let (recorder, now) = (Arc::new(Recorder::default()), Arc::default());
    let (node, store) = idle(&ValidSettings::default(), link, recorder.clone(), &now);
    let shared = &store.shared;
    let ways = [("alice", End::Clean), ("bob", End::Lost)];
    for (name, end) in ways {
        let user = UserId::new(name).unwrap();
        let connection = ConnectionId { node, number: 1 };
        store.connect(&user, connection).await.unwrap();
        store.disconnect(&user, connection, end).await.unwrap();
    }
    let grace = ValidSettings::default().grace.as_millis();
    now.fetch_add(u64::try_from(grace).unwrap(), Ordering::Relaxed);
    deadlines::carry_out(shared).await;
    let redis = &cluster.servers()[0];
    for (name, _) in ways {
        let status = keys::status(name);
        redis.cli(&["SET", &status, "online"]).await;
        let (presence, field) = (keys::presence(&status), format!("n{node}"));
        redis
            .cli(&["HSET", &presence, "v", "1", "s", "online", &field, "c"])
            .await;
    }
    recorder.take();
    let member = shared.member().unwrap();
    doubt_departures(shared, node).await.unwrap();
    assert_eq!(settle_strangers(shared, member).await.unwrap(), 2);
    let mut left: Vec<_> = recorder
        .changes()
        .iter()
        .map(|change| (change.user.to_string(), change.to))
        .collect();
    left.sort();
    assert_eq!(left, [("alice".to_owned(), OFF), ("bob".to_owned(), OFF)]);
    let users = redis.cli(&["SMEMBERS", &keys::users_of(node)]).await;
    assert_eq!(users, "");
}

/// A user who has come, gone and come again, which is version 3, and a server that forgets as a failover makes it.
struct Flipped {
    server: Server,
    store: RedisStore,
    recorder: Arc<Recorder>,
    now: Arc<AtomicU64>,
    connection: ConnectionId,
    alice: UserId,
}

impl Flipped {
    async fn start() -> Option<Self> {
        let server = Server::start().await?;
        let link = server.link();
        link.state().wait_for(LinkState::is_ready).await.unwrap();
        let (recorder, now) = (Arc::new(Recorder::default()), Arc::default());
        let (node, store) = idle(&ValidSettings::default(), link, recorder.clone(), &now);
        let flipped = Self {
            server,
            store,
            recorder,
            now,
            connection: ConnectionId { node, number: 1 },
            alice: UserId::new("alice").unwrap(),
        };
        flipped.connect().await;
        flipped.disconnect(End::Clean).await;
        flipped.connect().await;
        assert_eq!(flipped.told(), [(1, ON), (2, OFF), (3, ON)]);
        Some(flipped)
    }

    async fn connect(&self) {
        let connected = self.store.connect(&self.alice, self.connection).await;
        connected.unwrap();
    }

    async fn disconnect(&self, end: End) {
        let gone = self.store.disconnect(&self.alice, self.connection, end);
        gone.await.unwrap();
    }

    /// The server knows what it knew at an earlier version.
    async fn roll_back(&self, version: &str, word: Status) {
        let (status, presence) = self.keys();
        self.forget_all().await;
        let server = &self.server.process;
        server.cli(&["SET", &status, word.as_str()]).await;
        let known = ["HSET", &presence, "v", version, "s", word.as_str()];
        server.cli(&known).await;
        if word == Status::Online {
            let field = format!("n{}", self.connection.node);
            server.cli(&["HSET", &presence, &field, "c"]).await;
        }
    }

    async fn forget_all(&self) {
        let (status, presence) = self.keys();
        let forgotten = self.server.process.cli(&["DEL", &status, &presence]).await;
        assert_eq!(forgotten, "2");
    }

    async fn register_all(&self, all_was_lost: bool) {
        let member = self.store.shared.member().unwrap();
        let registered = register_all(&self.store.shared, member, all_was_lost).await;
        assert_eq!(registered.unwrap(), 1);
    }

    async fn pass(&self, time: Duration) {
        let time = u64::try_from(time.as_millis()).unwrap();
        self.now.fetch_add(time, Ordering::Relaxed);
        deadlines::carry_out(&self.store.shared).await;
    }

    async fn version_at_server(&self) -> String {
        let (_, presence) = self.keys();
        self.server.process.cli(&["HGET", &presence, "v"]).await
    }

    fn keys(&self) -> (String, String) {
        let status = keys::status(self.alice.as_str());
        let presence = keys::presence(&status);
        (status, presence)
    }

    /// What was announced since this was asked last.
    fn told(&self) -> Vec<(u64, Status)> {
        let changes = self.recorder.changes();
        self.recorder.take();
        changes
            .iter()
            .map(|change| (change.version.number(), change.to))
            .collect()
    }
}

#[tokio::test]
async fn a_version_that_a_failover_lost_is_said_again() {
    let Some(flipped) = Flipped::start().await else {
        return;
    };
    flipped.roll_back("1", ON).await;
    flipped.register_all(false).await;
    assert_eq!(flipped.told(), [], "online then and now");
    assert_eq!(flipped.version_at_server().await, "3");
    // Another node, which was told nothing, goes on from there.
    let settings = ValidSettings::default();
    let (link, listener) = (flipped.server.link(), flipped.recorder.clone());
    link.state().wait_for(LinkState::is_ready).await.unwrap();
    let (other, store) = idle(&settings, link, listener, &flipped.now);
    let connection = ConnectionId {
        node: other,
        number: 2,
    };
    store.connect(&flipped.alice, connection).await.unwrap();
    flipped.disconnect(End::Clean).await;
    let left = store.disconnect(&flipped.alice, connection, End::Clean);
    assert_eq!(left.await.unwrap().unwrap().version, Version::new(4));
}

#[tokio::test]
async fn an_arrival_that_a_failover_lost_is_announced_with_a_later_version() {
    let Some(flipped) = Flipped::start().await else {
        return;
    };
    flipped.roll_back("0", OFF).await;
    flipped.register_all(false).await;
    assert_eq!(flipped.told(), [(4, ON)]);
    // Everything about one user may be lost, and the rest not.
    flipped.forget_all().await;
    flipped.register_all(false).await;
    assert_eq!(flipped.told(), [(5, ON)]);
}

#[tokio::test]
async fn a_server_that_has_lost_everything_is_told_the_versions() {
    let Some(flipped) = Flipped::start().await else {
        return;
    };
    flipped.forget_all().await;
    flipped.register_all(true).await;
    assert_eq!(flipped.told(), [], "it is no news");
    assert_eq!(flipped.version_at_server().await, "3");
    flipped.disconnect(End::Lost).await;
    flipped.forget_all().await;
    flipped.register_all(true).await;
    assert_eq!(flipped.told(), [], "a grace runs");
    assert_eq!(flipped.version_at_server().await, "3");
    let grace = ValidSettings::default().grace;
    flipped.pass(grace).await;
    assert_eq!(flipped.told(), [(4, OFF)]);
}

/// Whatever is said first after a failover says the version, too: nobody waits until all are registered again.
#[tokio::test]
async fn no_operation_goes_back_behind_what_was_announced() {
    let Some(flipped) = Flipped::start().await else {
        return;
    };
    flipped.roll_back("1", ON).await;
    flipped.disconnect(End::Clean).await;
    assert_eq!(flipped.told(), [(4, OFF)]);

    flipped.connect().await;
    flipped.roll_back("1", ON).await;
    let touched = flipped.store.touch(&flipped.alice, flipped.connection);
    assert_eq!(touched.await.unwrap(), Touched::Confirmed(Version::new(5)));

    flipped.disconnect(End::Lost).await;
    flipped
        .server
        .process
        .cli(&["HSET", &flipped.keys().1, "v", "1"])
        .await;
    flipped.pass(ValidSettings::default().grace).await;
    assert_eq!(flipped.told(), [(5, ON), (6, OFF)]);
}

const ON: Status = Status::Online;
const OFF: Status = Status::Offline;
