//! Redis as the bus: one connection that publishes, one that is subscribed.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{self, BoxFuture};
use redis_link::{Link, Listener, PubSub, Settings, Subscriber, cmd};

use super::{Bus, BusError, Publishing};

/// Publishes by one connection and subscribes by another.
#[derive(Debug)]
pub(crate) struct RedisBus {
    pub(crate) link: Link,
    pub(crate) subscriber: Subscriber,
}

impl RedisBus {
    pub(crate) fn start(settings: &Settings, listener: Arc<dyn Listener>) -> Self {
        Self {
            link: Link::start(settings),
            subscriber: Subscriber::start(settings, listener),
        }
    }
}

impl Bus for RedisBus {
    fn publish(&self, channel: Vec<u8>, payload: Vec<u8>) -> Publishing {
        let link = self.link.clone();
        Box::pin(async move {
            let mut command = cmd(link.pub_sub().publish());
            command.arg(channel).arg(&payload[..]);
            let receivers: u64 = link.run(&command).await.map_err(|e| e.to_string())?;
            // With sharded pub/sub the one that counts knows all, but not while the channel's slot moves, or its master
            // was just replaced: subscriptions follow a little later.
            Ok((!link.is_cluster()).then_some(receivers))
        })
    }

    fn subscribe(&self, channels: Vec<Vec<u8>>) -> BoxFuture<'static, Result<(), BusError>> {
        let subscriber = self.subscriber.clone();
        let mut subscribing = Box::pin(async move {
            let subscribed = subscriber.subscribe_all(&channels).await;
            subscribed.map_err(|e| e.to_string())
        });
        // The wish stands when the future has been polled once: it may be over before anybody waits for this one.
        match (&mut subscribing).now_or_never() {
            Some(done) => Box::pin(future::ready(done)),
            None => subscribing,
        }
    }

    fn unsubscribe(&self, channel: &[u8]) {
        self.subscriber.unsubscribe(channel);
    }

    fn subscribers(&self, channel: Vec<u8>) -> Publishing {
        let link = self.link.clone();
        Box::pin(async move {
            let mut command = cmd("PUBSUB");
            command.arg(match link.pub_sub() {
                PubSub::Classic => "NUMSUB",
                PubSub::Sharded => "SHARDNUMSUB",
            });
            command.arg(channel);
            // In a cluster every node is asked, and the counts are added up; one that does not answer is an error.
            let counts: BTreeMap<Vec<u8>, u64> =
                link.run(&command).await.map_err(|e| e.to_string())?;
            Ok(counts.into_values().next())
        })
    }

    fn subscriptions(&self) -> u64 {
        self.subscriber.counters().channels()
    }
}
