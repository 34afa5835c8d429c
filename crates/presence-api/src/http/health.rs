//! Whether the service lives, wants traffic, and what troubles it.
//!
//! | path | asks | for |
//! |---|---|---|
//! | `/health/live` | does the process answer at all? | restarts |
//! | `/health/ready` | does it want traffic, and can it serve it? | load balancers |
//! | `/health` | the same, with every check by name, as JSON | people |
//!
//! Texts and codes are those of ASP.NET Core's health checks: `Healthy` and `Degraded` with 200, `Unhealthy` with 503.

mod check;
mod routes;

use std::{fmt, sync::Arc, time::Duration};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use tokio::time::{Instant, timeout};

use crate::shutdown::{Phase, Readiness};

pub use check::{CheckReport, Report, Status, Verdict};

/// The health of the service: its phase and its checks. Clones share them.
#[derive(Clone)]
pub struct Health {
    readiness: Readiness,
    checks: Arc<[Check]>,
    last: Arc<tokio::sync::Mutex<Option<Answers>>>,
}

/// What all parts answered, and when.
type Answers = (Instant, Arc<[CheckReport]>);

/// A named question to a part of the service.
pub struct Check {
    name: &'static str,
    ask: Box<dyn Fn() -> BoxFuture<'static, Verdict> + Send + Sync>,
}

impl Check {
    /// A check that asks a part of the service how it is; no answer within 2 s is a bad one.
    pub fn new<F>(name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Verdict> + Send + 'static,
    {
        Self {
            name,
            ask: Box::new(move || ask().boxed()),
        }
    }

    async fn report(&self) -> CheckReport {
        let start = Instant::now();
        let verdict = timeout(ANSWER_WITHIN, (self.ask)())
            .await
            .unwrap_or_else(|_| Verdict::Unhealthy(format!("no answer within {ANSWER_WITHIN:?}")));
        CheckReport::new(self.name, verdict, start.elapsed())
    }
}

impl Health {
    /// The health of a service with these parts.
    pub fn new(readiness: Readiness, checks: Vec<Check>) -> Self {
        Self {
            readiness,
            checks: checks.into(),
            last: Arc::default(),
        }
    }

    /// Asks every part, all at the same time.
    ///
    /// Anybody may ask for this without a token, so the parts are asked once in half a second at most, however many
    /// ask. The phase is always that of this moment.
    pub async fn report(&self) -> Report {
        let checks = {
            // Whoever comes while the parts are being asked waits here and gets the same answer.
            let mut last = self.last.lock().await;
            match &*last {
                Some((at, checks)) if at.elapsed() < FRESH_FOR => Arc::clone(checks),
                _ => {
                    let checks: Arc<[CheckReport]> =
                        join_all(self.checks.iter().map(Check::report)).await.into();
                    *last = Some((Instant::now(), Arc::clone(&checks)));
                    checks
                }
            }
        };
        Report::new(self.readiness.phase(), checks)
    }

    /// Whether traffic is wanted and can be served.
    pub async fn status(&self) -> Status {
        // Nothing that a part could say makes a node ready that starts or drains.
        if self.readiness.phase() == Phase::Ready {
            self.report().await.status
        } else {
            Status::Unhealthy
        }
    }

    /// The phase of the process.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// `/health/live`, `/health/ready` and `/health`.
    pub fn router(&self) -> axum::Router {
        routes::router(self.clone())
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("phase", &self.readiness.phase())
            .field("checks", &self.checks)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Time in which a part has to answer: 2 s, below the time-outs of 3 s and more with which probes are usually set up.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Time for which an answer of the parts is given again: half a second, which no probe notices.
const FRESH_FOR: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
