//! Carrying out what is due: graces and heartbeats.

use std::sync::Arc;
use std::time::Duration;

use super::shared::{BATCH, Shard, Shared, strike};
use crate::change::Cause;
use crate::ids::UserId;
use crate::status::Status;

/// The task that sleeps until something is due.
pub(super) async fn keep_deadlines(shared: Arc<Shared>) {
    loop {
        carry_out(&shared).await;
        shared.alarm.wait(|at| shared.time.instant(at)).await;
    }
}

/// Carries out everything that is due.
pub(super) async fn carry_out(shared: &Shared) {
    shared.alarm.clear();
    for shard in &shared.shards {
        let is_due = |shard: &Shard| {
            let next = shard.local.lock().next_deadline();
            next.is_some_and(|next| next <= shared.time.now())
        };
        while is_due(shard) {
            let _turn = shard.turn.lock().await;
            let due = shard.local.lock().take_due(shared.time.now(), BATCH);
            carry_out_for(shared, shard, &due).await;
        }
        if let Some(next) = shard.local.lock().next_deadline() {
            shared.alarm.set_for_oneself(next);
        }
    }
}

async fn carry_out_for(shared: &Shared, shard: &Shard, users: &[UserId]) {
    let Ok(member) = shared.member() else {
        users.iter().for_each(|user| end_here(shared, shard, user));
        return;
    };
    let scripts = shared.scripts(member);
    let commands: Vec<_> = users.iter().map(|user| scripts.expire(user)).collect();
    let mut gone = Vec::new();
    for (user, answer) in users.iter().zip(shared.perform_all(&commands).await) {
        match answer {
            Ok(answer) => {
                shared.announce(user, &answer, Cause::LinkLost);
                shared.correct_here(user, &answer);
                let mut local = shard.local.lock();
                if let Some(remaining) = answer.remaining {
                    local.postpone(user, shared.time.now().after(remaining));
                } else if local.end_grace(user) {
                    gone.push(user);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a deadline was not carried out");
                if shared.link.state().borrow().generation().is_some() {
                    shard
                        .local
                        .lock()
                        .postpone(user, shared.time.now().after(RETRY));
                } else {
                    end_here(shared, shard, user);
                }
            }
        }
    }
    if !gone.is_empty() {
        gone.iter().for_each(|user| shared.note_departure(user));
        let struck = shared
            .link
            .run::<i64>(&strike(member.node, gone.iter().copied()))
            .await;
        if struck.is_err() {
            gone.iter().for_each(|user| shared.doubt_about(user));
        }
    }
}

/// The server cannot be told: what is due here becomes true here. It is told when it is back.
fn end_here(shared: &Shared, shard: &Shard, user: &UserId) {
    shard.local.lock().end_grace(user);
    shared.doubt_about(user);
    shared.tell_here(user, Status::Offline);
}

/// The server is there and did not answer: it is asked again, not at once.
const RETRY: Duration = Duration::from_secs(1);
