//! Many clients at once.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use crate::client::{Batch, Client, Dialer, End, Goodbye, Heard, Incoming, Outgoing};
use crate::latency::Latencies;
use crate::schedule::{Pace, wait_until};

/// When a client counts as connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Its handshake is answered.
    Handshake,
    /// It watches its own user, who says "online", and has heard it.
    FirstEvent,
}

/// Connects users, at most `at_once` at a time, and records how long after its due time each was connected.
///
/// # Errors
/// The first that could not be connected ends it.
pub(crate) async fn connect(
    dialer: &Dialer,
    users: std::ops::Range<usize>,
    pace: Pace,
    at_once: usize,
    until: Until,
    latencies: &mut Latencies,
) -> anyhow::Result<Vec<Client>> {
    let count = users.len();
    let places = Arc::new(Semaphore::new(at_once));
    let mut connecting = JoinSet::new();
    let mut clients = Vec::with_capacity(count);
    let start = Instant::now();
    for (user, index) in users.zip(0..) {
        let due = pace.due(start, index);
        wait_until(due).await;
        let place = Arc::clone(&places).acquire_owned().await?;
        let dialer = dialer.clone();
        connecting.spawn(async move {
            let client = match until {
                Until::Handshake => dialer.connect(user).await,
                Until::FirstEvent => dialer.connect_until_event(user).await,
            };
            drop(place);
            (client, due.elapsed())
        });
        while let Some(done) = connecting.try_join_next() {
            admit(done?, &mut clients, count, latencies)?;
        }
    }
    while let Some(done) = connecting.join_next().await {
        admit(done?, &mut clients, count, latencies)?;
    }
    Ok(clients)
}

fn admit(
    (client, waited): (Result<Client, End>, Duration),
    clients: &mut Vec<Client>,
    count: usize,
    latencies: &mut Latencies,
) -> anyhow::Result<()> {
    let connected = clients.len();
    let client = client.map_err(|end| {
        let context = format!("{connected} of {count} clients are connected");
        anyhow::Error::new(end).context(context)
    })?;
    clients.push(client);
    latencies.record(waited);
    Ok(())
}

/// What went wrong on the way; counted by all tasks of a case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Troubles(Arc<Mutex<(u64, Option<String>)>>);

impl Troubles {
    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        let mut state = self.0.lock();
        state.0 += 1;
        state.1.get_or_insert_with(what);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.lock().0
    }

    pub(crate) fn first(&self) -> Option<String> {
        self.0.lock().1.clone()
    }
}

/// Clients that listen.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) outgoing: Vec<Outgoing>,
    listening: JoinSet<()>,
    pings: AbortHandle,
    troubles: Troubles,
    parting: Arc<Mutex<bool>>,
}

impl Crowd {
    /// Has each client listen, with ears of its own, and ping every 10 s.
    ///
    /// `silence`: how long after now the first ping is due. A connection's end is a trouble.
    pub(crate) fn listen<E: FnMut(Heard) + Send + 'static>(
        clients: Vec<Client>,
        silence: Duration,
        troubles: &Troubles,
        mut ears: impl FnMut() -> E,
    ) -> Self {
        let mut listening = JoinSet::new();
        let mut outgoing = Vec::with_capacity(clients.len());
        let parting = Arc::new(Mutex::new(false));
        for client in clients {
            outgoing.push(client.outgoing);
            let (troubles, parting) = (troubles.clone(), Arc::clone(&parting));
            listening.spawn(listen(client.incoming, ears(), troubles, parting));
        }
        let pings = tokio::spawn(ping(outgoing.clone(), Instant::now() + silence)).abort_handle();
        Self {
            outgoing,
            listening,
            pings,
            troubles: troubles.clone(),
            parting,
        }
    }

    /// Says goodbye for all, and waits until the server has ended the connections.
    pub(crate) async fn part(mut self) {
        *self.parting.lock() = true;
        self.pings.abort();
        for outgoing in &self.outgoing {
            match outgoing.close().await {
                Ok(Goodbye::Said) => {}
                Ok(Goodbye::Unsaid) => return self.listening.shutdown().await,
                Err(end) => self.troubles.note(|| end.0),
            }
        }
        let all_ended = async { while self.listening.join_next().await.is_some() {} };
        if timeout(PARTING, all_ended).await.is_err() {
            self.troubles
                .note(|| "the server does not end connections that were closed".to_owned());
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.pings.abort();
    }
}

async fn listen(
    mut incoming: Incoming,
    mut ear: impl FnMut(Heard),
    troubles: Troubles,
    parting: Arc<Mutex<bool>>,
) {
    loop {
        if let Err(end) = incoming.hear(&mut ear).await {
            if !*parting.lock() {
                troubles.note(|| end.0);
            }
            return;
        }
    }
}

/// Pings for all clients, evenly over [`PING_INTERVAL`].
async fn ping(crowd: Vec<Outgoing>, first: Instant) {
    let Ok(count) = u32::try_from(crowd.len()) else {
        return;
    };
    let mut batch = Batch::default();
    let mut round = first;
    loop {
        for (outgoing, index) in crowd.iter().zip(0..) {
            sleep_until(round + PING_INTERVAL * index / count.max(1)).await;
            outgoing.ping(&mut batch);
            // Its end is noticed where it listens.
            drop(outgoing.send(&mut batch).await);
        }
        round += PING_INTERVAL;
        sleep_until(round).await;
    }
}

/// How often an idle client pings: the case that is compared, and well below the server's patience of 30 s.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(10);

/// Ten thousand connections end in a second or two; the rest is for a server at its limit.
const PARTING: Duration = Duration::from_secs(20);
