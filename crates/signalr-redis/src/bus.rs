//! What carries messages between servers.

use futures_util::future::BoxFuture;

#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod redis;

/// Channels that messages are published on and subscribed to.
///
/// What was published before, by whomever, and is answered, reaches a subscriber first.
pub(crate) trait Bus: Send + Sync + 'static {
    /// Publishes a message. Nothing happens before the future is polled.
    fn publish(&self, channel: Vec<u8>, payload: Vec<u8>) -> Publishing;

    /// Wants channels from now on; done when they are subscribed to.
    ///
    /// An error leaves the wish: it is carried out when the bus is there again.
    fn subscribe(&self, channels: Vec<Vec<u8>>) -> BoxFuture<'static, Result<(), BusError>>;

    /// Does not want a channel any more, from now on.
    fn unsubscribe(&self, channel: &[u8]);

    /// How many servers are subscribed to a channel; none: that cannot be told.
    fn subscribers(&self, channel: Vec<u8>) -> Publishing;

    /// How many channels are wanted.
    fn subscriptions(&self) -> u64;
}

/// Gives how many servers a message went to; none: that cannot be told, as in a cluster, where each node counts its own.
pub(crate) type Publishing = BoxFuture<'static, Result<Option<u64>, BusError>>;

/// Why a bus did not do as it was told.
pub(crate) type BusError = String;
