//! How changes are said.

use crate::ids::UserId;
use crate::status::Status;

/// How a status becomes a message for those who watch a user.
///
/// The store publishes it in the same step in which it writes the status, so that no crash can come between the two and
/// the order on the channel is that of the versions. To the store both are bytes.
pub trait Publication: Send + Sync + 'static {
    /// The channel on which watchers of `user` listen, on whatever node.
    ///
    /// With sharded pub/sub it must have the slot that [`hash_tag`](super::hash_tag) gives.
    fn channel(&self, user: &UserId) -> Vec<u8>;

    /// What is said when `user` is online, or offline.
    fn message(&self, user: &UserId, status: Status) -> Vec<u8>;

    /// The server may have lost some of what it has announced, and may announce it again.
    fn may_repeat(&self) {}

    /// What this node holds was compared with what the server knows: so may be what the watchers were told.
    fn was_compared(&self) {}

    /// Tells the watchers on this node alone, unless they know: the channel is not there, or it is not known whether it
    /// was told.
    fn tell_here(&self, user: &UserId, status: Status);

    /// Tells the watchers on this node alone that `user` is online, whatever they know: the user said so.
    fn confirm_here(&self, user: &UserId);
}
