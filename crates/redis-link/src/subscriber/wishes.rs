//! Which channels are wanted, where, and what the servers know of it: no I/O, no clock.
//!
//! There is one server that has all channels, or a cluster's masters, each of which has those of its slots. For each
//! channel at most one command is on its way to the server that it is at home at. When it is confirmed, the wish is looked
//! at again, so that a subscription that is wanted again while its end is on the way is never lost.

use std::{collections::VecDeque, sync::Arc};

use hashbrown::{HashMap, HashSet};
use tokio::sync::{Notify, oneshot};

use crate::{
    LinkError, PubSub,
    error::Refusal,
    slot::{SLOTS, slot},
};

/// How a subscription went.
pub(super) type Answer = oneshot::Receiver<Result<(), LinkError>>;

/// All channels that are wanted, or on their way to or from a server.
#[derive(Debug)]
pub(super) struct Wishes {
    pub_sub: PubSub,
    channels: HashMap<Arc<[u8]>, Wish>,
    wanted: usize,
    gap: Gap,
    /// By slots, in their order.
    owners: Vec<Owner>,
    servers: HashMap<ServerId, Server>,
    /// Whether channels may move from one server to another.
    is_cluster: bool,
    /// Why channels are nowhere at home.
    homeless: Arc<str>,
    /// A server has said that it is not the one any more.
    doubt: Arc<Notify>,
    generation: u64,
}

/// A server, for as long as it has the same slots or others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ServerId(pub(super) u32);

/// A server that has the slots from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) server: ServerId,
}

/// Channels for one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) verb: Verb,
    /// That of all channels, with sharded pub/sub.
    pub(super) slot: u16,
    pub(super) channels: Vec<Arc<[u8]>>,
}

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Subscribe,
    Unsubscribe,
}

/// All that is wanted is subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole {
    /// How often it was so.
    pub(super) generation: u64,
    /// Something was wanted before, so that messages may have been missed.
    pub(super) is_resumed: bool,
}

#[derive(Debug)]
struct Wish {
    is_wanted: bool,
    slot: u16,
    home: Option<ServerId>,
    known: Known,
    is_missing: bool,
    waiting: Vec<oneshot::Sender<Result<(), LinkError>>>,
}

/// What the server at which a channel is at home knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Absent,
    /// It says that the channel is another's; who that is remains to be found out.
    Astray,
    Joining,
    Joined,
    Leaving,
}

#[derive(Debug)]
struct Server {
    connection: Connection,
    /// What has not been sent yet.
    queue: VecDeque<(Verb, u16, Arc<[u8]>)>,
    /// There is something to send.
    wake: Arc<Notify>,
}

#[derive(Debug)]
enum Connection {
    Begun,
    There,
    Lost(Arc<str>),
}

/// The channels that were wanted before their server was there, or were lost with it, and are not confirmed yet.
#[derive(Debug, Default)]
struct Gap {
    missing: usize,
    was_open: bool,
}

impl Wishes {
    pub(super) fn new(pub_sub: PubSub) -> Self {
        Self {
            pub_sub,
            channels: HashMap::new(),
            wanted: 0,
            gap: Gap::default(),
            owners: Vec::new(),
            servers: HashMap::new(),
            is_cluster: false,
            homeless: "not connected yet".into(),
            doubt: Arc::default(),
            generation: 0,
        }
    }

    /// Wants a channel; none: it is subscribed to already.
    pub(super) fn want(&mut self, channel: &[u8]) -> Option<Answer> {
        let name = self.enter(channel);
        let wish = self.channels.get_mut(&name)?;
        if !std::mem::replace(&mut wish.is_wanted, true) {
            self.wanted += 1;
        }
        let (sender, answer) = oneshot::channel();
        match wish.known {
            Known::Joined => return None,
            Known::Absent => {
                let server = wish.home.and_then(|home| self.servers.get_mut(&home));
                let away = match server.as_ref().map(|server| &server.connection) {
                    None => Some(Arc::clone(&self.homeless)),
                    Some(Connection::Begun) => Some("not connected yet".into()),
                    Some(Connection::Lost(reason)) => Some(Arc::clone(reason)),
                    Some(Connection::There) => None,
                };
                if let Some(reason) = away {
                    self.gap.open(wish);
                    let _ = sender.send(Err(LinkError::Away(reason)));
                    return Some(answer);
                }
                if let Some(server) = server {
                    wish.known = Known::Joining;
                    server.push(Verb::Subscribe, wish.slot, name);
                }
            }
            // Whoever waited in vain has gone, and may have come again.
            Known::Astray => wish.waiting.retain(|waiting| !waiting.is_closed()),
            Known::Joining | Known::Leaving => {}
        }
        wish.waiting.push(sender);
        Some(answer)
    }

    /// Does not want a channel any more.
    pub(super) fn unwant(&mut self, channel: &[u8]) {
        let Some((name, wish)) = self.channels.get_key_value_mut(channel) else {
            return;
        };
        if !std::mem::replace(&mut wish.is_wanted, false) {
            return;
        }
        self.wanted -= 1;
        self.gap.close(wish);
        wish.refuse(&LinkError::Away("it is not wanted any more".into()));
        match wish.known {
            Known::Absent | Known::Astray => {
                self.channels.remove(channel);
            }
            Known::Joined => {
                wish.known = Known::Leaving;
                if let Some(server) = wish.home.and_then(|home| self.servers.get_mut(&home)) {
                    server.push(Verb::Unsubscribe, wish.slot, Arc::clone(name));
                }
            }
            Known::Joining | Known::Leaving => {}
        }
    }

    /// The next command to send to a server, of at most `most` channels.
    pub(super) fn next(&mut self, server: ServerId, most: usize) -> Option<Command> {
        let queue = &mut self.servers.get_mut(&server)?.queue;
        let (verb, slot, _) = *queue.front()?;
        let mut channels = Vec::new();
        while channels.len() < most
            && queue
                .front()
                .is_some_and(|next| (next.0, next.1) == (verb, slot))
        {
            channels.extend(queue.pop_front().map(|(.., channel)| channel));
        }
        Some(Command {
            verb,
            slot,
            channels,
        })
    }

    /// A server has confirmed a subscription.
    pub(super) fn joined(&mut self, server: ServerId, channel: &[u8]) {
        let wished = self.channels.get_key_value_mut(channel);
        let Some((name, wish)) = wished.filter(|(_, wish)| wish.home == Some(server)) else {
            // It was moved away, or is not wanted any more: who has it must not keep it for ever.
            let slot = self.slot_of(channel);
            if let Some(server) = self.servers.get_mut(&server) {
                server.push(Verb::Unsubscribe, slot, Arc::from(channel));
            }
            return;
        };
        for waiting in wish.waiting.drain(..) {
            let _ = waiting.send(Ok(()));
        }
        wish.known = Known::Joined;
        self.gap.close(wish);
        if !wish.is_wanted
            && let Some(server) = self.servers.get_mut(&server)
        {
            wish.known = Known::Leaving;
            server.push(Verb::Unsubscribe, wish.slot, Arc::clone(name));
        }
    }

    /// A server has confirmed an end, or has ended a subscription by itself.
    pub(super) fn left(&mut self, server: ServerId, channel: &[u8]) {
        let Some((name, wish)) = self.channels.get_key_value_mut(channel) else {
            return;
        };
        if wish.home != Some(server) {
            return;
        }
        match wish.known {
            // It is on its way already, or waits for where to go.
            Known::Joining | Known::Astray => {}
            _ if !wish.is_wanted => {
                self.channels.remove(channel);
            }
            Known::Joined if self.is_cluster => {
                wish.known = Known::Astray;
                self.gap.open(wish);
                self.doubt.notify_one();
            }
            Known::Absent | Known::Joined | Known::Leaving => {
                wish.known = Known::Joining;
                if let Some(server) = self.servers.get_mut(&server) {
                    server.push(Verb::Subscribe, wish.slot, Arc::clone(name));
                }
            }
        }
    }

    /// A server has refused a command.
    ///
    /// A cluster's master that has not got the slot is only the wrong one. Otherwise a refused subscription stays a wish,
    /// for the next connection.
    pub(super) fn refused(&mut self, server: ServerId, command: &Command, refusal: &Refusal) {
        for channel in &command.channels {
            if command.verb == Verb::Unsubscribe {
                self.left(server, channel);
                continue;
            }
            let Some(wish) = self.channels.get_mut(channel) else {
                continue;
            };
            if wish.home != Some(server) {
                continue;
            }
            if !wish.is_wanted {
                self.channels.remove(channel);
            } else if self.is_cluster && refusal.is_outage() {
                wish.known = Known::Astray;
                self.gap.open(wish);
                self.doubt.notify_one();
            } else {
                wish.known = Known::Absent;
                self.gap.close(wish);
                wish.refuse(&LinkError::Refused(refusal.clone()));
            }
        }
    }

    /// One server has everything.
    pub(super) fn settle_on(&mut self, server: ServerId) {
        self.is_cluster = false;
        self.place(vec![Owner {
            first: 0,
            last: SLOTS - 1,
            server,
        }]);
    }

    /// The masters of a cluster have this; channels go to who has their slots now.
    ///
    /// The slots are in their order. Servers that are not named any more are forgotten, and new ones are not connected.
    pub(super) fn lay_out(&mut self, owners: Vec<Owner>) {
        // Nothing has moved, and nothing waits for where to go: this is so every second, however many channels there are.
        if self.is_cluster && owners == self.owners && self.gap.missing == 0 {
            return;
        }
        self.is_cluster = true;
        self.homeless = "no master of the cluster has the slot".into();
        self.place(owners);
    }

    fn place(&mut self, owners: Vec<Owner>) {
        let named: HashSet<ServerId> = owners.iter().map(|owner| owner.server).collect();
        self.servers.retain(|server, _| named.contains(server));
        for server in named {
            self.servers.entry(server).or_insert_with(Server::new);
        }
        self.owners = owners;
        let mut moved = Vec::new();
        let (owners, servers, gap) = (&self.owners, &mut self.servers, &mut self.gap);
        self.channels.retain(|name, wish| {
            let home = owner_of(owners, wish.slot);
            if home == wish.home && wish.known != Known::Astray {
                return true;
            }
            // The layout may be wrong or short-lived: who has it must not keep it for ever.
            if home != wish.home
                && wish.known == Known::Joined
                && let Some(before) = wish.home.and_then(|before| servers.get_mut(&before))
            {
                before.push(Verb::Unsubscribe, wish.slot, Arc::clone(name));
            }
            if wish.is_wanted {
                wish.home = home;
                wish.known = Known::Absent;
                gap.open(wish);
                moved.push(Arc::clone(name));
            }
            wish.is_wanted
        });
        self.join(moved);
    }

    /// There is a connection to a server on which nothing is subscribed to: everything wanted there is queued.
    pub(super) fn connected(&mut self, server: ServerId) {
        let Some(at) = self.servers.get_mut(&server) else {
            return;
        };
        at.connection = Connection::There;
        at.queue.clear();
        let is_here = |(_, wish): &(_, &Wish)| wish.home == Some(server);
        let here = self.channels.iter().filter(is_here);
        let here = here.map(|(name, _)| Arc::clone(name)).collect();
        self.join(here);
    }

    /// Queues subscriptions that are not there, at servers that are.
    fn join(&mut self, mut names: Vec<Arc<[u8]>>) {
        // One command takes channels of one slot.
        if self.pub_sub == PubSub::Sharded {
            names.sort_by_cached_key(|name| self.channels.get(name).map(|wish| wish.slot));
        }
        for name in names {
            let Some(wish) = self.channels.get_mut(&name) else {
                continue;
            };
            let Some(server) = wish.home.and_then(|home| self.servers.get_mut(&home)) else {
                wish.refuse(&LinkError::Away(Arc::clone(&self.homeless)));
                continue;
            };
            match &server.connection {
                Connection::There => {
                    wish.known = Known::Joining;
                    server.push(Verb::Subscribe, wish.slot, name);
                }
                // Whoever waits does so until it is clear whether there will be a connection.
                Connection::Begun => {}
                Connection::Lost(reason) => wish.refuse(&LinkError::Away(Arc::clone(reason))),
            }
        }
    }

    /// The connection to a server is gone, or could not be made.
    pub(super) fn lost(&mut self, server: ServerId, reason: &Arc<str>) {
        if let Some(at) = self.servers.get_mut(&server) {
            at.connection = Connection::Lost(Arc::clone(reason));
            at.queue.clear();
        }
        let gap = &mut self.gap;
        self.channels.retain(|_, wish| {
            if wish.home == Some(server) {
                wish.lose(gap, reason);
            }
            wish.is_wanted || wish.home != Some(server)
        });
    }

    /// There is no server any more, or none yet.
    pub(super) fn close(&mut self, reason: &Arc<str>) {
        self.homeless = Arc::clone(reason);
        self.owners.clear();
        self.servers.clear();
        let gap = &mut self.gap;
        self.channels.retain(|_, wish| {
            wish.lose(gap, reason);
            wish.home = None;
            wish.is_wanted
        });
    }

    /// All servers are there, and have confirmed all that was not asked for on these connections.
    pub(super) fn is_whole(&self) -> bool {
        let is_there = |server: &Server| matches!(server.connection, Connection::There);
        self.gap.missing == 0 && !self.servers.is_empty() && self.servers.values().all(is_there)
    }

    /// It [is whole](Self::is_whole) again.
    pub(super) fn made_whole(&mut self) -> Whole {
        self.generation += 1;
        let was_open = std::mem::take(&mut self.gap.was_open);
        Whole {
            generation: self.generation,
            is_resumed: self.generation > 1 || was_open,
        }
    }

    /// Why some of what was subscribed to is not any more; none: all is.
    ///
    /// A server that is new and has nothing yet to do is no trouble.
    pub(super) fn trouble(&self) -> Option<Arc<str>> {
        let lost = self
            .servers
            .values()
            .find_map(|server| match &server.connection {
                Connection::Lost(reason) => Some(Arc::clone(reason)),
                Connection::Begun | Connection::There => None,
            });
        lost.or_else(|| {
            (self.gap.missing > 0).then(|| "channels are moving between servers".into())
        })
    }

    /// Whether channels may be told to be at home elsewhere.
    pub(super) fn is_cluster(&self) -> bool {
        self.is_cluster
    }

    /// Whether any server is connected.
    pub(super) fn is_any_connected(&self) -> bool {
        let is_there = |server: &Server| matches!(server.connection, Connection::There);
        self.servers.values().any(is_there)
    }

    /// How many channels are wanted.
    pub(super) fn wanted(&self) -> usize {
        self.wanted
    }

    /// Told when there is something to send to a server.
    pub(super) fn wake(&self, server: ServerId) -> Arc<Notify> {
        let server = self.servers.get(&server);
        server.map_or_else(Arc::default, |server| Arc::clone(&server.wake))
    }

    /// Told when a server of a cluster says that others have what it was taken to have.
    pub(super) fn doubt(&self) -> Arc<Notify> {
        Arc::clone(&self.doubt)
    }

    fn enter(&mut self, channel: &[u8]) -> Arc<[u8]> {
        if let Some((name, _)) = self.channels.get_key_value(channel) {
            return Arc::clone(name);
        }
        let name: Arc<[u8]> = Arc::from(channel);
        let slot = self.slot_of(channel);
        let wish = Wish {
            is_wanted: false,
            slot,
            home: owner_of(&self.owners, slot),
            known: Known::Absent,
            is_missing: false,
            waiting: Vec::new(),
        };
        self.channels.insert(Arc::clone(&name), wish);
        name
    }

    fn slot_of(&self, channel: &[u8]) -> u16 {
        match self.pub_sub {
            PubSub::Classic => 0,
            PubSub::Sharded => slot(channel),
        }
    }
}

impl Wish {
    /// The connection to its server is gone.
    fn lose(&mut self, gap: &mut Gap, reason: &Arc<str>) {
        self.known = Known::Absent;
        if self.is_wanted {
            gap.open(self);
        }
        self.refuse(&LinkError::Away(Arc::clone(reason)));
    }

    fn refuse(&mut self, error: &LinkError) {
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(Err(error.clone()));
        }
    }
}

impl Server {
    fn new() -> Self {
        Self {
            connection: Connection::Begun,
            queue: VecDeque::new(),
            wake: Arc::default(),
        }
    }

    fn push(&mut self, verb: Verb, slot: u16, channel: Arc<[u8]>) {
        self.queue.push_back((verb, slot, channel));
        self.wake.notify_one();
    }
}

impl Gap {
    fn open(&mut self, wish: &mut Wish) {
        if !std::mem::replace(&mut wish.is_missing, true) {
            self.missing += 1;
            self.was_open = true;
        }
    }

    fn close(&mut self, wish: &mut Wish) {
        if std::mem::take(&mut wish.is_missing) {
            self.missing -= 1;
        }
    }
}

fn owner_of(owners: &[Owner], slot: u16) -> Option<ServerId> {
    let after = owners.partition_point(|owner| owner.first <= slot);
    let owner = owners.get(after.checked_sub(1)?)?;
    (slot <= owner.last).then_some(owner.server)
}

#[cfg(test)]
mod tests;
