//! One connection that subscribes: what is sent, what comes, and in which order answers belong to questions.

use std::{collections::VecDeque, time::Duration};

use redis::Value;
use tokio::time::{sleep, timeout};

use super::{
    Shared,
    wishes::{Command, ServerId, Verb},
};
use crate::{
    PubSub, cmd,
    counters::add,
    error::Refusal,
    socket::Fault,
    state::{HEARTBEAT, SILENCE_MAX},
    wire::{Wire, text},
};

/// A connection with the questions that are not answered yet.
pub(super) struct Channel<'a> {
    wire: Wire,
    server: ServerId,
    shared: &'a Shared,
    /// Redis answers in order. Confirmations name their channel; only errors need this.
    asked: VecDeque<Asked>,
    /// Channels that were asked for and have no answer yet.
    unconfirmed: usize,
}

enum Asked {
    Ping,
    Command { command: Command, confirmed: usize },
}

impl<'a> Channel<'a> {
    pub(super) fn new(wire: Wire, server: ServerId, shared: &'a Shared) -> Self {
        Self {
            wire,
            server,
            shared,
            asked: VecDeque::new(),
            unconfirmed: 0,
        }
    }

    /// Sends wishes and hands on messages until the connection is lost.
    pub(super) async fn serve(mut self) -> Fault {
        let shared = self.shared;
        let wake = shared.wishes.lock().wake(self.server);
        let activity = self.wire.activity();
        let mut beat = std::pin::pin!(sleep(HEARTBEAT));
        loop {
            if let Err(fault) = self.send_wishes().await {
                return fault;
            }
            shared.note_state();
            tokio::select! {
                read = self.wire.read() => match read {
                    Ok(value) => if let Err(fault) = self.handle(value) {
                        return fault;
                    },
                    Err(fault) => return fault,
                },
                () = wake.notified() => {}
                () = &mut beat => {
                    let silent = activity.silent_for();
                    if silent > HEARTBEAT + SILENCE_MAX - SLACK {
                        return self.fault(&format!("no sign of life for {silent:.1?}"));
                    }
                    if silent >= HEARTBEAT - SLACK && !self.is_pinged() {
                        if let Err(fault) = self.send(cmd("PING").packed()).await {
                            return fault;
                        }
                        self.asked.push_back(Asked::Ping);
                    }
                    beat.as_mut().reset(tokio::time::Instant::now() + BEAT);
                }
            }
        }
    }

    /// Sends what is wanted, a window at a time: confirmations do not pile up in the server.
    async fn send_wishes(&mut self) -> Result<(), Fault> {
        let mut packed = Vec::new();
        while let Some(command) = self.next_command() {
            let mut written = cmd(match (command.verb, self.shared.pub_sub()) {
                (Verb::Subscribe, PubSub::Classic) => "SUBSCRIBE",
                (Verb::Subscribe, PubSub::Sharded) => "SSUBSCRIBE",
                (Verb::Unsubscribe, PubSub::Classic) => "UNSUBSCRIBE",
                (Verb::Unsubscribe, PubSub::Sharded) => "SUNSUBSCRIBE",
            });
            written.args(command.channels.iter().map(|channel| &**channel));
            written.write(&mut packed);
            self.unconfirmed += command.channels.len();
            self.asked.push_back(Asked::Command {
                command,
                confirmed: 0,
            });
            if packed.len() > PACKED_MAX {
                self.send(std::mem::take(&mut packed)).await?;
            }
        }
        if packed.is_empty() {
            return Ok(());
        }
        self.send(packed).await
    }

    fn next_command(&self) -> Option<Command> {
        let room = WINDOW.saturating_sub(self.unconfirmed).min(CHANNELS_MAX);
        if room == 0 {
            return None;
        }
        self.shared.wishes.lock().next(self.server, room)
    }

    async fn send(&mut self, packed: Vec<u8>) -> Result<(), Fault> {
        match timeout(SILENCE_MAX, self.wire.send(packed)).await {
            Ok(sent) => sent,
            Err(_) => Err(self.fault("it does not take what is sent")),
        }
    }

    fn handle(&mut self, value: Value) -> Result<(), Fault> {
        match value {
            Value::Array(parts) => self.handle_parts(&parts),
            Value::ServerError(error) => {
                let refusal = Refusal::from(&error);
                if refusal.is_wrong_server() {
                    return Err(self.fault(&refusal.to_string()));
                }
                if refusal.moved_slot().is_some() && !self.shared.wishes.lock().is_cluster() {
                    return Err(
                        self.fault("a node of a cluster that may not be asked whether it is one")
                    );
                }
                self.handle_refusal(&refusal);
                Ok(())
            }
            // The answer to PING while nothing is subscribed to.
            Value::SimpleString(_) | Value::Okay => {
                self.handle_pong();
                Ok(())
            }
            _ => Err(self.fault("an answer that belongs to nothing")),
        }
    }

    fn handle_parts(&mut self, parts: &[Value]) -> Result<(), Fault> {
        let kind = parts.first().and_then(text).unwrap_or_default();
        match (kind.as_str(), parts) {
            (
                "message" | "smessage",
                [_, Value::BulkString(channel), Value::BulkString(payload)],
            ) => {
                let counters = &self.shared.counters;
                add(&counters.messages, 1);
                add(&counters.bytes, payload.len() as u64);
                self.shared.listener.message(channel, payload);
            }
            ("subscribe" | "ssubscribe", [_, Value::BulkString(channel), _]) => {
                self.shared.wishes.lock().joined(self.server, channel);
                self.confirm(Verb::Subscribe, channel);
            }
            ("unsubscribe" | "sunsubscribe", [_, Value::BulkString(channel), _]) => {
                self.shared.wishes.lock().left(self.server, channel);
                self.confirm(Verb::Unsubscribe, channel);
            }
            ("pong", _) => self.handle_pong(),
            _ => return Err(self.fault(&format!("an unexpected answer {kind:?}"))),
        }
        Ok(())
    }

    fn handle_pong(&mut self) {
        if let Some(Asked::Ping) = self.asked.front() {
            self.asked.pop_front();
        }
    }

    /// The oldest command has one more confirmation, if it waits for this one.
    ///
    /// A cluster's master says of its own accord, in the same words, that it has given a slot away.
    fn confirm(&mut self, verb: Verb, channel: &[u8]) {
        if let Some(Asked::Command { command, confirmed }) = self.asked.front_mut()
            && command.verb == verb
            && let Some(next) = command.channels.get(*confirmed)
            && **next == *channel
        {
            *confirmed += 1;
            if *confirmed == command.channels.len() {
                self.take_asked(0);
            }
        }
    }

    /// A command is refused as a whole: the oldest, or, if it names a slot, the oldest that is about it.
    ///
    /// What a master has said of its own accord may have been taken for the confirmation of a command that it refuses now.
    fn handle_refusal(&mut self, refusal: &Refusal) {
        let at = match refusal.moved_slot() {
            None => Some(0),
            Some(slot) => self.asked.iter().position(
                |asked| matches!(asked, Asked::Command { command, .. } if command.slot == slot),
            ),
        };
        let Some(Asked::Command { command, .. }) = at.and_then(|at| self.take_asked(at)) else {
            return;
        };
        if refusal.is_outage() {
            tracing::debug!(%refusal, channels = command.channels.len(), "another server of redis has channels");
        } else {
            tracing::warn!(%refusal, channels = command.channels.len(), "redis refused a subscription");
        }
        let mut wishes = self.shared.wishes.lock();
        wishes.refused(self.server, &command, refusal);
    }

    fn take_asked(&mut self, at: usize) -> Option<Asked> {
        let asked = self.asked.remove(at)?;
        if let Asked::Command { command, .. } = &asked {
            self.unconfirmed -= command.channels.len();
        }
        Some(asked)
    }

    fn is_pinged(&self) -> bool {
        self.asked.iter().any(|asked| matches!(asked, Asked::Ping))
    }

    fn fault(&self, what: &str) -> Fault {
        Fault::new(format!("{}: {what}", self.wire.endpoint()))
    }
}

/// How often silence is looked at: four times as often as it matters.
const BEAT: Duration = Duration::from_millis(250);

/// Timers of milliseconds may be early by one.
const SLACK: Duration = Duration::from_millis(5);

/// Channels in one command: some 64 kB with names of usual length.
const CHANNELS_MAX: usize = 512;

/// Channels that wait for their confirmations at once: 300 kB in the server's output buffer.
const WINDOW: usize = 4096;

/// Bytes of commands that go out together: each may be about a single channel.
const PACKED_MAX: usize = 64 * 1024;
