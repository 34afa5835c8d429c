//! One structure for the deadlines of all connections.
//!
//! A ring of slots, each a quarter of a second long. Deadlines of connections mostly move later, so nothing is done
//! about it when they move: when its slot comes round, the connection looks at its deadlines and is filed again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::link::Link;

/// How late a deadline may be noticed. ASP.NET Core looks once a second.
pub(crate) const TICK: Duration = Duration::from_millis(250);

/// 64 s in all, more than the 30 s of the longest usual deadline; a later one is looked at once in between.
const SLOTS: usize = 256;

/// The ring.
#[derive(Debug)]
pub(crate) struct Timers {
    start: Instant,
    ring: Mutex<Ring>,
}

#[derive(Debug)]
struct Ring {
    slots: Vec<HashMap<u64, Arc<Link>>>,
    /// The tick up to which, itself included, slots were emptied.
    done: u64,
}

impl Timers {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            start: now,
            ring: Mutex::new(Ring {
                slots: (0..SLOTS).map(|_| HashMap::new()).collect(),
                done: 0,
            }),
        }
    }

    /// Files a connection to be looked at when `at` has passed; it leaves the slot in which it was.
    pub(crate) fn schedule(&self, link: &Arc<Link>, at: Instant) {
        let ticks = at.saturating_duration_since(self.start).as_millis() / TICK.as_millis() + 1;
        let mut ring = self.ring.lock();
        ring.remove(link);
        // Not into a slot that this round has emptied, nor further than the ring reaches.
        let tick = u64::try_from(ticks)
            .unwrap_or(u64::MAX)
            .clamp(ring.done + 1, ring.done + SLOTS as u64 - 1);
        let slot = slot_of(tick);
        link.timer_slot.store(slot + 1, Ordering::Relaxed);
        ring.slots[slot].insert(link.number, Arc::clone(link));
    }

    /// The connection is over.
    pub(crate) fn remove(&self, link: &Link) {
        self.ring.lock().remove(link);
    }

    /// Takes out all connections that are to be looked at now.
    pub(crate) fn poll_due(&self, now: Instant) -> Vec<Arc<Link>> {
        let passed = now.saturating_duration_since(self.start).as_millis() / TICK.as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        let mut due = Vec::new();
        let mut ring = self.ring.lock();
        // After a long pause of the process each slot is emptied once, not once a tick.
        let first = (ring.done + 1).max(passed.saturating_sub(SLOTS as u64 - 1));
        for tick in first..=passed {
            let slot = std::mem::take(&mut ring.slots[slot_of(tick)]);
            due.extend(slot.into_values());
        }
        ring.done = ring.done.max(passed);
        for link in &due {
            link.timer_slot.store(0, Ordering::Relaxed);
        }
        due
    }
}

impl Ring {
    fn remove(&mut self, link: &Link) {
        if let Some(slot) = link.timer_slot.swap(0, Ordering::Relaxed).checked_sub(1) {
            self.slots[slot].remove(&link.number);
        }
    }
}

fn slot_of(tick: u64) -> usize {
    usize::try_from(tick % SLOTS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Caller;
    use crate::options::HubOptions;

    fn link(number: u64) -> Arc<Link> {
        Arc::new(Link::new(
            number,
            "id".into(),
            "token".into(),
            Caller::anonymous(),
            Arc::new(HubOptions::default()),
        ))
    }

    fn due(timers: &Timers, at: Instant) -> Vec<u64> {
        let mut numbers: Vec<u64> = timers.poll_due(at).iter().map(|link| link.number).collect();
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn a_deadline_comes_up_after_it_has_passed_and_once() {
        let start = Instant::now();
        let timers = Timers::new(start);
        timers.schedule(&link(1), start + Duration::from_secs(15));
        timers.schedule(&link(2), start + Duration::from_secs(30));
        assert_eq!(due(&timers, start + Duration::from_millis(14_999)), [0; 0]);
        assert_eq!(due(&timers, start + Duration::from_millis(15_250)), [1]);
        assert_eq!(due(&timers, start + Duration::from_secs(40)), [2]);
        assert_eq!(due(&timers, start + Duration::from_secs(400)), [0; 0]);
    }

    #[test]
    fn filing_again_replaces_and_removal_removes() {
        let start = Instant::now();
        let timers = Timers::new(start);
        let (a, b) = (link(1), link(2));
        timers.schedule(&a, start + Duration::from_secs(15));
        timers.schedule(&a, start + Duration::from_secs(1));
        timers.schedule(&b, start + Duration::from_secs(1));
        timers.remove(&b);
        assert_eq!(due(&timers, start + Duration::from_secs(2)), [1]);
        assert_eq!(due(&timers, start + Duration::from_secs(16)), [0; 0]);
    }

    #[test]
    fn what_is_far_away_or_past_is_looked_at_early() {
        let start = Instant::now();
        let timers = Timers::new(start);
        timers.schedule(&link(1), start + Duration::from_secs(1_000));
        assert_eq!(due(&timers, start + Duration::from_secs(64)), [1]);
        timers.schedule(&link(2), start);
        assert_eq!(due(&timers, start + Duration::from_millis(64_250)), [2]);
    }

    #[test]
    fn nothing_is_forgotten_when_the_process_stood_still() {
        let start = Instant::now();
        let timers = Timers::new(start);
        for number in 1..=60 {
            timers.schedule(&link(number), start + Duration::from_secs(number));
        }
        assert_eq!(due(&timers, start + Duration::from_secs(3_600)).len(), 60);
    }
}
