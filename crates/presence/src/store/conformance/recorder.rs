//! A listener that remembers.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::change::{Changes, StatusChange, Version};
use crate::ids::UserId;

/// One call of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A status changed.
    Changed(StatusChange),
    /// A user said again that it is there.
    Confirmed(UserId, Version),
}

/// A listener that remembers every call, in order.
#[derive(Debug, Default)]
pub struct Recorder {
    heard: Mutex<Vec<Heard>>,
    news: Notify,
}

impl Recorder {
    /// What was heard so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().clone()
    }

    /// The changes among it.
    pub fn changes(&self) -> Vec<StatusChange> {
        let changed = |heard| match heard {
            Heard::Changed(change) => Some(change),
            Heard::Confirmed(..) => None,
        };
        self.heard().into_iter().filter_map(changed).collect()
    }

    /// Takes out what was heard so far.
    pub fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut self.heard.lock())
    }

    /// What was heard, as soon as that is `count` calls or more.
    ///
    /// # Panics
    ///
    /// If it takes longer than thirty seconds.
    pub async fn wait_for(&self, count: usize) -> Vec<Heard> {
        let enough = async {
            while self.heard.lock().len() < count {
                // A call between the look and this line has left a permit.
                self.news.notified().await;
            }
        };
        let waited = timeout(PATIENCE, enough).await;
        let heard = self.heard();
        assert!(
            waited.is_ok(),
            "waited {PATIENCE:?} to hear {count} calls, heard {heard:#?}"
        );
        heard
    }

    fn record(&self, call: Heard) {
        self.heard.lock().push(call);
        self.news.notify_one();
    }
}

impl Changes for Recorder {
    fn changed(&self, change: &StatusChange) {
        self.record(Heard::Changed(change.clone()));
    }

    fn confirmed(&self, user: &UserId, version: Version) {
        self.record(Heard::Confirmed(user.clone(), version));
    }
}

/// Well above every duration in the suite, well below the patience of a test runner.
const PATIENCE: Duration = Duration::from_secs(30);
