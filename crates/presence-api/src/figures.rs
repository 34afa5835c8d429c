//! Which figures of which part go into `/metrics`, and under which name.

pub mod shared;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use identity::Refusal;
use presence::Cause;
use signalr::HubEndpoint;
use signalr::protocol::negotiate::Transport;

use crate::auth::OnRefusal;
use crate::http::metrics::Metrics;
use crate::http::requests::RequestCounters;
use crate::listen::ConnectionCounters;
use crate::store::Tracker;
use crate::tls::ReloadingCertificate;

/// Requests and calls that were refused for their token, by reason.
#[derive(Debug)]
pub struct Refusals([AtomicU64; Refusal::REASONS.len()]);

impl Refusals {
    /// Nobody was refused yet.
    pub fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// Counts by the name of the reason; names that are none do not count.
    pub fn recorder(self: &Arc<Self>) -> OnRefusal {
        let refusals = Arc::clone(self);
        Arc::new(move |reason| {
            if let Some(i) = Refusal::REASONS.iter().position(|known| *known == reason) {
                refusals.0[i].fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        Refusal::REASONS.into_iter().zip(counts).collect()
    }
}

impl Default for Refusals {
    fn default() -> Self {
        Self::new()
    }
}

/// The hub, presence and refusals.
pub fn register(metrics: &Metrics, hub: &HubEndpoint, tracker: &Tracker, refusals: &Arc<Refusals>) {
    register_hub(metrics, hub);
    register_presence(metrics, tracker);
    let refusals = Arc::clone(refusals);
    metrics.counters(
        "presence_refused",
        "Requests and calls refused for their token, by reason",
        "reason",
        move || refusals.counts(),
    );
}

fn register_hub(metrics: &Metrics, hub: &HubEndpoint) {
    let hub_metrics = Arc::clone(hub.metrics());
    metrics.gauge(
        "presence_connections",
        "Hub connections that are open",
        move || {
            let open = Transport::ALL.iter().map(|t| hub_metrics.open(*t)).sum();
            signed(open)
        },
    );
    let hub_metrics = Arc::clone(hub.metrics());
    metrics.counters(
        "presence_connections_opened",
        "Hub connections that were opened, by transport",
        "transport",
        move || Transport::ALL.map(|t| (t.name(), hub_metrics.opened(t))),
    );
    let hub_metrics = Arc::clone(hub.metrics());
    metrics.counters(
        "presence_connections_closed",
        "Hub connections that have ended, by reason",
        "reason",
        move || hub_metrics.closed().collect::<Vec<_>>(),
    );
    let hub_metrics = Arc::clone(hub.metrics());
    metrics.counters(
        "presence_connections_refused",
        "Hub connections that were not let in, by the limit that was reached",
        "limit",
        move || hub_metrics.refused().collect::<Vec<_>>(),
    );
    for (name, help, read) in [
        (
            "presence_invocations",
            "Calls of hub methods",
            signalr::Metrics::invocations as fn(&signalr::Metrics) -> u64,
        ),
        (
            "presence_invocations_failed",
            "Calls of hub methods that ended in an error",
            signalr::Metrics::failed_invocations,
        ),
        (
            "presence_deliveries",
            "Messages queued for clients",
            signalr::Metrics::deliveries,
        ),
        (
            "presence_negotiations",
            "Negotiations that reserved a connection",
            signalr::Metrics::negotiations,
        ),
    ] {
        let hub_metrics = Arc::clone(hub.metrics());
        metrics.counter(name, help, move || read(&hub_metrics));
    }
}

fn register_presence(metrics: &Metrics, tracker: &Tracker) {
    let changes = tracker.clone();
    metrics.counters(
        "presence_changes",
        "Visible changes of presence, by cause",
        "cause",
        move || Cause::ALL.map(|cause| (cause.as_str(), changes.counters().changes(cause))),
    );
    let confirmed = tracker.clone();
    metrics.counter(
        "presence_confirmations",
        "Users who said again that they are online",
        move || confirmed.counters().confirmations(),
    );
    let online = tracker.clone();
    metrics.gauge("presence_users_online", "Users who are online", move || {
        signed(online.totals().users_online as u64)
    });
}

/// When each certificate ends, in seconds since 1970.
pub fn register_certificates(metrics: &Metrics, certificates: Vec<Arc<ReloadingCertificate>>) {
    if certificates.is_empty() {
        return;
    }
    metrics.gauge(
        "presence_certificate_expiry_seconds",
        "When the first of the certificates ends, in seconds since 1970",
        move || {
            let ends = certificates.iter().map(|one| one.expires().as_second());
            ends.min().unwrap_or_default()
        },
    );
}

/// What the listeners count.
pub fn register_listeners(metrics: &Metrics, counters: &Arc<ConnectionCounters>) {
    let open = Arc::clone(counters);
    metrics.gauge(
        "presence_http_connections",
        "Connections that HTTP is spoken on",
        move || signed(open.open()),
    );
    for (name, help, read) in [
        (
            "presence_http_connections_accepted",
            "Connections accepted",
            ConnectionCounters::accepted as fn(&ConnectionCounters) -> u64,
        ),
        (
            "presence_http_connections_silent",
            "Connections dropped because no request came",
            ConnectionCounters::silent,
        ),
        (
            "presence_tls_failures",
            "TLS handshakes that failed",
            ConnectionCounters::tls_failed,
        ),
        (
            "presence_accept_failures",
            "Connections that the system did not hand out",
            ConnectionCounters::accept_failures,
        ),
    ] {
        let counters = Arc::clone(counters);
        metrics.counter(name, help, move || read(&counters));
    }
}

/// The counters of answers, to be filled by the edge.
pub fn requests(metrics: &Metrics) -> Arc<RequestCounters> {
    let requests = Arc::new(RequestCounters::default());
    let counted = Arc::clone(&requests);
    metrics.counters(
        "presence_http_requests",
        "Answers, by class of status code",
        "status",
        move || counted.by_class(),
    );
    requests
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
