//! Several processes on one Redis, as clients and operators see them: killed, frozen, cut off, replaced.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod churn;
mod costs;
mod failover;
mod node;
mod nodes_lost;
mod people;
mod redis_lost;
mod sharded;
mod slow;
mod wire;
