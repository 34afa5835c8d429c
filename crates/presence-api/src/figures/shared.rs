//! Figures of what nodes share: the connections to Redis, the store there, the backplane, the watchers.

use std::sync::Arc;

use presence::store::redis::{Counter, Figures};
use redis_link::{Link, LinkCounters};
use signalr_redis::{Metrics as Backplane, RedisLifetime};

use super::signed;
use crate::http::metrics::Metrics;
use crate::watch::{Gaps, Watched};

/// The connection for commands.
pub fn register_link(metrics: &Metrics, link: &Link) {
    let state = link.state();
    metrics.gauge(
        "presence_redis_up",
        "Whether Redis answers commands: 1 or 0",
        move || i64::from(state.borrow().is_ready()),
    );
    for (name, help, read) in [
        (
            "presence_redis_connections",
            "Connections to Redis that were made",
            LinkCounters::connections as fn(&LinkCounters) -> u64,
        ),
        (
            "presence_redis_connections_lost",
            "Connections to Redis that were lost",
            LinkCounters::losses,
        ),
        (
            "presence_redis_commands",
            "Commands to Redis",
            LinkCounters::commands,
        ),
        (
            "presence_redis_scripts_loaded",
            "Times that a script was loaded because Redis did not know it",
            LinkCounters::scripts_loaded,
        ),
    ] {
        let link = link.clone();
        metrics.counter(name, help, move || read(link.counters()));
    }
    let in_flight = link.clone();
    metrics.gauge(
        "presence_redis_commands_in_flight",
        "Commands that wait for an answer of Redis",
        move || signed(in_flight.counters().in_flight()),
    );
    let failures = link.clone();
    metrics.counters(
        "presence_redis_failures",
        "Commands to Redis without a result, by what happened",
        "reason",
        move || failures.counters().failures().collect::<Vec<_>>(),
    );
    let latency = link.clone();
    metrics.histogram(
        "presence_redis_latency_seconds",
        "How long Redis took to answer a command or a batch",
        &LinkCounters::LATENCY_BOUNDS,
        move || {
            let counters = latency.counters();
            (counters.latency_sum().as_secs_f64(), counters.latency())
        },
    );
}

/// The store.
pub fn register_store(metrics: &Metrics, figures: &Arc<Figures>) {
    for (name, help, read) in STORE {
        let figures = Arc::clone(figures);
        metrics.counter(name, help, move || read(&figures).get());
    }
    let figures = Arc::clone(figures);
    metrics.gauge(
        "presence_refresh_lag_microseconds",
        "By how much the latest refresh ended later than planned",
        move || i64::try_from(figures.refresh_lag().as_micros()).unwrap_or(i64::MAX),
    );
}

/// A figure of the store, with its name and what it means.
type OfStore = (&'static str, &'static str, fn(&Figures) -> &Counter);

const STORE: [OfStore; 14] = [
    (
        "presence_refreshed",
        "Status words whose time to live was prolonged",
        |figures| &figures.refreshed,
    ),
    (
        "presence_words_lost",
        "Status words that were missing and were written again",
        |figures| &figures.words_lost,
    ),
    (
        "presence_words_corrected",
        "Status words of users of this node that another program had set, and that were set right",
        |figures| &figures.words_corrected,
    ),
    (
        "presence_registrations",
        "Times that all users of this node were registered",
        |figures| &figures.registrations,
    ),
    (
        "presence_users_restored",
        "Users who were registered again",
        |figures| &figures.restored,
    ),
    (
        "presence_lease_renewals",
        "Times that the lease of this node was renewed",
        |figures| &figures.renewals,
    ),
    (
        "presence_leases_lost",
        "Times that the lease of this node had ended",
        |figures| &figures.leases_lost,
    ),
    (
        "presence_epochs_lost",
        "Times that Redis had lost everything",
        |figures| &figures.epochs_lost,
    ),
    (
        "presence_sweeps",
        "Nodes that were cleaned up after",
        |figures| &figures.sweeps,
    ),
    ("presence_users_swept", "Users of such nodes", |figures| {
        &figures.swept
    }),
    (
        "presence_degraded_answers",
        "Statuses that were answered without Redis",
        |figures| &figures.degraded_answers,
    ),
    (
        "presence_doubts",
        "Operations whose outcome was unknown and that were settled later",
        |figures| &figures.doubts,
    ),
    (
        "presence_reads",
        "Commands by which statuses were read",
        |figures| &figures.reads,
    ),
    (
        "presence_statuses_read",
        "Statuses that were read by them",
        |figures| &figures.statuses_read,
    ),
];

/// The watchers on this node.
pub fn register_watched(metrics: &Metrics, watched: &Arc<Watched>) {
    let users = Arc::clone(watched);
    metrics.gauge(
        "presence_users_watched",
        "Users whom somebody on this node watches",
        move || signed(users.len() as u64),
    );
    for (name, help, read) in [
        (
            "presence_gaps",
            "Times that messages of other nodes may have been missed",
            Gaps::found as fn(&Gaps) -> u64,
        ),
        (
            "presence_gaps_healed",
            "Users whose watchers were told what they had missed",
            Gaps::healed,
        ),
    ] {
        let watched = Arc::clone(watched);
        metrics.counter(name, help, move || read(watched.gaps()));
    }
}

/// The backplane.
pub fn register_backplane(metrics: &Metrics, lifetime: &Arc<RedisLifetime>) {
    let subscriptions = Arc::clone(lifetime);
    metrics.gauge(
        "presence_backplane_subscriptions",
        "Channels of the backplane that this node listens to",
        move || signed(subscriptions.subscriptions()),
    );
    for (name, help, read) in [
        (
            "presence_backplane_published",
            "Messages to other nodes, beside announcements of presence",
            Backplane::published as fn(&Backplane) -> u64,
        ),
        (
            "presence_backplane_publish_failures",
            "Messages to other nodes that Redis did not take",
            Backplane::publish_failures,
        ),
        (
            "presence_backplane_received",
            "Messages of other nodes and of this one",
            Backplane::received,
        ),
        (
            "presence_backplane_received_bytes",
            "Bytes of these messages",
            Backplane::received_bytes,
        ),
        (
            "presence_backplane_malformed",
            "Messages that could not be read",
            Backplane::malformed,
        ),
        (
            "presence_backplane_resumed",
            "Times that subscriptions were broken and came back",
            Backplane::resumed,
        ),
    ] {
        let backplane = Arc::clone(lifetime.metrics());
        metrics.counter(name, help, move || read(&backplane));
    }
}
