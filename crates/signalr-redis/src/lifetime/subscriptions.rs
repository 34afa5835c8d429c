//! Subscribes to the channels of groups and users that have anybody on this server.

use std::sync::Arc;

use futures_util::FutureExt as _;
use signalr::lifetime::{Name, Watcher, Work};

use crate::addressing::Addressing;
use crate::bus::Bus;
use crate::channels::Channels;
use crate::observer::Observer;

/// Follows who comes and goes.
pub(super) struct Subscriptions {
    pub(super) channels: Arc<Channels>,
    pub(super) addressing: Addressing,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) observer: Arc<dyn Observer>,
}

impl Subscriptions {
    /// The channel of a name; none: nobody listens to such channels.
    fn channel(&self, name: Name<'_>) -> Option<Vec<u8>> {
        match name {
            Name::Group(name) => (self.addressing.groups.yes() && !name.is_empty())
                .then(|| self.channels.group(name)),
            Name::User(id) => self.addressing.users.yes().then(|| self.channels.user(id)),
        }
    }
}

impl Watcher for Subscriptions {
    fn joined(&self, name: Name<'_>, is_first: bool) -> Work {
        if let (Name::Group(group), true) = (name, is_first) {
            self.observer.joined_first(group);
        }
        match self.channel(name) {
            Some(channel) => wish(&*self.bus, vec![channel]),
            None => Work::done(Ok(())),
        }
    }

    fn vacated(&self, name: Name<'_>) {
        if let Some(channel) = self.channel(name) {
            self.bus.unsubscribe(&channel);
        }
        if let Name::Group(group) = name {
            self.observer.left_last(group);
        }
    }
}

/// Subscribes, as far as that is possible now.
///
/// That it is not possible is no error of the connection's: it is one of this server's in any case, and the wish is
/// carried out when Redis is back. ASP.NET Core fails what was being done, down to the connection.
fn wish(bus: &dyn Bus, channels: Vec<Vec<u8>>) -> Work {
    let mut subscribing = bus.subscribe(channels);
    match (&mut subscribing).now_or_never() {
        Some(done) => {
            note(&done);
            Work::done(Ok(()))
        }
        None => Work::pending(Box::pin(async move {
            note(&subscribing.await);
            Ok(())
        })),
    }
}

pub(super) fn note(subscribed: &Result<(), String>) {
    if let Err(reason) = subscribed {
        tracing::debug!(reason, "subscriptions have to wait");
    }
}
