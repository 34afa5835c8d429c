//! One part of the users, and the order of what is said about them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::{ArcMutexGuard, Mutex, RawMutex};

use crate::change::{Changes, StatusChange, Version};
use crate::ids::UserId;
use crate::state::State;

/// What has happened and not yet been announced, oldest first.
pub(super) type Outbox = VecDeque<Announcement>;

/// One call to be made to the listener.
#[derive(Debug)]
pub(super) enum Announcement {
    Changed(StatusChange),
    Confirmed(UserId, Version),
}

/// A state, and two locks: one for what is true, one for saying it.
///
/// Whoever changes the state writes what is to be announced into the outbox under the same lock, so the outbox is in
/// the order of the changes. It is emptied by whoever holds the turn to speak, one at a time, so announcements are in
/// that order too, while the state is free for others. A writer returns only after the outbox was emptied once, by
/// itself or by the one before it; so it holds no more than what the operations under way have put in.
#[derive(Debug)]
pub(super) struct Shard {
    books: Arc<Mutex<Books>>,
    /// The turn to speak, with the list that the last speaker left empty.
    turn: Mutex<Outbox>,
}

/// What was read stays true while this lives: some users can neither come nor go.
///
/// To be held for moments only, and never while waiting.
#[must_use = "what was read may change as soon as this is dropped"]
pub struct Hold {
    _books: ArcMutexGuard<RawMutex, Books>,
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hold")
    }
}

#[derive(Debug)]
struct Books {
    state: State,
    outbox: Outbox,
}

impl Shard {
    pub(super) fn new(state: State) -> Self {
        Self {
            books: Arc::new(Mutex::new(Books {
                state,
                outbox: Outbox::new(),
            })),
            turn: Mutex::new(Outbox::new()),
        }
    }

    pub(super) fn read<R>(&self, read: impl FnOnce(&State) -> R) -> R {
        read(&self.books.lock().state)
    }

    /// Reads, and keeps the state as it was read for as long as the guard lives.
    pub(super) fn hold<R>(&self, read: impl FnOnce(&State) -> R) -> (R, Hold) {
        let books = self.books.lock_arc();
        let result = read(&books.state);
        (result, Hold { _books: books })
    }

    /// Changes the state, and tells the listener what the operation has put into the outbox.
    pub(super) fn write<R>(
        &self,
        listener: &dyn Changes,
        operation: impl FnOnce(&mut State, &mut Outbox) -> R,
    ) -> R {
        let (result, silent) = {
            let books = &mut *self.books.lock();
            let result = operation(&mut books.state, &mut books.outbox);
            (result, books.outbox.is_empty())
        };
        if !silent {
            self.speak(listener);
        }
        result
    }

    fn speak(&self, listener: &dyn Changes) {
        let mut turn = self.turn.lock();
        std::mem::swap(&mut *turn, &mut self.books.lock().outbox);
        turn.drain(..)
            .for_each(|announcement| announcement.make(listener));
        turn.shrink_to(OUTBOX_KEPT);
    }
}

impl Announcement {
    fn make(&self, listener: &dyn Changes) {
        // A panic must not take the rest of the announcements with it, nor the task that keeps the deadlines.
        let call = catch_unwind(AssertUnwindSafe(|| match self {
            Self::Changed(change) => listener.changed(change),
            Self::Confirmed(user, version) => listener.confirmed(user, *version),
        }));
        if call.is_err() {
            tracing::error!(
                "the listener for presence changes panicked, the announcement may not have been made"
            );
        }
    }
}

/// The room for announcements that is kept after a burst: what one batch of deadlines makes, some 20 kB.
const OUTBOX_KEPT: usize = 256;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::ids::{ConnectionId, NodeId};
    use crate::settings::ValidSettings;
    use crate::state::End;
    use crate::status::Status;
    use crate::timestamp::Timestamp;

    /// Counts calls, and panics at the first.
    #[derive(Default)]
    struct Clumsy(AtomicUsize);

    impl Changes for Clumsy {
        fn changed(&self, change: &StatusChange) {
            let earlier = self.0.fetch_add(1, Ordering::Relaxed);
            assert!(earlier > 0, "dropped {change:?}");
        }

        fn confirmed(&self, _: &UserId, _: Version) {}
    }

    fn connect(state: &mut State, outbox: &mut Outbox, users: std::ops::Range<usize>) {
        for number in users {
            let user = UserId::new(&number.to_string()).unwrap();
            let connection = ConnectionId {
                node: NodeId::new(1),
                number: 1,
            };
            outbox.extend(
                state
                    .connect(&user, connection, Timestamp::ORIGIN)
                    .map(Announcement::Changed),
            );
        }
    }

    #[test]
    fn a_listener_that_panics_hears_the_rest() {
        let (shard, listener) = (
            Shard::new(State::new(&ValidSettings::default())),
            Clumsy::default(),
        );
        shard.write(&listener, |state, outbox| connect(state, outbox, 0..3));
        assert_eq!(listener.0.load(Ordering::Relaxed), 3);
        shard.write(&listener, |state, outbox| connect(state, outbox, 3..4));
        assert_eq!(listener.0.load(Ordering::Relaxed), 4);
    }

    /// Does not finish its first call before it is told to.
    struct Slow {
        entered: mpsc::Sender<()>,
        go_on: Mutex<mpsc::Receiver<()>>,
        told: Mutex<Vec<Version>>,
    }

    impl Changes for Slow {
        fn changed(&self, change: &StatusChange) {
            if change.version == Version::new(1) {
                self.entered.send(()).unwrap();
                self.go_on.lock().recv().unwrap();
            }
            self.told.lock().push(change.version);
        }

        fn confirmed(&self, _: &UserId, _: Version) {}
    }

    #[test]
    fn a_slow_announcement_delays_the_next_but_no_state_and_no_read() {
        let ((entered, has_entered), (go, go_on)) = (mpsc::channel(), mpsc::channel());
        let listener = Slow {
            entered,
            go_on: Mutex::new(go_on),
            told: Mutex::default(),
        };
        let shard = Shard::new(State::new(&ValidSettings::default()));
        let (user, now) = (UserId::new("alice").unwrap(), Timestamp::ORIGIN);
        let connection = ConnectionId {
            node: NodeId::new(1),
            number: 1,
        };
        let mut told_meanwhile = vec![];
        std::thread::scope(|scope| {
            scope.spawn(|| {
                shard.write(&listener, |state, outbox| {
                    outbox.extend(
                        state
                            .connect(&user, connection, now)
                            .map(Announcement::Changed),
                    );
                });
            });
            has_entered.recv().unwrap();
            scope.spawn(|| {
                shard.write(&listener, |state, outbox| {
                    outbox.extend(
                        state
                            .disconnect(&user, connection, End::Clean, now)
                            .map(Announcement::Changed),
                    );
                });
            });
            while shard.read(|state| state.status(&user)) == Status::Online {
                std::thread::yield_now();
            }
            told_meanwhile = listener.told.lock().clone();
            go.send(()).unwrap();
        });
        assert_eq!(told_meanwhile, []);
        assert_eq!(*listener.told.lock(), [Version::new(1), Version::new(2)]);
    }

    #[test]
    fn the_room_of_a_burst_is_given_back() {
        let (shard, listener) = (
            Shard::new(State::new(&ValidSettings::default())),
            Clumsy(AtomicUsize::new(1)),
        );
        shard.write(&listener, |state, outbox| connect(state, outbox, 0..10_000));
        shard.write(&listener, |state, outbox| {
            connect(state, outbox, 10_000..10_001)
        });
        assert_eq!(listener.0.load(Ordering::Relaxed), 10_002);
        assert!(shard.turn.lock().capacity() <= 2 * OUTBOX_KEPT);
        assert!(shard.books.lock().outbox.capacity() <= 2 * OUTBOX_KEPT);
    }
}
