//! Calls that are answered.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::fanout::{self, watched_by_each};
use crate::cli::{Calls, Watch};
use crate::client::{Batch, Client, End, Heard, Outgoing};
use crate::crowd::{self, Crowd, PING_INTERVAL, Troubles, Until};
use crate::lab::{Lab, Spent, Work, per};
use crate::latency::Latencies;
use crate::schedule::{Pace, wait_until};

/// What is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Method {
    GetUserStatus,
    BroadcastOnlineStatus,
    /// `UnsubscribeFromUserStatus` and `SubscribeToUserStatus` in turns, for one after the other of these users.
    Watch(Arc<[String]>),
}

impl Method {
    /// What the case is called.
    fn case(&self) -> &'static str {
        match self {
            Self::GetUserStatus => "calls",
            Self::BroadcastOnlineStatus => "announce",
            Self::Watch(_) => "watch",
        }
    }

    /// `id`: the number of the call, from 1; on one connection one follows the other.
    fn add(&self, outgoing: &Outgoing, batch: &mut Batch, id: u64, user: &str) {
        match self {
            Self::GetUserStatus => outgoing.call(batch, id, "GetUserStatus", &(user,)),
            Self::BroadcastOnlineStatus => outgoing.call(batch, id, "BroadcastOnlineStatus", &()),
            Self::Watch(users) => {
                let (name, user) = next_watched(users, id);
                outgoing.call(batch, id, name, &(user,));
            }
        }
    }
}

/// The method of a call with this number, and its user: each is left and then watched again.
fn next_watched(users: &[String], id: u64) -> (&'static str, &str) {
    let before = id.saturating_sub(1);
    let turn = usize::try_from(before / 2).unwrap_or(usize::MAX);
    let user = turn
        .checked_rem(users.len())
        .map_or("", |at| users[at].as_str());
    match before % 2 {
        0 => ("UnsubscribeFromUserStatus", user),
        _ => ("SubscribeToUserStatus", user),
    }
}

/// Calls on many connections, or on one.
pub(super) async fn calls(lab: &mut Lab, case: &Calls, method: Method) -> anyhow::Result<()> {
    let clients = connect(lab, case.connections).await?;
    call(lab, clients, case, method, BTreeMap::new()).await
}

/// Each connection watches many, and then leaves one and watches it again, and the next.
pub(super) async fn watch(lab: &mut Lab, case: &Watch) -> anyhow::Result<()> {
    let clients = connect(lab, case.connections).await?;
    let users = watched_by_each(lab, case.watched);
    let start = lab.start()?;
    let clients = fanout::watch(lab, clients, &users).await?;
    lab.settle().await?;
    let grown = lab.stop(start)?.rss_growth();
    let watched = case.connections as u64 * case.watched as u64;
    let more = BTreeMap::from([("rss_bytes_each_watched", per(grown, watched))]);
    let case = Calls {
        connections: case.connections,
        rate: None,
    };
    call(lab, clients, &case, Method::Watch(users.into()), more).await
}

async fn connect(lab: &mut Lab, connections: usize) -> anyhow::Result<Vec<Client>> {
    let clients = crowd::connect(
        &lab.dialer,
        0..connections,
        Pace::AtOnce,
        lab.common.connecting,
        Until::Handshake,
        &mut Latencies::default(),
    )
    .await?;
    lab.settle().await?;
    Ok(clients)
}

async fn call(
    lab: &mut Lab,
    clients: Vec<Client>,
    case: &Calls,
    method: Method,
    more: BTreeMap<&'static str, f64>,
) -> anyhow::Result<()> {
    let name = method.case();
    let tally = Arc::new(Mutex::new(Tally::default()));
    let troubles = Troubles::default();
    let (suffix, spent) = match case.rate {
        None => (
            "",
            one_after_the_other(lab, clients, method, &tally, &troubles).await?,
        ),
        Some(rate) => (
            "-paced",
            at_a_pace(lab, clients, method, rate, &tally, &troubles).await?,
        ),
    };
    let Tally { count, latencies } = std::mem::take(&mut *tally.lock());
    let work = Work {
        case: format!("{name}{suffix}"),
        connections: case.connections,
        unit: "call",
        count,
        latencies: &latencies,
        troubles: &troubles,
        more,
    };
    lab.note(work, &spent);
    lab.settle().await
}

/// What was answered since it was last emptied.
#[derive(Debug, Default)]
struct Tally {
    count: u64,
    latencies: Latencies,
}

impl Tally {
    fn add(&mut self, waited: Duration) {
        self.count += 1;
        self.latencies.record(waited);
    }
}

/// Measures between the warm-up and the end of `lab`'s time; calls go on around it.
async fn measure(lab: &mut Lab, tally: &Mutex<Tally>) -> anyhow::Result<Spent> {
    sleep(lab.warm_up()).await;
    *tally.lock() = Tally::default();
    let start = lab.start()?;
    sleep(lab.measured()).await;
    lab.stop(start)
}

/// Every connection calls again when it is answered: what a call costs a server that has enough to do.
async fn one_after_the_other(
    lab: &mut Lab,
    clients: Vec<Client>,
    method: Method,
    tally: &Arc<Mutex<Tally>>,
    troubles: &Troubles,
) -> anyhow::Result<Spent> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for (client, user) in clients.into_iter().zip(0..) {
        let user = lab.tokens.name(user);
        let (stop, tally, troubles) = (Arc::clone(&stop), Arc::clone(tally), troubles.clone());
        let method = method.clone();
        callers.spawn(async move {
            let done = call_until(&stop, client, &method, &user, &tally, &troubles).await;
            if let Err(end) = done {
                troubles.note(|| end.0);
            }
        });
    }
    let spent = measure(lab, tally).await?;
    let counted = std::mem::take(&mut *tally.lock());
    stop.store(true, Ordering::Relaxed);
    let all_done = async { while callers.join_next().await.is_some() {} };
    if timeout(PATIENCE, all_done).await.is_err() {
        troubles.note(|| format!("calls are not answered within {} s", PATIENCE.as_secs()));
    }
    *tally.lock() = counted;
    Ok(spent)
}

async fn call_until(
    stop: &AtomicBool,
    mut client: Client,
    method: &Method,
    user: &str,
    tally: &Mutex<Tally>,
    troubles: &Troubles,
) -> Result<(), End> {
    let mut batch = Batch::default();
    let mut id = 0;
    while !stop.load(Ordering::Relaxed) {
        id += 1;
        let due = Instant::now();
        method.add(&client.outgoing, &mut batch, id, user);
        client.outgoing.send(&mut batch).await?;
        let mut is_answered = false;
        while !is_answered {
            client
                .incoming
                .hear(&mut |heard| {
                    if let Heard::Answer {
                        id: answered,
                        error,
                    } = heard
                    {
                        is_answered |= answered == id;
                        if let Some(error) = error {
                            troubles.note(|| error);
                        }
                    }
                })
                .await?;
        }
        tally.lock().add(due.elapsed());
    }
    client.part().await
}

/// Calls are made when they are due, whatever has been answered: how long a call takes at this rate.
async fn at_a_pace(
    lab: &mut Lab,
    clients: Vec<Client>,
    method: Method,
    rate: f64,
    tally: &Arc<Mutex<Tally>>,
    troubles: &Troubles,
) -> anyhow::Result<Spent> {
    let waiting: Vec<Waiting> = clients.iter().map(|_| Waiting::default()).collect();
    let mut ears = waiting.iter();
    let crowd = Crowd::listen(clients, PING_INTERVAL, troubles, || {
        let waiting = ears.next().cloned().unwrap_or_default();
        let (tally, troubles) = (Arc::clone(tally), troubles.clone());
        move |heard| {
            if let Heard::Answer { id, error } = heard {
                match waiting.answer(id) {
                    Some(due) => tally.lock().add(due.elapsed()),
                    None => troubles.note(|| "a call is answered twice".to_owned()),
                }
                if let Some(error) = error {
                    troubles.note(|| error);
                }
            }
        }
    });
    let users: Vec<String> = (0..waiting.len())
        .map(|user| lab.tokens.name(user))
        .collect();
    let calling = async {
        let mut batch = Batch::default();
        let start = Instant::now();
        let callers = crowd.outgoing.iter().zip(&waiting).zip(&users).cycle();
        for (((outgoing, waiting), user), id) in callers.zip(0..) {
            let due = Pace::PerSecond(rate).due(start, id);
            wait_until(due).await;
            waiting.ask(id, due);
            method.add(outgoing, &mut batch, id, user);
            if let Err(end) = outgoing.send(&mut batch).await {
                return end;
            }
        }
        End("there is no connection".to_owned())
    };
    let spent = tokio::select! {
        spent = measure(lab, tally) => spent?,
        end = calling => return Err(end.into()),
    };
    let counted = std::mem::take(&mut *tally.lock());
    crowd.part().await;
    *tally.lock() = counted;
    Ok(spent)
}

/// The calls of one connection that are not answered yet, in the order in which they were made.
#[derive(Debug, Clone, Default)]
struct Waiting(Arc<Mutex<VecDeque<(u64, Instant)>>>);

impl Waiting {
    fn ask(&self, id: u64, due: Instant) {
        self.0.lock().push_back((id, due));
    }

    /// When the call was due; none: it does not wait.
    fn answer(&self, id: u64) -> Option<Instant> {
        let mut calls = self.0.lock();
        let at = calls.iter().position(|(waiting, _)| *waiting == id)?;
        calls.remove(at).map(|(_, due)| due)
    }
}

/// How long the last answers may take: no server that works takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_left_is_watched_again() {
        let users = ["a", "b"].map(str::to_owned);
        let calls: Vec<_> = (1..=6).map(|id| next_watched(&users, id)).collect();
        let (leave, watch) = ("UnsubscribeFromUserStatus", "SubscribeToUserStatus");
        let wanted = [
            (leave, "a"),
            (watch, "a"),
            (leave, "b"),
            (watch, "b"),
            (leave, "a"),
            (watch, "a"),
        ];
        assert_eq!(calls, wanted);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_find_their_calls_in_any_order_and_once() {
        let waiting = Waiting::default();
        let start = Instant::now();
        for id in 0..3 {
            waiting.ask(id, start + Duration::from_millis(id));
        }
        assert_eq!(waiting.answer(1), Some(start + Duration::from_millis(1)));
        assert_eq!(waiting.answer(1), None);
        assert_eq!(waiting.answer(0), Some(start));
        assert_eq!(waiting.answer(2), Some(start + Duration::from_millis(2)));
    }
}
