//! A master of Redis is killed under load, and a replica takes its place.

use std::time::Duration;

use hashbrown::HashMap;
use testkit::client::Client;
use testkit::raw::eventually;
use testkit::redis::{Cluster as RedisCluster, RedisServer, Sentinels};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::node::Nodes;
use crate::people::{Watcher, close, crowd, names, person};
use crate::sharded::SHARDED;

/// Sentinels replace a master that was killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_sentinels_replace_costs_nobody_the_truth() {
    let Some(mut redis) = Sentinels::start().await else {
        return;
    };
    let service = Nodes::start_on(&redis.connection_string(), 2, &[]).await;
    let old = redis.master_port().await;
    let mut crowd = Crowd::start(&service, names("stays", 100), names("moves", 200)).await;
    crowd
        .come_and_go_during(&service, async {
            redis.server(old).kill();
            redis.master_port_but(old).await;
        })
        .await;
    crowd.end_up_with_the_truth().await;
    let new = redis.master_port().await;
    crowd.is_known_to(redis.server(new), &[]).await;
}

/// A cluster replaces the master of the leases; names with braces are among the users.
#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_a_cluster_replaces_costs_nobody_the_truth() {
    a_cluster_replaces_a_master(&[]).await;
}

/// The same with the master of some of the channels, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_master_of_sharded_channels_that_is_replaced_costs_nobody_the_truth() {
    a_cluster_replaces_a_master(SHARDED).await;
}

async fn a_cluster_replaces_a_master(settings: &[(&str, &str)]) {
    let Some(mut redis) = RedisCluster::start_with_replicas(3, 1).await else {
        return;
    };
    let service = Nodes::start_on(&redis.connection_string(), 2, settings).await;
    let mut stay = names("stays", 90);
    let braces = [
        "{a}", "{a}{b}", "a{b}c", "{}", "{}a", "a}b", "}{", "{", "}", "a}{b}",
    ];
    stay.extend(braces.map(str::to_owned));
    let mut moves = names("moves", 190);
    moves.extend(names("{moves} }", 10));
    let killed = redis.master_of(redis.slot("presence:nodes").await);
    let mut crowd = Crowd::start(&service, stay, moves).await;
    crowd
        .come_and_go_during(&service, async {
            redis.server(killed).kill();
            redis.settle().await;
        })
        .await;
    crowd.end_up_with_the_truth().await;
    // `MGET` over all slots, at either node.
    let users: Vec<String> = crowd.truth().into_keys().collect();
    for node in &service.nodes {
        let told = service.statuses(node, &users).await;
        let told: HashMap<String, String> = users.iter().cloned().zip(told).collect();
        assert_eq!(told, crowd.truth());
    }
    let living = (killed + 1) % 3;
    crowd.is_known_to(&redis.servers()[living], &["-c"]).await;
}

/// Those who stay, those who come and go, and those who watch all of them.
struct Crowd {
    stay: Vec<(String, Client)>,
    moves: Vec<(String, Option<Client>)>,
    watchers: Vec<Watcher>,
}

impl Crowd {
    async fn start(service: &Nodes, stay: Vec<String>, moves: Vec<String>) -> Self {
        let users = [&stay[..], &moves[..]].concat();
        let mut watchers = Vec::new();
        for node in &service.nodes {
            watchers.push(Watcher::start(service, node, &users).await);
        }
        let mut here = Vec::new();
        for (at, stay) in stay.chunks(stay.len().div_ceil(2)).enumerate() {
            here.extend(crowd(service, &service.nodes[at], stay).await);
        }
        Self {
            stay: stay.into_iter().zip(here).collect(),
            moves: moves.into_iter().map(|user| (user, None)).collect(),
            watchers,
        }
    }

    /// People come and go before, while and after something happens.
    async fn come_and_go_during(&mut self, service: &Nodes, event: impl Future<Output = ()>) {
        let (steps, ended) = (watch::Sender::new(0_u32), watch::Sender::new(false));
        let groups = self.moves.chunks_mut(50).enumerate();
        let moving = groups.map(|(seed, group)| come_and_go(service, group, seed, &steps, &ended));
        let watching = self.watchers.iter_mut().map(async |watcher| {
            while !*ended.borrow() {
                watcher.listen(Duration::from_millis(100)).await;
            }
        });
        let directing = async {
            steps_from(&steps, 150).await;
            event.await;
            for node in &service.nodes {
                node.is_ready().await;
            }
            steps_from(&steps, 150).await;
            ended.send_replace(true);
        };
        tokio::join!(
            futures_util::future::join_all(moving),
            futures_util::future::join_all(watching),
            directing,
        );
    }

    /// What is true of each user.
    fn truth(&self) -> HashMap<String, String> {
        let stay = self.stay.iter().map(|(user, _)| (user, true));
        let moves = self.moves.iter().map(|(user, here)| (user, here.is_some()));
        stay.chain(moves)
            .map(|(user, here)| {
                let status = if here { "online" } else { "offline" };
                (user.clone(), status.to_owned())
            })
            .collect()
    }

    /// Nobody moves any more: watchers were told, and ask, what is true; those who stayed were never away.
    async fn end_up_with_the_truth(&mut self) {
        let truth = self.truth();
        let (stay, moves) = (&self.stay, &self.moves);
        let watchers = self.watchers.iter_mut().map(async |watcher| {
            let patience = Instant::now();
            while let Some(user) = wrong(watcher, &truth).pop() {
                assert!(
                    patience.elapsed() < Duration::from_secs(20),
                    "{user} is {}, told: {:?}",
                    truth[&user],
                    watcher.told_of(&user)
                );
                watcher.listen(Duration::from_millis(200)).await;
            }
            // Longer than a grace, and than a node is waited for: whatever was to be set right has been.
            let heard = watcher.events.len();
            watcher.listen(Duration::from_secs(7)).await;
            assert_eq!(watcher.events[heard..], [], "all is quiet");
            for (user, status) in &truth {
                assert_eq!(watcher.ask(user).await, *status, "{user}");
            }
            for (user, _) in stay {
                assert_eq!(watcher.told_of(user), ["online"], "{user}");
            }
            for (user, _) in moves {
                let told = watcher.told_of(user);
                let doubles = told.windows(2).filter(|pair| pair[0] == pair[1]).count();
                assert_eq!(doubles, 0, "{user}: {told:?}");
            }
        });
        futures_util::future::join_all(watchers).await;
    }

    /// Words, and versions that have grown by one with every change, are where the master is now.
    async fn is_known_to(&self, server: &RedisServer, options: &[&str]) {
        let stay = self.stay.iter().map(|(user, _)| user);
        for user in stay.step_by(10) {
            let key = format!("user:{user}:status");
            let word = server.cli(&[options, &["GET", &key]].concat()).await;
            assert_eq!(word, "online", "{user}");
        }
        let here = self.moves.iter().filter(|(_, here)| here.is_some());
        for (user, _) in here.filter(|(user, _)| !user.contains('{')).step_by(5) {
            let key = format!("{{user:{user}:status}}:presence");
            let version = server.cli(&[options, &["HGET", &key, "v"]].concat()).await;
            let version: u64 = version.parse().unwrap();
            assert_eq!(version % 2, 1, "{user} is online by version {version}");
        }
    }
}

/// Each in turn comes, to either node, or goes, in either way.
async fn come_and_go(
    service: &Nodes,
    group: &mut [(String, Option<Client>)],
    seed: usize,
    steps: &watch::Sender<u32>,
    ended: &watch::Sender<bool>,
) {
    for step in seed.. {
        if *ended.borrow() {
            return;
        }
        let (user, here) = &mut group[step * 7 % 50];
        match here.take() {
            None => {
                let node = &service.nodes[step / 50 % service.nodes.len()];
                *here = Some(person(service, node, user).await);
            }
            Some(mut client) if step % 4 == 0 => client.cut(),
            Some(mut client) => close(&mut client).await,
        }
        steps.send_modify(|steps| *steps += 1);
        // A load that two cores can bear beside the processes that are watched.
        sleep(Duration::from_millis(20)).await;
    }
}

async fn steps_from(steps: &watch::Sender<u32>, count: u32) {
    let wanted = *steps.borrow() + count;
    eventually("people to come and go", || *steps.borrow() >= wanted).await;
}

/// Of whom the latest word is not what is true.
fn wrong(watcher: &Watcher, truth: &HashMap<String, String>) -> Vec<String> {
    let mut latest: HashMap<&str, &str> = HashMap::new();
    for (user, status) in &watcher.events {
        latest.insert(user, status);
    }
    let told = |user: &str| latest.get(user).copied().unwrap_or("offline");
    let wrong = truth.iter().filter(|(user, status)| told(user) != *status);
    wrong.map(|(user, _)| user.clone()).collect()
}
