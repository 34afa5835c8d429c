//! What is counted, for Prometheus.
//!
//! The parts of the service count on plain atomics of their own; here they only register how to read them. Nothing is
//! kept between scrapes, so a service that nobody scrapes does not grow. Labels come from closed sets in the code:
//! never a user, a connection or a group.

mod process;

use std::{fmt, sync::Arc};

use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{StatusCode, header::CONTENT_TYPE};
use parking_lot::RwLock;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text},
    metrics::MetricType,
    registry::Registry,
};

/// Every metric of the service. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    sources: Arc<Sources>,
}

#[derive(Default)]
struct Sources(RwLock<Vec<Source>>);

/// One metric: how it is called, and how it is written when somebody asks.
struct Source {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    write: Box<dyn Fn(MetricEncoder<'_>) -> fmt::Result + Send + Sync>,
}

impl Metrics {
    /// The build, and what the system knows about the process.
    pub fn new() -> Self {
        let metrics = Self {
            sources: Arc::default(),
        };
        metrics.register(
            "presence_build",
            "The build that runs",
            MetricType::Info,
            |mut metric| metric.encode_info(&[("version", env!("CARGO_PKG_VERSION"))]),
        );
        process::register(&metrics);
        metrics
    }

    /// A number that only grows. The text format adds `_total` to the name.
    pub fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        self.register(name, help, MetricType::Counter, move |mut metric| {
            metric.encode_counter::<NoLabelSet, _, f64>(&read(), None)
        });
    }

    /// Numbers that only grow, told apart by one label. The text format adds `_total` to the name.
    pub fn counters<R>(
        &self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        read: impl Fn() -> R + Send + Sync + 'static,
    ) where
        R: IntoIterator<Item = (&'static str, u64)>,
    {
        self.register(name, help, MetricType::Counter, move |mut metric| {
            read().into_iter().try_for_each(|(value, count)| {
                metric
                    .encode_family(&[(label, value)])?
                    .encode_counter::<NoLabelSet, _, f64>(&count, None)
            })
        });
    }

    /// A number that goes up and down.
    pub fn gauge(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> i64 + Send + Sync + 'static,
    ) {
        self.register(name, help, MetricType::Gauge, move |mut metric| {
            metric.encode_gauge(&read())
        });
    }

    /// How many things took how long: `counts` has one number for each of `bounds`, in seconds, and one for the rest.
    pub fn histogram<const N: usize>(
        &self,
        name: &'static str,
        help: &'static str,
        bounds: &'static [f64],
        read: impl Fn() -> (f64, [u64; N]) + Send + Sync + 'static,
    ) {
        self.register(name, help, MetricType::Histogram, move |mut metric| {
            let (sum, counts) = read();
            let upper = bounds.iter().copied().chain([f64::MAX]);
            let buckets: Vec<_> = upper.zip(counts).collect();
            metric.encode_histogram::<NoLabelSet>(sum, counts.iter().sum(), &buckets, None)
        });
    }

    /// All metrics as they are now, in the text format `OpenMetrics`.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Arc::clone(&self.sources)));
        let mut page = String::new();
        text::encode(&mut page, &registry)?;
        Ok(page)
    }

    /// `/metrics`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/metrics", get(scrape))
            .with_state(self.clone())
    }

    /// # Panics
    ///
    /// When the name is taken: the page would be invalid, and names are known when the program is written.
    fn register(
        &self,
        name: &'static str,
        help: &'static str,
        kind: MetricType,
        write: impl Fn(MetricEncoder<'_>) -> fmt::Result + Send + Sync + 'static,
    ) {
        let mut sources = self.sources.0.write();
        assert!(
            sources.iter().all(|source| source.name != name),
            "two metrics are called {name}"
        );
        sources.push(Source {
            name,
            help,
            kind,
            write: Box::new(write),
        });
    }
}

async fn scrape(State(metrics): State<Metrics>) -> Response {
    match metrics.encode() {
        Ok(page) => ([(CONTENT_TYPE, OPEN_METRICS)], page).into_response(),
        Err(fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Collector for Sources {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.read().iter().try_for_each(|source| {
            (source.write)(encoder.encode_descriptor(
                source.name,
                source.help,
                None,
                source.kind,
            )?)
        })
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.read().iter().map(|source| source.name))
            .finish()
    }
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
mod tests;
