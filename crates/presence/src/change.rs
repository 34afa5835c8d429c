//! Changes of a status: what they say, and who hears them.

use std::fmt;
use std::sync::Arc;

use crate::ids::UserId;
use crate::status::Status;

/// One visible change of one user's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    /// Whose status it is.
    pub user: UserId,
    /// What it was.
    pub from: Status,
    /// What it is from now on.
    pub to: Status,
    /// The number of this change among the changes of this user.
    pub version: Version,
    /// Why it changed.
    pub cause: Cause,
}

/// The number of a user's latest change.
///
/// Of two statuses of one user, the one with the higher version is the newer. It grows by one with every change, so a
/// gap means that a change was missed; except for a user who was forgotten meanwhile, whose next version may be a
/// larger step (see [`State`](crate::State)). Versions of different users have nothing to do with one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version(u64);

impl Version {
    /// The version of a user whose status never changed.
    pub const NONE: Self = Self(0);

    /// The version with a known number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The version as a number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Why a status changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The first connection of the user came.
    Connected,
    /// A connection that had been silent for too long was heard again.
    HeardAgain,
    /// The last connection was closed cleanly.
    Closed,
    /// The link of the last connection was lost, and the user was not back within the grace.
    LinkLost,
    /// No connection of the user was heard for too long.
    Silent,
    /// The node that kept the last connection is gone.
    NodeLost,
}

impl Cause {
    /// Every cause there is, in the order of declaration.
    pub const ALL: [Self; 6] = [
        Self::Connected,
        Self::HeardAgain,
        Self::Closed,
        Self::LinkLost,
        Self::Silent,
        Self::NodeLost,
    ];

    /// A word for it, fit for the label of a metric.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::HeardAgain => "heard_again",
            Self::Closed => "closed",
            Self::LinkLost => "link_lost",
            Self::Silent => "silent",
            Self::NodeLost => "node_lost",
        }
    }

    /// The status that this cause leads to.
    pub const fn leads_to(self) -> Status {
        match self {
            Self::Connected | Self::HeardAgain => Status::Online,
            Self::Closed | Self::LinkLost | Self::Silent | Self::NodeLost => Status::Offline,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What came of a user saying that it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// The user was silent and is online again: a change like any other.
    Changed(StatusChange),
    /// The user was online already, at this version; the listener was asked to say so once more.
    Confirmed(Version),
    /// The user has no such connection: it is closed already, and nothing is to be said.
    Unknown,
}

impl Touched {
    /// The change, if there was one.
    pub fn change(&self) -> Option<&StatusChange> {
        match self {
            Self::Changed(change) => Some(change),
            Self::Confirmed(_) | Self::Unknown => None,
        }
    }
}

/// Whoever announces statuses to the rest of the world.
///
/// A store calls it for everything that is to be announced, whichever way it arose: by a call, by a deadline, by a node
/// that is gone. For one user the calls come one after another, in the order in which the statuses were taken on, each
/// change exactly once. No lock is held that a read of a status needs.
///
/// The calls must be cheap and must not wait: a call for one user holds up the announcements of some others. They may
/// read statuses, but must not connect, disconnect, touch or lose anything, which would wait for themselves. A call
/// that panics is logged and counts as made.
pub trait Changes: Send + Sync + 'static {
    /// The status of a user has changed.
    fn changed(&self, change: &StatusChange);

    /// `user` said again that it is there, and was online already: nothing has changed.
    ///
    /// Some watchers take silence for absence, so `online` is to be announced once more. This comes here, rather than
    /// as an answer to whoever touched, because only here it cannot overtake, or be overtaken by, a change.
    fn confirmed(&self, user: &UserId, version: Version);
}

impl<T: Changes + ?Sized> Changes for Arc<T> {
    fn changed(&self, change: &StatusChange) {
        (**self).changed(change);
    }

    fn confirmed(&self, user: &UserId, version: Version) {
        (**self).confirmed(user, version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_have_words_of_their_own_and_stand_at_their_index() {
        for (index, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, index);
            assert!(
                Cause::ALL[..index]
                    .iter()
                    .all(|other| other.as_str() != cause.as_str())
            );
            assert_eq!(cause.to_string(), cause.as_str());
        }
    }

    #[test]
    fn versions_count() {
        assert_eq!(Version::NONE.next().next(), Version::new(2));
        assert_eq!(Version::new(2).number(), 2);
        assert_eq!(Version::new(2).to_string(), "2");
    }
}
