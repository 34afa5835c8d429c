//! Connections come and go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cli::Churn;
use crate::client::End;
use crate::crowd::Troubles;
use crate::lab::{Lab, Work};
use crate::latency::Latencies;
use crate::schedule::{Pace, wait_until};

/// Connects and disconnects at a rate; what is timed is the connecting.
pub(super) async fn churn(lab: &mut Lab, case: &Churn) -> anyhow::Result<()> {
    let troubles = Troubles::default();
    let pace = Pace::PerSecond(case.rate);
    run(
        lab,
        case.users,
        pace,
        lab.warm_up().as_secs_f64() * case.rate,
        &troubles,
    )
    .await?;
    lab.settle().await?;
    let start = lab.start()?;
    let (count, latencies) = run(
        lab,
        case.users,
        pace,
        lab.measured().as_secs_f64() * case.rate,
        &troubles,
    )
    .await?;
    lab.settle().await?;
    let spent = lab.stop(start)?;
    let work = Work {
        case: "churn".to_owned(),
        connections: case.users,
        unit: "connection",
        count,
        latencies: &latencies,
        troubles: &troubles,
        more: BTreeMap::new(),
    };
    lab.note(work, &spent);
    Ok(())
}

fn count(counted: &Mutex<(u64, Latencies)>, waited: Duration) {
    let mut counted = counted.lock();
    counted.0 += 1;
    counted.1.record(waited);
}

async fn run(
    lab: &Lab,
    users: usize,
    pace: Pace,
    cycles: f64,
    troubles: &Troubles,
) -> anyhow::Result<(u64, Latencies)> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be sensible"
    )]
    let cycles = cycles as usize;
    let places = Arc::new(Semaphore::new(lab.common.connecting));
    let latencies = Arc::new(Mutex::new((0, Latencies::default())));
    let mut running = JoinSet::new();
    let start = Instant::now();
    for (cycle, index) in (0..cycles).zip(0..) {
        let due = pace.due(start, index);
        wait_until(due).await;
        let place = Arc::clone(&places).acquire_owned().await?;
        let (dialer, latencies, troubles) =
            (lab.dialer.clone(), Arc::clone(&latencies), troubles.clone());
        running.spawn(async move {
            let cycled: Result<(), End> = async {
                let client = dialer.connect(cycle % users).await?;
                count(&latencies, due.elapsed());
                client.part().await
            }
            .await;
            if let Err(end) = cycled {
                troubles.note(|| end.0);
            }
            drop(place);
        });
        while running.try_join_next().is_some() {}
    }
    while running.join_next().await.is_some() {}
    let counted = std::mem::take(&mut *latencies.lock());
    Ok(counted)
}
