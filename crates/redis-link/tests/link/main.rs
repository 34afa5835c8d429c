//! Links and subscribers against real servers, which are killed, paused, cut off and replaced.

mod cluster;
mod commands;
mod common;
mod outages;
mod sentinel;
mod sharded;
mod subscriptions;
