//! Cleaning up after a node that is gone.

use std::sync::Arc;

use hashbrown::HashSet;
use parking_lot::Mutex;
use redis_link::{Cmd, cmd};

use super::keys;
use super::membership::Member;
use super::registration::scan;
use super::shared::{Shared, enter, strike};
use crate::change::Cause;
use crate::ids::{NodeId, UserId};
use crate::status::Status;
use crate::store::StoreError;

/// Starts sweeps, one at a time for each node that is gone.
pub(super) struct Sweeper {
    shared: Arc<Shared>,
    under_way: Arc<Mutex<HashSet<NodeId>>>,
}

impl Sweeper {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            under_way: Arc::default(),
        }
    }

    /// Cleans up after nodes, in the background.
    pub(super) fn sweep(&self, member: Member, nodes: &[NodeId]) {
        for node in nodes.iter().copied() {
            if !self.under_way.lock().insert(node) {
                continue;
            }
            let (shared, under_way) = (Arc::clone(&self.shared), Arc::clone(&self.under_way));
            tokio::spawn(async move {
                if let Err(error) = sweep_alone(&shared, member, node).await {
                    tracing::warn!(%node, %error, "cleaning up after a node was cut short");
                }
                under_way.lock().remove(&node);
            });
        }
    }
}

/// Cleans up after a node unless another node does.
async fn sweep_alone(shared: &Shared, member: Member, node: NodeId) -> Result<(), StoreError> {
    let mut claim = claim(member, node);
    claim.arg("NX");
    let claimed: Option<String> = shared.run(&claim).await?;
    if claimed.is_none() {
        return Ok(());
    }
    let users = sweep(shared, member, node).await?;
    tracing::info!(%node, users, "cleaned up after a node that is gone");
    Ok(())
}

/// Says that nobody else need clean up after a node, for a while.
fn claim(member: Member, node: NodeId) -> Cmd {
    let mut claim = cmd("SET");
    claim
        .arg(keys::sweeper_of(node))
        .arg(member.node.to_string())
        .arg("PX")
        .arg(CLAIM_MS);
    claim
}

/// Takes out everything that a node held. Returns how many users that made offline.
///
/// Done again, or by two at a time, it has no second effect. Cut short, it leaves the rest to the next.
pub(super) async fn sweep(
    shared: &Shared,
    member: Member,
    node: NodeId,
) -> Result<usize, StoreError> {
    let (mut offline, mut cursor) = (0, 0);
    loop {
        let (next, users) = scan(shared, node, cursor).await?;
        offline += take_out(shared, member, node, &users).await?;
        cursor = next;
        if cursor == 0 {
            break;
        }
        let _: Option<String> = shared.run(&claim(member, node)).await?;
    }
    let mut forget = cmd("ZREM");
    forget.arg(keys::NODES).arg(node.to_string());
    let _: i64 = shared.run(&forget).await?;
    for key in [keys::users_of(node), keys::sweeper_of(node)] {
        let mut delete = cmd("DEL");
        delete.arg(key);
        let _: i64 = shared.run(&delete).await?;
    }
    shared.figures.sweeps.add(1);
    Ok(offline)
}

async fn take_out(
    shared: &Shared,
    member: Member,
    node: NodeId,
    users: &[UserId],
) -> Result<usize, StoreError> {
    let mut offline = 0;
    let mut in_grace = Vec::new();
    let scripts = shared.scripts_as(node, member);
    let commands: Vec<_> = users
        .iter()
        .map(|user| scripts.lose(user, member.node, false))
        .collect();
    for (user, answer) in users.iter().zip(shared.perform_all(&commands).await) {
        let answer = answer?;
        let change = shared.announce(user, &answer, Cause::NodeLost);
        offline += usize::from(change.is_some_and(|change| change.to == Status::Offline));
        if answer.remaining.is_some() {
            in_grace.push(user);
        }
    }
    if !in_grace.is_empty() {
        take_over(shared, member, node, &in_grace).await?;
    }
    if !users.is_empty() {
        let _: i64 = shared.run(&strike(node, users)).await?;
    }
    shared.figures.swept.add(users.len());
    Ok(offline)
}

/// Graces that the lost node had to end are ended here.
async fn take_over(
    shared: &Shared,
    member: Member,
    node: NodeId,
    users: &[&UserId],
) -> Result<(), StoreError> {
    // First, so that the graces are found if this node dies as well.
    let _: i64 = shared
        .run(&enter(member.node, users.iter().copied()))
        .await?;
    let scripts = shared.scripts_as(node, member);
    let commands: Vec<_> = users
        .iter()
        .map(|user| scripts.lose(user, member.node, true))
        .collect();
    for (user, answer) in users.iter().zip(shared.perform_all(&commands).await) {
        let answer = answer?;
        shared.announce(user, &answer, Cause::LinkLost);
        let shard = shared.shard_of(user.as_str());
        if let Some(remaining) = answer.remaining {
            let until = shared.time.now().after(remaining);
            shard.local.lock().adopt(user, until, answer.version);
            shared.set_alarm(shard);
        }
    }
    Ok(())
}

/// How long nobody else starts on the same node, in ms: longer than a part of the work, shorter than anyone's patience.
const CLAIM_MS: u64 = 10_000;
