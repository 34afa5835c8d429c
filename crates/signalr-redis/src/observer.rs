//! Somebody who keeps account of what a server's groups were told.

use crate::wire::Messages;

/// Learns which groups have members on this server, and what these were sent.
///
/// [`joined_first`](Self::joined_first) and [`left_last`](Self::left_last) of one group take turns, and
/// [`delivers`](Self::delivers) keeps the order of the group's channel. A message that was on its way may still be
/// reported right after the last member has left.
///
/// No method may block: messages for everybody wait meanwhile. The first two are called while the group changes, so they
/// may not make any connection join or leave; sending is fine in all of them.
pub trait Observer: Send + Sync + 'static {
    /// A message of the group's channel is about to be handed to its members on this server.
    ///
    /// `messages` is the message in each protocol of the server that has published it.
    ///
    /// Returns whether it is to be handed to them at all. Default: it is.
    fn delivers(&self, group: &str, messages: Messages<'_>) -> bool {
        let _ = (group, messages);
        true
    }

    /// The group has its first member on this server; its channel is subscribed to after this.
    fn joined_first(&self, group: &str) {
        let _ = group;
    }

    /// The last member on this server has left the group, or has gone.
    fn left_last(&self, group: &str) {
        let _ = group;
    }

    /// The subscriptions were broken and are back: these groups, which have members here, may have missed messages.
    fn resumed(&self, groups: Vec<String>) {
        let _ = groups;
    }
}

/// Nobody.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Observer for Nobody {}
