//! Some of those who watch never read.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use super::fanout::{Stage, watch, watched_by_each};
use crate::cli::Slow;
use crate::crowd::{self, Until};
use crate::lab::{Lab, Spent, Work, growth, per};
use crate::latency::Latencies;
use crate::meter;
use crate::schedule::Pace;

/// Sends the same events to those who read, without and with others who do not.
pub(super) async fn slow(lab: &mut Lab, case: &Slow) -> anyhow::Result<()> {
    let readers = case.watchers - case.silent;
    let stage = Stage::set(lab, readers, 1).await?;
    let pace = Pace::PerSecond(case.rate);
    stage.play(1, pace, lab.warm_up()).await?;
    let alone = run(lab, &stage, pace).await?;
    note(lab, case, &stage, "slow-none", &alone, BTreeMap::new());

    let mut dialer = lab.dialer.clone();
    dialer.receive_buffer = Some(SILENT_BUFFER);
    let users = readers + 1..case.watchers + 1;
    let at_once = lab.common.connecting;
    let silent = crowd::connect(
        &dialer,
        users,
        Pace::AtOnce,
        at_once,
        Until::Handshake,
        &mut Latencies::new(),
    )
    .await?;
    let silent = watch(lab, silent, &watched_by_each(lab, 1)).await?;
    let beside = run(lab, &stage, pace).await?;
    let count = case.silent as u64;
    let mut more = BTreeMap::from([
        (
            "both_ends_kernel_kib_each_silent",
            per(beside.kernel_growth / 1024.0, count),
        ),
        (
            "rss_kib_each_silent",
            per(beside.rss_growth / 1024.0, count),
        ),
    ]);
    if let (Some(with), Some(without)) = (beside.spent.cpu, alone.spent.cpu) {
        let ratio = per(with.as_secs_f64(), beside.count) / per(without.as_secs_f64(), alone.count);
        more.insert("cost_ratio", ratio);
    }
    note(lab, case, &stage, "slow", &beside, more);
    drop(silent);
    stage.clear().await;
    lab.settle().await
}

/// What a stretch of events took.
struct Run {
    spent: Spent,
    count: u64,
    latencies: Latencies,
    /// The most by which the server's memory grew, bytes.
    rss_growth: f64,
    /// The most by which the memory of all sockets of the machine grew, bytes.
    kernel_growth: f64,
}

async fn run(lab: &mut Lab, stage: &Stage, pace: Pace) -> anyhow::Result<Run> {
    let kernel_before = meter::socket_memory()?;
    let mut kernel_max = kernel_before;
    stage.events.begin();
    let start = lab.start()?;
    let mut playing = pin!(stage.play(1, pace, lab.measured()));
    let played = loop {
        match timeout(SAMPLED_EVERY, playing.as_mut()).await {
            Ok(played) => break played,
            Err(_) => kernel_max = kernel_max.max(meter::socket_memory()?),
        }
    };
    played?;
    let spent = lab.stop(start)?;
    let (count, latencies) = stage.events.end();
    Ok(Run {
        rss_growth: spent.rss_growth(),
        kernel_growth: growth(kernel_before, kernel_max),
        spent,
        count,
        latencies,
    })
}

fn note(
    lab: &mut Lab,
    case: &Slow,
    stage: &Stage,
    name: &str,
    run: &Run,
    more: BTreeMap<&'static str, f64>,
) {
    let work = Work {
        case: name.to_owned(),
        connections: case.watchers,
        unit: "delivery",
        count: run.count,
        latencies: &run.latencies,
        troubles: &stage.troubles,
        more,
    };
    lab.note(work, &run.spent);
}

/// What the kernel holds for one who never reads is to be the server's side: as little as may be on this one.
const SILENT_BUFFER: u32 = 4096;

/// Often beside a case of seconds, seldom beside its events.
const SAMPLED_EVERY: Duration = Duration::from_millis(100);
