//! One connection that subscribes: what is sent, what comes, and in which order answers belong to questions.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use redis::{Value, cmd};
use tokio::time::{sleep, timeout};

use super::{Shared, wishes::Verb};
use crate::{
    counters::add,
    error::Refusal,
    socket::Fault,
    state::{HEARTBEAT, SILENCE_MAX},
    wire::{Wire, text},
};

/// A connection with the questions that are not answered yet.
pub(super) struct Channel<'a> {
    wire: Wire,
    shared: &'a Shared,
    /// Redis answers in order. Confirmations name their channel; only errors need this.
    asked: VecDeque<Asked>,
}

enum Asked {
    Ping,
    Command {
        verb: Verb,
        channels: Vec<Arc<[u8]>>,
        confirmed: usize,
    },
}

impl<'a> Channel<'a> {
    pub(super) fn new(wire: Wire, shared: &'a Shared) -> Self {
        Self {
            wire,
            shared,
            asked: VecDeque::new(),
        }
    }

    /// Sends wishes and hands on messages until the connection is lost.
    ///
    /// `replayed` is called once, when everything that was wanted at the beginning is subscribed to.
    pub(super) async fn serve(mut self, replayed: impl FnOnce()) -> Fault {
        let shared = self.shared;
        let activity = self.wire.activity();
        let mut replayed = Some(replayed);
        let mut beat = std::pin::pin!(sleep(HEARTBEAT));
        loop {
            if let Err(fault) = self.send_wishes().await {
                return fault;
            }
            if shared.wishes.lock().is_replayed()
                && let Some(replayed) = replayed.take()
            {
                replayed();
            }
            tokio::select! {
                read = self.wire.read() => match read {
                    Ok(value) => if let Err(fault) = self.handle(value) {
                        return fault;
                    },
                    Err(fault) => return fault,
                },
                () = shared.wake.notified() => {}
                () = &mut beat => {
                    let silent = activity.silent_for();
                    if silent > HEARTBEAT + SILENCE_MAX - SLACK {
                        return self.fault(&format!("no sign of life for {silent:.1?}"));
                    }
                    if silent >= HEARTBEAT - SLACK && !self.is_pinged() {
                        if let Err(fault) = self.send(cmd("PING").get_packed_command()).await {
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
        while self.asked.len() < WINDOW {
            let Some((verb, channels)) = self.shared.wishes.lock().next(CHANNELS_MAX) else {
                return Ok(());
            };
            let mut command = cmd(match verb {
                Verb::Subscribe => "SUBSCRIBE",
                Verb::Unsubscribe => "UNSUBSCRIBE",
            });
            for channel in &channels {
                command.arg(&**channel);
            }
            self.send(command.get_packed_command()).await?;
            self.asked.push_back(Asked::Command {
                verb,
                channels,
                confirmed: 0,
            });
        }
        Ok(())
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
                self.handle_refusal(&refusal);
                Ok(())
            }
            // The answer to PING while nothing is subscribed to.
            Value::SimpleString(_) | Value::Okay => {
                self.asked.pop_front();
                Ok(())
            }
            _ => Err(self.fault("an answer that belongs to nothing")),
        }
    }

    fn handle_parts(&mut self, parts: &[Value]) -> Result<(), Fault> {
        let kind = parts.first().and_then(text).unwrap_or_default();
        match (kind.as_str(), parts) {
            ("message", [_, Value::BulkString(channel), Value::BulkString(payload)]) => {
                let counters = &self.shared.counters;
                add(&counters.messages, 1);
                add(&counters.bytes, payload.len() as u64);
                self.shared.listener.message(channel, payload);
            }
            ("subscribe", [_, Value::BulkString(channel), _]) => {
                self.shared.wishes.lock().joined(channel);
                self.confirm();
            }
            ("unsubscribe", [_, Value::BulkString(channel), _]) => {
                self.shared.wishes.lock().left(channel);
                self.confirm();
            }
            ("pong", _) => {
                self.asked.pop_front();
            }
            _ => return Err(self.fault(&format!("an unexpected answer {kind:?}"))),
        }
        Ok(())
    }

    /// The oldest command has one more confirmation.
    fn confirm(&mut self) {
        if let Some(Asked::Command {
            channels,
            confirmed,
            ..
        }) = self.asked.front_mut()
        {
            *confirmed += 1;
            if *confirmed >= channels.len() {
                self.asked.pop_front();
            }
        }
    }

    /// The oldest command is refused as a whole.
    fn handle_refusal(&mut self, refusal: &Refusal) {
        if let Some(Asked::Command { verb, channels, .. }) = self.asked.pop_front() {
            tracing::warn!(%refusal, channels = channels.len(), "redis refused a subscription");
            let mut wishes = self.shared.wishes.lock();
            wishes.refused(verb, &channels, refusal);
        }
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

/// Commands that wait for their confirmations at once: 4096 channels, 300 kB in the server's output buffer.
const WINDOW: usize = 8;
