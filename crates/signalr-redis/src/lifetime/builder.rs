//! Puts a backplane together.

use std::sync::{Arc, Weak};

use redis_link::{Listener, PubSub, Settings};

use super::asking::{Answers, Questions};
use super::inbox::Inbox;
use super::node::Node;
use super::subscriptions::Subscriptions;
use super::{Connections, RedisLifetime, random};
use crate::addressing::Addressing;
use crate::bus::Bus;
use crate::bus::redis::RedisBus;
use crate::channels::{Channels, GroupTags};
use crate::metrics::Metrics;
use crate::observer::{Nobody, Observer};

/// What a backplane is made of.
#[must_use = "nothing is started yet"]
pub struct Builder {
    hub: Box<str>,
    addressing: Addressing,
    observer: Arc<dyn Observer>,
    machine_name: Option<Box<str>>,
    group_tags: Option<GroupTags>,
    metrics: Arc<Metrics>,
    hub_metrics: Arc<signalr::Metrics>,
}

impl Builder {
    pub(super) fn new(hub: &str) -> Self {
        Self {
            hub: hub.into(),
            addressing: Addressing::default(),
            observer: Arc::new(Nobody),
            machine_name: None,
            group_tags: None,
            metrics: Arc::default(),
            hub_metrics: Arc::default(),
        }
    }

    /// How the hub can be addressed. Default: in every way.
    pub fn addressing(mut self, addressing: Addressing) -> Self {
        self.addressing = addressing;
        self
    }

    /// Who keeps account of what groups are told. Default: nobody.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// What the name of this server begins with. Default: the name of the machine.
    pub fn machine_name(mut self, name: impl Into<Box<str>>) -> Self {
        self.machine_name = Some(name.into());
        self
    }

    /// Which slot of a cluster the channels of groups have, with sharded pub/sub; of no effect without. Default: their
    /// names decide on it.
    ///
    /// The function gives the hash tag of a group, which stands in braces in front of the name of its channel, or none. A
    /// script, which may publish only on channels of its keys' slot, can so publish to a group by
    /// [`RedisLifetime::group_channel`]. All servers must have the same function. A tag that is empty or has a `}` in it
    /// counts as none.
    pub fn group_tags(mut self, tag_of: fn(&str) -> Option<String>) -> Self {
        self.group_tags = Some(tag_of);
        self
    }

    /// Where the backplane counts what happens.
    pub fn metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = metrics;
        self
    }

    /// Where deliveries to this server's clients are counted: the same as the hub endpoint's.
    pub fn hub_metrics(mut self, metrics: Arc<signalr::Metrics>) -> Self {
        self.hub_metrics = metrics;
        self
    }

    /// Starts, whether Redis is there or not.
    ///
    /// It lasts until the last clone is dropped.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(self, settings: &Settings) -> Arc<RedisLifetime> {
        let front = settings.channel_prefix.as_deref().unwrap_or_default();
        let tags = match settings.pub_sub {
            PubSub::Classic => None,
            PubSub::Sharded => self.group_tags,
        };
        let mut redis = None;
        let node = self.node(front, tags, |listener| {
            let bus = Arc::new(RedisBus::start(settings, listener));
            redis = Some(Connections {
                link: bus.link.clone(),
                subscriber: bus.subscriber.clone(),
            });
            bus
        });
        Arc::new(RedisLifetime { node, redis })
    }

    /// Starts on a bus within the process.
    #[cfg(test)]
    pub(crate) fn start_on(
        self,
        exchange: &Arc<crate::bus::memory::Exchange>,
    ) -> Arc<RedisLifetime> {
        let node = self.node("", None, |listener| Arc::new(exchange.join(listener)));
        Arc::new(RedisLifetime { node, redis: None })
    }

    fn node(
        self,
        front: &str,
        tags: Option<GroupTags>,
        connect: impl FnOnce(Arc<dyn Listener>) -> Arc<dyn Bus>,
    ) -> Arc<Node> {
        let machine = self.machine_name.unwrap_or_else(machine_name);
        let server = format!("{machine}_{}", random::hex());
        let channels = Channels::new(front, &self.hub, &server).tagged(tags);
        let channels = Arc::new(channels);
        let node = Arc::new_cyclic(|node: &Weak<Node>| {
            let bus = connect(Arc::new(Inbox(Weak::clone(node))));
            let subscriptions = Subscriptions {
                channels: Arc::clone(&channels),
                addressing: self.addressing,
                bus: Arc::clone(&bus),
                observer: Arc::clone(&self.observer),
            };
            Node {
                channels,
                addressing: self.addressing,
                local: signalr::LocalLifetime::watched(self.hub_metrics, Arc::new(subscriptions)),
                bus,
                acks: Arc::default(),
                questions: Arc::<Questions>::default(),
                answers: Answers::default(),
                commands: Node::room_for_commands(),
                observer: self.observer,
                metrics: self.metrics,
                is_listening: Arc::default(),
            }
        });
        // Subscribed to before the first client comes, where Redis is there.
        tokio::spawn(node.listen(Vec::new()));
        node
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("hub", &self.hub)
            .field("addressing", &self.addressing)
            .finish_non_exhaustive()
    }
}

/// The name serves those who look at Redis; two servers of one name are told apart by what follows it.
fn machine_name() -> Box<str> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "server".into(),
        name => name.into(),
    }
}
