//! How changes are said.

use crate::ids::UserId;
use crate::status::Status;

/// How a status becomes a message for those who watch a user.
///
/// The store publishes it in the same step in which it writes the status, so that no crash can come between the two and
/// the order on the channel is that of the versions. To the store both are bytes.
pub trait Publication: Send + Sync + 'static {
    /// The channel on which watchers of `user` listen, on whatever node.
    fn channel(&self, user: &UserId) -> Vec<u8>;

    /// What is said when `user` is online, or offline.
    fn message(&self, user: &UserId, status: Status) -> Vec<u8>;

    /// Tells the watchers on this node alone: the channel is not there.
    fn tell_here(&self, user: &UserId, status: Status);
}
