//! Connects, subscribes to what is wanted, and connects again.

use std::sync::Arc;

use tokio::time::{Duration, Instant, sleep, timeout};

use super::{Shared, channel::Channel, cluster, wishes::ServerId};
use crate::{
    Endpoint, PubSub,
    backoff::{self, Backoff, random},
    counters::add,
    locate::{self, Place},
    socket::Fault,
    switch,
    wire::Wire,
};

/// Keeps a connection for as long as anybody has a handle; with a cluster's sharded pub/sub, one to each master.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut backoff = Backoff::default();
    let mut known: Vec<Endpoint> = Vec::new();
    loop {
        let fault = match locate::find(&shared.dialer, &known).await {
            Ok(place) => {
                let begun = Instant::now();
                let fault = serve(&shared, place, &mut known).await;
                if begun.elapsed() > STEADY {
                    backoff.reset();
                }
                fault
            }
            Err(fault) => fault,
        };
        shared.wishes.lock().close(&fault.reason);
        let pause = pause(&mut backoff, &fault);
        tracing::debug!(
            reason = &*fault.reason,
            ?pause,
            "redis is away for subscriptions"
        );
        shared.away(fault.reason, backoff.tries());
        sleep(pause).await;
    }
}

async fn serve(shared: &Shared, place: Place, known: &mut Vec<Endpoint>) -> Fault {
    match (place, shared.pub_sub()) {
        (Place::Server(wire), _) => serve_one(shared, wire).await,
        (Place::Cluster(wire), PubSub::Sharded) => cluster::serve(shared, wire, known).await,
        // Any node of a cluster: each of them passes on what is published on any.
        (Place::Cluster(mut wire), PubSub::Classic) => {
            let limit = shared.dialer.settings.connect_timeout;
            match timeout(limit, locate::masters(&mut wire)).await {
                Ok(Ok(masters)) => *known = masters,
                Ok(Err(fault)) => return fault,
                Err(_) => return Fault::new(format!("{}: silent", wire.endpoint())),
            }
            serve_one(shared, wire).await
        }
    }
}

async fn serve_one(shared: &Shared, wire: Wire) -> Fault {
    let only = ServerId(0);
    shared.wishes.lock().settle_on(only);
    let fault = tokio::select! {
        fault = serve_at(shared, only, wire) => fault,
        fault = switch::announced(&shared.dialer) => fault,
    };
    note_loss(shared, &fault);
    fault
}

/// Serves the wishes at one server on a new connection until it is lost.
pub(super) async fn serve_at(shared: &Shared, server: ServerId, wire: Wire) -> Fault {
    add(&shared.counters.connections, 1);
    tracing::info!(server = %wire.endpoint(), "connected to redis for subscriptions");
    shared.wishes.lock().connected(server);
    Channel::new(wire, server, shared).serve().await
}

pub(super) fn note_loss(shared: &Shared, fault: &Fault) {
    add(&shared.counters.losses, 1);
    tracing::warn!(
        reason = &*fault.reason,
        "the connection for subscriptions to redis is lost"
    );
}

/// How long to wait before the next try.
pub(super) fn pause(backoff: &mut Backoff, fault: &Fault) -> Duration {
    if fault.is_locked_out {
        backoff::locked_out(random())
    } else {
        backoff.next(random())
    }
}

/// A connection that lived for this long ends the growth of the pauses; one that breaks at once does not.
pub(super) const STEADY: Duration = Duration::from_secs(2);
