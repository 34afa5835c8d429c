//! One user with many tabs on several nodes.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hashbrown::HashSet;
use testkit::raw::within;

use super::Plain;
use super::nodes::Server;
use crate::change::Version;
use crate::ids::{ConnectionId, NodeId, UserId};
use crate::settings::{Settings, ValidSettings};
use crate::state::{End, State};
use crate::status::Status;
use crate::store::clock::Clock;
use crate::store::conformance::Recorder;
use crate::store::redis::RedisStore;
use crate::store::{Condition, Store};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tabs_that_come_and_go_without_a_grace_equal_the_model() {
    check(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tabs_that_come_and_go_with_a_grace_equal_the_model() {
    check(Duration::from_millis(40)).await;
}

/// Case 13: 50 connections over 3 nodes, 10,000 steps, all nodes at once; at every pause all agree with the model.
async fn check(grace: Duration) {
    let Some(server) = Server::start().await else {
        return;
    };
    let settings = Settings {
        grace,
        ..Settings::default()
    };
    let settings = settings.validate().unwrap();
    let recorder = Arc::new(Recorder::default());
    let nodes = nodes(&server, &settings, &recorder).await;
    let alice = UserId::new("alice").unwrap();
    let (clock, mut model) = (Clock::start(), State::new(&settings));
    let mut open = HashSet::new();
    let mut random = Random(0x5eed);
    for round in 0..ROUNDS {
        let steps = steps(&mut random, &mut open, round % 4 == 3);
        for (connection, step) in &steps {
            match step {
                None => drop(model.connect(&alice, *connection, clock.now())),
                Some(end) => drop(model.disconnect(&alice, *connection, *end, clock.now())),
            }
        }
        // Each node has its own in order, and the nodes have no order among them.
        join_all(nodes.iter().map(async |(node, store)| {
            for (connection, step) in steps.iter().filter(|(at, _)| at.node == *node) {
                match step {
                    None => store.connect(&alice, *connection).await.unwrap(),
                    Some(end) => store.disconnect(&alice, *connection, *end).await.unwrap(),
                };
            }
        }))
        .await;
        while let Some(deadline) = model.next_deadline() {
            model.expire(deadline).for_each(drop);
        }
        let expected = model.status(&alice);
        for (_, store) in &nodes {
            within(format!("{expected} in round {round}"), async {
                while store.status(&alice).await.unwrap() != expected {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            })
            .await;
        }
        // The node that made a change tells of it when Redis has answered: others may have read it by then.
        within(
            format!("the change to {expected} told in round {round}"),
            async {
                while (recorder.changes().len() % 2 == 1) != (expected == Status::Online) {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            },
        )
        .await;
    }
    let mut changes = recorder.changes();
    changes.sort_by_key(|change| change.version);
    assert!(changes.len() >= ROUNDS / 4, "{}", changes.len());
    for (at, change) in changes.iter().enumerate() {
        let to = [Status::Online, Status::Offline][at % 2];
        assert_eq!(
            (change.version, change.to),
            (Version::new(at as u64 + 1), to)
        );
    }
}

async fn nodes(
    server: &Server,
    settings: &ValidSettings,
    recorder: &Arc<Recorder>,
) -> Vec<(NodeId, RedisStore)> {
    let start = |number| {
        let (node, publication) = (NodeId::new(number), Arc::new(Plain::default()));
        let store = RedisStore::start(settings, server.link(), node, publication, recorder.clone());
        (node, store)
    };
    let nodes: Vec<_> = [0xa, 0xb, 0xc].map(start).into();
    for (_, store) in &nodes {
        within("a node to be ready", async {
            while store.condition() != Condition::Sound {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
    nodes
}

/// What happens to which connection: it comes, or ends in some way.
type Step = (ConnectionId, Option<End>);

fn steps(random: &mut Random, open: &mut HashSet<u64>, closes_all: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut step = |random: &mut Random, open: &mut HashSet<u64>, number: u64| {
        let connection = ConnectionId {
            node: NodeId::new(0xa + u128::from(number % 3)),
            number,
        };
        let end = if random.below(2) == 0 {
            End::Clean
        } else {
            End::Lost
        };
        steps.push((connection, open.remove(&number).then_some(end)));
        if steps.last().is_some_and(|(_, end)| end.is_none()) {
            open.insert(number);
        }
    };
    // Of few connections now and of many then, so that the last one of all is often among those that go.
    let some = 1 + random.below(CONNECTIONS);
    for _ in 0..STEPS {
        let number = random.below(some);
        step(random, open, number);
    }
    if closes_all {
        let mut left: Vec<_> = open.iter().copied().collect();
        left.sort_unstable();
        for number in left {
            step(random, open, number);
        }
    }
    steps
}

/// The same numbers in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

const CONNECTIONS: u64 = 50;
const STEPS: usize = 50;
const ROUNDS: usize = 200;
