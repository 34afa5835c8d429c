//! Sharded pub/sub in a cluster: a connection to each master, and who has which slots.

use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use hashbrown::{HashMap, HashSet};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    Shared,
    supervisor::{STEADY, note_loss, pause, serve_at},
    wishes::{Owner, ServerId},
};
use crate::{
    Endpoint,
    backoff::{Backoff, random},
    locate::{self, Layout},
    socket::Fault,
    state::{HEARTBEAT, SILENCE_MAX},
    wire::{As, Wire},
};

/// Keeps connections to all masters until none is there and no node is to be asked; `known` becomes all nodes.
///
/// All of it is one task: what comes is handed on by one connection at a time.
pub(super) async fn serve(shared: &Shared, wire: Wire, known: &mut Vec<Endpoint>) -> Fault {
    let mut masters = Masters::default();
    let mut kept = FuturesUnordered::new();
    let mut asking = std::pin::pin!(Asker::new(shared, wire, known).ask(shared));
    loop {
        tokio::select! {
            Some(_) = kept.next() => {}
            (mut asker, answer) = &mut asking => {
                match answer {
                    Ok(layout) => {
                        for (server, end, endpoint) in masters.follow(shared, &layout) {
                            kept.push(end.run_until_cancelled_owned(keep(shared, server, endpoint)));
                        }
                        shared.note_state();
                        asker.learn(shared, &layout.nodes);
                        *known = layout.nodes;
                    }
                    Err(fault) => {
                        tracing::debug!(reason = &*fault.reason, "a node of the cluster could not tell who has which slots");
                        if asker.has_asked_all() && !shared.wishes.lock().is_any_connected() {
                            return fault;
                        }
                    }
                }
                asking.set(asker.ask(shared));
            }
        }
    }
}

/// The masters, and their connections for as long as they have slots.
#[derive(Default)]
struct Masters {
    kept: HashMap<Endpoint, (ServerId, DropGuard)>,
    last: u32,
}

impl Masters {
    /// Sends channels to where a layout has them; gives the masters that are new.
    fn follow(
        &mut self,
        shared: &Shared,
        layout: &Layout,
    ) -> Vec<(ServerId, CancellationToken, Endpoint)> {
        let mut new = Vec::new();
        let mut owners = Vec::with_capacity(layout.ranges.len());
        for range in &layout.ranges {
            let server = match self.kept.get(&range.master) {
                Some((server, _)) => *server,
                None => {
                    self.last = self.last.wrapping_add(1);
                    let (server, end) = (ServerId(self.last), CancellationToken::new());
                    new.push((server, end.clone(), range.master.clone()));
                    self.kept
                        .insert(range.master.clone(), (server, end.drop_guard()));
                    server
                }
            };
            owners.push(Owner {
                first: range.first,
                last: range.last,
                server,
            });
        }
        let named: HashSet<&Endpoint> = layout.ranges.iter().map(|range| &range.master).collect();
        self.kept.retain(|endpoint, _| named.contains(endpoint));
        shared.wishes.lock().lay_out(owners);
        new
    }
}

/// Keeps a connection to one master.
async fn keep(shared: &Shared, server: ServerId, endpoint: Endpoint) {
    let mut backoff = Backoff::default();
    let doubt = shared.wishes.lock().doubt();
    loop {
        let begun = Instant::now();
        let fault = match open(shared, &endpoint).await {
            Ok(wire) => {
                let fault = serve_at(shared, server, wire).await;
                note_loss(shared, &fault);
                fault
            }
            Err(fault) => fault,
        };
        if begun.elapsed() > STEADY {
            backoff.reset();
        }
        shared.wishes.lock().lost(server, &fault.reason);
        let pause = pause(&mut backoff, &fault);
        shared.away(fault.reason, backoff.tries());
        // Its replica may have its slots already.
        doubt.notify_one();
        sleep(pause).await;
    }
}

async fn open(shared: &Shared, endpoint: &Endpoint) -> Result<Wire, Fault> {
    let mut wire = Wire::open(&shared.dialer, endpoint, As::Client).await?;
    let asked = locate::must_publish(&mut wire, shared.pub_sub());
    match timeout(SILENCE_MAX, asked).await {
        Ok(able) => able.map(|()| wire),
        Err(_) => Err(Fault::new(format!("{endpoint}: silent"))),
    }
}

/// Asks one node after the other who has which slots.
struct Asker {
    nodes: Vec<Endpoint>,
    /// Who is asked next when this one does not answer.
    at: usize,
    wire: Option<Wire>,
    failures: usize,
    backoff: Backoff,
    doubt: Arc<Notify>,
    is_first: bool,
}

impl Asker {
    fn new(shared: &Shared, wire: Wire, known: &[Endpoint]) -> Self {
        let mut asker = Self {
            nodes: Vec::new(),
            at: 0,
            wire: Some(wire),
            failures: 0,
            backoff: Backoff::default(),
            doubt: shared.wishes.lock().doubt(),
            is_first: true,
        };
        asker.learn(shared, known);
        asker
    }

    /// These can be asked, too.
    fn learn(&mut self, shared: &Shared, nodes: &[Endpoint]) {
        let given = &shared.dialer.settings.endpoints;
        let beside = nodes.iter().filter(|node| !given.contains(node));
        self.nodes = given.iter().chain(beside).cloned().collect();
    }

    /// Whether each node was asked in vain.
    fn has_asked_all(&self) -> bool {
        self.failures > self.nodes.len()
    }

    /// Asks a node: once in a heartbeat while all is well, else the sooner, the longer it was well.
    async fn ask(mut self, shared: &Shared) -> (Self, Result<Layout, Fault>) {
        self.wait(shared).await;
        let answer = self.one_layout(shared).await;
        match answer {
            Ok(_) => self.failures = 0,
            Err(_) => self.failures += 1,
        }
        (self, answer)
    }

    async fn wait(&mut self, shared: &Shared) {
        if std::mem::take(&mut self.is_first) {
            return;
        }
        if shared.state.borrow().is_ready() {
            tokio::select! {
                () = sleep(HEARTBEAT) => return self.backoff.reset(),
                () = self.doubt.notified() => {}
            }
        }
        sleep(self.backoff.next(random()).min(HEARTBEAT)).await;
    }

    async fn one_layout(&mut self, shared: &Shared) -> Result<Layout, Fault> {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => {
                let node = self.nodes.get(self.at % self.nodes.len().max(1));
                let node = node.ok_or_else(|| Fault::new("no server is named"))?;
                self.at = self.at.wrapping_add(1);
                Wire::open(&shared.dialer, node, As::Client).await?
            }
        };
        let asked = timeout(SILENCE_MAX, locate::valid_layout(&mut wire)).await;
        let layout =
            asked.unwrap_or_else(|_| Err(Fault::new(format!("{}: silent", wire.endpoint()))))?;
        self.wire = Some(wire);
        Ok(layout)
    }
}
