//! The scripts and the local part, on a clock that is told, equal the pure model.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use redis_link::{Link, LinkState};

use super::nodes::{Server, idle};
use crate::change::{Changes, StatusChange, Touched, Version};
use crate::ids::{ConnectionId, NodeId, UserId};
use crate::settings::{Liveness, Settings, ValidSettings};
use crate::state::{End, State};
use crate::status::Status;
use crate::store::Store;
use crate::store::redis::registration::settle;
use crate::store::redis::{RedisStore, deadlines};
use crate::timestamp::Timestamp;

const NODES: u8 = 2;
const USERS: u8 = 3;

#[derive(Debug, Clone, Copy)]
enum Operation {
    Connect {
        user: u8,
        node: u8,
        number: u8,
    },
    Disconnect {
        user: u8,
        node: u8,
        number: u8,
        end: End,
    },
    Touch {
        user: u8,
        node: u8,
        number: u8,
    },
    Lose {
        node: u8,
    },
}

/// Waits are multiples of 10 ms, and no deadline is: it is always clear which comes first.
fn steps() -> impl Strategy<Value = Vec<(u64, Operation)>> {
    let wait = prop_oneof![4 => Just(0), 4 => 1..300_u64, 1 => 300..1_200_u64];
    let at = || (0..USERS, 0..NODES, 0..2_u8);
    let end = prop_oneof![Just(End::Clean), Just(End::Lost)];
    let operation = prop_oneof![
        6 => at().prop_map(|(user, node, number)| Operation::Connect { user, node, number }),
        6 => (at(), end).prop_map(|((user, node, number), end)| Operation::Disconnect { user, node, number, end }),
        3 => at().prop_map(|(user, node, number)| Operation::Touch { user, node, number }),
        1 => (0..NODES).prop_map(|node| Operation::Lose { node }),
    ];
    proptest::collection::vec((wait.prop_map(|tens| tens * 10), operation), 1..=25)
}

fn settings() -> impl Strategy<Value = ValidSettings> {
    let grace = prop_oneof![1 => Just(0), 3 => Just(5_003)];
    let silence_max = prop_oneof![Just(None), Just(Some(10_001))];
    (grace, silence_max).prop_map(|(grace, silence_max)| {
        let settings = Settings {
            grace: Duration::from_millis(grace),
            liveness: silence_max.map_or(Liveness::Connection, |_| Liveness::Heartbeat),
            status_ttl: Duration::from_millis(silence_max.unwrap_or(10_000)),
            ..Settings::default()
        };
        settings.validate().unwrap()
    })
}

#[derive(Default)]
struct Listener(Mutex<Vec<StatusChange>>);

impl Changes for Listener {
    fn changed(&self, change: &StatusChange) {
        self.0.lock().push(change.clone());
    }

    fn confirmed(&self, _: &UserId, _: Version) {}
}

/// Nodes and a model that are told the same.
struct Pair {
    /// What makes the users and nodes of this list no others'.
    prefix: String,
    nodes: Vec<RedisStore>,
    names: Vec<NodeId>,
    /// The model forgets a lost node's name; the next life of it has another.
    model: State,
    listener: Arc<Listener>,
    now: Arc<AtomicU64>,
    settings: ValidSettings,
    link: Link,
}

impl Pair {
    fn new(link: Link, list: usize, settings: ValidSettings) -> Self {
        let mut pair = Self {
            prefix: format!("{list} "),
            nodes: Vec::new(),
            names: Vec::new(),
            model: State::new(&settings),
            listener: Arc::default(),
            now: Arc::default(),
            settings,
            link,
        };
        for _ in 0..NODES {
            let (name, store) = pair.node();
            pair.names.push(name);
            pair.nodes.push(store);
        }
        pair
    }

    /// The list says what happens when.
    fn node(&self) -> (NodeId, RedisStore) {
        let listener = self.listener.clone();
        idle(&self.settings, self.link.clone(), listener, &self.now)
    }

    fn user(&self, number: u8) -> UserId {
        UserId::new(&format!("{}{number}", self.prefix)).unwrap()
    }

    fn time(&self) -> Timestamp {
        Timestamp::since_origin(Duration::from_millis(self.now.load(Ordering::Relaxed)))
    }

    /// Lets time pass, from one deadline to the next.
    async fn wait(&mut self, wait: u64) {
        let end = self.now.load(Ordering::Relaxed) + wait;
        loop {
            let due = self
                .model
                .next_deadline()
                .map(|at| at.elapsed().as_millis() as u64);
            let Some(due) = due.filter(|due| *due <= end) else {
                break;
            };
            self.now.store(due, Ordering::Relaxed);
            let expected: Vec<_> = self.model.expire(self.time()).collect();
            for store in &self.nodes {
                deadlines::carry_out(&store.shared).await;
            }
            self.compare(expected);
        }
        self.now.store(end, Ordering::Relaxed);
        for store in &self.nodes {
            deadlines::carry_out(&store.shared).await;
        }
        self.compare(vec![]);
    }

    async fn perform(&mut self, operation: Operation) {
        let now = self.time();
        let connection = |pair: &Self, node: u8, number: u8| ConnectionId {
            node: pair.names[usize::from(node)],
            number: u64::from(number),
        };
        let expected = match operation {
            Operation::Connect { user, node, number } => {
                let (user, at) = (self.user(user), connection(self, node, number));
                let change = self.nodes[usize::from(node)]
                    .connect(&user, at)
                    .await
                    .unwrap();
                let expected = self.model.connect(&user, at, now);
                assert_eq!(change, expected);
                expected.into_iter().collect()
            }
            Operation::Disconnect {
                user,
                node,
                number,
                end,
            } => {
                let (user, at) = (self.user(user), connection(self, node, number));
                let change = self.nodes[usize::from(node)]
                    .disconnect(&user, at, end)
                    .await
                    .unwrap();
                let expected = self.model.disconnect(&user, at, end, now);
                assert_eq!(change, expected);
                expected.into_iter().collect()
            }
            Operation::Touch { user, node, number } => {
                let (user, at) = (self.user(user), connection(self, node, number));
                let touched = self.nodes[usize::from(node)]
                    .touch(&user, at)
                    .await
                    .unwrap();
                let expected = self.model.touch(&user, at, now);
                assert_eq!(touched, expected);
                match expected {
                    Touched::Changed(change) => vec![change],
                    Touched::Confirmed(_) | Touched::Unknown => vec![],
                }
            }
            Operation::Lose { node } => {
                let index = usize::from(node);
                let (name, store) = self.node();
                self.nodes[index] = store;
                let lost = std::mem::replace(&mut self.names[index], name);
                let witness = &self.nodes[(index + 1) % self.nodes.len()];
                let count = witness.lose(lost).await.unwrap();
                let expected = self.model.lose(lost, now);
                assert_eq!(count, expected.len());
                expected
            }
        };
        self.compare(expected);
        let users: Vec<_> = (0..USERS).map(|number| self.user(number)).collect();
        let expected: Vec<_> = users.iter().map(|user| self.model.status(user)).collect();
        let names: Vec<_> = users.iter().map(UserId::as_str).collect();
        // The word must not have expired meanwhile: nobody refreshes it, and its time is the server's.
        assert_eq!(self.nodes[0].statuses(&names).await.unwrap(), expected);
    }

    fn compare(&self, mut expected: Vec<StatusChange>) {
        let mut told = std::mem::take(&mut *self.listener.0.lock());
        told.sort_by(|a, b| a.user.cmp(&b.user));
        expected.sort_by(|a, b| a.user.cmp(&b.user));
        assert_eq!(told, expected);
    }
}

/// So many lists at a time wait for the server together.
const TASKS: usize = 16;
const LISTS: usize = 10_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_lists_of_operations_equal_the_model() {
    let Some(server) = Server::start().await else {
        return;
    };
    let link = server.link();
    link.state().wait_for(LinkState::is_ready).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let link = link.clone();
        tasks.spawn(async move {
            let mut runner = TestRunner::default();
            for list in (task..LISTS).step_by(TASKS) {
                let (settings, steps) = draw(&mut runner);
                let shown = format!("{settings:?}\n{steps:#?}");
                let played = tokio::spawn(play(link.clone(), list, settings, steps));
                assert!(played.await.is_ok(), "list {list}:\n{shown}");
            }
        });
    }
    tasks.join_all().await;
}

/// The server never heard that a link was lost, or forgot it: the grace ends all the same.
#[tokio::test]
async fn a_departure_that_was_not_told_is_made_good() {
    let Some(server) = Server::start().await else {
        return;
    };
    let link = server.link();
    link.state().wait_for(LinkState::is_ready).await.unwrap();
    let mut pair = Pair::new(link, 0, ValidSettings::default());
    let (user, node, number) = (0, 0, 0);
    pair.perform(Operation::Connect { user, node, number })
        .await;
    let (alice, now) = (pair.user(0), pair.time());
    let shared = Arc::clone(&pair.nodes[0].shared);
    let local = &shared.shard_of(alice.as_str()).local;
    local.lock().disconnect(&alice, 0, End::Lost, now);
    let connection = ConnectionId {
        node: pair.names[0],
        number: 0,
    };
    let change = pair.model.disconnect(&alice, connection, End::Lost, now);
    assert_eq!(change, None);
    settle(&shared, &alice, false).await.unwrap();
    pair.wait(60_000).await;
    let read = pair.nodes[0].statuses(&[alice.as_str()]).await.unwrap();
    assert_eq!(read, [Status::Offline]);
}

fn draw(runner: &mut TestRunner) -> (ValidSettings, Vec<(u64, Operation)>) {
    (settings(), steps()).new_tree(runner).unwrap().current()
}

async fn play(link: Link, list: usize, settings: ValidSettings, steps: Vec<(u64, Operation)>) {
    let mut pair = Pair::new(link, list, settings);
    for (wait, operation) in steps {
        pair.wait(wait).await;
        pair.perform(operation).await;
    }
    pair.wait(60_000).await;
}
