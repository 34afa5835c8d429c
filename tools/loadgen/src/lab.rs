//! One run: its clients, its meters, its results.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::Instant;

use crate::cases;
use crate::cli::{Cli, Common};
use crate::client::Dialer;
use crate::client::dialer::Transport;
use crate::crowd::Troubles;
use crate::latency::Latencies;
use crate::meter::{Meter, Reading};
use crate::report::{self, Row};
use crate::target::{Sources, Target};
use crate::tokens::Tokens;

/// Carries a command line out.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<()> {
    if let crate::cli::Case::Issuer(issuer) = &cli.case {
        return cases::issuer(issuer).await;
    }
    let mut lab = Lab::new(&cli).await?;
    let done = cases::run(&mut lab, &cli.case).await;
    print(&report::table(&lab.rows));
    if let Some(path) = &cli.common.json {
        report::write_json(path, &lab.rows)?;
    }
    done
}

/// What the cases share.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) common: Common,
    pub(crate) dialer: Dialer,
    pub(crate) tokens: Arc<Tokens>,
    server: Option<Meter>,
    redis: Option<Meter>,
    own: Meter,
    rows: Vec<Row>,
}

/// The beginning of what is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub(crate) at: Instant,
    server: Option<Reading>,
    redis: Option<Reading>,
    own: Duration,
}

/// What was spent since.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) time: Duration,
    pub(crate) cpu: Option<Duration>,
    redis_cpu: Option<Duration>,
    own_cpu: Duration,
    pub(crate) before: Option<Reading>,
    pub(crate) after: Option<Reading>,
}

impl Spent {
    /// The same, in the time that the work itself took.
    pub(crate) fn within(self, time: Duration) -> Self {
        Self { time, ..self }
    }

    /// This, and what was spent afterwards for the same.
    pub(crate) fn and(self, later: Self) -> Self {
        let sum = |one: Option<Duration>, other: Option<Duration>| Some(one? + other?);
        Self {
            time: self.time + later.time,
            cpu: sum(self.cpu, later.cpu),
            redis_cpu: sum(self.redis_cpu, later.redis_cpu),
            own_cpu: self.own_cpu + later.own_cpu,
            before: self.before,
            after: later.after,
        }
    }

    /// By how many bytes the server's memory grew; 0: it is not known.
    pub(crate) fn rss_growth(&self) -> f64 {
        match (self.before, self.after) {
            (Some(before), Some(after)) => growth(before.rss, after.rss),
            _ => 0.0,
        }
    }
}

/// What was added, or taken away.
#[expect(clippy::cast_precision_loss, reason = "memory is below 2^53 bytes")]
pub(crate) fn growth(before: u64, after: u64) -> f64 {
    after as f64 - before as f64
}

/// What a case did.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) case: String,
    pub(crate) connections: usize,
    pub(crate) unit: &'static str,
    pub(crate) count: u64,
    pub(crate) latencies: &'a Latencies,
    pub(crate) troubles: &'a Troubles,
    pub(crate) more: BTreeMap<&'static str, f64>,
}

impl Lab {
    async fn new(cli: &Cli) -> anyhow::Result<Self> {
        let common = cli.common.clone();
        let target = Target::parse(&common.url)?;
        let tokens = Arc::new(Tokens::get(&common.tokens, cli.case.users()).await?);
        let is_here = target.address.ip().is_loopback();
        let server = match common.pid {
            Some(pid) => Some(Meter::new(pid)?),
            None if is_here => Some(Meter::of_listener(target.address.port())?),
            None => None,
        };
        let expected = crate::client::dialer::expected(&tokens.name(0));
        Ok(Self {
            dialer: Dialer {
                sources: Arc::new(Sources::new(target.address, std::process::id())),
                target: Arc::new(target),
                tokens: Arc::clone(&tokens),
                transport: common.transport,
                protocol: common.protocol.into(),
                negotiates: common.negotiate,
                expected,
                receive_buffer: None,
            },
            tokens,
            server,
            redis: common.redis_pid.map(Meter::new).transpose()?,
            own: Meter::new(std::process::id())?,
            common,
            rows: Vec::new(),
        })
    }

    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.common.warm_up)
    }

    pub(crate) fn measured(&self) -> Duration {
        Duration::from_secs_f64(self.common.seconds)
    }

    /// Begins to measure.
    pub(crate) fn start(&mut self) -> anyhow::Result<Start> {
        Ok(Start {
            server: self.read_server()?,
            redis: self.redis.as_mut().map(Meter::read).transpose()?,
            own: self.own.cpu()?,
            at: Instant::now(),
        })
    }

    /// Ends what `start` began.
    pub(crate) fn stop(&mut self, start: Start) -> anyhow::Result<Spent> {
        let time = start.at.elapsed();
        let own_cpu = self.own.cpu()? - start.own;
        let after = self.read_server()?;
        let redis = self.redis.as_mut().map(Meter::read).transpose()?;
        let cpu = |before: Option<Reading>, after: Option<Reading>| Some(after?.cpu - before?.cpu);
        Ok(Spent {
            time,
            cpu: cpu(start.server, after),
            redis_cpu: cpu(start.redis, redis),
            own_cpu,
            before: start.server,
            after,
        })
    }

    /// Waits until the server has done what it put off.
    pub(crate) async fn settle(&mut self) -> anyhow::Result<()> {
        if let Some(server) = &mut self.server {
            server
                .settle(SETTLED_BY)
                .await
                .context("the server is gone")?;
        }
        Ok(())
    }

    fn read_server(&mut self) -> anyhow::Result<Option<Reading>> {
        let reading = self.server.as_mut().map(Meter::read).transpose();
        reading.context("the server is gone")
    }

    /// Notes what a case found.
    pub(crate) fn note(&mut self, work: Work<'_>, spent: &Spent) {
        let each = |cpu: Duration| per(cpu.as_secs_f64() * 1e6, work.count);
        let transport = match self.common.transport {
            Transport::Websockets => "websockets",
            Transport::Sse => "sse",
            Transport::Longpolling => "longpolling",
        };
        if let Some(first) = work.troubles.first() {
            complain(&work.case, &first);
        }
        self.rows.push(Row {
            case: work.case,
            transport: transport.to_owned(),
            protocol: self.dialer.protocol.name().to_owned(),
            connections: work.connections,
            unit: work.unit,
            count: work.count,
            errors: work.troubles.count(),
            seconds: spent.time.as_secs_f64(),
            rate_per_second: rate(work.count, spent.time),
            cpu_us: spent.cpu.map(each),
            redis_cpu_us: spent.redis_cpu.map(each),
            loadgen_cpu_us: each(spent.own_cpu),
            latency_us: work.latencies.summary(),
            rss_before: spent.before.map(|reading| reading.rss),
            rss_after: spent.after.map(|reading| reading.rss),
            pss_after: spent.after.map(|reading| reading.pss),
            more: work.more,
        });
    }
}

/// A share of a whole; of nothing it is 0.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
pub(crate) fn per(whole: f64, count: u64) -> f64 {
    if count == 0 {
        0.0
    } else {
        whole / count as f64
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(1e-9)
}

#[expect(clippy::print_stdout, reason = "what the program is for")]
fn print(text: &str) {
    print!("{text}");
}

#[expect(clippy::print_stderr, reason = "a command-line program")]
fn complain(case: &str, what: &str) {
    eprintln!("loadgen: {case}: {what}");
}

/// A storm's last announcements take less than a second; a server that never rests is measured as it is.
const SETTLED_BY: Duration = Duration::from_secs(5);
