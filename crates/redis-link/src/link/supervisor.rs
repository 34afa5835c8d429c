//! Connects, watches, and connects again.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::{Active, Connection, Shared, cluster, server};
use crate::{
    Endpoint, LinkState, Topology,
    backoff::{self, Backoff, random},
    counters::add,
    locate::{self, Place},
    socket::Fault,
};

/// Keeps a connection for as long as anybody has a handle.
pub(super) async fn run(shared: Arc<Shared>) {
    let is_cluster = matches!(shared.dialer.settings.topology, Topology::Cluster);
    shared.is_cluster.store(is_cluster, Ordering::Relaxed);
    let mut generation = 0;
    let mut backoff = Backoff::default();
    let mut known: Vec<Endpoint> = Vec::new();
    let mut away_since = Instant::now();
    loop {
        let fault = match locate::find(&shared.dialer, &known).await {
            Ok(place) => {
                let attempt = Attempt {
                    tries: backoff.tries(),
                    away_since,
                };
                let begun = Instant::now();
                let fault = serve(&shared, place, &mut generation, &mut known, attempt).await;
                if begun.elapsed() > STEADY {
                    backoff.reset();
                    away_since = Instant::now();
                }
                fault
            }
            Err(fault) => fault,
        };
        let pause = if fault.is_locked_out {
            backoff::locked_out(random())
        } else {
            backoff.next(random())
        };
        tracing::debug!(reason = &*fault.reason, ?pause, "redis is away");
        let tries = backoff.tries();
        let first = matches!(&*shared.state.borrow(), LinkState::Connecting);
        if first {
            tracing::warn!(reason = &*fault.reason, "redis cannot be reached yet");
        }
        shared.state.send_replace(LinkState::Away {
            reason: fault.reason,
            tries,
        });
        tokio::time::sleep(pause).await;
    }
}

/// What it took to get here; for the log.
struct Attempt {
    tries: u32,
    away_since: Instant,
}

/// Makes the connection and holds it until it is lost.
async fn serve(
    shared: &Shared,
    place: Place,
    generation: &mut u64,
    known: &mut Vec<Endpoint>,
    attempt: Attempt,
) -> Fault {
    match place {
        Place::Server(wire) => {
            let name = wire.endpoint().to_string();
            match server::connect(wire, &shared.dialer.settings).await {
                Err(fault) => fault,
                Ok(held) => {
                    let active = shared.open(Connection::Server(held.pipeline()), false);
                    // However this task ends: nobody is to wait for the reason of an end that nobody tells.
                    let _lost = active.lost.clone().drop_guard();
                    shared.ready(generation, &name, &attempt);
                    let fault = held.hold(&shared.dialer, &active).await;
                    shared.close(&active, &fault);
                    fault
                }
            }
        }
        Place::Cluster(wire) => match cluster::connect(&shared.dialer, wire, known).await {
            Err(fault) => fault,
            Ok((connection, _entered)) => {
                let active = shared.open(Connection::Cluster(connection.clone()), true);
                shared.ready(generation, "the cluster", &attempt);
                let fault = cluster::hold(connection, known, || {
                    *generation += 1;
                    shared.state.send_replace(LinkState::Ready {
                        generation: *generation,
                    });
                })
                .await;
                shared.close(&active, &fault);
                fault
            }
        },
    }
}

impl Shared {
    fn open(&self, connection: Connection, is_cluster: bool) -> Arc<Active> {
        let active = Arc::new(Active::new(connection));
        self.is_cluster.store(is_cluster, Ordering::Relaxed);
        *self.active.write() = Some(Arc::clone(&active));
        active
    }

    fn ready(&self, generation: &mut u64, name: &str, attempt: &Attempt) {
        *generation += 1;
        add(&self.counters.connections, 1);
        let generation = *generation;
        self.state.send_replace(LinkState::Ready { generation });
        let away = attempt.away_since.elapsed();
        if generation == 1 && attempt.tries == 0 {
            tracing::info!(server = name, "connected to redis");
        } else {
            tracing::info!(server = name, ?away, tries = attempt.tries, "redis is back");
        }
    }

    /// From here on commands fail at once; then those that wait are told.
    fn close(&self, active: &Active, fault: &Fault) {
        add(&self.counters.losses, 1);
        *self.active.write() = None;
        self.state.send_replace(LinkState::Away {
            reason: Arc::clone(&fault.reason),
            tries: 0,
        });
        let _ = active.reason.set(Arc::clone(&fault.reason));
        active.lost.cancel();
        tracing::warn!(reason = &*fault.reason, "the connection to redis is lost");
    }
}

/// A connection that lived for this long ends the growth of the pauses; one that breaks at once does not.
const STEADY: Duration = Duration::from_secs(2);
