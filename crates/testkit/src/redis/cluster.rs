//! A cluster.

use std::time::Duration;

use tokio::time::timeout;

use super::{RedisServer, process::free_port, tls::Certificates};
use crate::raw::within;

/// Masters that share all slots evenly, each with as many replicas as a test wants.
#[derive(Debug)]
pub struct Cluster {
    /// First the masters, then the replicas of each in turn.
    servers: Vec<RedisServer>,
    masters: usize,
}

impl Cluster {
    /// How many slots a cluster has.
    pub const SLOTS: u16 = 16_384;

    /// Starts masters without replicas; none: Redis is not installed.
    pub async fn start(masters: usize) -> Option<Self> {
        Self::start_with_replicas(masters, 0).await
    }

    /// Starts masters, each with replicas, and waits until all agree; none: Redis is not installed.
    pub async fn start_with_replicas(masters: usize, replicas: usize) -> Option<Self> {
        Self::launch(masters, replicas, None).await
    }

    /// Starts masters that speak nothing but TLS, also with each other; they share a certificate for a name.
    ///
    /// They are known by their addresses all the same.
    pub async fn start_with_tls(masters: usize, name: &str) -> Option<Self> {
        Self::launch(masters, 0, Some(Certificates::new(&[name]))).await
    }

    async fn launch(
        masters: usize,
        replicas: usize,
        certificates: Option<Certificates>,
    ) -> Option<Self> {
        let mut servers = Vec::new();
        for _ in 0..masters * (1 + replicas) {
            servers.push(node(certificates.as_ref()).await?);
        }
        let cluster = Self { servers, masters };
        cluster.share_slots().await;
        cluster.meet().await;
        cluster.attach_replicas().await;
        cluster.settle().await;
        Some(cluster)
    }

    /// The connection string of all masters; without TLS, which has its URL at each server.
    #[must_use]
    pub fn connection_string(&self) -> String {
        let servers = self.servers.iter().take(self.masters);
        servers
            .map(|server| format!("127.0.0.1:{}", server.port()))
            .collect::<Vec<_>>()
            .join(",")
    }

    /// The servers: first the masters, then their replicas in turn.
    #[must_use]
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// One of the servers, to be killed or paused.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn server(&mut self, at: usize) -> &mut RedisServer {
        &mut self.servers[at]
    }

    /// Which of the masters had a slot at the beginning.
    #[must_use]
    pub fn master_of(&self, slot: u16) -> usize {
        (0..self.masters)
            .find(|at| self.range(*at).1 >= slot)
            .expect("a slot belongs to a master")
    }

    /// The slot of a key.
    pub async fn slot(&self, key: &str) -> u16 {
        let answer = self.servers[0].cli(&["CLUSTER", "KEYSLOT", key]).await;
        answer.parse().expect("a slot is a number")
    }

    /// Moves a slot with its keys from one server to another, while clients use it.
    pub async fn move_slot(&self, slot: u16, from: usize, to: usize) {
        let (from, to) = (&self.servers[from], &self.servers[to]);
        let (from_id, to_id) = (id(from).await, id(to).await);
        let slot = slot.to_string();
        expect_ok(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await;
        expect_ok(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await;
        loop {
            let keys = from.cli(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).await;
            if keys.is_empty() {
                break;
            }
            let port = to.port().to_string();
            let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            migrate.extend(keys.lines());
            let answer = from.cli(&migrate).await;
            assert!(answer == "OK" || answer == "NOKEY", "{answer}");
        }
        for server in self.servers.iter().take(self.masters) {
            // A master that is killed does not hear of it.
            let _ = server
                .cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id])
                .await;
        }
    }

    /// Waits until every server that answers sees a whole cluster.
    pub async fn settle(&self) {
        let count = format!("cluster_known_nodes:{}", self.servers.len());
        for server in &self.servers {
            server
                .cli_until("the cluster to settle", &["CLUSTER", "INFO"], |info| {
                    info.contains("cluster_state:ok") && info.contains(&count)
                        || info.contains("Could not connect")
                })
                .await;
        }
        // Every node must know every other by its role, or a failover has nobody to turn to.
        for server in &self.servers {
            let wanted = self.servers.len();
            server
                .cli_until("the nodes to meet", &["CLUSTER", "NODES"], |nodes| {
                    let known = nodes.lines().filter(|node| !node.contains("handshake"));
                    known.count() == wanted || nodes.contains("Could not connect")
                })
                .await;
        }
    }

    async fn share_slots(&self) {
        for (at, server) in self.servers.iter().take(self.masters).enumerate() {
            let (first, last) = self.range(at);
            let (first, last) = (first.to_string(), last.to_string());
            expect_ok(server, &["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
            let epoch = (at + 1).to_string();
            expect_ok(server, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
        }
    }

    async fn meet(&self) {
        let port = self.servers[0].port().to_string();
        let bus = server_bus(&self.servers[0]).await;
        within("the nodes to meet", async {
            loop {
                for server in &self.servers[1..] {
                    expect_ok(server, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
                }
                // A node forgets a handshake that takes longer than its time-out, as it may on a busy machine.
                if timeout(2 * NODE_TIMEOUT, self.have_met()).await.is_ok() {
                    return;
                }
            }
        })
        .await;
    }

    async fn have_met(&self) {
        for server in &self.servers {
            let wanted = self.servers.len();
            server
                .cli_until("the nodes to meet", &["CLUSTER", "NODES"], |nodes| {
                    let known = nodes.lines().filter(|node| !node.contains("handshake"));
                    known.count() == wanted
                })
                .await;
        }
    }

    async fn attach_replicas(&self) {
        let replicas = self.servers.iter().skip(self.masters).enumerate();
        for (at, replica) in replicas {
            let master = id(&self.servers[at % self.masters]).await;
            expect_ok(replica, &["CLUSTER", "REPLICATE", &master]).await;
            replica
                .cli_until("replication", &["INFO", "replication"], |info| {
                    info.contains("master_link_status:up")
                })
                .await;
        }
    }

    /// The first and the last slot of a master.
    fn range(&self, at: usize) -> (u16, u16) {
        let share = usize::from(Self::SLOTS).div_ceil(self.masters);
        let last = ((at + 1) * share).min(usize::from(Self::SLOTS)) - 1;
        let number = |slot| u16::try_from(slot).expect("there are 16384 slots");
        (number(at * share), number(last))
    }
}

async fn node(certificates: Option<&Certificates>) -> Option<RedisServer> {
    let bus = free_port().to_string();
    let timeout = NODE_TIMEOUT.as_millis().to_string();
    let arguments = [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        &timeout,
    ];
    let more = [
        "--cluster-port",
        &bus,
        "--cluster-config-file",
        "nodes.conf",
    ];
    let arguments = [&arguments[..], &more[..]].concat();
    match certificates {
        None => RedisServer::start_with(&arguments).await,
        Some(certificates) => {
            let arguments = [&arguments[..], &["--tls-cluster", "yes"]].concat();
            RedisServer::start_certified(certificates, &arguments).await
        }
    }
}

async fn server_bus(server: &RedisServer) -> String {
    let answer = server.cli(&["CONFIG", "GET", "cluster-port"]).await;
    answer.lines().nth(1).unwrap_or_default().to_owned()
}

async fn id(server: &RedisServer) -> String {
    server.cli(&["CLUSTER", "MYID"]).await
}

async fn expect_ok(server: &RedisServer, command: &[&str]) {
    let answer = server.cli(command).await;
    assert_eq!(answer, "OK", "{command:?}");
}

/// A dead master is replaced after about twice this; with less, machines that are only slow look dead.
const NODE_TIMEOUT: Duration = Duration::from_millis(1500);
