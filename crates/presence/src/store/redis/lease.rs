//! The lease of this node: proof to the others that it lives, and proof to itself that they believe so.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use redis_link::{LinkState, cmd};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::keys;
use super::membership::{Held, Member};
use super::registration::{doubt_departures, register_all, settle_strangers};
use super::scripts::{LEASE, milliseconds, server_time};
use super::shared::{Shared, away};
use super::sweep::Sweeper;
use crate::ids::NodeId;
use crate::store::StoreError;

/// What this node knows of its lease.
#[derive(Debug, Clone)]
struct Lease {
    member: Member,
    /// Since when the server has known what it knows.
    epoch: String,
    /// Since when this node has held a lease, and was answered, without a break.
    held: Held,
}

/// What the server says to a renewal.
struct Renewal {
    was_held: bool,
    epoch: String,
    /// How long ago the epoch began.
    age: Duration,
    /// Nodes whose leases have ended.
    ended: Vec<NodeId>,
}

/// The task that holds the lease. `first`: the name under which this node enters.
pub(super) async fn hold(shared: Arc<Shared>, first: NodeId) {
    let mut link = shared.link.state();
    let mut lease: Option<Lease> = None;
    let sweeper = Sweeper::new(Arc::clone(&shared));
    loop {
        let Some(generation) = ready(&mut link).await else {
            return;
        };
        match enter(&shared, lease.as_ref(), first, generation).await {
            Ok((entered, registration)) => {
                let entered = lease.insert(entered);
                keep(&shared, entered, &sweeper, &mut link, registration).await;
            }
            Err(error) => {
                tracing::debug!(%error, "no lease yet");
                sleep(RETRY).await;
            }
        }
    }
}

/// Waits until the server is there; `None`: it never will be again.
async fn ready(link: &mut watch::Receiver<LinkState>) -> Option<u64> {
    let state = link
        .wait_for(|state| state.generation().is_some())
        .await
        .ok()?;
    state.generation()
}

/// Work that makes everybody here known to the server.
type Registration = BoxFuture<'static, Result<(), StoreError>>;

/// Takes a lease, or finds that the one before goes on; and what has to be said then.
async fn enter(
    shared: &Arc<Shared>,
    before: Option<&Lease>,
    first: NodeId,
    generation: u64,
) -> Result<(Lease, Registration), StoreError> {
    let sent = shared.time.now();
    let held = Held {
        since: sent,
        generation,
    };
    if let Some(before) = before {
        // A server that took the place of another may not know what that one has announced.
        shared.publication.may_repeat();
        let renewal = renew(shared, before.member.node, "renew").await?;
        if renewal.was_held && renewal.epoch == before.epoch {
            shared
                .membership
                .set(before.member, held, sent.after(lease_time(shared)));
            // All that became true until now is said by what follows.
            shared.doubt.take_all();
            let lease = Lease {
                held,
                ..before.clone()
            };
            let shared = Arc::clone(shared);
            let member = before.member;
            let registration = Box::pin(async move {
                let restored = register_all(&shared, member, false).await?;
                doubt_departures(&shared, member.node).await?;
                let strangers = settle_strangers(&shared, member).await?;
                shared.publication.was_compared();
                tracing::info!(restored, strangers, "presence was compared with Redis");
                Ok(())
            });
            return Ok((lease, registration));
        }
        shared.figures.leases_lost.add(1);
    }
    // Others may be cleaning up after the old name: this node comes as a new one.
    let node = if before.is_none() {
        first
    } else {
        NodeId::random()
    };
    let renewal = renew(shared, node, "enter").await?;
    let member = Member {
        node,
        first_version: first_version(renewal.age),
    };
    shared
        .membership
        .set(member, held, sent.after(lease_time(shared)));
    shared.doubt.take_all();
    let all_was_lost = before.is_some_and(|before| before.epoch != renewal.epoch);
    if all_was_lost {
        shared.figures.epochs_lost.add(1);
    }
    let old = before.map(|before| before.member.node);
    let registration = register_anew(Arc::clone(shared), member, old, all_was_lost);
    let lease = Lease {
        member,
        epoch: renewal.epoch,
        held,
    };
    Ok((lease, Box::pin(registration)))
}

/// Registers everybody under a new name, and leaves the old one to be cleaned up.
async fn register_anew(
    shared: Arc<Shared>,
    member: Member,
    old: Option<NodeId>,
    all_was_lost: bool,
) -> Result<(), StoreError> {
    let restored = register_all(&shared, member, all_was_lost).await?;
    if let Some(old) = old {
        tracing::info!(restored, all_was_lost, node = %member.node, "presence was registered again");
        doubt_departures(&shared, old).await?;
        // Something may have been said under the old name after others had cleaned up.
        let mut retire = cmd("ZADD");
        retire.arg(keys::NODES).arg(0).arg(old.to_string());
        let _: i64 = shared.run(&retire).await?;
        shared.publication.was_compared();
    }
    Ok(())
}

/// Renews the lease until it is lost, or the connection is.
async fn keep(
    shared: &Arc<Shared>,
    lease: &Lease,
    sweeper: &Sweeper,
    link: &mut watch::Receiver<LinkState>,
    registration: Registration,
) {
    let mut registration = Some(registration);
    // None: a renewal was not answered.
    let generation = lease.held.generation;
    let mut since = Some(lease.held.since);
    let mut ticks = interval(renewal_interval(shared));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        tokio::select! {
            result = async { registration.as_mut().expect("there is one").await }, if registration.is_some() => {
                registration = None;
                if let Err(error) = result {
                    tracing::warn!(%error, "presence could not be registered, trying again");
                    sleep(RETRY).await;
                    return;
                }
            }
            changed = link.changed() => {
                if changed.is_err() || link.borrow().generation() != Some(generation) {
                    return;
                }
            }
            _ = ticks.tick() => {
                let sent = shared.time.now();
                match renew(shared, lease.member.node, "renew").await {
                    Ok(renewal) if renewal.was_held && renewal.epoch == lease.epoch => {
                        let since = *since.get_or_insert(sent);
                        let held = Held { since, generation };
                        shared.membership.set(lease.member, held, sent.after(lease_time(shared)));
                        // Whoever was cut off itself sees everybody's lease ended, and would be wrong about them.
                        if shared.is_settled() {
                            sweeper.sweep(lease.member, &renewal.ended);
                        }
                        if registration.is_none() && shared.doubt.take_all() {
                            return;
                        }
                    }
                    Ok(_) => {
                        tracing::warn!(node = %lease.member.node, "the lease of this node has ended");
                        return;
                    }
                    Err(error) => {
                        since = None;
                        tracing::debug!(%error, "the lease was not renewed");
                    }
                }
            }
        }
    }
}

/// Gives the lease up: what this node has to end later is left to whoever finds it ended, in time.
pub(super) async fn give_up(shared: &Shared) {
    let Ok(member) = shared.member() else { return };
    shared.membership.end(shared.time.now());
    if let Err(error) = ask(shared, member.node, handed_over(shared), "enter").await {
        tracing::warn!(%error, "the lease of this node was not given up, it ends by itself");
    }
}

async fn renew(shared: &Shared, node: NodeId, how: &str) -> Result<Renewal, StoreError> {
    let renewal = ask(shared, node, lease_time(shared), how).await?;
    shared.figures.renewals.add(1);
    Ok(renewal)
}

async fn ask(
    shared: &Shared,
    node: NodeId,
    time: Duration,
    how: &str,
) -> Result<Renewal, StoreError> {
    let mut command = LEASE.command(&[keys::NODES, keys::EPOCH]);
    command
        .arg(server_time(shared))
        .arg(&node.digits()[..])
        .arg(milliseconds(time))
        .arg(how)
        .arg(&NodeId::random().digits()[..])
        .arg(milliseconds(ahead_max(shared)));
    let reply = shared.run(&command).await?;
    let (held, epoch, age, ended): (i64, String, u64, Vec<String>) = split(reply)?;
    Ok(Renewal {
        was_held: held == 1,
        epoch,
        age: Duration::from_millis(age),
        ended: ended.iter().filter_map(|node| node.parse().ok()).collect(),
    })
}

/// The script's flat list: two numbers and a word, then as many nodes as there are.
fn split(reply: Vec<redis_link::Value>) -> Result<(i64, String, u64, Vec<String>), StoreError> {
    let mut items = reply.into_iter();
    let mut next = || items.next().unwrap_or(redis_link::Value::Nil);
    let held = redis_link::from_value(next()).map_err(away)?;
    let epoch = redis_link::from_value(next()).map_err(away)?;
    let age = redis_link::from_value(next()).map_err(away)?;
    let nodes: Result<Vec<String>, _> = items.map(redis_link::from_value).collect();
    Ok((held, epoch, age, nodes.map_err(away)?))
}

/// Versions of users whom the server has forgotten start above all that it may have forgotten.
///
/// It remembers those who left for 7 days; each such time has 2²⁴ versions to itself, 27 changes of one user a second.
fn first_version(age: Duration) -> u64 {
    (age.as_secs() / REMEMBERED.as_secs()) << 24
}

/// What is shorter than the time after which a dead node has to be noticed, by the time between two looks.
fn lease_time(shared: &Shared) -> Duration {
    shared.settings.node_ttl * 7 / 8
}

/// Graces run to their end first: a client that comes back in time was never away.
fn handed_over(shared: &Shared) -> Duration {
    shared.settings.grace + HAND_OVER
}

/// No node gives itself a lease that ends later than this.
///
/// One whose settings allow more renews it within 2 s all the same, and loses nothing.
fn ahead_max(shared: &Shared) -> Duration {
    lease_time(shared).max(handed_over(shared)).max(RENEWAL * 2)
}

/// Every 2 s, as the others expect; three chances within a short lease.
fn renewal_interval(shared: &Shared) -> Duration {
    RENEWAL.min(shared.settings.node_ttl / 3)
}

/// As the scripts keep the version of a user who is offline.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const RENEWAL: Duration = Duration::from_secs(2);

/// Before the same question is asked again: the connection says by itself when it is broken.
const RETRY: Duration = Duration::from_millis(200);

/// So that graces have ended for sure when the others look after them.
const HAND_OVER: Duration = Duration::from_millis(100);
