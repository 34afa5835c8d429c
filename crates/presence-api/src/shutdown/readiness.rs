//! Whether this node wants traffic.

use std::sync::Arc;

use tokio::sync::watch;

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not listening yet.
    Starting,
    /// Serving.
    Ready,
    /// Asked to end: what is here may finish, nothing new should come.
    Draining,
}

/// The phase of the process, shared by whoever reports or changes it.
///
/// It only moves forward: a node that drains never becomes ready again, however late a start-up task reports.
#[derive(Clone, Debug)]
pub struct Readiness {
    phase: Arc<watch::Sender<Phase>>,
}

impl Readiness {
    /// A process that is starting.
    pub fn new() -> Self {
        Self {
            phase: Arc::new(watch::Sender::new(Phase::Starting)),
        }
    }

    /// Where the process is now.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Whether traffic is wanted.
    pub fn is_ready(&self) -> bool {
        self.phase() == Phase::Ready
    }

    /// The listeners are up: from now on the node wants traffic.
    pub fn ready(&self) {
        self.advance(Phase::Ready);
    }

    /// The node is about to end: from now on it wants no traffic.
    pub fn drain(&self) {
        self.advance(Phase::Draining);
    }

    /// Ends as soon as the node drains, at once if it does already.
    pub async fn draining(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self
            .phase
            .subscribe()
            .wait_for(|phase| *phase == Phase::Draining)
            .await;
    }

    /// Hears every change of phase.
    pub fn subscribe(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let forward = to > *phase;
            if forward {
                *phase = to;
            }
            forward
        });
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phase_only_moves_forward() {
        let readiness = Readiness::new();
        assert_eq!(readiness.phase(), Phase::Starting);
        readiness.ready();
        assert!(readiness.is_ready());
        readiness.drain();
        readiness.ready();
        assert_eq!(readiness.phase(), Phase::Draining);
    }

    #[tokio::test]
    async fn draining_is_heard_by_those_who_wait_and_by_those_who_come_late() {
        let readiness = Readiness::new();
        let waiting = tokio::spawn({
            let readiness = readiness.clone();
            async move { readiness.draining().await }
        });
        readiness.drain();
        waiting.await.unwrap();
        readiness.draining().await;
    }
}
