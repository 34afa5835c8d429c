//! What comes from the other servers, and from this one.

use std::sync::{Arc, Weak};

use redis_link::Listener;
use signalr::lifetime::Target;
use signalr::protocol::HubProtocol;
use signalr::protocol::message::Outcome;
use signalr::{Broadcast, LifetimeManager as _};

use super::asking::{self, Unreadable};
use super::node::Node;
use crate::channels::Channel;
use crate::wire::{self, Completion, GroupAction, GroupCommand, Invocation, Question, WireError};

/// Hands on what comes, inline: nothing here waits.
pub(super) struct Inbox(pub(super) Weak<Node>);

impl Listener for Inbox {
    fn message(&self, channel: &[u8], payload: &[u8]) {
        if let Some(node) = self.0.upgrade() {
            node.handle_message(channel, payload);
        }
    }

    fn resumed(&self, generation: u64) {
        if let Some(node) = self.0.upgrade() {
            node.handle_resumed(generation);
        }
    }
}

impl Node {
    fn handle_message(self: &Arc<Self>, channel: &[u8], payload: &[u8]) {
        self.metrics.received.add(1);
        self.metrics.received_bytes.add(payload.len() as u64);
        let handled = match self.channels.read(channel) {
            Some(Channel::All) => self.handle_broadcast(payload),
            Some(Channel::Group(name)) => self.handle_group(name, payload),
            Some(Channel::User(id)) => self.handle_user(id, payload),
            Some(Channel::Connection(id)) => self.handle_connection(id, payload),
            Some(Channel::Commands) => self.handle_command(payload),
            Some(Channel::Acks) => wire::read_ack(payload).map(|id| self.acks.confirm(id)),
            Some(Channel::Answers) => self.handle_answer(payload),
            None => return,
        };
        if let Err(error) = handled {
            let times = self.metrics.malformed.add(1);
            // Not a line for each of them: whoever sends one may send many.
            if times.is_power_of_two() {
                let channel = String::from_utf8_lossy(channel);
                tracing::warn!(%channel, %error, times, "a message of another server cannot be read");
            }
        }
    }

    fn handle_resumed(&self, generation: u64) {
        let groups = self.local.groups();
        // The first connection: nobody has waited for it.
        if generation == 1 && groups.is_empty() {
            return;
        }
        self.metrics.resumed.add(1);
        self.questions.fail_all();
        self.observer
            .resumed(groups.iter().map(|name| String::from(&**name)).collect());
    }

    fn handle_broadcast(&self, payload: &[u8]) -> Result<(), WireError> {
        let invocation = Invocation::read(payload)?;
        let except = &invocation.excluded;
        self.deliver(&Target::All { except }, &invocation);
        Ok(())
    }

    fn handle_group(&self, name: &str, payload: &[u8]) -> Result<(), WireError> {
        let invocation = Invocation::read(payload)?;
        // The last one may have left while the message was on its way.
        if self.local.group_members(name) > 0 {
            let except = &invocation.excluded;
            if self.observer.delivers(name, invocation.messages) {
                self.deliver(&Target::Group { name, except }, &invocation);
            }
        }
        Ok(())
    }

    /// Nobody is excluded here, as in ASP.NET Core.
    fn handle_user(&self, id: &str, payload: &[u8]) -> Result<(), WireError> {
        let invocation = Invocation::read(payload)?;
        self.deliver(&Target::User(id), &invocation);
        Ok(())
    }

    fn handle_connection(self: &Arc<Self>, id: &str, payload: &[u8]) -> Result<(), WireError> {
        let invocation = Invocation::read(payload)?;
        match &invocation.question {
            Some(question) => self.handle_question(id, question, &invocation),
            None => self.deliver(&Target::Connection(id), &invocation),
        }
        Ok(())
    }

    fn deliver(&self, target: &Target<'_>, invocation: &Invocation<'_>) {
        let messages = invocation.messages;
        let broadcast = Broadcast::relayed(|protocol| messages.get(protocol.name()));
        if let Err(error) = self.local.deliver(target, &broadcast) {
            let times = self.metrics.unknown_protocols.add(1);
            if times.is_power_of_two() {
                tracing::warn!(%error, times, "a message of another server is not in everybody's protocol");
            }
        }
    }

    fn handle_question(
        self: &Arc<Self>,
        connection_id: &str,
        question: &Question<'_>,
        invocation: &Invocation<'_>,
    ) {
        let id = question.invocation_id;
        let return_channel = question.return_channel;
        if !self.answers.expect(id, connection_id, return_channel) {
            self.metrics.refused.add(1);
            let too_many = Outcome::Error("Too many questions wait for answers.".into());
            self.answer(HubProtocol::Json, id, return_channel, &too_many);
            return;
        }
        let protocol = self.local.local(connection_id).and_then(|c| c.protocol());
        let refusal = match protocol {
            None => DISCONNECTED,
            Some(protocol) if invocation.messages.get(protocol.name()).is_none() => {
                self.metrics.unknown_protocols.add(1);
                PROTOCOL_MISSING
            }
            Some(_) => {
                self.deliver(&Target::Connection(connection_id), invocation);
                return;
            }
        };
        // Its end may have answered already.
        if self.answers.take(id, connection_id).is_some() {
            let protocol = protocol.unwrap_or(HubProtocol::Json);
            self.answer(
                protocol,
                id,
                return_channel,
                &Outcome::Error(refusal.into()),
            );
        }
    }

    /// A client has gone: whoever asked it learns so.
    pub(super) fn handle_disconnected(
        self: &Arc<Self>,
        protocol: Option<HubProtocol>,
        connection_id: &str,
    ) {
        let protocol = protocol.unwrap_or(HubProtocol::Json);
        for (id, asked) in self.answers.take_all(connection_id) {
            let gone = Outcome::Error(DISCONNECTED.into());
            self.answer(protocol, &id, &asked.return_channel, &gone);
        }
    }

    /// Tells another server what a client of this one has answered.
    pub(super) fn answer(
        self: &Arc<Self>,
        protocol: HubProtocol,
        id: &str,
        return_channel: &str,
        outcome: &Outcome<'_>,
    ) {
        let payload = asking::completion(protocol, id, outcome);
        let channel = self.channels.literal(return_channel);
        tokio::spawn(Arc::clone(self).reply(channel, payload));
    }

    fn handle_answer(&self, payload: &[u8]) -> Result<(), WireError> {
        let completion = Completion::read(payload)?;
        match self.questions.answer(&completion) {
            Ok(()) => Ok(()),
            Err(Unreadable::UnknownProtocol) => {
                let times = self.metrics.unknown_protocols.add(1);
                if times.is_power_of_two() {
                    tracing::warn!(
                        protocol = completion.protocol,
                        times,
                        "an answer is in a protocol that is not known"
                    );
                }
                Ok(())
            }
            Err(Unreadable::Malformed) => Err(WireError::Missing {
                payload: "CompletionMessage",
                item: "completion",
            }),
        }
    }

    /// Carries out what another server wants for a connection, if it is here. Changes are made in the order in which
    /// they come; only that they are confirmed takes time.
    fn handle_command(self: &Arc<Self>, payload: &[u8]) -> Result<(), WireError> {
        let command = GroupCommand::read(payload)?;
        if self.local.local(command.connection_id).is_none() {
            return Ok(());
        }
        let Ok(room) = Arc::clone(&self.commands).try_acquire_owned() else {
            let times = self.metrics.refused.add(1);
            if times.is_power_of_two() {
                tracing::warn!(times, "too many changes of groups by other servers");
            }
            return Ok(());
        };
        let GroupCommand {
            connection_id,
            group,
            ..
        } = command;
        let work = match command.action {
            GroupAction::Add => self.local.add_to_group(connection_id, group),
            GroupAction::Remove => self.local.remove_from_group(connection_id, group),
        };
        let node = Arc::clone(self);
        let (channel, ack) = (
            self.channels.acks(command.server),
            wire::write_ack(command.id),
        );
        tokio::spawn(async move {
            // The watcher of groups makes no errors.
            let _ = work.await;
            node.reply(channel, ack).await;
            drop(room);
        });
        Ok(())
    }
}

/// In the words of ASP.NET Core.
const DISCONNECTED: &str = "Connection disconnected.";
const PROTOCOL_MISSING: &str = "This message was received from another server that did not have the requested protocol available.";
