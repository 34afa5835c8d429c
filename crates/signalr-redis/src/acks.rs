//! Group commands that wait to be confirmed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// As ASP.NET Core, which looks only every five seconds and so waits for up to 35 s.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// Clients make commands wait, by methods that let them name connections of others. At 300 B each this is 5 MB.
const WAITING_MAX: usize = 16_384;

/// Commands of this server, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    next: AtomicI32,
    waiting: Mutex<HashMap<i32, oneshot::Sender<()>>>,
}

/// One command that waits; forgotten when dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) id: i32,
    acks: Arc<Acks>,
    confirmed: oneshot::Receiver<()>,
}

impl Acks {
    /// Numbers a command; none: too many wait.
    pub(crate) fn begin(self: &Arc<Self>) -> Option<Waiting> {
        let id = self.next.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let (sender, confirmed) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        if waiting.len() >= WAITING_MAX {
            return None;
        }
        waiting.insert(id, sender);
        Some(Waiting {
            id,
            acks: Arc::clone(self),
            confirmed,
        })
    }

    /// Another server has carried out a command; of one that nobody waits for, nothing is left to be done.
    pub(crate) fn confirm(&self, id: i32) {
        let waiting = self.waiting.lock().remove(&id);
        if let Some(waiting) = waiting {
            let _ = waiting.send(());
        }
    }
}

impl Waiting {
    /// Waits for the confirmation; false: it did not come in time.
    pub(crate) async fn confirmed(mut self) -> bool {
        matches!(
            tokio::time::timeout(TIMEOUT, &mut self.confirmed).await,
            Ok(Ok(()))
        )
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.acks.waiting.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_confirmed_command_is_done() {
        let acks = Arc::new(Acks::default());
        let (first, second) = (acks.begin().unwrap(), acks.begin().unwrap());
        assert_ne!(first.id, second.id);
        acks.confirm(second.id);
        acks.confirm(1000);
        assert!(second.confirmed().await);
        acks.confirm(first.id);
        assert!(first.confirmed().await);
        assert!(acks.waiting.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_half_a_minute() {
        let acks = Arc::new(Acks::default());
        let waiting = acks.begin().unwrap();
        let begun = Instant::now();
        assert!(!waiting.confirmed().await);
        assert_eq!(begun.elapsed(), Duration::from_secs(30));
        assert!(acks.waiting.lock().is_empty());
    }

    #[test]
    fn only_so_many_wait() {
        let acks = Arc::new(Acks::default());
        let mut all: Vec<Waiting> = std::iter::from_fn(|| acks.begin()).collect();
        assert_eq!(all.len(), WAITING_MAX);
        all.pop();
        assert!(acks.begin().is_some());
    }
}
