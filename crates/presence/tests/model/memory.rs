//! The memory store, with its clock and its task, equals the naive model.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use presence::{
    Changes, End, MemoryStore, Status, StatusChange, Store, Totals, Touched, UserId, ValidSettings,
    Version,
};
use proptest::prelude::*;
use tokio::time::{Instant, sleep};

use crate::naive::{Event, Naive, Touch, USERS};
use crate::operations::{Operation, Step, connection, event, node, rules, settings, steps, user};

/// What was told since the last look: changes, and confirmations as a user and a version.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    changes: Vec<Event>,
    confirmations: Vec<(UserId, u64)>,
}

#[derive(Default)]
struct Listener(Mutex<Told>);

impl Changes for Listener {
    fn changed(&self, change: &StatusChange) {
        self.0.lock().changes.push(event(change));
    }

    fn confirmed(&self, user: &UserId, version: Version) {
        self.0
            .lock()
            .confirmations
            .push((user.clone(), version.number()));
    }
}

/// A store and a naive model that are told the same.
struct Pair {
    store: MemoryStore,
    listener: Arc<Listener>,
    naive: Naive,
    origin: Instant,
    now: u64,
}

impl Pair {
    fn start(settings: &ValidSettings, naive: Naive) -> Self {
        let listener = Arc::new(Listener::default());
        let store = MemoryStore::start(settings, listener.clone());
        Self {
            store,
            listener,
            naive,
            origin: Instant::now(),
            now: 0,
        }
    }

    /// Lets time pass. The store has to act by itself, in the order of the deadlines.
    async fn wait(&mut self, wait: u64) {
        self.now += wait;
        sleep(Duration::from_millis(wait)).await;
        assert_eq!(
            self.origin.elapsed(),
            Duration::from_millis(self.now),
            "the clock is exact"
        );

        let mut expected = Vec::new();
        while let Some(due) = self.naive.next_due().filter(|due| *due <= self.now) {
            expected.push(self.naive.expire(due));
        }
        let mut told = self.told();
        for expected in expected {
            let mut now: Vec<_> = told
                .changes
                .drain(..expected.len().min(told.changes.len()))
                .collect();
            now.sort_by_key(|event| event.0);
            assert_eq!(now, expected);
        }
        assert_eq!(told, Told::default());
    }

    async fn perform(&mut self, operation: Operation) {
        match operation {
            Operation::Connect(c) => {
                let change = self.store.connect(&user(c.0), connection(c)).await.unwrap();
                let expected = self.naive.connect(c, self.now);
                self.expect_change(change.as_ref(), expected);
            }
            Operation::Disconnect(c, end) => {
                let change = self
                    .store
                    .disconnect(&user(c.0), connection(c), end)
                    .await
                    .unwrap();
                let expected = self.naive.disconnect(c, end == End::Clean, self.now);
                self.expect_change(change.as_ref(), expected);
            }
            Operation::Touch(c) => {
                let touched = self.store.touch(&user(c.0), connection(c)).await.unwrap();
                match self.naive.touch(c, self.now) {
                    Touch::Unknown => assert_eq!(touched, Touched::Unknown),
                    Touch::Back(expected) => self.expect_change(touched.change(), Some(expected)),
                    Touch::Again(version) => {
                        assert_eq!(touched, Touched::Confirmed(Version::new(version)));
                        let confirmations = vec![(user(c.0), version)];
                        assert_eq!(
                            self.told(),
                            Told {
                                confirmations,
                                ..Told::default()
                            }
                        );
                    }
                }
            }
            // The store does so by itself.
            Operation::Expire => {}
            Operation::Lose(number) => {
                let count = self.store.lose(node(number)).await.unwrap();
                let expected = self.naive.lose(number, self.now);
                assert_eq!(count, expected.len());
                let mut told = self.told();
                told.changes.sort_by_key(|event| event.0);
                assert_eq!(
                    told,
                    Told {
                        changes: expected,
                        ..Told::default()
                    }
                );
            }
        }
        assert_eq!(self.told(), Told::default(), "{operation:?} was told once");
    }

    fn expect_change(&self, change: Option<&StatusChange>, expected: Option<Event>) {
        assert_eq!(change.map(event), expected);
        assert_eq!(
            self.told(),
            Told {
                changes: expected.into_iter().collect(),
                ..Told::default()
            }
        );
    }

    async fn compare(&self) {
        let users: Vec<_> = (0..USERS).map(user).collect();
        let online: Vec<_> = (0..USERS).map(|number| self.naive.online(number)).collect();
        let statuses = self
            .store
            .statuses(&users.iter().map(UserId::as_str).collect::<Vec<_>>())
            .await
            .unwrap();
        assert_eq!(
            statuses
                .iter()
                .map(|status| *status == Status::Online)
                .collect::<Vec<_>>(),
            online
        );
        let users_online = online.iter().filter(|online| **online).count();
        assert_eq!(
            self.store.totals(),
            Totals {
                users_online,
                connections: self.naive.connections()
            }
        );
    }

    fn told(&self) -> Told {
        std::mem::take(&mut self.listener.0.lock())
    }
}

async fn play(grace: u64, silence_max: Option<u64>, steps: Vec<Step>) {
    let mut pair = Pair::start(
        &settings(grace, silence_max),
        Naive::new(grace, silence_max),
    );
    for (wait, operation) in steps {
        pair.wait(wait).await;
        pair.perform(operation).await;
        pair.compare().await;
    }
    pair.wait(60_000).await;
    pair.compare().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn ten_thousand_lists_of_operations_equal_the_naive_model((grace, silence_max) in rules(), steps in steps(25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(play(grace, silence_max, steps));
    }
}
