//! Many tasks on many threads at once, and nothing lost, doubled or out of order.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use presence::{
    Changes, ConnectionId, End, MemoryStore, NodeId, Settings, Status, StatusChange, Store, Totals,
    UserId, Version,
};
use tokio::sync::Notify;

const TASKS: u64 = 16;
const STEPS: u64 = 10_000;
/// As many as tasks, so that several meet at one user while a user is often left alone: each is a change.
const USERS: u64 = TASKS;
/// How many connections a task has at a time, for the same reason.
const OPEN_MAX: usize = 2;
const YIELD_EVERY: u64 = 16;

/// Checks each call against the one before it for the same user.
#[derive(Default)]
struct Judge {
    last: Mutex<HashMap<UserId, StatusChange>>,
    objections: Mutex<Vec<String>>,
    news: Notify,
}

impl Changes for Judge {
    fn changed(&self, change: &StatusChange) {
        // Whoever could overtake this call is welcome to try; not every time, as each costs a turn of all that the machine
        // has to do.
        if change.version.number().is_multiple_of(YIELD_EVERY) {
            std::thread::yield_now();
        }
        let before = self.last.lock().insert(change.user.clone(), change.clone());
        let (status, version) =
            before.map_or_else(Default::default, |before| (before.to, before.version));
        if change.from != status || change.version != version.next() {
            self.objections
                .lock()
                .push(format!("{change:?} after {status} at {version}"));
        }
        self.news.notify_one();
    }

    fn confirmed(&self, user: &UserId, version: Version) {
        let last = self.last.lock().get(user).cloned();
        if last
            .as_ref()
            .is_none_or(|last| last.to != Status::Online || last.version != version)
        {
            self.objections
                .lock()
                .push(format!("{user} confirmed at {version} after {last:?}"));
        }
    }
}

impl Judge {
    fn assert_content(&self) {
        assert_eq!(*self.objections.lock(), [""; 0]);
    }

    fn status(&self, user: &UserId) -> Status {
        self.last
            .lock()
            .get(user)
            .map_or(Status::Offline, |last| last.to)
    }
}

/// The next of a fixed sequence of numbers without visible order (xorshift).
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

fn user(number: u64) -> UserId {
    UserId::new(&format!("user {number}")).unwrap()
}

/// Opens, closes and touches connections of its own, and returns which of them it left open.
async fn task(number: u64, store: Arc<MemoryStore>) -> Vec<(UserId, ConnectionId)> {
    let mut seed = 0x9e37_79b9_7f4a_7c15 ^ (number + 1);
    let mut open: Vec<(UserId, ConnectionId)> = Vec::new();
    for step in 0..STEPS {
        match next(&mut seed) % 8 {
            0..=2 if open.len() < OPEN_MAX => {
                let id = ConnectionId {
                    node: NodeId::new(number.into()),
                    number: step,
                };
                open.push((user(next(&mut seed) % USERS), id));
                let (user, id) = open.last().unwrap();
                store.connect(user, *id).await.unwrap();
            }
            kind @ 3..=5 if !open.is_empty() => {
                let (user, id) = open.swap_remove(next(&mut seed) as usize % open.len());
                let end = if kind == 3 { End::Lost } else { End::Clean };
                store.disconnect(&user, id, end).await.unwrap();
            }
            6 if !open.is_empty() => {
                let (user, id) = &open[next(&mut seed) as usize % open.len()];
                store.touch(user, *id).await.unwrap();
                assert_eq!(
                    store.peek(user),
                    Status::Online,
                    "a connection of this task lives"
                );
            }
            _ => tokio::task::yield_now().await,
        }
    }
    open
}

async fn stress(grace: Duration) {
    let judge = Arc::new(Judge::default());
    let settings = Settings {
        grace,
        ..Settings::default()
    }
    .validate()
    .unwrap();
    let store = Arc::new(MemoryStore::start(&settings, judge.clone()));

    let tasks: Vec<_> = (0..TASKS)
        .map(|number| tokio::spawn(task(number, store.clone())))
        .collect();
    let mut open = Vec::new();
    for task in tasks {
        open.extend(task.await.unwrap());
    }

    let expected = |user: &UserId| match open.iter().any(|(other, _)| other == user) {
        true => Status::Online,
        false => Status::Offline,
    };
    let users: Vec<_> = (0..USERS).map(user).collect();
    let settled = async {
        while users
            .iter()
            .any(|user| judge.status(user) != expected(user))
        {
            judge.news.notified().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), settled)
        .await
        .expect("every grace ends");
    judge.assert_content();
    let versions: u64 = judge
        .last
        .lock()
        .values()
        .map(|last| last.version.number())
        .sum();
    assert!(
        versions > STEPS,
        "{versions} changes are not enough to mean anything"
    );

    let statuses = store
        .statuses(&users.iter().map(UserId::as_str).collect::<Vec<_>>())
        .await
        .unwrap();
    assert_eq!(statuses, users.iter().map(expected).collect::<Vec<_>>());
    let users_online = statuses
        .iter()
        .filter(|status| **status == Status::Online)
        .count();
    assert_eq!(
        store.totals(),
        Totals {
            users_online,
            connections: open.len()
        }
    );

    for number in 0..TASKS {
        store.lose(NodeId::new(number.into())).await.unwrap();
    }
    assert_eq!(store.totals(), Totals::default());
    judge.assert_content();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_without_grace_end_as_the_sum_of_what_they_did() {
    stress(Duration::ZERO).await;
}

/// A grace as long as a few operations, so that it ends as often as not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_with_a_short_grace_end_as_the_sum_of_what_they_did() {
    stress(Duration::from_millis(1)).await;
}
