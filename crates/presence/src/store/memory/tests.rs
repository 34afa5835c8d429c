use std::time::Duration;
use tokio::time::Instant;

use super::*;
use crate::change::{Cause, Version};
use crate::settings::{Liveness, Settings};
use crate::store::conformance::{Factory, Recorder};

struct Memory;

impl Factory for Memory {
    type Store = MemoryStore;

    async fn make(&self, settings: &ValidSettings, listener: Arc<dyn Changes>) -> MemoryStore {
        MemoryStore::start(settings, listener)
    }
}

mod conformance {
    crate::store_conformance!(#[tokio::test(start_paused = true)] for super::Memory);
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn on(number: u64) -> ConnectionId {
    ConnectionId {
        node: NodeId::new(1),
        number,
    }
}

fn start(liveness: Liveness) -> (MemoryStore, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    let settings = Settings {
        liveness,
        ..Settings::default()
    }
    .validate()
    .unwrap();
    (MemoryStore::start(&settings, recorder.clone()), recorder)
}

/// Runs `operation` and says how long it took, to the millisecond.
async fn timed(operation: impl Future) -> Duration {
    let before = Instant::now();
    operation.await;
    before.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_grace_ends_when_it_is_over_not_before_and_not_later() {
    let (store, recorder) = start(Liveness::Connection);
    tokio::time::sleep(Duration::from_millis(300)).await;
    store.connect(&user("alice"), on(1)).await.unwrap();
    store
        .disconnect(&user("alice"), on(1), End::Lost)
        .await
        .unwrap();
    assert_eq!(timed(recorder.wait_for(2)).await, Duration::from_secs(5));
    assert_eq!(recorder.changes()[1].cause, Cause::LinkLost);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_ten_seconds_after_the_last_touch() {
    let (store, recorder) = start(Liveness::Heartbeat);
    store.connect(&user("alice"), on(1)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(7)).await;
    store.touch(&user("alice"), on(1)).await.unwrap();
    assert_eq!(timed(recorder.wait_for(3)).await, Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_change_is_told_before_the_operation_returns() {
    let (store, recorder) = start(Liveness::Connection);
    let change = store.connect(&user("alice"), on(1)).await.unwrap().unwrap();
    assert_eq!(recorder.changes(), [change]);
    let change = store
        .disconnect(&user("alice"), on(1), End::Clean)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(recorder.changes()[1], change);
}

#[tokio::test(start_paused = true)]
async fn totals_are_those_of_all_shards() {
    let (store, recorder) = start(Liveness::Connection);
    for number in 0..500 {
        let user = user(&(number / 2).to_string());
        store.connect(&user, on(number)).await.unwrap();
    }
    assert_eq!(
        store.totals(),
        Totals {
            users_online: 250,
            connections: 500
        }
    );
    assert!(
        store
            .shared
            .shards
            .iter()
            .all(|shard| shard.read(State::users_online) < 50),
        "users are spread"
    );
    store.lose(NodeId::new(1)).await.unwrap();
    assert_eq!(store.totals(), Totals::default());
    assert_eq!(recorder.changes().len(), 500);
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_the_store() {
    let (store, _) = start(Liveness::Connection);
    let shared = Arc::downgrade(&store.shared);
    let sleeper = store.sleeper.clone();
    store.connect(&user("alice"), on(1)).await.unwrap();
    store
        .disconnect(&user("alice"), on(1), End::Lost)
        .await
        .unwrap();
    drop(store);
    while !sleeper.is_finished() {
        tokio::task::yield_now().await;
    }
    assert_eq!(shared.strong_count(), 0);
}

/// Asks the store from within an announcement.
#[derive(Default)]
struct Curious {
    store: std::sync::OnceLock<MemoryStore>,
    found: parking_lot::Mutex<Vec<Status>>,
}

impl Changes for Curious {
    fn changed(&self, change: &StatusChange) {
        let found = self.store.get().map(|store| store.peek(&change.user));
        self.found.lock().extend(found);
    }

    fn confirmed(&self, _: &UserId, _: Version) {}
}

#[tokio::test(start_paused = true)]
async fn a_listener_may_read_what_it_is_told_of() {
    let curious = Arc::new(Curious::default());
    let store = MemoryStore::start(&ValidSettings::default(), curious.clone());
    let store = curious.store.get_or_init(|| store);
    store.connect(&user("alice"), on(1)).await.unwrap();
    store
        .disconnect(&user("alice"), on(1), End::Lost)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(*curious.found.lock(), [Status::Online, Status::Offline]);
}
