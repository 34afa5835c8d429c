//! The client's half of stateful reconnect.

use std::collections::VecDeque;

use super::Message;

/// What was sent and not acknowledged, and how far the other side has been heard.
#[derive(Debug, Default)]
pub(super) struct Replay {
    unacknowledged: VecDeque<Message>,
    /// The number of the first message in `unacknowledged`, less one.
    acknowledged: i64,
    /// The highest number that was taken.
    received: i64,
    /// The number of the last message that came; lower than `received` while messages are repeated.
    counted: i64,
    /// Whether numbered messages are dropped until a Sequence message comes, as the JavaScript client does.
    awaits_sequence: bool,
}

impl Replay {
    pub(super) fn note_sent(&mut self, message: &Message) {
        if message.is_numbered() {
            self.unacknowledged.push_back(message.clone());
        }
    }

    /// Takes note of a message; false: it is not to be taken again.
    pub(super) fn admit(&mut self, message: &Message) -> bool {
        match message {
            Message::Ack(id) => {
                while self.acknowledged < *id && self.unacknowledged.pop_front().is_some() {
                    self.acknowledged += 1;
                }
                true
            }
            Message::Sequence(id) => {
                assert!(
                    (1..=self.received + 1).contains(id),
                    "the server leaves messages out: {id} after {}",
                    self.received
                );
                self.counted = id - 1;
                self.awaits_sequence = false;
                true
            }
            message if message.is_numbered() => {
                assert!(
                    !self.awaits_sequence,
                    "a numbered message before Sequence: {message:?}"
                );
                self.counted += 1;
                let is_new = self.counted > self.received;
                self.received = self.received.max(self.counted);
                is_new
            }
            _ => true,
        }
    }

    /// What is sent first over a new transport.
    pub(super) fn resume(&mut self) -> Vec<Message> {
        self.awaits_sequence = true;
        std::iter::once(Message::Sequence(self.acknowledged + 1))
            .chain(self.unacknowledged.iter().cloned())
            .collect()
    }

    pub(super) fn received(&self) -> i64 {
        self.received
    }

    pub(super) fn unacknowledged(&self) -> usize {
        self.unacknowledged.len()
    }
}
