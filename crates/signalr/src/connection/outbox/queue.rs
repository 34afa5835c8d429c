//! Frames in the order in which they leave.

use std::collections::VecDeque;

use crate::frame::Frame;

/// A queue that needs no memory of its own for one frame, which is all that ever waits on most connections.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Stands before the others; it may be gone while they still wait.
    first: Option<Frame>,
    /// None, rather than empty.
    #[expect(
        clippy::box_collection,
        reason = "every connection has this struct, and few ever have a second frame: 24 bytes less for each"
    )]
    rest: Option<Box<VecDeque<Frame>>>,
}

impl Queue {
    pub(super) fn push_back(&mut self, frame: Frame) {
        if self.is_empty() {
            self.first = Some(frame);
        } else {
            self.rest().push_back(frame);
        }
    }

    pub(super) fn push_front(&mut self, frame: Frame) {
        if let Some(second) = self.first.replace(frame) {
            self.rest().push_front(second);
        }
    }

    #[inline]
    pub(super) fn pop_front(&mut self) -> Option<Frame> {
        if self.first.is_some() {
            return self.first.take();
        }
        let rest = self.rest.as_mut()?;
        let next = rest.pop_front();
        if rest.is_empty() {
            self.rest = None;
        }
        next
    }

    fn rest(&mut self) -> &mut VecDeque<Frame> {
        self.rest
            .get_or_insert_with(|| Box::new(VecDeque::with_capacity(ROOM)))
    }

    pub(super) fn len(&self) -> usize {
        let rest = self.rest.as_ref().map_or(0, |rest| rest.len());
        usize::from(self.first.is_some()) + rest
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none() && self.rest.is_none()
    }

    /// Bytes of all frames.
    pub(super) fn bytes(&self) -> usize {
        let rest = self.rest.iter().flat_map(|rest| rest.iter());
        self.first.iter().chain(rest).map(Frame::len).sum()
    }
}

/// Room for the second frame and those behind it, 600 bytes: where one is sent too much at once, more follow, and the room
/// is let go when they have left.
const ROOM: usize = 15;

impl FromIterator<Frame> for Queue {
    fn from_iter<I: IntoIterator<Item = Frame>>(frames: I) -> Self {
        let mut queue = Self::default();
        frames.into_iter().for_each(|frame| queue.push_back(frame));
        queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use signalr_protocol::HubProtocol;

    fn frame(number: u8) -> Frame {
        Frame::relayed(HubProtocol::Json, &[number])
    }

    fn number(frame: &Frame) -> u8 {
        frame.payload()[0]
    }

    proptest! {
        /// What goes in and out at both ends is what a plain queue would give.
        #[test]
        fn it_is_a_queue(begin in 0..4u8, steps in prop::collection::vec((0..3u8, any::<u8>()), 0..40)) {
            let mut queue: Queue = (0..begin).map(frame).collect();
            let mut model: VecDeque<u8> = (0..begin).collect();
            for (step, value) in steps {
                match step {
                    0 => {
                        queue.push_back(frame(value));
                        model.push_back(value);
                    }
                    1 => {
                        queue.push_front(frame(value));
                        model.push_front(value);
                    }
                    _ => prop_assert_eq!(queue.pop_front().map(|frame| number(&frame)), model.pop_front()),
                }
                prop_assert_eq!(queue.is_empty(), model.is_empty());
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.bytes(), model.len() * frame(0).len());
            }
            while let Some(frame) = queue.pop_front() {
                prop_assert_eq!(Some(number(&frame)), model.pop_front());
            }
            prop_assert!(model.is_empty());
        }
    }

    #[test]
    fn one_frame_needs_no_memory() {
        let mut queue = Queue::default();
        queue.push_back(frame(1));
        queue.pop_front();
        queue.push_front(frame(2));
        assert!(queue.rest.is_none());
        queue.push_back(frame(3));
        assert!(queue.rest.is_some());
        while queue.pop_front().is_some() {}
        assert!(queue.rest.is_none());
    }
}
