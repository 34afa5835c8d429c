//! Connects, subscribes to what is wanted, and connects again.

use std::sync::Arc;

use tokio::time::{Duration, Instant, sleep, timeout};

use super::{Shared, channel::Channel};
use crate::{
    Endpoint, LinkState,
    backoff::{self, Backoff, random},
    counters::add,
    locate::{self, Place},
    socket::Fault,
    switch,
    wire::Wire,
};

/// Keeps a connection for as long as anybody has a handle.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut generation = 0;
    let mut backoff = Backoff::default();
    let mut known: Vec<Endpoint> = Vec::new();
    let mut away_since = Instant::now();
    loop {
        let fault = match find(&shared, &mut known).await {
            Ok(wire) => {
                generation += 1;
                let begun = Instant::now();
                let back = Back {
                    generation,
                    tries: backoff.tries(),
                    away: away_since.elapsed(),
                };
                let fault = serve(&shared, wire, back).await;
                if begun.elapsed() > STEADY {
                    backoff.reset();
                    away_since = Instant::now();
                }
                fault
            }
            Err(fault) => {
                shared.wishes.lock().lost(&fault.reason);
                fault
            }
        };
        let pause = if fault.is_locked_out {
            backoff::locked_out(random())
        } else {
            backoff.next(random())
        };
        tracing::debug!(
            reason = &*fault.reason,
            ?pause,
            "redis is away for subscriptions"
        );
        shared.state.send_replace(LinkState::Away {
            reason: fault.reason,
            tries: backoff.tries(),
        });
        sleep(pause).await;
    }
}

/// A server, or any node of a cluster: each of them passes on what is published on any.
async fn find(shared: &Shared, known: &mut Vec<Endpoint>) -> Result<Wire, Fault> {
    match locate::find(&shared.dialer, known).await? {
        Place::Server(wire) => Ok(wire),
        Place::Cluster(mut wire) => {
            let limit = shared.dialer.settings.connect_timeout;
            let masters = timeout(limit, locate::masters(&mut wire))
                .await
                .unwrap_or_else(|_| Err(Fault::new(format!("{}: silent", wire.endpoint()))))?;
            *known = masters;
            Ok(wire)
        }
    }
}

/// What a new connection is told about itself.
struct Back {
    generation: u64,
    tries: u32,
    away: Duration,
}

async fn serve(shared: &Shared, wire: Wire, back: Back) -> Fault {
    let server = wire.endpoint().to_string();
    add(&shared.counters.connections, 1);
    let is_resumed = {
        let mut wishes = shared.wishes.lock();
        wishes.connected();
        back.generation > 1 || wishes.wanted() > 0
    };
    let replayed = || {
        let generation = back.generation;
        shared.state.send_replace(LinkState::Ready { generation });
        if is_resumed {
            let Back { tries, away, .. } = back;
            tracing::info!(%server, ?away, tries, "subscriptions to redis are back");
            shared.listener.resumed(generation);
        } else {
            tracing::info!(%server, "connected to redis for subscriptions");
        }
    };
    let fault = tokio::select! {
        fault = Channel::new(wire, shared).serve(replayed) => fault,
        fault = switch::announced(&shared.dialer) => fault,
    };
    add(&shared.counters.losses, 1);
    shared.wishes.lock().lost(&fault.reason);
    tracing::warn!(
        reason = &*fault.reason,
        "the connection for subscriptions to redis is lost"
    );
    fault
}

/// A connection that lived for this long ends the growth of the pauses; one that breaks at once does not.
const STEADY: Duration = Duration::from_secs(2);
