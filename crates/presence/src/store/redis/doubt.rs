//! Users of whom the server was told something, and nobody knows whether it heard it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hashbrown::HashSet;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::registration::settle;
use super::shared::Shared;
use crate::ids::UserId;

/// Users to be settled: the server has to be told again what is true of them.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    users: Mutex<HashSet<UserId>>,
    bell: Notify,
    /// There were too many to be remembered one by one.
    about_all: AtomicBool,
}

impl Doubt {
    pub(super) fn add(&self, user: &UserId) {
        let mut users = self.users.lock();
        if users.len() < REMEMBERED_MAX {
            users.insert(user.clone());
        } else {
            self.add_all();
        }
        drop(users);
        self.bell.notify_one();
    }

    /// Everybody has to be registered again, not one by one.
    pub(super) fn add_all(&self) {
        self.about_all.store(true, Ordering::Relaxed);
    }

    /// Whether everybody has to be registered again; asked once.
    pub(super) fn take_all(&self) -> bool {
        let about_all = self.about_all.swap(false, Ordering::Relaxed);
        if about_all {
            self.users.lock().clear();
        }
        about_all
    }

    fn take(&self) -> HashSet<UserId> {
        std::mem::take(&mut self.users.lock())
    }
}

/// The task that settles doubts.
pub(super) async fn settle_doubts(shared: std::sync::Arc<Shared>) {
    loop {
        shared.doubt.bell.notified().await;
        // What made the first uncertain makes more so, and a server in trouble is given a moment.
        sleep(PAUSE).await;
        for user in shared.doubt.take() {
            if settle(&shared, &user, false).await.is_ok() {
                shared.figures.doubts.add(1);
            } else {
                shared.doubt_about(&user);
            }
        }
    }
}

/// Beyond this many it is cheaper to register everybody again; some 1 MB.
const REMEMBERED_MAX: usize = 10_000;

/// Well above the time of a round trip, well below what a watcher notices.
const PAUSE: Duration = Duration::from_millis(200);
