//! Many connect; many are connected.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;

use crate::cli::{Idle, Storm};
use crate::client::Client;
use crate::crowd::{self, Crowd, Troubles, Until};
use crate::lab::{Lab, Work, growth, per};
use crate::latency::Latencies;
use crate::meter;
use crate::schedule::Pace;

/// Connects many.
pub(super) async fn storm(lab: &mut Lab, case: &Storm) -> anyhow::Result<()> {
    let until = if case.first_event {
        Until::FirstEvent
    } else {
        Until::Handshake
    };
    let clients = connect(lab, case.connections, Pace::from_rate(case.rate), until).await?;
    let crowd = Crowd::listen(clients, FIRST_PING, &Troubles::default(), || |_| ());
    crowd.part().await;
    lab.settle().await
}

/// Connects many, and then has them do nothing.
pub(super) async fn idle(lab: &mut Lab, case: &Idle) -> anyhow::Result<()> {
    let clients = connect(lab, case.connections, Pace::AtOnce, Until::Handshake).await?;
    let troubles = Troubles::default();
    let crowd = Crowd::listen(clients, Duration::ZERO, &troubles, || |_| ());
    sleep(lab.warm_up()).await;
    let start = lab.start()?;
    // Servers ping every 15 s, and crowds that came together are pinged together: less than that, or not a multiple,
    // would count too few pings or too many.
    let rounds = lab
        .measured()
        .as_secs()
        .div_ceil(KEEP_ALIVE.as_secs())
        .max(1);
    sleep(KEEP_ALIVE * u32::try_from(rounds)?).await;
    let spent = lab.stop(start)?;
    let work = Work {
        case: "idle".to_owned(),
        connections: case.connections,
        unit: "connection-second",
        count: case.connections as u64 * rounds * KEEP_ALIVE.as_secs(),
        latencies: &Latencies::default(),
        troubles: &troubles,
        more: BTreeMap::new(),
    };
    lab.note(work, &spent);
    crowd.part().await;
    lab.settle().await
}

async fn connect(
    lab: &mut Lab,
    connections: usize,
    pace: Pace,
    until: Until,
) -> anyhow::Result<Vec<Client>> {
    let sockets = meter::socket_memory()?;
    let start = lab.start()?;
    let mut latencies = Latencies::default();
    let at_once = lab.common.connecting;
    let dialer = lab.dialer.clone();
    let clients = crowd::connect(
        &dialer,
        0..connections,
        pace,
        at_once,
        until,
        &mut latencies,
    )
    .await?;
    let connected = start.at.elapsed();
    lab.settle().await?;
    let spent = lab.stop(start)?.within(connected);
    let count = connections as u64;
    let mut more = BTreeMap::new();
    if spent.after.is_some() {
        more.insert("rss_bytes_each", per(spent.rss_growth(), count));
    }
    let kernel = growth(sockets, meter::socket_memory()?);
    more.insert("both_ends_kernel_bytes_each", per(kernel, count));
    let work = Work {
        case: "storm".to_owned(),
        connections,
        unit: "connection",
        count,
        latencies: &latencies,
        troubles: &Troubles::default(),
        more,
    };
    lab.note(work, &spent);
    Ok(clients)
}

/// ASP.NET Core's default, and that of the services compared.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A storm is over long before anybody has to ping.
const FIRST_PING: Duration = Duration::from_secs(10);
