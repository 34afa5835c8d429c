//! The bound on connections that have not said anything yet.

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// All connections that have not sent a request yet.
#[derive(Debug)]
pub(super) struct Waiting {
    max: usize,
    room: Mutex<Room>,
}

#[derive(Debug, Default)]
struct Room {
    last: u64,
    /// By order of arrival: the first is the one that has waited longest.
    tickets: BTreeMap<u64, CancellationToken>,
}

impl Waiting {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            room: Mutex::default(),
        }
    }

    /// Lets a connection in, at the cost of the one that has waited longest if the room is full.
    ///
    /// Turning the newest away instead would let whoever fills the room keep everybody else out.
    pub(super) fn enter(self: &Arc<Self>) -> Ticket {
        let evicted = CancellationToken::new();
        let mut room = self.room.lock();
        let oldest = if room.tickets.len() >= self.max {
            room.tickets.pop_first()
        } else {
            None
        };
        room.last += 1;
        let number = room.last;
        room.tickets.insert(number, evicted.clone());
        drop(room);
        if let Some((_, oldest)) = oldest {
            oldest.cancel();
        }
        Ticket {
            number,
            evicted,
            redeemed: AtomicBool::new(false),
            waiting: Arc::clone(self),
        }
    }

    fn leave(&self, number: u64) {
        self.room.lock().tickets.remove(&number);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.room.lock().tickets.len()
    }
}

/// A connection's place among those that wait; given up by the first request, or with the connection.
#[derive(Debug)]
pub(super) struct Ticket {
    number: u64,
    evicted: CancellationToken,
    redeemed: AtomicBool,
    waiting: Arc<Waiting>,
}

impl Ticket {
    /// The connection has sent a request: it does not wait any more.
    pub(super) fn redeem(&self) {
        // Every request comes by here; only the first has to take the lock.
        if !self.redeemed.swap(true, Relaxed) {
            self.waiting.leave(self.number);
        }
    }

    /// Ends when the connection should be dropped for its silence; never, once it has sent a request.
    pub(super) async fn overdue(&self, deadline: Instant) {
        tokio::select! {
            () = self.evicted.cancelled() => return,
            () = sleep_until(deadline) => {}
        }
        if self.redeemed.load(Relaxed) {
            pending::<()>().await;
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.redeem();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;

    fn never() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    #[tokio::test(start_paused = true)]
    async fn one_too_many_costs_the_oldest_its_place() {
        let waiting = Arc::new(Waiting::new(2));
        let (first, second, third) = (waiting.enter(), waiting.enter(), waiting.enter());
        first.overdue(never()).await;
        assert!(second.overdue(never()).now_or_never().is_none());
        assert!(third.overdue(never()).now_or_never().is_none());
        assert_eq!(waiting.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_sent_a_request_is_never_overdue() {
        let waiting = Arc::new(Waiting::new(1));
        let talker = waiting.enter();
        talker.redeem();
        let _next = waiting.enter();
        let late = Instant::now() + Duration::from_secs(10);
        tokio::select! {
            biased;
            () = talker.overdue(late) => panic!("dropped though it had sent a request"),
            () = sleep_until(late + Duration::from_secs(1)) => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_lasts_until_the_deadline_and_no_longer() {
        let waiting = Arc::new(Waiting::new(1));
        let silent = waiting.enter();
        let deadline = Instant::now() + Duration::from_secs(10);
        silent.overdue(deadline).await;
        assert_eq!(Instant::now(), deadline);
        drop(silent);
        assert_eq!(waiting.len(), 0);
    }
}
