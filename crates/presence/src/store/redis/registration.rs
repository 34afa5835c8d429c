//! Saying again what this node holds: after the server, the lease or a command was lost.

use redis_link::{Value, cmd};

use super::keys;
use super::membership::Member;
use super::scripts::Claim;
use super::shared::{BATCH, Shard, Shared, enter, strike};
use crate::change::Cause;
use crate::ids::{NodeId, UserId};
use crate::state::End;
use crate::store::StoreError;

/// Registers every user of this node, one part of them after another.
///
/// `all_was_lost`: the server knows nobody any more; whoever was told to the one before is no news to the watchers.
pub(super) async fn register_all(
    shared: &Shared,
    member: Member,
    all_was_lost: bool,
) -> Result<usize, StoreError> {
    let mut restored = 0;
    for shard in &shared.shards {
        let _turn = shard.turn.lock().await;
        let users: Vec<_> = shard.local.lock().users().cloned().collect();
        for users in users.chunks(BATCH) {
            restored += register(shared, shard, member, users, all_was_lost).await?;
        }
    }
    shared.figures.registrations.add(1);
    shared.figures.restored.add(restored);
    Ok(restored)
}

/// Registers users of a shard, whose turn the caller has.
async fn register(
    shared: &Shared,
    shard: &Shard,
    member: Member,
    users: &[UserId],
    may_be_lost: bool,
) -> Result<usize, StoreError> {
    let now = shared.time.now();
    let (mut claims, mut silent): (Vec<(&UserId, Claim)>, _) = (Vec::new(), Vec::new());
    {
        let local = shard.local.lock();
        for user in users {
            match local.claim(user, now) {
                Some(claim) => claims.push((user, claim)),
                None => silent.push(user),
            }
        }
    }
    // First, so that nobody is known to the server whom the others would not find if this process died here.
    let entered: i64 = shared.run(&enter(member.node, users)).await?;
    tracing::trace!(entered, "users entered");
    let scripts = shared.scripts(member);
    let commands: Vec<_> = claims
        .iter()
        .map(|(user, claim)| scripts.restore(user, *claim, may_be_lost))
        .collect();
    for ((user, _), answer) in claims.iter().zip(shared.perform_all(&commands).await) {
        let answer = answer?;
        shared.announce(user, &answer, Cause::Connected);
        shared.correct_here(user, &answer);
    }
    if !silent.is_empty() {
        // They may have fallen silent while the server could not be told.
        let mut local = shard.local.lock();
        silent.iter().for_each(|user| local.postpone(user, now));
        drop(local);
        shared.set_alarm(shard);
    }
    Ok(claims.len())
}

/// Tells the server what is true of one user, whatever it knew.
///
/// `may_be_lost`: the server may have lost what it was told of the user; then that is no news to the watchers.
pub(super) async fn settle(
    shared: &Shared,
    user: &UserId,
    may_be_lost: bool,
) -> Result<(), StoreError> {
    let shard = shared.shard_of(user.as_str());
    let _turn = shard.turn.lock().await;
    let member = shared.member()?;
    if shard.local.lock().contains(user) {
        let user = std::slice::from_ref(user);
        register(shared, shard, member, user, may_be_lost).await?;
        return Ok(());
    }
    let scripts = shared.scripts(member);
    let commands = [
        scripts.leave(user, End::Lost, std::time::Duration::ZERO),
        // A grace that nobody here remembers. After the other: what that one took away would seem to run here.
        scripts.expire(user),
    ];
    let mut last = None;
    for answer in shared.perform_in_order(&commands).await? {
        let answer = answer?;
        shared.announce(user, &answer, Cause::LinkLost);
        shared.correct_here(user, &answer);
        last = Some((answer.remaining, answer.version));
    }
    match last {
        Some((Some(remaining), version)) => {
            let until = shared.time.now().after(remaining);
            shard.local.lock().adopt(user, until, version);
            shared.set_alarm(shard);
        }
        _ => {
            let _: i64 = shared.run(&strike(member.node, [user])).await?;
            shared.note_departure(user);
        }
    }
    Ok(())
}

/// Enters those who have left lately among the users of a node once more: whoever looks after these finds out.
pub(super) async fn doubt_departures(shared: &Shared, node: NodeId) -> Result<(), StoreError> {
    for users in shared.departed.recent(shared.time.now()).chunks(BATCH) {
        let _: i64 = shared.run(&enter(node, users)).await?;
    }
    Ok(())
}

/// Settles those who the server thinks are here, and are not: they left while it could not be told.
pub(super) async fn settle_strangers(shared: &Shared, member: Member) -> Result<usize, StoreError> {
    let mut settled = 0;
    let mut cursor = 0;
    loop {
        let (next, users) = scan(shared, member.node, cursor).await?;
        for user in &users {
            if !shared.shard_of(user.as_str()).local.lock().contains(user) {
                settle(shared, user, false).await?;
                settled += 1;
            }
        }
        cursor = next;
        if cursor == 0 {
            return Ok(settled);
        }
    }
}

/// Some of the users of a node, and where to go on; 0: that was all.
pub(super) async fn scan(
    shared: &Shared,
    node: NodeId,
    cursor: u64,
) -> Result<(u64, Vec<UserId>), StoreError> {
    let mut command = cmd("SSCAN");
    command
        .arg(keys::users_of(node))
        .arg(cursor)
        .arg("COUNT")
        .arg(BATCH);
    let (next, names): (u64, Vec<Value>) = shared.run(&command).await?;
    let users = names.into_iter().filter_map(|name| {
        let name: String = redis_link::from_value(name).ok()?;
        UserId::new(&name).ok()
    });
    Ok((next, users.collect()))
}
