//! Who learns which groups and users have anybody in this process.

use super::Work;

/// Whom connections are kept together by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Name<'a> {
    /// The name of a group.
    Group(&'a str),
    /// The id of a user.
    User(&'a str),
}

/// Learns of each connection that comes under a name, and of the last one that leaves it.
///
/// What concerns one name is told in its order, one after the other: who joins an empty group is told of after the end
/// of those who left it empty. Neither method may block, nor make any connection join or leave.
pub trait Watcher: Send + Sync + 'static {
    /// A connection is under the name; `is_first`: none was before. Whoever added it waits for the work.
    fn joined(&self, name: Name<'_>, is_first: bool) -> Work;

    /// No connection is under the name any more.
    fn vacated(&self, name: Name<'_>);
}
