//! Who is where, on all servers.

use std::sync::Arc;

use futures_util::FutureExt as _;
use redis_link::{Link, Subscriber};
use signalr::lifetime::{Asking, Connection, Target, Work};
use signalr::protocol::HubProtocol;
use signalr::protocol::message::Outcome;
use signalr::protocol::payload::EncodeError;
use signalr::{Broadcast, HubError, LifetimeManager, Question, SendError};

use crate::acks;
use crate::metrics::Metrics;
use crate::wire::{self, GroupAction, GroupCommand};

mod asking;
pub(crate) mod builder;
mod inbox;
mod node;
mod random;
mod subscriptions;
#[cfg(test)]
mod tests;

use builder::Builder;
use node::Node;

/// Knows and reaches the connections of all servers that share a Redis and the name of a hub.
///
/// See the documentation of the crate.
pub struct RedisLifetime {
    node: Arc<Node>,
    redis: Option<Connections>,
}

/// The connections to Redis; none on a bus within the process.
struct Connections {
    link: Link,
    subscriber: Subscriber,
}

impl RedisLifetime {
    /// Begins to put a backplane together for the hub of this .NET type name, like `MyApp.Hubs.ChatHub`.
    ///
    /// Servers on ASP.NET Core use the full name of the hub's class: its namespace and name, `+` before nested classes.
    /// Hubs of other names have nothing to do with each other.
    pub fn builder(hub: &str) -> Builder {
        Builder::new(hub)
    }

    /// Delivers to the connections of this server alone, without Redis.
    ///
    /// # Errors
    /// As [`LifetimeManager::send`] of one process.
    pub fn send_here(&self, target: &Target<'_>, message: &Broadcast<'_>) -> Result<(), SendError> {
        self.node.local.deliver(target, message)
    }

    /// The channel of a group, for whoever publishes by other means: a script, say.
    #[must_use]
    pub fn group_channel(&self, name: &str) -> Vec<u8> {
        self.node.channels.group(name)
    }

    /// The payload that sends a message to a channel, with nobody excluded.
    ///
    /// # Errors
    /// An argument that has no form in one of the hub protocols.
    pub fn encode(message: &Broadcast<'_>) -> Result<Vec<u8>, EncodeError> {
        write(&[], message)
    }

    /// What was counted so far.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.node.metrics
    }

    /// How many channels this server listens to, or wants to.
    #[must_use]
    pub fn subscriptions(&self) -> u64 {
        self.node.bus.subscriptions()
    }

    /// The name of this server, as others know it.
    #[must_use]
    pub fn server_name(&self) -> &str {
        self.node.channels.server()
    }

    /// The connection that publishes.
    #[must_use]
    pub fn link(&self) -> Option<&Link> {
        self.redis.as_ref().map(|redis| &redis.link)
    }

    /// The connection that is subscribed.
    #[must_use]
    pub fn subscriber(&self) -> Option<&Subscriber> {
        self.redis.as_ref().map(|redis| &redis.subscriber)
    }

    fn publish(&self, channel: Vec<u8>, except: &[&str], message: &Broadcast<'_>) -> Work {
        match write(except, message) {
            Ok(payload) => {
                let published = self.node.publish(channel, payload);
                Work::pending(Box::pin(published.map(|receivers| receivers.map(drop))))
            }
            Err(error) => Work::done(Err(error.into())),
        }
    }

    /// Has another server change its connection's groups.
    fn command(&self, action: GroupAction, connection_id: &str, group: &str) -> Work {
        let Some(waiting) = self.node.acks.begin() else {
            self.node.metrics.refused.add(1);
            let reason = "too many changes of groups wait to be confirmed".to_owned();
            return Work::done(Err(SendError::Backplane(reason)));
        };
        let command = GroupCommand {
            id: waiting.id,
            server: self.node.channels.server(),
            action,
            group,
            connection_id,
        };
        let published = self
            .node
            .publish(self.node.channels.commands(), command.write());
        let metrics = Arc::clone(&self.node.metrics);
        Work::pending(Box::pin(async move {
            // One is this server itself: nobody else is there who could have the connection. ASP.NET Core waits.
            if published.await?.is_some_and(|receivers| receivers <= 1) {
                return Ok(());
            }
            if waiting.confirmed().await {
                return Ok(());
            }
            metrics.acks_timed_out.add(1);
            Err(SendError::Unconfirmed(acks::TIMEOUT))
        }))
    }

    fn is_here(&self, connection_id: &str) -> bool {
        self.node.local.local(connection_id).is_some()
    }
}

impl LifetimeManager for RedisLifetime {
    fn connected(&self, connection: &Connection) -> Work {
        let user = self.node.local.connected(connection);
        let addressing = self.node.addressing;
        let own = addressing
            .connections
            .yes()
            .then(|| self.node.channels.connection(connection.id()));
        let listening = self.node.listen(Vec::from_iter(own));
        Work::pending(Box::pin(async move {
            listening.await;
            user.await
        }))
    }

    fn disconnected(&self, connection: &Connection) -> Work {
        let work = self.node.local.disconnected(connection);
        if self.node.addressing.connections.yes() {
            let channel = self.node.channels.connection(connection.id());
            self.node.bus.unsubscribe(&channel);
        }
        self.node
            .handle_disconnected(connection.protocol(), connection.id());
        work
    }

    fn add_to_group(&self, connection_id: &str, group: &str) -> Work {
        if self.is_here(connection_id) {
            return self.node.local.add_to_group(connection_id, group);
        }
        self.command(GroupAction::Add, connection_id, group)
    }

    fn remove_from_group(&self, connection_id: &str, group: &str) -> Work {
        if self.is_here(connection_id) {
            return self.node.local.remove_from_group(connection_id, group);
        }
        self.command(GroupAction::Remove, connection_id, group)
    }

    /// The connections of this server, too, get it by Redis, but for a single one, which is written to directly.
    fn send(&self, target: &Target<'_>, message: &Broadcast<'_>) -> Work {
        let Node {
            channels,
            addressing,
            local,
            ..
        } = &*self.node;
        let (listens, by) = match target {
            Target::Connection(id) if self.is_here(id) => return local.send(target, message),
            Target::Group { name: "", .. } => return Work::done(Err(SendError::EmptyGroupName)),
            Target::All { .. } => (addressing.all, "all"),
            Target::Connection(_) => (addressing.connections, "connection"),
            Target::Group { .. } => (addressing.groups, "group"),
            Target::User(_) => (addressing.users, "user"),
        };
        if !listens.yes() {
            return Work::done(Err(SendError::NotAddressed(by)));
        }
        let (channel, except): (_, &[&str]) = match *target {
            Target::All { except } => (channels.all(), except),
            Target::Connection(id) => (channels.connection(id), &[]),
            Target::Group { name, except } => (channels.group(name), except),
            Target::User(id) => (channels.user(id), &[]),
        };
        self.publish(channel, except, message)
    }

    fn user_connections(&self, user_id: &str) -> usize {
        self.node.local.user_connections(user_id)
    }

    fn local(&self, connection_id: &str) -> Option<Connection> {
        self.node.local.local(connection_id)
    }

    fn ask(&self, connection_id: &str, question: &Question<'_>) -> Asking {
        let waiting = self.node.questions.begin();
        let return_channel = self.node.channels.answers_name();
        let address = wire::Question {
            invocation_id: &waiting.id,
            return_channel: &return_channel,
        };
        let write = |protocol, out: &mut Vec<u8>| question.write(protocol, &waiting.id, out);
        let payload = match payload(&[], write, Some(address)) {
            Ok(payload) => payload,
            Err(error) => return Box::pin(std::future::ready(Err(error.into()))),
        };
        let channel = self.node.channels.connection(connection_id);
        let published = self.node.publish(channel.clone(), payload);
        let connection_id = connection_id.to_owned();
        let bus = Arc::clone(&self.node.bus);
        Box::pin(async move {
            if published.await? == Some(0) {
                return Err(HubError::no_such_connection(&connection_id));
            }
            tokio::select! {
                answer = waiting.answer() => answer,
                () = asking::gone(&*bus, &channel) => Err(HubError::hidden(
                    "IOException",
                    format!("Connection '{connection_id}' disconnected."),
                )),
            }
        })
    }

    fn handle_answer(&self, connection: &Connection, id: &str, outcome: &Outcome<'_>) -> bool {
        let Some(asked) = self.node.answers.take(id, connection.id()) else {
            return false;
        };
        let protocol = connection.protocol().unwrap_or(HubProtocol::Json);
        self.node
            .answer(protocol, id, &asked.return_channel, outcome);
        true
    }
}

impl std::fmt::Debug for RedisLifetime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisLifetime")
            .field("server", &self.node.channels.server())
            .field("local", &self.node.local)
            .finish_non_exhaustive()
    }
}

fn write(except: &[&str], message: &Broadcast<'_>) -> Result<Vec<u8>, EncodeError> {
    let write = |protocol, out: &mut Vec<u8>| message.write(protocol, out);
    payload(except, write, None)
}

/// The payload of a message in every protocol, in the order of [`HubProtocol::ALL`], in which ASP.NET Core registers them.
fn payload(
    except: &[&str],
    write: impl Fn(HubProtocol, &mut Vec<u8>) -> Result<(), EncodeError>,
    question: Option<wire::Question<'_>>,
) -> Result<Vec<u8>, EncodeError> {
    // One behind the other: their lengths come first in the payload.
    let mut written = Vec::with_capacity(WRITTEN);
    write(HubProtocol::Json, &mut written)?;
    let json_len = written.len();
    write(HubProtocol::MessagePack, &mut written)?;
    let (json, messagepack) = written.split_at(json_len);
    let messages = [
        (HubProtocol::Json.name(), json),
        (HubProtocol::MessagePack.name(), messagepack),
    ];
    Ok(wire::write_invocation(except, &messages, question))
}

/// Room for a message in both protocols: enough for most.
const WRITTEN: usize = 512;
