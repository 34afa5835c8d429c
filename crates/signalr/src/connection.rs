//! One connection: what others hold of it, what waits to be sent, and the task that drives it.

pub(crate) mod cork;
pub(crate) mod driver;
pub(crate) mod io;
pub(crate) mod link;
pub(crate) mod outbox;
pub(crate) mod pipe;
pub(crate) mod rate;
pub(crate) mod registry;
pub(crate) mod timers;
