//! What stateful reconnect has to remember.
//!
//! Messages of types 1 to 5 are numbered from 1 in each direction; the number is not written anywhere. Each side
//! keeps what the other has not acknowledged, and repeats it after the transport was replaced.

use std::collections::VecDeque;

use crate::error::ProtocolError;

/// Messages that were sent and not yet acknowledged.
#[derive(Debug)]
pub struct SendBuffer<T> {
    /// Each message with its length in bytes.
    unacknowledged: VecDeque<(T, usize)>,
    /// The number of the first message in the buffer, or of the next one to be sent.
    first: i64,
    bytes: usize,
    limit: usize,
}

impl<T> SendBuffer<T> {
    /// An empty buffer that is full at `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            unacknowledged: VecDeque::new(),
            first: 1,
            bytes: 0,
            limit,
        }
    }

    /// Keeps a numbered message of `len` bytes that is about to be sent.
    pub fn push(&mut self, message: T, len: usize) {
        self.bytes += len;
        self.unacknowledged.push_back((message, len));
    }

    /// Whether writers have to wait for an acknowledgement.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes > self.limit
    }

    /// How many bytes are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets everything up to `sequence_id`; numbers that were never sent say nothing.
    pub fn handle_ack(&mut self, sequence_id: i64) {
        while self.first <= sequence_id {
            let Some((_, len)) = self.unacknowledged.pop_front() else {
                break;
            };
            self.bytes -= len;
            self.first += 1;
        }
    }

    /// What the Sequence message after a reconnect says: the number of the first message that follows it.
    #[must_use]
    pub fn sequence_id(&self) -> i64 {
        self.first
    }

    /// The messages to repeat after a Sequence message, in order.
    pub fn unacknowledged(&self) -> impl Iterator<Item = &T> {
        self.unacknowledged.iter().map(|(message, _)| message)
    }
}

/// Which numbered messages have come.
#[derive(Debug, Default)]
pub struct ReceiveWindow {
    /// The highest number that was processed.
    received: i64,
    /// The number of the last message that was counted; lower than `received` while messages are repeated.
    counted: i64,
    acknowledged: i64,
}

impl ReceiveWindow {
    /// Counts a numbered message; false: it was processed before the reconnect, and is not to be again.
    pub fn handle_numbered(&mut self) -> bool {
        self.counted += 1;
        let is_new = self.counted > self.received;
        if is_new {
            self.received = self.counted;
        } else if self.counted == self.received {
            // The peer repeats the last one: the acknowledgement of it was lost with the old transport.
            self.acknowledged = self.received - 1;
        }
        is_new
    }

    /// The peer says which number comes next.
    ///
    /// # Errors
    /// A number that leaves out messages, or one below 1.
    pub fn handle_sequence(&mut self, sequence_id: i64) -> Result<(), ProtocolError> {
        if sequence_id < 1 || sequence_id > self.received + 1 {
            return Err(ProtocolError::SequenceGap);
        }
        self.counted = sequence_id - 1;
        Ok(())
    }

    /// The number to acknowledge, if one is due.
    pub fn poll_ack(&mut self) -> Option<i64> {
        (self.received > self.acknowledged).then(|| {
            self.acknowledged = self.received;
            self.received
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_acknowledged_is_not_repeated() {
        let mut sent = SendBuffer::new(10);
        for message in ["a", "b", "c"] {
            sent.push(message, 4);
        }
        assert!(sent.is_full());
        sent.handle_ack(2);
        assert!(!sent.is_full());
        assert_eq!(sent.sequence_id(), 3);
        assert_eq!(sent.unacknowledged().copied().collect::<Vec<_>>(), ["c"]);
        sent.handle_ack(99);
        assert_eq!(sent.sequence_id(), 4, "the next number, though 99 was said");
    }

    #[test]
    fn repeated_messages_are_counted_and_not_processed() {
        let mut window = ReceiveWindow::default();
        assert!(window.handle_numbered());
        assert!(window.handle_numbered());
        assert_eq!(window.poll_ack(), Some(2));
        assert_eq!(window.poll_ack(), None);
        window.handle_sequence(1).unwrap();
        assert!(!window.handle_numbered(), "the first one again");
        assert_eq!(window.poll_ack(), None);
        assert!(!window.handle_numbered(), "the second one again");
        assert_eq!(
            window.poll_ack(),
            Some(2),
            "the peer has not heard of it yet"
        );
        assert!(window.handle_numbered());
        assert_eq!(window.poll_ack(), Some(3));
    }

    #[test]
    fn a_gap_is_fatal() {
        let mut window = ReceiveWindow::default();
        assert!(window.handle_numbered());
        assert!(window.handle_sequence(2).is_ok());
        assert_eq!(window.handle_sequence(3), Err(ProtocolError::SequenceGap));
        assert_eq!(window.handle_sequence(0), Err(ProtocolError::SequenceGap));
    }

    proptest::proptest! {
        /// Whatever is cut, repeated and acknowledged, each message is processed once and in order.
        #[test]
        fn nothing_is_lost_or_doubled(steps in proptest::collection::vec((0u8..4, 1usize..4), 1..200)) {
            let (mut sent, mut window) = (SendBuffer::new(usize::MAX), ReceiveWindow::default());
            let mut wire = VecDeque::new();
            let (mut next, mut processed) = (0u32, Vec::new());
            for (what, count) in steps {
                match what {
                    0 => for _ in 0..count {
                        sent.push(next, 1);
                        wire.push_back(next);
                        next += 1;
                    },
                    1 => for _ in 0..count {
                        if let Some(message) = wire.pop_front() && window.handle_numbered() {
                            processed.push(message);
                        }
                    },
                    2 => if let Some(ack) = window.poll_ack() { sent.handle_ack(ack) },
                    _ => {
                        wire.clear();
                        window.handle_sequence(sent.sequence_id()).unwrap();
                        wire.extend(sent.unacknowledged());
                    }
                }
            }
            while let Some(message) = wire.pop_front() {
                if window.handle_numbered() {
                    processed.push(message);
                }
            }
            proptest::prop_assert_eq!(processed, (0..next).collect::<Vec<_>>());
        }
    }
}
