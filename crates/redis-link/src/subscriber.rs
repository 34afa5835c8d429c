//! Subscriptions.

mod channel;
mod cluster;
mod supervisor;
mod wishes;

use std::{fmt, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::wishes::{Answer, Wishes};
use crate::{LinkError, LinkState, PubSub, Settings, SubscriberCounters, socket::Dialer};

/// Subscriptions on a connection of their own, which carries nothing else.
///
/// With [`PubSub::Sharded`] there is one to each master of a cluster, and each carries the channels of its slots. They
/// follow their slots from one master to another.
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
    /// A message, in the order of arrival; one at a time.
    ///
    /// Called by the task that reads the connection, so that it must not block: while it runs nothing is read, and Redis
    /// cuts off who reads too slowly.
    fn message(&self, channel: &[u8], payload: &[u8]);

    /// All wanted channels are subscribed to again, on a new connection or at another server: messages may have been missed.
    ///
    /// Not called for a first connection before which nothing was wanted.
    fn resumed(&self, generation: u64);
}

/// What the handles and the supervisor both know.
struct Shared {
    dialer: Dialer,
    listener: Arc<dyn Listener>,
    wishes: Mutex<Wishes>,
    state: watch::Sender<LinkState>,
    /// Since when not all is subscribed to, unless it is.
    away_since: Mutex<Instant>,
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
            wishes: Mutex::new(Wishes::new(settings.pub_sub)),
            state: watch::Sender::new(LinkState::Connecting),
            away_since: Mutex::new(Instant::now()),
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
    }

    /// How the connections are; `Ready` means that all wanted channels are subscribed to.
    ///
    /// A new generation begins whenever that is so again: after a loss, or after channels have moved in a cluster.
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

    fn pub_sub(&self) -> PubSub {
        self.dialer.settings.pub_sub
    }

    /// Says when all that is wanted is subscribed to, and when it is not any more.
    ///
    /// Only the supervisor's task calls this, between all that it does.
    fn note_state(&self) {
        let is_ready = self.state.borrow().is_ready();
        let mut wishes = self.wishes.lock();
        if is_ready {
            let trouble = wishes.trouble();
            drop(wishes);
            if let Some(reason) = trouble {
                self.away(reason, 0);
            }
        } else if wishes.is_whole() {
            let whole = wishes.made_whole();
            drop(wishes);
            let generation = whole.generation;
            self.state.send_replace(LinkState::Ready { generation });
            if whole.is_resumed {
                let away = self.away_since.lock().elapsed();
                tracing::info!(?away, "subscriptions to redis are back");
                self.listener.resumed(generation);
            }
        }
    }

    fn away(&self, reason: Arc<str>, tries: u32) {
        let before = self.state.send_replace(LinkState::Away { reason, tries });
        if before.is_ready() {
            *self.away_since.lock() = Instant::now();
        }
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
