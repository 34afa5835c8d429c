//! One user says "online", many hear it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{bail, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::cli::Fanout;
use crate::client::{Batch, Client, Heard};
use crate::crowd::{self, Crowd, PING_INTERVAL, Troubles, Until};
use crate::lab::{Lab, Work};
use crate::latency::Latencies;
use crate::schedule::{Pace, wait_until};

/// Sends events to many.
pub(super) async fn fanout(lab: &mut Lab, case: &Fanout) -> anyhow::Result<()> {
    let stage = Stage::set(lab, case.watchers, case.watched).await?;
    let pace = Pace::from_rate(case.rate);
    stage.play(case.in_flight, pace, lab.warm_up()).await?;
    stage.events.begin();
    let start = lab.start()?;
    stage.play(case.in_flight, pace, lab.measured()).await?;
    let spent = lab.stop(start)?;
    let (count, latencies) = stage.events.end();
    let work = Work {
        case: format!("fanout-{}", case.in_flight),
        connections: case.watchers,
        unit: "delivery",
        count,
        latencies: &latencies,
        troubles: &stage.troubles,
        more: BTreeMap::new(),
    };
    lab.note(work, &spent);
    stage.clear().await;
    lab.settle().await
}

/// Somebody who announces, and those who watch.
#[derive(Debug)]
pub(super) struct Stage {
    announcer: Crowd,
    watchers: Crowd,
    pub(super) events: Arc<Events>,
    pub(super) troubles: Troubles,
}

impl Stage {
    /// Connects user 0, and then `watchers` others who watch that one, and `watched` users in all.
    pub(super) async fn set(lab: &Lab, watchers: usize, watched: usize) -> anyhow::Result<Self> {
        let mut ignored = Latencies::default();
        let at_once = lab.common.connecting;
        let mut join = async |users| {
            crowd::connect(
                &lab.dialer,
                users,
                Pace::AtOnce,
                at_once,
                Until::Handshake,
                &mut ignored,
            )
            .await
        };
        let announcer = join(0..1).await?;
        let clients = join(1..watchers + 1).await?;
        let clients = watch(lab, clients, &watched_by_each(lab, watched)).await?;
        let troubles = Troubles::default();
        let events = Arc::new(Events::new(watchers, troubles.clone()));
        let answers = troubles.clone();
        Ok(Self {
            announcer: Crowd::listen(announcer, PING_INTERVAL, &troubles, || {
                let troubles = answers.clone();
                move |heard| {
                    if let Heard::Answer {
                        error: Some(error), ..
                    } = heard
                    {
                        troubles.note(|| error);
                    }
                }
            }),
            watchers: Crowd::listen(clients, PING_INTERVAL, &troubles, || events.ear()),
            events,
            troubles,
        })
    }

    /// Has events sent for a while, `in_flight` of them on their way at a time or at a fixed pace, and waits for the last.
    pub(super) async fn play(
        &self,
        in_flight: usize,
        pace: Pace,
        lasts: Duration,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        let [announcer] = &self.announcer.outgoing[..] else {
            bail!("one user announces");
        };
        let mut batch = Batch::default();
        let mut sent = 0;
        while start.elapsed() < lasts {
            let dues = match pace {
                Pace::AtOnce => {
                    let free = in_flight - self.events.in_flight().min(in_flight);
                    vec![Instant::now(); free]
                }
                Pace::PerSecond(_) => {
                    let due = pace.due(start, sent);
                    wait_until(due).await;
                    vec![due]
                }
            };
            if dues.is_empty() {
                self.events.wait_for_arrival().await?;
                continue;
            }
            for due in dues {
                sent += 1;
                announcer.call(&mut batch, sent, "BroadcastOnlineStatus", &());
                self.events.depart(due)?;
            }
            announcer.send(&mut batch).await?;
        }
        while self.events.in_flight() > 0 {
            self.events.wait_for_arrival().await?;
        }
        Ok(())
    }

    pub(super) async fn clear(self) {
        self.watchers.part().await;
        self.announcer.part().await;
    }
}

/// Whom each client watches: user 0, and others who are never there.
pub(super) fn watched_by_each(lab: &Lab, watched: usize) -> Vec<String> {
    let others = (1..watched).map(|number| format!("nobody{number}"));
    std::iter::once(lab.tokens.name(0)).chain(others).collect()
}

/// Has clients watch users.
pub(super) async fn watch(
    lab: &Lab,
    clients: Vec<Client>,
    users: &[String],
) -> anyhow::Result<Vec<Client>> {
    let all: Result<Vec<Client>, _> = stream::iter(clients)
        .map(async |mut client| {
            client
                .ask_for_each("SubscribeToUserStatus", users)
                .await
                .map(|()| client)
        })
        .buffer_unordered(lab.common.connecting)
        .try_collect()
        .await;
    Ok(all?)
}

/// Events on their way.
#[derive(Debug)]
pub(super) struct Events {
    state: Mutex<State>,
    arrived: Notify,
    watchers: usize,
    troubles: Troubles,
}

#[derive(Debug)]
struct State {
    flights: VecDeque<Flight>,
    /// The number of the first of them.
    first: u64,
    delivered: u64,
    latencies: Latencies,
}

#[derive(Debug)]
struct Flight {
    due: Instant,
    /// How many have not heard it.
    missing: usize,
}

impl Events {
    fn new(watchers: usize, troubles: Troubles) -> Self {
        Self {
            state: Mutex::new(State {
                flights: VecDeque::new(),
                first: 0,
                delivered: 0,
                latencies: Latencies::default(),
            }),
            arrived: Notify::new(),
            watchers,
            troubles,
        }
    }

    /// Counts from now on.
    pub(super) fn begin(&self) {
        let mut state = self.state.lock();
        state.delivered = 0;
        state.latencies = Latencies::default();
    }

    /// What was counted since.
    pub(super) fn end(&self) -> (u64, Latencies) {
        let mut state = self.state.lock();
        (state.delivered, std::mem::take(&mut state.latencies))
    }

    fn in_flight(&self) -> usize {
        self.state.lock().flights.len()
    }

    fn depart(&self, due: Instant) -> anyhow::Result<()> {
        let missing = self.watchers;
        let mut state = self.state.lock();
        state.flights.push_back(Flight { due, missing });
        ensure!(
            state.flights.len() <= IN_FLIGHT_MAX,
            "the server does not keep up: {IN_FLIGHT_MAX} events are on their way"
        );
        Ok(())
    }

    /// What a watcher hears with: the events come to each in the order in which they were sent.
    fn ear(self: &Arc<Self>) -> impl FnMut(Heard) + Send + 'static {
        let events = Arc::clone(self);
        let mut next = 0;
        move |heard| match heard {
            Heard::Event => {
                events.arrive(next, Instant::now());
                next += 1;
            }
            Heard::Other => events
                .troubles
                .note(|| "an event about another user or status".to_owned()),
            Heard::Answer { error, .. } => {
                if let Some(error) = error {
                    events.troubles.note(|| error);
                }
            }
            Heard::Ping => {}
        }
    }

    fn arrive(&self, number: u64, now: Instant) {
        let mut state = self.state.lock();
        let at = usize::try_from(number.wrapping_sub(state.first)).unwrap_or(usize::MAX);
        let Some(flight) = state.flights.get_mut(at) else {
            drop(state);
            return self.troubles.note(|| "an event came twice".to_owned());
        };
        flight.missing -= 1;
        let waited = now - flight.due;
        state.latencies.record(waited);
        state.delivered += 1;
        let mut has_landed = false;
        while state
            .flights
            .front()
            .is_some_and(|flight| flight.missing == 0)
        {
            state.flights.pop_front();
            state.first += 1;
            has_landed = true;
        }
        if has_landed {
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// Waits until an event has come to all.
    async fn wait_for_arrival(&self) -> anyhow::Result<()> {
        if timeout(PATIENCE, self.arrived.notified()).await.is_err() {
            let state = self.state.lock();
            let missing: usize = state.flights.iter().map(|flight| flight.missing).sum();
            let reason = self
                .troubles
                .first()
                .unwrap_or_else(|| "no connection ended".to_owned());
            bail!(
                "{missing} deliveries are missing after {} s; {reason}",
                PATIENCE.as_secs()
            );
        }
        Ok(())
    }
}

/// Ten seconds of a thousand events a second: who is that far behind does not catch up.
const IN_FLIGHT_MAX: usize = 10_000;

/// How long nothing may arrive: no server that works takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_event_has_arrived_when_all_have_heard_it() {
        let events = Arc::new(Events::new(2, Troubles::default()));
        let (mut one, mut two) = (events.ear(), events.ear());
        let start = Instant::now();
        events.depart(start).unwrap();
        events.depart(start).unwrap();
        tokio::time::advance(Duration::from_millis(3)).await;
        one(Heard::Event);
        one(Heard::Event);
        assert_eq!(events.in_flight(), 2);
        two(Heard::Event);
        assert_eq!(events.in_flight(), 1);
        events.wait_for_arrival().await.unwrap();
        two(Heard::Event);
        assert_eq!(events.in_flight(), 0);
        let (count, latencies) = events.end();
        assert_eq!(count, 4);
        assert!((latencies.summary().unwrap().max / 3000.0 - 1.0).abs() < 0.01);
        assert_eq!(events.troubles.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_twice_or_never_is_told() {
        let events = Arc::new(Events::new(1, Troubles::default()));
        let mut ear = events.ear();
        ear(Heard::Event);
        ear(Heard::Other);
        assert_eq!(events.troubles.count(), 2);
        assert_eq!(events.troubles.first().unwrap(), "an event came twice");
        events.depart(Instant::now()).unwrap();
        let error = events.wait_for_arrival().await.unwrap_err().to_string();
        assert!(error.contains("1 deliveries are missing"), "{error}");
    }
}
