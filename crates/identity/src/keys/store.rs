//! The keys in use, and when to ask for new ones.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::{Instant, sleep},
};

use super::{
    KeySet,
    source::{FetchError, KeySource},
};

/// The keys in use.
///
/// The last good set stays in use until a better one comes; a failed fetch takes nothing away. One fetch is under way
/// at a time, and it runs to its end in a task of its own: a caller that goes away does not stop it, and cannot be used
/// to make another one begin.
#[derive(Debug)]
pub(crate) struct KeyStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Box<dyn KeySource>,
    current: ArcSwapOption<Current>,
    flight: Arc<Mutex<Flight>>,
    refresh_interval: Duration,
    refresh_floor: Duration,
    fetches: AtomicU64,
    failures: AtomicU64,
}

/// A key set with its generation, which grows with every change of keys.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) keys: KeySet,
    pub(crate) generation: u64,
}

/// Held by whoever fetches.
#[derive(Debug, Default)]
struct Flight {
    /// When the last fetch on demand ended.
    demanded: Option<Instant>,
}

impl KeyStore {
    pub(crate) fn new(
        source: Box<dyn KeySource>,
        refresh_interval: Duration,
        refresh_floor: Duration,
    ) -> Self {
        Self(Arc::new(Inner {
            source,
            current: ArcSwapOption::empty(),
            flight: Arc::default(),
            refresh_interval,
            refresh_floor,
            fetches: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }))
    }

    /// The keys in use; none before the issuer answered for the first time.
    pub(crate) fn current(&self) -> Option<Arc<Current>> {
        self.0.current.load_full()
    }

    /// Keys that are newer than the ones `seen`, or whatever there is if they may not be asked for now.
    ///
    /// Whoever comes while a fetch is under way waits for it instead of beginning another.
    pub(crate) async fn newer_than(&self, seen: Option<&Current>) -> Option<Arc<Current>> {
        let flight = Arc::clone(&self.0.flight).lock_owned().await;
        let current = self.current();
        let is_newer =
            current.as_deref().map(|set| set.generation) != seen.map(|set| set.generation);
        let floor = if current.is_some() {
            self.0.refresh_floor
        } else {
            self.0.refresh_floor.min(FIRST_FLOOR)
        };
        if is_newer || flight.demanded.is_some_and(|at| at.elapsed() < floor) {
            return current;
        }
        let inner = Arc::clone(&self.0);
        let fetch = tokio::spawn(async move { inner.fetch_on_demand(flight).await });
        // It can only fail if the runtime is going down; then the old keys are as good as any.
        drop(fetch.await);
        self.current()
    }

    /// Fetches the keys at once and again and again; never ends.
    pub(crate) async fn keep_fresh(&self) {
        let mut pause = RETRY_FIRST;
        loop {
            let flight = Arc::clone(&self.0.flight).lock_owned().await;
            let fetched = self.0.fetch().await;
            drop(flight);
            if fetched.is_ok() {
                pause = RETRY_FIRST;
                sleep(self.0.refresh_interval).await;
            } else {
                sleep(pause.min(self.0.refresh_interval)).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    }

    /// Fetches begun, and how many of them were in vain.
    pub(crate) fn fetches(&self) -> (u64, u64) {
        (
            self.0.fetches.load(Ordering::Relaxed),
            self.0.failures.load(Ordering::Relaxed),
        )
    }
}

impl Inner {
    async fn fetch_on_demand(&self, mut flight: OwnedMutexGuard<Flight>) {
        drop(self.fetch().await);
        flight.demanded = Some(Instant::now());
    }

    /// Fetches and takes into use; says in the log what came of it.
    async fn fetch(&self) -> Result<(), FetchError> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        let fetched = self.source.fetch().await;
        match fetched.and_then(|documents| KeySet::new(&documents).ok_or(FetchError::NoUsableKey)) {
            Ok(keys) => {
                self.take(keys);
                Ok(())
            }
            Err(problem) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                if self.current.load().is_some() {
                    tracing::warn!(%problem, "signing keys not refreshed, the last ones stay in use");
                } else {
                    tracing::warn!(%problem, "no signing keys yet, so no token can be accepted");
                }
                Err(problem)
            }
        }
    }

    fn take(&self, keys: KeySet) {
        let current = self.current.load_full();
        if current
            .as_deref()
            .is_some_and(|current| current.keys.is_same(&keys))
        {
            return;
        }
        tracing::info!(
            keys = keys.len(),
            issuer = keys.issuer.as_deref(),
            "new signing keys in use"
        );
        let generation = current.map_or(0, |current| current.generation + 1);
        self.current
            .store(Some(Arc::new(Current { keys, generation })));
    }
}

/// The least time between two fetches on demand while there are no keys at all: callers are being refused who should
/// not be, so it is shorter than the floor for unknown keys.
const FIRST_FLOOR: Duration = Duration::from_secs(2);

/// The pause after a first failed fetch in the background; it doubles with each further one.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// The longest pause between failed fetches: an issuer that is back is noticed within half a minute.
const RETRY_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use parking_lot::Mutex as Lock;
    use serde_json::{Value, json};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::keys::source::{FetchFuture, IssuerDocuments};

    /// A source that a test turns on and off, and may hold back.
    #[derive(Debug, Clone)]
    struct FakeSource(Arc<Fake>);

    #[derive(Debug)]
    struct Fake {
        keys: Lock<Option<Vec<Value>>>,
        gate: Semaphore,
        begun: AtomicU64,
    }

    impl FakeSource {
        fn new() -> Self {
            let gate = Semaphore::new(Semaphore::MAX_PERMITS);
            Self(Arc::new(Fake {
                keys: Lock::new(Some(vec![key("k1")])),
                gate,
                begun: AtomicU64::new(0),
            }))
        }

        fn begun(&self) -> u64 {
            self.0.begun.load(Ordering::SeqCst)
        }

        fn answer(&self, keys: Option<Vec<Value>>) {
            *self.0.keys.lock() = keys;
        }
    }

    impl KeySource for FakeSource {
        fn fetch(&self) -> FetchFuture<'_> {
            Box::pin(async {
                self.0.begun.fetch_add(1, Ordering::SeqCst);
                let _permit = self.0.gate.acquire().await.unwrap();
                let keys = self.0.keys.lock().clone();
                keys.map(|keys| IssuerDocuments { issuer: None, keys })
                    .ok_or_else(|| FetchError::Status {
                        url: "x".to_owned(),
                        status: 500,
                    })
            })
        }
    }

    fn key(id: &str) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
    }

    const FLOOR: Duration = Duration::from_secs(30);
    const INTERVAL: Duration = Duration::from_secs(12 * 60 * 60);

    fn store(source: &FakeSource) -> KeyStore {
        KeyStore::new(Box::new(source.clone()), INTERVAL, FLOOR)
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_fetched_on_first_need() {
        let source = FakeSource::new();
        let store = store(&source);
        assert!(store.current().is_none());
        assert_eq!(source.begun(), 0, "nothing is asked before it is needed");
        assert_eq!(store.newer_than(None).await.unwrap().generation, 0);
        assert_eq!(source.begun(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn unknown_keys_are_asked_for_once_in_thirty_seconds() {
        let source = FakeSource::new();
        let store = store(&source);
        let first = store.newer_than(None).await.unwrap();
        sleep(FLOOR).await;
        for _ in 0..100 {
            store.newer_than(Some(&first)).await;
        }
        assert_eq!(source.begun(), 2);
        sleep(FLOOR - Duration::from_millis(1)).await;
        store.newer_than(Some(&first)).await;
        assert_eq!(source.begun(), 2);
        sleep(Duration::from_millis(1)).await;
        store.newer_than(Some(&first)).await;
        assert_eq!(source.begun(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn many_callers_share_one_fetch() {
        let source = FakeSource::new();
        let store = Arc::new(store(&source));
        source.0.gate.forget_permits(Semaphore::MAX_PERMITS);
        let callers: Vec<_> = (0..50)
            .map(|_| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.newer_than(None).await.is_some() })
            })
            .collect();
        sleep(Duration::from_secs(1)).await;
        source.0.gate.add_permits(50);
        for caller in callers {
            assert!(caller.await.unwrap());
        }
        assert_eq!(source.begun(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_does_not_stop_the_fetch() {
        let source = FakeSource::new();
        let store = store(&source);
        source.0.gate.forget_permits(Semaphore::MAX_PERMITS);
        let gave_up = tokio::time::timeout(Duration::from_secs(1), store.newer_than(None)).await;
        assert!(gave_up.is_err());
        source.0.gate.add_permits(1);
        assert!(store.newer_than(None).await.is_some());
        assert_eq!(source.begun(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_good_keys_stay_while_the_issuer_is_away() {
        let source = FakeSource::new();
        let store = store(&source);
        let first = store.newer_than(None).await.unwrap();
        for bad in [
            None,
            Some(vec![]),
            Some(vec![json!({ "kty": "oct", "k": "AA" })]),
        ] {
            source.answer(bad);
            sleep(FLOOR).await;
            let still = store.newer_than(Some(&first)).await.unwrap();
            assert_eq!(still.generation, first.generation);
        }
        assert_eq!(store.fetches(), (4, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_generation_begins_only_with_other_keys() {
        let source = FakeSource::new();
        let store = store(&source);
        let first = store.newer_than(None).await.unwrap();
        sleep(FLOOR).await;
        assert_eq!(store.newer_than(Some(&first)).await.unwrap().generation, 0);
        source.answer(Some(vec![key("k1"), key("k2")]));
        sleep(FLOOR).await;
        assert_eq!(store.newer_than(Some(&first)).await.unwrap().generation, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn newer_keys_that_are_there_already_cost_no_fetch() {
        let source = FakeSource::new();
        let store = store(&source);
        let first = store.newer_than(None).await.unwrap();
        source.answer(Some(vec![key("k2")]));
        sleep(FLOOR).await;
        store.newer_than(Some(&first)).await;
        sleep(FLOOR).await;
        assert_eq!(store.newer_than(Some(&first)).await.unwrap().generation, 1);
        assert_eq!(source.begun(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn without_any_keys_the_issuer_is_asked_more_often() {
        let source = FakeSource::new();
        source.answer(None);
        let store = store(&source);
        for _ in 0..10 {
            assert!(store.newer_than(None).await.is_none());
        }
        assert_eq!(source.begun(), 1);
        sleep(FIRST_FLOOR).await;
        source.answer(Some(vec![key("k1")]));
        assert!(store.newer_than(None).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_background_retries_then_refreshes_twice_a_day() {
        let source = FakeSource::new();
        source.answer(None);
        let store = Arc::new(store(&source));
        let background = tokio::spawn({
            let store = Arc::clone(&store);
            async move { store.keep_fresh().await }
        });
        sleep(Duration::from_millis(62_500)).await;
        assert_eq!(source.begun(), 6 + 1, "at 0, 1, 3, 7, 15, 31, 61 seconds");
        source.answer(Some(vec![key("k1")]));
        sleep(RETRY_MAX).await;
        assert!(store.current().is_some());
        let begun = source.begun();
        sleep(INTERVAL).await;
        assert_eq!(source.begun(), begun + 1);
        background.abort();
    }
}
