//! A bus within one process, for tests: it can go away, and remembers what was published.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::future::{self, BoxFuture};
use hashbrown::HashSet;
use parking_lot::Mutex;
use redis_link::Listener;
use tokio::sync::mpsc;

use super::{Bus, BusError, Publishing};

/// What the servers of a test have instead of Redis.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    servers: Mutex<Vec<Server>>,
    published: Mutex<Vec<(String, Bytes)>>,
    is_away: AtomicBool,
    counts_nothing: AtomicBool,
}

#[derive(Debug)]
struct Server {
    channels: Arc<Mutex<HashSet<Vec<u8>>>>,
    events: mpsc::UnboundedSender<Event>,
}

#[derive(Debug)]
enum Event {
    Message(Vec<u8>, Bytes),
    Resumed,
}

/// One server's way to the exchange.
pub(crate) struct MemoryBus {
    exchange: Arc<Exchange>,
    channels: Arc<Mutex<HashSet<Vec<u8>>>>,
}

impl Exchange {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Adds a server; as with Redis, its messages come one after the other, by a task of its own.
    pub(crate) fn join(self: &Arc<Self>, listener: Arc<dyn Listener>) -> MemoryBus {
        let (events, mut queue) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(event) = queue.recv().await {
                match event {
                    Event::Message(channel, payload) => listener.message(&channel, &payload),
                    Event::Resumed => listener.resumed(2),
                }
            }
        });
        let channels = Arc::<Mutex<HashSet<Vec<u8>>>>::default();
        self.servers.lock().push(Server {
            channels: Arc::clone(&channels),
            events,
        });
        MemoryBus {
            exchange: Arc::clone(self),
            channels,
        }
    }

    /// Nothing is published or confirmed any more.
    pub(crate) fn go_away(&self) {
        self.is_away.store(true, Ordering::SeqCst);
    }

    /// All wishes are carried out, and everybody is told.
    pub(crate) fn come_back(&self) {
        self.is_away.store(false, Ordering::SeqCst);
        for server in &*self.servers.lock() {
            let _ = server.events.send(Event::Resumed);
        }
    }

    /// From now on nobody learns how many servers get a message, as in a cluster.
    pub(crate) fn count_nothing(&self) {
        self.counts_nothing.store(true, Ordering::SeqCst);
    }

    /// What was published so far, and on which channel.
    pub(crate) fn published(&self) -> Vec<(String, Bytes)> {
        self.published.lock().clone()
    }

    /// The same, and forgets it.
    pub(crate) fn take_published(&self) -> Vec<(String, Bytes)> {
        std::mem::take(&mut *self.published.lock())
    }

    /// Publishes as a server would that is not one of ours.
    pub(crate) fn inject(&self, channel: &[u8], payload: &[u8]) -> u64 {
        let name = String::from_utf8_lossy(channel).into_owned();
        let payload = Bytes::copy_from_slice(payload);
        self.published.lock().push((name, payload.clone()));
        let servers = self.servers.lock();
        let receivers = servers
            .iter()
            .filter(|server| server.channels.lock().contains(channel))
            .filter(|server| {
                let message = Event::Message(channel.to_vec(), payload.clone());
                server.events.send(message).is_ok()
            });
        receivers.count() as u64
    }

    /// How many servers are subscribed to a channel.
    pub(crate) fn subscribers(&self, channel: &[u8]) -> u64 {
        let servers = self.servers.lock();
        let subscribed = servers
            .iter()
            .filter(|server| server.channels.lock().contains(channel));
        subscribed.count() as u64
    }

    fn check(&self) -> Result<(), BusError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err("it has gone away".to_owned());
        }
        Ok(())
    }
}

impl Bus for MemoryBus {
    fn publish(&self, channel: Vec<u8>, payload: Vec<u8>) -> Publishing {
        let exchange = Arc::clone(&self.exchange);
        Box::pin(async move {
            exchange.check()?;
            let receivers = exchange.inject(&channel, &payload);
            Ok((!exchange.counts_nothing.load(Ordering::SeqCst)).then_some(receivers))
        })
    }

    fn subscribe(&self, channels: Vec<Vec<u8>>) -> BoxFuture<'static, Result<(), BusError>> {
        self.channels.lock().extend(channels);
        Box::pin(future::ready(self.exchange.check()))
    }

    fn unsubscribe(&self, channel: &[u8]) {
        self.channels.lock().remove(channel);
    }

    fn subscribers(&self, channel: Vec<u8>) -> Publishing {
        let exchange = Arc::clone(&self.exchange);
        Box::pin(async move {
            exchange.check()?;
            let counts = !exchange.counts_nothing.load(Ordering::SeqCst);
            Ok(counts.then(|| exchange.subscribers(&channel)))
        })
    }

    fn subscriptions(&self) -> u64 {
        self.channels.lock().len() as u64
    }
}
