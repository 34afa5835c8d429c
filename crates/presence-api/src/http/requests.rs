//! Counting and logging of requests.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::StatusCode;
use tokio::time::Instant;

use crate::listen::PeerAddress;

/// Answers by class of status code.
#[derive(Debug, Default)]
pub struct RequestCounters {
    classes: [AtomicU64; CLASSES.len()],
}

impl RequestCounters {
    /// The counts so far, by class: `1xx` (upgrades to WebSocket) to `5xx`.
    pub fn by_class(&self) -> [(&'static str, u64); CLASSES.len()] {
        std::array::from_fn(|i| (CLASSES[i], self.classes[i].load(Relaxed)))
    }

    fn add(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len());
        self.classes[class - 1].fetch_add(1, Relaxed);
    }
}

/// Counts the answer, and logs the request at `debug`.
///
/// The path is logged without its query: that may hold a token.
pub async fn count(
    State(counters): State<Arc<RequestCounters>>,
    request: Request,
    next: Next,
) -> Response {
    let start = Instant::now();
    let line = tracing::enabled!(tracing::Level::DEBUG).then(|| {
        let peer = request.extensions().get::<PeerAddress>().map(|peer| peer.0);
        (
            request.method().clone(),
            request.uri().path().to_owned(),
            peer,
        )
    });
    let response = next.run(request).await;
    counters.add(response.status());
    if let Some((method, path, peer)) = line {
        let status = response.status().as_u16();
        tracing::debug!(%method, path, status, ?peer, took = ?start.elapsed(), "request");
    }
    response
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
