//! Which channels are wanted, and what the server knows of it: no I/O, no clock.
//!
//! For each channel at most one command is on its way. When it is confirmed, the wish is looked at again, so that a
//! subscription that is wanted again while its end is on the way is never lost.

use std::{collections::VecDeque, sync::Arc};

use hashbrown::HashMap;
use tokio::sync::oneshot;

use crate::{LinkError, error::Refusal};

/// How a subscription went.
pub(super) type Answer = oneshot::Receiver<Result<(), LinkError>>;

/// All channels that are wanted, or on their way to or from the server.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    channels: HashMap<Arc<[u8]>, Wish>,
    wanted: usize,
    /// What has not been sent yet.
    queue: VecDeque<(Verb, Arc<[u8]>)>,
    /// Why there is no connection; none: there is one.
    away: Option<Arc<str>>,
    is_connected: bool,
    /// Channels of an earlier connection that are not confirmed on this one.
    replaying: usize,
}

#[derive(Debug)]
struct Wish {
    is_wanted: bool,
    server: Server,
    is_replayed: bool,
    waiting: Vec<oneshot::Sender<Result<(), LinkError>>>,
}

/// What the server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Absent,
    Joining,
    Joined,
    Leaving,
}

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Subscribe,
    Unsubscribe,
}

impl Wishes {
    /// Wants a channel; none: it is subscribed to already.
    pub(super) fn want(&mut self, channel: &[u8]) -> Option<Answer> {
        let (sender, answer) = oneshot::channel();
        let (name, wish) = self.entry(channel);
        let was_wanted = std::mem::replace(&mut wish.is_wanted, true);
        let server = wish.server;
        let is_connected = self.is_connected;
        let away = self.away.clone();
        if !was_wanted {
            self.wanted += 1;
        }
        let wish = self.channels.get_mut(&name)?;
        match server {
            Server::Joined => return None,
            Server::Absent if !is_connected => {
                let reason = away.unwrap_or_else(|| "not connected yet".into());
                let _ = sender.send(Err(LinkError::Away(reason)));
                return Some(answer);
            }
            Server::Absent => {
                wish.server = Server::Joining;
                self.queue.push_back((Verb::Subscribe, name));
            }
            Server::Joining | Server::Leaving => {}
        }
        wish.waiting.push(sender);
        Some(answer)
    }

    /// Does not want a channel any more.
    pub(super) fn unwant(&mut self, channel: &[u8]) {
        let Some((name, wish)) = self.channels.get_key_value(channel) else {
            return;
        };
        let name = Arc::clone(name);
        if !wish.is_wanted {
            return;
        }
        self.wanted -= 1;
        match wish.server {
            Server::Absent => {
                self.channels.remove(&name);
                return;
            }
            Server::Joined => self.queue.push_back((Verb::Unsubscribe, Arc::clone(&name))),
            Server::Joining | Server::Leaving => {}
        }
        if let Some(wish) = self.channels.get_mut(&name) {
            wish.is_wanted = false;
            for waiting in wish.waiting.drain(..) {
                let _ = waiting.send(Err(LinkError::Away("it is not wanted any more".into())));
            }
            if wish.server == Server::Joined {
                wish.server = Server::Leaving;
            }
        }
    }

    /// The next command to send, of at most `most` channels.
    pub(super) fn next(&mut self, most: usize) -> Option<(Verb, Vec<Arc<[u8]>>)> {
        let verb = self.queue.front()?.0;
        let mut channels = Vec::new();
        while channels.len() < most {
            match self.queue.front() {
                Some((next, _)) if *next == verb => {}
                _ => break,
            }
            channels.extend(self.queue.pop_front().map(|(_, channel)| channel));
        }
        Some((verb, channels))
    }

    /// The server has confirmed a subscription.
    pub(super) fn joined(&mut self, channel: &[u8]) {
        let Some((name, _)) = self.channels.get_key_value(channel) else {
            return;
        };
        let name = Arc::clone(name);
        let Some(wish) = self.channels.get_mut(&name) else {
            return;
        };
        for waiting in wish.waiting.drain(..) {
            let _ = waiting.send(Ok(()));
        }
        wish.server = Server::Joined;
        if std::mem::take(&mut wish.is_replayed) {
            self.replaying -= 1;
        }
        if !wish.is_wanted {
            wish.server = Server::Leaving;
            self.queue.push_back((Verb::Unsubscribe, name));
        }
    }

    /// The server has confirmed an end, or has ended a subscription by itself.
    pub(super) fn left(&mut self, channel: &[u8]) {
        let Some((name, wish)) = self.channels.get_key_value(channel) else {
            return;
        };
        let name = Arc::clone(name);
        // It is on its way already.
        if wish.server == Server::Joining {
            return;
        }
        if !wish.is_wanted {
            self.channels.remove(&name);
        } else if let Some(wish) = self.channels.get_mut(&name) {
            wish.server = Server::Joining;
            self.queue.push_back((Verb::Subscribe, name));
        }
    }

    /// The server has refused a command. A refused subscription stays a wish, for the next connection.
    pub(super) fn refused(&mut self, verb: Verb, channels: &[Arc<[u8]>], refusal: &Refusal) {
        for channel in channels {
            match verb {
                Verb::Unsubscribe => self.left(channel),
                Verb::Subscribe => {
                    let Some(wish) = self.channels.get_mut(channel) else {
                        continue;
                    };
                    for waiting in wish.waiting.drain(..) {
                        let _ = waiting.send(Err(LinkError::Refused(refusal.clone())));
                    }
                    wish.server = Server::Absent;
                    if std::mem::take(&mut wish.is_replayed) {
                        self.replaying -= 1;
                    }
                    if !wish.is_wanted {
                        self.channels.remove(channel);
                    }
                }
            }
        }
    }

    /// There is a connection on which nothing is subscribed to: everything wanted is queued.
    pub(super) fn connected(&mut self) {
        self.is_connected = true;
        self.away = None;
        self.queue.clear();
        for (name, wish) in &mut self.channels {
            wish.server = Server::Joining;
            wish.is_replayed = true;
            self.queue.push_back((Verb::Subscribe, Arc::clone(name)));
        }
        self.replaying = self.channels.len();
    }

    /// The connection is gone, or could not be made.
    pub(super) fn lost(&mut self, reason: &Arc<str>) {
        self.is_connected = false;
        self.away = Some(Arc::clone(reason));
        self.queue.clear();
        self.replaying = 0;
        self.channels.retain(|_, wish| {
            wish.server = Server::Absent;
            wish.is_replayed = false;
            for waiting in wish.waiting.drain(..) {
                let _ = waiting.send(Err(LinkError::Away(Arc::clone(reason))));
            }
            wish.is_wanted
        });
    }

    /// Whether all that was wanted when the connection was made is confirmed.
    pub(super) fn is_replayed(&self) -> bool {
        self.is_connected && self.replaying == 0
    }

    /// How many channels are wanted.
    pub(super) fn wanted(&self) -> usize {
        self.wanted
    }

    fn entry(&mut self, channel: &[u8]) -> (Arc<[u8]>, &mut Wish) {
        let name = match self.channels.get_key_value(channel) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(channel),
        };
        let wish = self
            .channels
            .entry(Arc::clone(&name))
            .or_insert_with(|| Wish {
                is_wanted: false,
                server: Server::Absent,
                is_replayed: false,
                waiting: Vec::new(),
            });
        (name, wish)
    }
}

#[cfg(test)]
mod tests;
