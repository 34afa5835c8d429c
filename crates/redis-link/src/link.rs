//! Commands.

mod cluster;
mod pipeline;
mod server;
mod supervisor;

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::join_all;
use parking_lot::RwLock;
use redis::{FromRedisValue, RedisResult, Value, aio::ConnectionLike as _};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    Cmd, LinkCounters, LinkError, LinkState, PubSub, Settings, counters::add, error::Refusal,
    script, socket::Dialer,
};
use pipeline::{Patience, Pipeline, Unanswered, Values};

/// Commands to Redis, over a connection that looks after itself.
///
/// Clones share the connection; dropping the last one ends it.
#[derive(Clone)]
pub struct Link {
    shared: Arc<Shared>,
    _end: Arc<DropGuard>,
}

/// What the handles and the supervisor both know.
struct Shared {
    dialer: Arc<Dialer>,
    state: watch::Sender<LinkState>,
    active: RwLock<Option<Arc<Active>>>,
    is_cluster: AtomicBool,
    counters: LinkCounters,
}

/// A connection as long as it is good.
struct Active {
    connection: Connection,
    /// Its end; the reason is there first.
    lost: CancellationToken,
    reason: OnceLock<Arc<str>>,
    /// Somebody has got an answer that this server should not give.
    doubt: Notify,
    doubted: OnceLock<Arc<str>>,
}

enum Connection {
    Server(Pipeline),
    Cluster(cluster::ClusterConnection),
}

impl Link {
    /// Begins to connect and returns at once, also if nothing is there.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(settings: &Settings) -> Self {
        let shared = Arc::new(Shared {
            dialer: Arc::new(Dialer::new(settings.clone())),
            state: watch::Sender::new(LinkState::Connecting),
            active: RwLock::new(None),
            is_cluster: AtomicBool::new(false),
            counters: LinkCounters::default(),
        });
        let end = CancellationToken::new();
        let supervised = supervisor::run(Arc::clone(&shared));
        tokio::spawn(end.clone().run_until_cancelled_owned(supervised));
        Self {
            shared,
            _end: Arc::new(end.drop_guard()),
        }
    }

    /// Carries out one command.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn run<T: FromRedisValue>(&self, cmd: &Cmd) -> Result<T, LinkError> {
        let value = self.shared.one(cmd).await?;
        T::from_redis_value(value).map_err(|error| {
            self.shared
                .counted(LinkError::Unreadable(error.to_string()), 1)
        })
    }

    /// Carries out commands in their order: one pipeline on one server, one after another in a cluster.
    ///
    /// There is one result for each. In a cluster, nothing is sent any more after a command that was not answered; the
    /// rest fails like it. After `SCRIPT FLUSH`, scripts that the server lacked are run behind the others, in their order.
    ///
    /// # Errors
    /// Nothing is known about any of them, because they were one pipeline without an answer, or none was sent.
    pub async fn run_in_order(
        &self,
        cmds: &[Cmd],
    ) -> Result<Vec<Result<Value, LinkError>>, LinkError> {
        if !self.is_cluster() {
            return self.shared.many(cmds).await;
        }
        let mut results = Vec::with_capacity(cmds.len());
        for cmd in cmds {
            let result = self.shared.one(cmd).await;
            let error = result.as_ref().err();
            let unanswered = error.filter(|error| !error.is_answer()).cloned();
            results.push(result);
            if let Some(error) = unanswered {
                results.resize_with(cmds.len(), || {
                    Err(LinkError::Away(error.to_string().into()))
                });
                break;
            }
        }
        Ok(results)
    }

    /// Carries out commands whose order does not matter: one pipeline on one server, side by side in a cluster.
    ///
    /// There is one result for each.
    pub async fn run_all(&self, cmds: &[Cmd]) -> Vec<Result<Value, LinkError>> {
        if self.is_cluster() {
            let mut results = Vec::with_capacity(cmds.len());
            for cmds in cmds.chunks(SIDE_BY_SIDE) {
                let sent: Vec<_> = cmds.iter().map(|cmd| self.shared.one(cmd)).collect();
                results.extend(join_all(sent).await);
            }
            return results;
        }
        match self.shared.many(cmds).await {
            Ok(results) => results,
            Err(error) => cmds.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    /// How the connection is, now and whenever it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.shared.state.subscribe()
    }

    /// Whether it is a cluster, as far as that is known: by the settings, or by the last connection.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.shared.is_cluster.load(Ordering::Relaxed)
    }

    /// How messages are to be published, by the settings.
    #[must_use]
    pub fn pub_sub(&self) -> PubSub {
        self.shared.dialer.settings.pub_sub
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &LinkCounters {
        &self.shared.counters
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("settings", &self.shared.dialer.settings)
            .field("state", &*self.shared.state.borrow())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// One command; a script that is not known is loaded, and the command tried once more.
    async fn one(&self, cmd: &Cmd) -> Result<Value, LinkError> {
        add(&self.counters.commands, 1);
        let result = match self.send(cmd).await {
            Err(LinkError::Refused(refusal)) if refusal.code == NO_SCRIPT => {
                self.load_scripts().await?;
                self.send(cmd).await
            }
            result => result,
        };
        result.map_err(|error| self.counted(error, 1))
    }

    async fn send(&self, cmd: &Cmd) -> Result<Value, LinkError> {
        let active = self.active()?;
        let value = match &active.connection {
            Connection::Server(server) => {
                let mut values = self.ask(&active, server, [cmd].into_iter()).await?;
                let missing = || LinkError::Unreadable("an answer is missing".to_owned());
                values.pop().ok_or_else(missing)?
            }
            Connection::Cluster(cluster) => {
                let (mut cluster, cmd) = (cluster.clone(), cmd.to_library());
                self.exchange(&active, 1, cluster.req_packed_command(&cmd))
                    .await?
            }
        };
        self.checked(value)
    }

    /// Several commands in one pipeline on one server.
    async fn many(&self, cmds: &[Cmd]) -> Result<Vec<Result<Value, LinkError>>, LinkError> {
        if cmds.is_empty() {
            return Ok(Vec::new());
        }
        add(&self.counters.commands, cmds.len() as u64);
        let work = async {
            let mut results = self.pipeline(cmds.iter()).await?;
            let lacking: Vec<usize> = (0..cmds.len())
                .filter(|at| is_no_script(&results[*at]))
                .collect();
            if !lacking.is_empty() {
                self.load_scripts().await?;
                let again = self.pipeline(lacking.iter().map(|at| &cmds[*at])).await?;
                for (at, result) in lacking.into_iter().zip(again) {
                    results[at] = result;
                }
            }
            Ok(results)
        };
        let results = work
            .await
            .map_err(|error| self.counted(error, cmds.len()))?;
        for error in results.iter().filter_map(|result| result.as_ref().err()) {
            self.counters.failed(error, 1);
        }
        Ok(results)
    }

    async fn pipeline<'a>(
        &self,
        cmds: impl ExactSizeIterator<Item = &'a Cmd>,
    ) -> Result<Vec<Result<Value, LinkError>>, LinkError> {
        let active = self.active()?;
        let count = cmds.len();
        let values = match &active.connection {
            Connection::Server(server) => self.ask(&active, server, cmds).await?.into_vec(),
            // A cluster came in place of the server this very moment; it takes what has one slot, and refuses the rest.
            Connection::Cluster(cluster) => {
                let mut pipeline = redis::Pipeline::with_capacity(count);
                cmds.for_each(|cmd| {
                    pipeline.add_command(cmd.to_library());
                });
                let mut cluster = cluster.clone();
                let sent = cluster.req_packed_commands(&pipeline, 0, count);
                self.exchange(&active, count, sent).await?
            }
        };
        if values.len() != count {
            let text = format!("{} answers to {count} commands", values.len());
            return Err(LinkError::Unreadable(text));
        }
        Ok(values
            .into_iter()
            .map(|value| self.checked(value))
            .collect())
    }

    /// Asks a server, and waits for its answers for as long as is allowed.
    async fn ask<'a>(
        &self,
        active: &Active,
        server: &Pipeline,
        cmds: impl ExactSizeIterator<Item = &'a Cmd>,
    ) -> Result<Values, LinkError> {
        let _in_flight = self.admit(cmds.len())?;
        let begun = Instant::now();
        match server.ask(cmds, Patience::Limited, begun).await {
            Ok(answers) => {
                let took = answers.came_at.duration_since(begun);
                self.counters.answered_after(took);
                Ok(answers.values)
            }
            Err(unanswered) => Err(self.unanswered(active, unanswered).await),
        }
    }

    async fn unanswered(&self, active: &Active, unanswered: Unanswered) -> LinkError {
        match unanswered {
            Unanswered::Late => LinkError::TimedOut(self.dialer.settings.command_timeout),
            Unanswered::Full => LinkError::Busy,
            Unanswered::Over => {
                // The reason is about to be known.
                active.lost.cancelled().await;
                LinkError::Lost(active.end())
            }
        }
    }

    /// Waits for answers of a cluster for as long as is allowed.
    async fn exchange<T>(
        &self,
        active: &Active,
        commands: usize,
        sent: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, LinkError> {
        let _in_flight = self.admit(commands)?;
        let limit = self.dialer.settings.command_timeout;
        let begun = Instant::now();
        let answered = tokio::select! {
            answered = tokio::time::timeout(limit, sent) => answered,
            () = active.lost.cancelled() => return Err(LinkError::Lost(active.end())),
        };
        match answered {
            Ok(Ok(value)) => {
                self.counters.answered_after(begun.elapsed());
                Ok(value)
            }
            Ok(Err(error)) => Err(self.doubted(LinkError::from(error))),
            Err(_) => Err(LinkError::TimedOut(limit)),
        }
    }

    /// Counts commands as waiting for as long as the guard lives, if so many may wait.
    fn admit(&self, commands: usize) -> Result<InFlight<'_>, LinkError> {
        let (counters, commands) = (&self.counters, commands as u64);
        let before = counters.in_flight.fetch_add(commands, Ordering::Relaxed);
        let in_flight = InFlight { counters, commands };
        // A batch that is larger than the bound may still be sent when nothing else is.
        let max = self.dialer.settings.in_flight_max.max(1) as u64;
        if before + commands.min(max) > max {
            return Err(LinkError::Busy);
        }
        Ok(in_flight)
    }

    fn active(&self) -> Result<Arc<Active>, LinkError> {
        if let Some(active) = &*self.active.read() {
            return Ok(Arc::clone(active));
        }
        let reason = self.state.borrow().reason();
        Err(LinkError::Away(reason.unwrap_or_else(|| {
            "the connection is being replaced".into()
        })))
    }

    /// Loads every script there is: who lacks one lacks all.
    async fn load_scripts(&self) -> Result<(), LinkError> {
        add(&self.counters.scripts_loaded, 1);
        let active = self.active()?;
        let loads = script::load_all();
        match &active.connection {
            Connection::Server(server) => {
                let _in_flight = self.admit(loads.len())?;
                match server::load(server, &loads, Patience::Limited).await {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(refusal)) => Err(self.doubted(LinkError::Refused(refusal))),
                    Err(unanswered) => Err(self.unanswered(&active, unanswered).await),
                }
            }
            Connection::Cluster(cluster) => {
                let count = loads.len();
                let loading = cluster::load(cluster.clone(), loads);
                self.exchange(&active, count, loading).await
            }
        }
    }

    /// The value, or the error that it is.
    fn checked(&self, value: Value) -> Result<Value, LinkError> {
        match value {
            Value::ServerError(error) => {
                Err(self.doubted(LinkError::Refused(Refusal::from(&error))))
            }
            value => Ok(value),
        }
    }

    /// An answer that says that another server must be asked makes the supervisor look for it.
    fn doubted(&self, error: LinkError) -> LinkError {
        if let LinkError::Refused(refusal) = &error
            && refusal.is_wrong_server()
            && let Some(active) = &*self.active.read()
            && matches!(active.connection, Connection::Server(_))
        {
            let _ = active.doubted.set(refusal.to_string().into());
            active.doubt.notify_one();
        }
        error
    }

    fn counted(&self, error: LinkError, commands: usize) -> LinkError {
        self.counters.failed(&error, commands);
        error
    }
}

impl Active {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            lost: CancellationToken::new(),
            reason: OnceLock::new(),
            doubt: Notify::new(),
            doubted: OnceLock::new(),
        }
    }

    fn end(&self) -> Arc<str> {
        self.reason
            .get()
            .map_or_else(|| "the connection ended".into(), Arc::clone)
    }
}

fn is_no_script(result: &Result<Value, LinkError>) -> bool {
    matches!(result, Err(LinkError::Refused(refusal)) if refusal.code == NO_SCRIPT)
}

/// Commands that count as waiting for as long as it lives.
struct InFlight<'a> {
    counters: &'a LinkCounters,
    commands: u64,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.counters
            .in_flight
            .fetch_sub(self.commands, Ordering::Relaxed);
    }
}

const NO_SCRIPT: &str = "NOSCRIPT";

/// As many as fill the client library's queues; more would only wait there.
const SIDE_BY_SIDE: usize = 256;
