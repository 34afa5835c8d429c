//! The life of the process: starting, ready, draining, gone.
//!
//! [`Readiness`] is the one word that health checks, gRPC health and the load balancer go by. [`run`] is the order in
//! which a running service ends: first nobody new is sent here, then nobody new is let in, then those who are here are
//! asked to leave, and what is left when the time is up is cut off.

mod readiness;
mod signals;

use std::{future::Future, time::Duration};

use tokio_util::sync::CancellationToken;

pub use readiness::{Phase, Readiness};
pub use signals::Signals;

/// What an ordered shutdown needs to know and to call.
#[derive(Debug)]
pub struct Plan<H, D, S> {
    /// Turned to [`Phase::Draining`] before anything else happens.
    pub readiness: Readiness,
    /// Wait between "not ready" and "no longer accepting", for load balancers that poll. Zero skips it.
    pub delay: Duration,
    /// Time for everything after the delay; `HostOptions.ShutdownTimeout` of .NET.
    pub timeout: Duration,
    /// Cancelled to stop the listeners: no new connections, idle ones closed, requests that run may end.
    pub stop_accepting: CancellationToken,
    /// Closes the hub's connections, each with a message that allows reconnecting.
    pub close_hub: H,
    /// Ends when the last request and the last connection have ended.
    pub drained: D,
    /// Ends when the operator loses patience: a second signal.
    pub at_once: S,
}

/// How a shutdown ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every request and every connection ended by itself.
    Drained,
    /// The time was up; the rest is cut off.
    TimedOut,
    /// A second signal asked to end at once.
    AtOnce,
}

/// Carries the plan out, in the order of its fields.
///
/// The futures of the plan are not touched before their turn. Whatever the outcome, the process may end afterwards
/// with exit code 0: a shutdown that was asked for is no failure.
pub async fn run<H, D, S>(plan: Plan<H, D, S>) -> Outcome
where
    H: Future<Output = ()>,
    D: Future<Output = ()>,
    S: Future<Output = ()>,
{
    plan.readiness.drain();
    let orderly = async {
        if !plan.delay.is_zero() {
            tracing::info!(delay = ?plan.delay, "not ready any more, waiting for load balancers to notice");
            tokio::time::sleep(plan.delay).await;
        }
        plan.stop_accepting.cancel();
        let leaving = async {
            // Event streams and polls are requests of the listeners: they end because the hub closes them, so
            // neither of the two may wait for the other.
            tokio::join!(plan.close_hub, plan.drained);
        };
        match tokio::time::timeout(plan.timeout, leaving).await {
            Ok(()) => Outcome::Drained,
            Err(_) => Outcome::TimedOut,
        }
    };
    let outcome = tokio::select! {
        biased;
        outcome = orderly => outcome,
        () = plan.at_once => Outcome::AtOnce,
    };
    // A signal during the delay must stop the listeners too.
    plan.stop_accepting.cancel();
    match outcome {
        Outcome::Drained => tracing::info!("all connections ended"),
        Outcome::TimedOut => {
            tracing::warn!(timeout = ?plan.timeout, "time is up, cutting off what is left")
        }
        Outcome::AtOnce => tracing::warn!("second signal, ending at once"),
    }
    outcome
}

#[cfg(test)]
mod tests;
