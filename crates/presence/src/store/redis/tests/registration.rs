//! What is said again, and in which order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis_link::{Link, LinkState};
use testkit::redis::Cluster;

use super::nodes::{HELD, Server, idle, link_to};
use crate::change::{Cause, Touched, Version};
use crate::ids::{ConnectionId, UserId};
use crate::settings::{Liveness, Settings, ValidSettings};
use crate::state::End;
use crate::status::Status;
use crate::store::Store;
use crate::store::conformance::Recorder;
use crate::store::redis::refresh::refresh_users;
use crate::store::redis::registration::{doubt_departures, register_all, settle, settle_strangers};
use crate::store::redis::{RedisStore, deadlines, keys};
use crate::timestamp::Timestamp;

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

/// A node on a server, of which nobody has come yet.
async fn node_on(server: &Server, liveness: Liveness) -> Lonely {
    let link = server.link();
    link.state().wait_for(LinkState::is_ready).await.unwrap();
    let settings = Settings {
        liveness,
        ..Settings::default()
    };
    let (recorder, now) = (Arc::new(Recorder::default()), Arc::default());
    let settings = settings.validate().unwrap();
    let (node, store) = idle(&settings, link, recorder.clone(), &now);
    Lonely {
        store,
        recorder,
        now,
        connection: ConnectionId { node, number: 1 },
        alice: UserId::new("alice").unwrap(),
    }
}

/// A node that may lose its lease for a while, as it does when it is cut off.
struct Lonely {
    store: RedisStore,
    recorder: Arc<Recorder>,
    now: Arc<AtomicU64>,
    connection: ConnectionId,
    alice: UserId,
}

impl Lonely {
    /// What `happens` cannot be told to the server.
    async fn while_cut_off(&self, happens: impl Future<Output = ()>) {
        let shared = &self.store.shared;
        let member = shared.member().unwrap();
        shared.membership.end(shared.time.now());
        happens.await;
        let for_ever = Timestamp::since_origin(Duration::MAX);
        shared.membership.set(member, HELD, for_ever);
    }

    async fn comes(&self) {
        let connected = self.store.connect(&self.alice, self.connection).await;
        assert_eq!(connected.unwrap(), None);
    }

    async fn comes_and_is_told(&self) {
        let connected = self.store.connect(&self.alice, self.connection).await;
        assert!(connected.unwrap().is_some());
    }

    async fn leaves(&self, end: End) {
        let gone = self.store.disconnect(&self.alice, self.connection, end);
        assert_eq!(gone.await.unwrap(), None);
    }

    fn announced(&self) -> Vec<Status> {
        let changes = self.recorder.changes();
        changes.iter().map(|change| change.to).collect()
    }
}

/// Only this node's watchers know of somebody who came while the server was away, whoever finds that it does not know.
#[tokio::test]
async fn an_arrival_that_the_server_was_never_told_is_news_to_all_others() {
    let Some(server) = Server::start().await else {
        return;
    };
    for all_was_lost in [false, true] {
        let node = node_on(&server, Liveness::Connection).await;
        node.while_cut_off(node.comes()).await;
        assert_eq!(node.announced(), []);
        let member = node.store.shared.member().unwrap();
        let registered = register_all(&node.store.shared, member, all_was_lost).await;
        assert_eq!(registered.unwrap(), 1);
        assert_eq!(node.announced(), [ON], "all was lost: {all_was_lost}");
        server.process.cli(&["FLUSHALL"]).await;
    }
    // The word is looked at in turn, and may be so before everybody has been registered again.
    let node = node_on(&server, Liveness::Connection).await;
    node.while_cut_off(node.comes()).await;
    refresh_users(&node.store.shared, std::slice::from_ref(&node.alice)).await;
    assert_eq!(node.announced(), [ON]);
    server.process.cli(&["FLUSHALL"]).await;
    refresh_users(&node.store.shared, std::slice::from_ref(&node.alice)).await;
    assert_eq!(node.announced(), [ON], "a server was told before");
}

/// So it is with one whose link was lost again in the same time, and with one who was known before, left and came back.
#[tokio::test]
async fn whoever_came_anew_is_news_however_long_the_node_has_known_them() {
    let Some(server) = Server::start().await else {
        return;
    };
    let node = node_on(&server, Liveness::Connection).await;
    node.comes_and_is_told().await;
    node.while_cut_off(async {
        node.leaves(End::Clean).await;
        node.comes().await;
        node.leaves(End::Lost).await;
    })
    .await;
    server.process.cli(&["FLUSHALL"]).await;
    let member = node.store.shared.member().unwrap();
    let registered = register_all(&node.store.shared, member, true).await;
    assert_eq!(registered.unwrap(), 1, "her grace");
    assert_eq!(node.announced(), [ON, ON]);
}

/// A connection that is silent is still here: what has become true of its user is said as soon as it can be.
#[tokio::test]
async fn a_silence_that_the_server_was_not_told_is_made_up_for() {
    let Some(server) = Server::start().await else {
        return;
    };
    let node = node_on(&server, Liveness::Heartbeat).await;
    let shared = &node.store.shared;
    node.comes_and_is_told().await;
    let silence = u64::try_from(shared.settings.status_ttl.as_millis()).unwrap();
    node.while_cut_off(async {
        node.now.fetch_add(silence, Ordering::Relaxed);
        deadlines::carry_out(shared).await;
        assert_eq!(node.announced(), [ON]);
    })
    .await;
    assert!(shared.doubt.take_all());
    let member = shared.member().unwrap();
    assert_eq!(register_all(shared, member, false).await.unwrap(), 0);
    deadlines::carry_out(shared).await;
    assert_eq!(node.announced(), [ON, OFF]);
    // And heard again, after the server has lost her, she is news.
    node.while_cut_off(async {
        let touched = node.store.touch(&node.alice, node.connection).await;
        assert_eq!(touched.unwrap(), Touched::Confirmed(Version::NONE));
    })
    .await;
    server.process.cli(&["FLUSHALL"]).await;
    assert_eq!(register_all(shared, member, true).await.unwrap(), 1);
    assert_eq!(node.announced(), [ON, OFF, ON]);
}

/// A lease that had ended by the node's own clock may go on: nobody registers everybody then, unless it is asked for.
#[tokio::test]
async fn what_could_not_be_told_without_a_lease_is_remembered() {
    let Some(server) = Server::start().await else {
        return;
    };
    let node = node_on(&server, Liveness::Connection).await;
    assert!(!node.store.shared.doubt.take_all());
    node.while_cut_off(node.comes()).await;
    assert!(node.store.shared.doubt.take_all());
    assert!(!node.store.shared.doubt.take_all(), "asked once");
}

const ON: Status = Status::Online;
const OFF: Status = Status::Offline;
