//! Some of those who watch never read.

use std::collections::BTreeMap;

use super::fanout::{Stage, watch, watched_by_each};
use crate::cli::Slow;
use crate::client::Client;
use crate::crowd::{self, Until};
use crate::lab::{Lab, Spent, Work, growth, per};
use crate::latency::Latencies;
use crate::meter;
use crate::schedule::Pace;

/// Sends the same events to those who read, without and with others who do not, in turns: a machine's speed changes within
/// seconds by more than what is to be seen.
pub(super) async fn slow(lab: &mut Lab, case: &Slow) -> anyhow::Result<()> {
    let readers = case.watchers - case.silent;
    let stage = Stage::set(lab, readers, 1).await?;
    let pace = Pace::PerSecond(case.rate);
    stage.play(1, pace, lab.warm_up()).await?;
    let (mut alone, mut beside) = (Sum::default(), Sum::default());
    let (mut rss, mut kernel) = (0.0f64, 0.0f64);
    for _ in 0..TURNS {
        alone.run(lab, &stage, pace).await?;

        let before = (lab.start()?, meter::socket_memory()?);
        let silent = join_silently(lab, case).await?;
        // Until all that may be held for them is.
        stage
            .play(FULL_IN_FLIGHT, Pace::AtOnce, lab.warm_up())
            .await?;
        kernel = kernel.max(growth(before.1, meter::socket_memory()?));
        rss = rss.max(lab.stop(before.0)?.rss_growth());
        beside.run(lab, &stage, pace).await?;
        drop(silent);
        lab.settle().await?;
    }
    let count = case.silent as u64;
    let mut more = BTreeMap::from([
        (
            "both_ends_kernel_kib_each_silent",
            per(kernel / 1024.0, count),
        ),
        ("rss_kib_each_silent", per(rss / 1024.0, count)),
    ]);
    if let (Some(with), Some(without)) = (beside.cpu_of_each(), alone.cpu_of_each()) {
        more.insert("cost_ratio", with / without);
    }
    alone.note(lab, case, &stage, "slow-none", BTreeMap::new());
    beside.note(lab, case, &stage, "slow", more);
    stage.clear().await;
    lab.settle().await
}

/// Those who never read connect, and watch.
async fn join_silently(lab: &Lab, case: &Slow) -> anyhow::Result<Vec<Client>> {
    let mut dialer = lab.dialer.clone();
    dialer.receive_buffer = Some(SILENT_BUFFER);
    let first = case.watchers - case.silent + 1;
    let silent = crowd::connect(
        &dialer,
        first..case.watchers + 1,
        Pace::AtOnce,
        lab.common.connecting,
        Until::Handshake,
        &mut Latencies::default(),
    )
    .await?;
    watch(lab, silent, &watched_by_each(lab, 1)).await
}

/// What several stretches of events took.
#[derive(Debug, Default)]
struct Sum {
    spent: Option<Spent>,
    count: u64,
    latencies: Latencies,
}

impl Sum {
    /// One stretch more.
    async fn run(&mut self, lab: &mut Lab, stage: &Stage, pace: Pace) -> anyhow::Result<()> {
        stage.events.begin();
        let start = lab.start()?;
        stage.play(1, pace, lab.measured() / TURNS).await?;
        let spent = lab.stop(start)?;
        let (count, latencies) = stage.events.end();
        self.spent = Some(self.spent.map_or(spent, |sum| sum.and(spent)));
        self.count += count;
        self.latencies.add(&latencies);
        Ok(())
    }

    /// Seconds of the server's CPU for each delivery.
    fn cpu_of_each(&self) -> Option<f64> {
        let cpu = self.spent?.cpu?;
        (self.count > 0).then(|| per(cpu.as_secs_f64(), self.count))
    }

    fn note(
        &self,
        lab: &mut Lab,
        case: &Slow,
        stage: &Stage,
        name: &str,
        more: BTreeMap<&'static str, f64>,
    ) {
        let Some(spent) = &self.spent else { return };
        let work = Work {
            case: name.to_owned(),
            connections: case.watchers,
            unit: "delivery",
            count: self.count,
            latencies: &self.latencies,
            troubles: &stage.troubles,
            more,
        };
        lab.note(work, spent);
    }
}

/// How often those who never read come and go.
const TURNS: u32 = 8;

/// So many events are on their way at a time while the queues of those who never read are filled.
const FULL_IN_FLIGHT: usize = 16;

/// What the kernel holds for one who never reads is to be the server's side: as little as may be on this one.
const SILENT_BUFFER: u32 = 4096;
