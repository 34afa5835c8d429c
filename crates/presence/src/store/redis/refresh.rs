//! Keeping status words alive while their users are.

use std::sync::Arc;

use redis_link::{Cmd, Value, cmd};
use tokio::time::{Instant, sleep_until};

use super::keys;
use super::registration::settle;
use super::shared::{BATCH, Shared};
use crate::ids::UserId;
use crate::status::Status;

/// The task that prolongs every word once in an interval, a part of the users at a time.
pub(super) async fn refresh(shared: Arc<Shared>) {
    let interval = shared.settings.refresh_interval;
    let mut planned = Instant::now();
    loop {
        for part in shared
            .shards
            .chunks(shared.shards.len().div_ceil(PARTS as usize))
        {
            planned += interval / PARTS;
            sleep_until(planned).await;
            if shared.member().is_ok() {
                let now = shared.time.now();
                let users = part.iter().flat_map(|shard| {
                    let local = shard.local.lock();
                    local.online(now).cloned().collect::<Vec<_>>()
                });
                refresh_users(&shared, &users.collect::<Vec<_>>()).await;
            }
            shared.figures.set_refresh_lag(planned.elapsed());
        }
        // Late is late: what was missed is not made up for.
        if planned.elapsed() > interval / PARTS {
            planned = Instant::now();
        }
    }
}

pub(super) async fn refresh_users(shared: &Shared, users: &[UserId]) {
    for users in users.chunks(BATCH) {
        let commands: Vec<_> = users.iter().map(|user| prolong(shared, user)).collect();
        for (user, reply) in users.iter().zip(shared.link.run_all(&commands).await) {
            match reply {
                Ok(reply) => look_at(shared, user, &reply).await,
                // The next round is the next chance; if the server is away, everybody is registered again.
                Err(error) => tracing::trace!(%error, "a status word was not prolonged"),
            }
        }
        shared.figures.refreshed.add(users.len());
    }
}

/// Prolongs the word and tells it. It is not written: that would undo what another node has written meanwhile.
fn prolong(shared: &Shared, user: &UserId) -> Cmd {
    let ttl = u64::try_from(shared.settings.status_ttl.as_millis()).unwrap_or(u64::MAX);
    let mut command = cmd("GETEX");
    command.arg(keys::status(user.as_str())).arg("PX").arg(ttl);
    command
}

async fn look_at(shared: &Shared, user: &UserId, word: &Value) {
    let (wrong, is_lost) = match word {
        Value::BulkString(word) if word == Status::Online.as_str().as_bytes() => return,
        Value::Nil => (&shared.figures.words_lost, true),
        _ => (&shared.figures.words_corrected, false),
    };
    // The user may have left meanwhile: what holds now is looked up in the user's turn.
    match settle(shared, user, is_lost).await {
        Ok(()) => wrong.add(1),
        Err(error) => {
            tracing::debug!(%error, is_lost, "a status word is wrong and was not set right")
        }
    }
}

/// So many small pieces of work instead of a large one.
const PARTS: u32 = 16;
