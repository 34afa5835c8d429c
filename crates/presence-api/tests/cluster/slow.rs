//! Watchers that do not read.

use std::time::Duration;

use serde_json::json;
use testkit::client::Client;
use testkit::raw::within;
use tokio::time::Instant;

use crate::node::Cluster;
use crate::people::{Watcher, close, names};

/// Case 14: one watcher stops reading while 500 users flip on another node; the other watcher is not delayed.
#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_stops_reading_is_closed_and_delays_nobody() {
    let Some(cluster) = Cluster::start(2, &[]).await else {
        return;
    };
    // Six bytes of JSON for each of these: an event is 3 kB, and the kernel's own buffers are soon full.
    let users = names(&"\u{1}".repeat(500), 500);
    let mut reads = Watcher::start(&cluster, &cluster.nodes[1], &users).await;
    let mut stops = Client::to(cluster.nodes[1].web(), "/_hubs/presence")
        .bearer(&cluster.token("sleeps"))
        .receive_buffer(4_096)
        .connect()
        .await;
    for user in &users {
        let answer = stops.invoke("SubscribeToUserStatus", &[json!(user)]).await;
        assert_eq!(answer, Ok(json!(null)));
    }
    let before = cluster.nodes[1].memory();
    let mut most = before;
    let mut slowest = Duration::ZERO;
    for round in 0..ROUNDS {
        for some in users.chunks(50) {
            let people = crate::people::crowd(&cluster, &cluster.nodes[0], some).await;
            futures_util::future::join_all(people.into_iter().map(async |mut client| {
                close(&mut client).await;
            }))
            .await;
            let gone = Instant::now();
            let heard = reads.events.len() / 1_000 * 1_000;
            let in_round =
                some.len() * 2 * (users.iter().position(|user| *user == some[0]).unwrap() / 50 + 1);
            assert!(heard <= 1_000 * round + in_round);
            reads.hears(1_000 * round + in_round).await;
            slowest = slowest.max(gone.elapsed());
            most = most.max(cluster.nodes[1].memory());
        }
    }
    assert!(slowest < Duration::from_secs(2), "it took {slowest:?}");
    let grown = most - before;
    assert!(grown < 24 << 20, "{} kB more memory", grown >> 10);
    assert_eq!(reads.events.len(), 1_000 * ROUNDS);
    for user in &users {
        assert_eq!(reads.told_of(user), ["online", "offline"].repeat(ROUNDS));
    }
    let closed = "presence_connections_closed_total{reason=\"slow_receiver\"}";
    // On a fast machine all was sent before the second was over that it may take nothing.
    within("it is closed", async {
        while cluster.nodes[1].metric(closed).await < 1.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(cluster.nodes[1].metric(closed).await, 1.0);
    let (read, end) = stops.read_to_end().await;
    assert!(
        read.len() < 1_000 * ROUNDS,
        "it was closed before all came: {end:?}"
    );
}

/// So many that what the kernel holds for one connection, some 6 MB, is not enough.
const ROUNDS: usize = 4;
