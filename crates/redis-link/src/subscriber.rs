//! Subscriptions.

mod channel;
mod supervisor;
mod wishes;

use std::{fmt, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::wishes::{Answer, Wishes};
use crate::{LinkError, LinkState, Settings, SubscriberCounters, socket::Dialer};

/// Subscriptions on a connection of their own, which carries nothing else.
///
/// What is subscribed to is a wish that outlives connections: each new one carries all of them out again. Clones share the
/// connection; dropping the last one ends it.
#[derive(Clone)]
pub struct Subscriber {
    shared: Arc<Shared>,
    _end: Arc<DropGuard>,
}

/// Who is told what comes.
pub trait Listener: Send + Sync + 'static {
    /// A message, in the order of arrival.
    ///
    /// Called by the task that reads the connection, so that it must not block: while it runs nothing is read, and Redis
    /// cuts off who reads too slowly.
    fn message(&self, channel: &[u8], payload: &[u8]);

    /// All wanted channels are subscribed to on a new connection: messages may have been missed.
    ///
    /// Not called for a first connection before which nothing was wanted.
    fn resumed(&self, generation: u64);
}

/// What the handles and the supervisor both know.
struct Shared {
    dialer: Dialer,
    listener: Arc<dyn Listener>,
    wishes: Mutex<Wishes>,
    /// There is something to send.
    wake: Notify,
    state: watch::Sender<LinkState>,
    counters: SubscriberCounters,
}

impl Subscriber {
    /// Begins to connect and returns at once, also if nothing is there.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(settings: &Settings, listener: Arc<dyn Listener>) -> Self {
        let shared = Arc::new(Shared {
            dialer: Dialer::new(settings.clone()),
            listener,
            wishes: Mutex::new(Wishes::default()),
            wake: Notify::new(),
            state: watch::Sender::new(LinkState::Connecting),
            counters: SubscriberCounters::default(),
        });
        let end = CancellationToken::new();
        let supervised = supervisor::run(Arc::clone(&shared));
        tokio::spawn(end.clone().run_until_cancelled_owned(supervised));
        Self {
            shared,
            _end: Arc::new(end.drop_guard()),
        }
    }

    /// Subscribes; done when the server has confirmed it.
    ///
    /// # Errors
    /// Redis is away, does not confirm in time, or refuses. The wish stands in any case, and is carried out with the next
    /// connection at the latest.
    pub async fn subscribe(&self, channel: &[u8]) -> Result<(), LinkError> {
        self.wait(self.want([channel])).await
    }

    /// Subscribes to many channels in few commands; done when all are confirmed.
    ///
    /// # Errors
    /// As [`Self::subscribe`]; the first error that is met.
    pub async fn subscribe_all(&self, channels: &[Vec<u8>]) -> Result<(), LinkError> {
        self.wait(self.want(channels.iter().map(Vec::as_slice)))
            .await
    }

    /// Ends a subscription: the wish ends now, the command follows.
    ///
    /// Messages that are on their way still arrive.
    pub fn unsubscribe(&self, channel: &[u8]) {
        let mut wishes = self.shared.wishes.lock();
        wishes.unwant(channel);
        self.shared.note(&wishes);
        drop(wishes);
        self.shared.wake.notify_one();
    }

    /// How the connection is; `Ready` means that all wanted channels are subscribed to.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.shared.state.subscribe()
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &SubscriberCounters {
        &self.shared.counters
    }

    fn want<'a>(&self, channels: impl IntoIterator<Item = &'a [u8]>) -> Vec<Answer> {
        let mut wishes = self.shared.wishes.lock();
        let mut answers = Vec::new();
        for channel in channels {
            answers.extend(wishes.want(channel));
        }
        self.shared.note(&wishes);
        answers
    }

    async fn wait(&self, answers: Vec<Answer>) -> Result<(), LinkError> {
        if answers.is_empty() {
            return Ok(());
        }
        self.shared.wake.notify_one();
        let limit = self.shared.dialer.settings.command_timeout;
        let all = async {
            for answer in answers {
                let answered: Result<_, oneshot::error::RecvError> = answer.await;
                answered.unwrap_or_else(|_| Err(LinkError::Lost("the subscriber ended".into())))?;
            }
            Ok(())
        };
        tokio::time::timeout(limit, all)
            .await
            .unwrap_or(Err(LinkError::TimedOut(limit)))
    }
}

impl Shared {
    fn note(&self, wishes: &Wishes) {
        let wanted = wishes.wanted() as u64;
        self.counters
            .channels
            .store(wanted, std::sync::atomic::Ordering::Relaxed);
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("settings", &self.shared.dialer.settings)
            .field("state", &*self.shared.state.borrow())
            .finish_non_exhaustive()
    }
}
