//! Commands of many tasks on one connection to one server.
//!
//! Whoever asks writes its commands behind those that wait to be sent, in one buffer for all, and waits for its answers.
//! One task, that of the [`Driver`], sends what has gathered and hands out what comes: a server answers in order. It also
//! ends the wait of whoever has waited for too long, so that a command needs neither a timer nor a channel of its own; both
//! together, and a packet for each command, cost more than all else about one.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use redis::Value;
use smallvec::SmallVec;
use tokio::{
    io::AsyncWrite as _,
    sync::oneshot,
    time::{Instant, Sleep, sleep_until},
};

use crate::{Cmd, socket::Fault, wire::Wire};

/// Where commands are asked; clones ask on the same connection.
#[derive(Clone)]
pub(super) struct Pipeline {
    lane: Arc<Lane>,
}

/// What moves the bytes of a [`Pipeline`]. When it is dropped, nobody is answered any more.
pub(super) struct Driver {
    lane: Arc<Lane>,
    wire: Wire,
    /// What is being sent, and how much of it was.
    sending: Vec<u8>,
    sent: usize,
    is_flushed: bool,
    /// Wakes when the one who has waited longest, at the time when this was set, has waited for too long.
    alarm: Option<Pin<Box<Sleep>>>,
}

/// The answers to the commands of one who asked, and when they were there.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) values: Values,
    pub(super) came_at: Instant,
}

/// One, nearly always.
pub(super) type Values = SmallVec<[Value; 1]>;

/// Why there are no answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// The connection has ended, or is about to.
    Over,
    /// Not in time.
    Late,
    /// So much is unanswered that this was not asked.
    Full,
}

/// How long somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// As long as a command may take.
    Limited,
    /// As long as the connection lasts. What the connection needs for itself is never too much, either.
    Endless,
}

struct Lane {
    /// How long a command may take.
    limit: Duration,
    /// How many may be unanswered, those that nobody waits for any more among them.
    unanswered_max: usize,
    state: Mutex<State>,
    driver: AtomicWaker,
}

#[derive(Default)]
struct State {
    /// Commands that the driver has yet to take.
    unsent: Vec<u8>,
    /// Who asked, in the order of the commands.
    asked: VecDeque<Asked>,
    /// How many of the first have waited for too long.
    late: usize,
    /// How many answers are missing.
    unanswered: usize,
    is_over: bool,
}

type Asker = oneshot::Sender<Result<Answers, Unanswered>>;

struct Asked {
    /// None: it has been told that it waited for too long.
    asker: Option<Asker>,
    values: Values,
    missing: usize,
    patience: Patience,
    /// By when it has waited for too long, unless its patience is endless. Later for later ones.
    due: Instant,
}

impl Pipeline {
    /// On a connection that is logged in and has no question open.
    ///
    /// `limit`: how long a command may take, a day at most; `unanswered_max`: from how many unanswered commands on no more
    /// is asked.
    pub(super) fn new(wire: Wire, limit: Duration, unanswered_max: usize) -> (Self, Driver) {
        let lane = Arc::new(Lane {
            limit: limit.min(LIMIT_MAX),
            unanswered_max,
            state: Mutex::default(),
            driver: AtomicWaker::new(),
        });
        let driver = Driver {
            lane: Arc::clone(&lane),
            wire,
            sending: Vec::new(),
            sent: 0,
            is_flushed: true,
            alarm: None,
        };
        (Self { lane }, driver)
    }

    /// Asks at `now`; each command has an answer, which may be an error of the server's.
    pub(super) async fn ask<'a>(
        &self,
        cmds: impl ExactSizeIterator<Item = &'a Cmd>,
        patience: Patience,
        now: Instant,
    ) -> Result<Answers, Unanswered> {
        let answers = self.lane.ask(cmds, patience, now)?;
        answers.await.unwrap_or(Err(Unanswered::Over))
    }
}

impl Lane {
    fn ask<'a>(
        &self,
        cmds: impl ExactSizeIterator<Item = &'a Cmd>,
        patience: Patience,
        now: Instant,
    ) -> Result<oneshot::Receiver<Result<Answers, Unanswered>>, Unanswered> {
        let count = cmds.len();
        debug_assert!(count > 0, "who asks nothing is never answered");
        let mut state = self.state.lock();
        if state.is_over {
            return Err(Unanswered::Over);
        }
        if state.unanswered >= self.unanswered_max && patience == Patience::Limited {
            return Err(Unanswered::Full);
        }
        // Two may have looked at the clock in another order.
        let due = now + self.limit;
        let due = state.asked.back().map_or(due, |last| due.max(last.due));
        // Whoever adds to what others have written can rely on their having woken the driver; unless it has told all of
        // them that they waited for too long, and nothing wakes it any more for the sake of those who come.
        let is_first = state.unsent.is_empty() || state.late == state.asked.len();
        for cmd in cmds {
            cmd.write(&mut state.unsent);
        }
        let (asker, answers) = oneshot::channel();
        state.unanswered += count;
        state.asked.push_back(Asked {
            asker: Some(asker),
            values: Values::new(),
            missing: count,
            patience,
            due,
        });
        drop(state);
        if is_first {
            self.driver.wake();
        }
        Ok(answers)
    }
}

impl State {
    /// Takes the next answer. Whoever has all of theirs with it is to be told, if it still waits.
    ///
    /// # Errors
    /// Nobody asked for it.
    fn handle(&mut self, value: Value) -> Result<Option<Asked>, Unasked> {
        let asked = self.asked.front_mut().ok_or(Unasked)?;
        asked.values.push(value);
        asked.missing -= 1;
        self.unanswered -= 1;
        if asked.missing > 0 {
            return Ok(None);
        }
        self.late = self.late.saturating_sub(1);
        Ok(self.asked.pop_front())
    }

    /// Those who have waited for too long and do not know it yet, and when the next one will have.
    fn handle_late(&mut self, now: Instant) -> (Vec<Asker>, Option<Instant>) {
        let mut late = Vec::new();
        while let Some(asked) = self.asked.get_mut(self.late) {
            if asked.due > now {
                return (late, Some(asked.due));
            }
            self.late += 1;
            if asked.patience == Patience::Limited {
                late.extend(asked.asker.take());
            }
        }
        (late, None)
    }
}

/// An answer has come that nobody asked for.
#[derive(Debug)]
struct Unasked;

impl Driver {
    /// Moves bytes until the connection ends; why it has.
    pub(super) async fn run(&mut self) -> Fault {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        // Before anything is looked at, so that nothing is missed that comes meanwhile.
        self.lane.driver.register(cx.waker());
        if let Poll::Ready(fault) = self.poll_answers(cx) {
            return Poll::Ready(fault);
        }
        if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            return Poll::Ready(self.wire.failed(&error));
        }
        self.poll_late(cx);
        Poll::Pending
    }

    /// Hands out what has come; ready with what is wrong.
    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        let mut now = None;
        loop {
            let value = match ready!(self.wire.poll_read(cx)) {
                Ok(value) => value,
                Err(fault) => return Poll::Ready(fault),
            };
            let came_at = *now.get_or_insert_with(Instant::now);
            // Whoever is told is woken, and the lock is free by then.
            let handled = self.lane.state.lock().handle(value);
            match handled {
                Ok(None) => {}
                Ok(Some(Asked { asker, values, .. })) => {
                    if let Some(asker) = asker {
                        // It may have gone meanwhile.
                        let _ = asker.send(Ok(Answers { values, came_at }));
                    }
                }
                Err(Unasked) => {
                    return Poll::Ready(self.wire.failed(&"an answer that nobody asked for"));
                }
            }
        }
    }

    /// Sends what there is to send.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while self.sent < self.sending.len() {
                let unsent = &self.sending[self.sent..];
                let sent = ready!(Pin::new(self.wire.socket()).poll_write(cx, unsent))?;
                if sent == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.is_flushed = false;
                self.sent += sent;
            }
            if !self.is_flushed {
                ready!(Pin::new(self.wire.socket()).poll_flush(cx))?;
                self.is_flushed = true;
            }
            if self.lane.state.lock().unsent.is_empty() {
                return Poll::Ready(Ok(()));
            }
            // What others say in their turn goes along.
            ready!(self.wire.socket().poll_turn(cx));
            self.sending.clear();
            self.sending.shrink_to(KEPT);
            self.sent = 0;
            std::mem::swap(&mut self.sending, &mut self.lane.state.lock().unsent);
        }
    }

    /// Tells whoever has waited for too long, and sees to being woken for the next.
    fn poll_late(&mut self, cx: &mut Context<'_>) {
        loop {
            if let Some(alarm) = &mut self.alarm {
                // It may be early: for somebody who has an answer by now. Setting it anew for each answer would cost more.
                if alarm.as_mut().poll(cx).is_pending() {
                    return;
                }
                self.alarm = None;
            }
            let mut state = self.lane.state.lock();
            if state.late == state.asked.len() {
                return;
            }
            let (late, next) = state.handle_late(Instant::now());
            drop(state);
            for asker in late {
                let _ = asker.send(Err(Unanswered::Late));
            }
            let Some(next) = next else { return };
            self.alarm = Some(Box::pin(sleep_until(next)));
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let mut state = self.lane.state.lock();
        let ended = std::mem::take(&mut *state);
        state.is_over = true;
        drop(state);
        // Whoever waits hears of it; without the lock, for tasks are woken.
        drop(ended);
    }
}

/// What connection strings allow; more would be more than a clock can add.
const LIMIT_MAX: Duration = Duration::from_hours(24);

/// How much room for commands is kept when they are sent: 64 KiB, some hundred scripts.
const KEPT: usize = 64 * 1024;

#[cfg(test)]
mod tests;
