//! From a change of presence to the message that watchers get.

use std::sync::Arc;

use presence::{Changes, Status, StatusChange, UserId, Version};
use signalr::Broadcast;
use signalr::lifetime::{LifetimeManager, Target};

/// The client method that tells of a change; typed clients refuse any other number of arguments.
pub(crate) const EVENT: &str = "PresenceStatusChanged";

/// Tells the group `user:{id}` what becomes of the user.
pub struct Notifier {
    lifetime: Arc<dyn LifetimeManager>,
}

impl Notifier {
    /// A notifier that reaches watchers through `lifetime`.
    pub fn new(lifetime: Arc<dyn LifetimeManager>) -> Self {
        Self { lifetime }
    }

    fn announce(&self, user: &UserId, status: Status) {
        let group = watchers_of(user);
        let target = Target::Group {
            name: &group,
            except: &[],
        };
        let arguments = (user.as_str(), status.as_str());
        self.lifetime
            .send(&target, &Broadcast::new(EVENT, &arguments))
            .detach();
    }
}

impl Changes for Notifier {
    fn changed(&self, change: &StatusChange) {
        self.announce(&change.user, change.to);
    }

    /// `BroadcastOnlineStatus` is announced every time: web clients turn a person grey 10 s after the last `online`.
    fn confirmed(&self, user: &UserId, _version: Version) {
        self.announce(user, Status::Online);
    }
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Notifier")
    }
}

/// The group of all who watch a user.
pub(crate) fn watchers_of(user: &UserId) -> String {
    [WATCHERS, user.as_str()].concat()
}

/// The user whom the members of a group watch, if it is such a group.
pub(crate) fn user_watched_by(group: &str) -> Option<UserId> {
    UserId::new(group.strip_prefix(WATCHERS)?).ok()
}

const WATCHERS: &str = "user:";
