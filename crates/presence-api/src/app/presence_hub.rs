//! The presence hub, the store behind it, and how both reach other nodes.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use presence::store::redis::{Figures, hash_tag};
use presence::{MemoryStore, NodeId, RedisStore};
use redis_link::Link;
use signalr::{HubEndpoint, HubOptions, LifetimeManager, LocalLifetime};
use signalr_redis::{Addressing, RedisLifetime};

use super::endpoint;
use crate::announcements::{Announced, Announcements, Watching};
use crate::config::{Settings, Store};
use crate::figures::shared as figures;
use crate::http::cors::AllowedOrigins;
use crate::http::metrics::Metrics;
use crate::hub::PresenceHub;
use crate::notifier::{Notifier, user_watched_by};
use crate::store::{PresenceStore, Tracker};
use crate::watch::{Watched, heal};

/// The name of the hub's type in the service that this one succeeds: nodes of both know each other by it.
const NAME: &str = "MSChat.PresenceAPI.Hubs.PresenceHub";

/// How a hub reaches its clients, on this node and on others.
pub(super) struct Reach {
    pub(super) lifetime: Arc<dyn LifetimeManager>,
    pub(super) metrics: Arc<signalr::Metrics>,
}

impl Reach {
    /// The reach of a hub that is known by `name`, as far as the store's.
    pub(super) fn of_hub(name: &str, store: &Store) -> Self {
        let metrics = Arc::new(signalr::Metrics::default());
        let lifetime: Arc<dyn LifetimeManager> = match store {
            Store::Memory => Arc::new(LocalLifetime::new(Arc::clone(&metrics))),
            Store::Redis(redis) => RedisLifetime::builder(name)
                .hub_metrics(Arc::clone(&metrics))
                .start(redis),
        };
        Self { lifetime, metrics }
    }
}

/// The presence hub and what belongs to it.
pub(super) struct Presence {
    pub(super) hub: HubEndpoint,
    pub(super) tracker: Tracker,
    pub(super) watched: Arc<Watched>,
    /// Where other nodes are reached.
    pub(super) shared: Option<SharedParts>,
    /// The task that tells watchers what they have missed.
    pub(super) healing: BoxFuture<'static, ()>,
}

impl Presence {
    /// Registers the figures of what nodes share.
    pub(super) fn register(&self, metrics: &Metrics) {
        let Some(shared) = &self.shared else { return };
        figures::register_link(metrics, &shared.link);
        figures::register_store(metrics, &shared.figures);
        figures::register_backplane(metrics, &shared.lifetime);
        figures::register_watched(metrics, &self.watched);
    }
}

/// What there is only where nodes share their presence.
pub(super) struct SharedParts {
    pub(super) link: Link,
    pub(super) lifetime: Arc<RedisLifetime>,
    pub(super) figures: Arc<Figures>,
}

pub(super) fn build(settings: &Settings, options: HubOptions, origins: AllowedOrigins) -> Presence {
    match &settings.presence.store {
        Store::Memory => in_memory(settings, options, origins),
        Store::Redis(redis) => in_redis(redis, settings, options, origins),
    }
}

fn in_memory(settings: &Settings, options: HubOptions, origins: AllowedOrigins) -> Presence {
    let metrics = Arc::new(signalr::Metrics::default());
    let lifetime = Arc::new(LocalLifetime::new(Arc::clone(&metrics)));
    let counters = Arc::new(presence::Counters::default());
    let notifier = Arc::new(Notifier::new(lifetime.clone()));
    let store = MemoryStore::start(&settings.presence.settings, counters.listen(notifier));
    let tracker = Tracker::new(PresenceStore::Memory(store), NodeId::random(), counters);
    let watched = Arc::new(Watched::new());
    let hub = PresenceHub::new(tracker.clone(), Arc::clone(&watched));
    let hub = endpoint(hub, options, origins)
        .lifetime(lifetime)
        .metrics(metrics)
        .build();
    Presence {
        hub,
        tracker,
        watched,
        shared: None,
        // Nothing comes from elsewhere, and nothing is missed.
        healing: Box::pin(std::future::ready(())),
    }
}

fn in_redis(
    redis: &redis_link::Settings,
    settings: &Settings,
    options: HubOptions,
    origins: AllowedOrigins,
) -> Presence {
    let metrics = Arc::new(signalr::Metrics::default());
    let watched = Arc::new(Watched::new());
    let lifetime = RedisLifetime::builder(NAME)
        // Clients are told as watchers of somebody, and in no other way.
        .addressing(Addressing::NOTHING.groups())
        // The store's scripts tell them.
        .group_tags(|group| user_watched_by(group).map(|user| hash_tag(&user)))
        .observer(Arc::new(Watching(Arc::clone(&watched))))
        .hub_metrics(Arc::clone(&metrics))
        .start(redis);
    let announcements = Arc::new(Announcements::new(
        Arc::clone(&lifetime),
        Arc::clone(&watched),
    ));
    let counters = Arc::new(presence::Counters::default());
    let (link, node) = (Link::start(redis), NodeId::random());
    let store = RedisStore::start(
        &settings.presence.settings,
        link.clone(),
        node,
        announcements.clone(),
        counters.listen(Arc::new(Announced)),
    );
    let figures = Arc::clone(store.figures());
    let tracker = Tracker::new(PresenceStore::Redis(store), node, counters);
    let hub = PresenceHub::new(tracker.clone(), Arc::clone(&watched));
    let hub = endpoint(hub, options, origins)
        .lifetime(lifetime.clone())
        .metrics(metrics)
        .build();
    Presence {
        hub,
        healing: Box::pin(heal(Arc::clone(&watched), tracker.clone(), announcements)),
        tracker,
        watched,
        shared: Some(SharedParts {
            link,
            lifetime,
            figures,
        }),
    }
}
