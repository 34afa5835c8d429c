//! Redis that dies, stalls, and forgets.

use std::time::Duration;

use testkit::raw::eventually;
use tokio::time::{Instant, timeout};

use crate::node::Cluster;
use crate::people::{Watcher, close, crowd, names, person};

/// Case 6: Redis is killed and comes back empty, under 1,000 users on two nodes.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_back_empty_makes_nobody_offline() {
    let Some(mut cluster) = Cluster::start(2, &[]).await else {
        return;
    };
    let users = names("user", 1_000);
    let (first, second) = users.split_at(500);
    let people = [
        crowd(&cluster, &cluster.nodes[0], first).await,
        crowd(&cluster, &cluster.nodes[1], second).await,
    ];
    // Each node's watcher watches the users of both.
    let mut watchers = [
        Watcher::start(&cluster, &cluster.nodes[0], &users).await,
        Watcher::start(&cluster, &cluster.nodes[1], &users).await,
    ];
    cluster.redis.restart_empty().await;
    let back = Instant::now();
    for node in &cluster.nodes {
        node.is_ready().await;
    }
    for (watcher, users) in watchers.iter_mut().zip([second, first]) {
        for user in users {
            watcher.sees(user, "online").await;
        }
    }
    assert!(
        back.elapsed() <= Duration::from_secs(5),
        "it took {:?}",
        back.elapsed()
    );
    let keys = cluster.redis.cli(&["KEYS", "user:*:status"]).await;
    assert!(keys.lines().count() >= 1_000, "{}", keys.lines().count());
    let presence = cluster
        .redis
        .cli(&["HGET", "{user:user 1:status}:presence", "v"])
        .await;
    assert_eq!(presence.trim(), "1", "a new epoch");
    for watcher in &mut watchers {
        // Longer than until everybody is believed to be gone who is not back.
        watcher.listen(Duration::from_secs(9)).await;
        assert_eq!(watcher.events, []);
    }
    drop(people);
}

/// Case 7: Redis stalls for 30 s and goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_stalls_degrades_and_heals() {
    let Some(cluster) = Cluster::start(2, &[]).await else {
        return;
    };
    let (here, there) = ("here".to_owned(), "there".to_owned());
    let mut watcher =
        Watcher::start(&cluster, &cluster.nodes[0], &[here.clone(), there.clone()]).await;
    let _here = person(&cluster, &cluster.nodes[0], "here").await;
    let _there = person(&cluster, &cluster.nodes[1], "there").await;
    watcher.hears(2).await;

    cluster.redis.pause();
    let stalled = Instant::now();
    let mut rounds = 0;
    while stalled.elapsed() < Duration::from_secs(30) {
        let asked = Instant::now();
        assert_eq!(watcher.ask("here").await, "online", "it is known here");
        watcher.ask("there").await;
        assert!(
            asked.elapsed() < Duration::from_secs(4),
            "a call took {:?}",
            asked.elapsed()
        );
        let new = timeout(
            Duration::from_secs(5),
            person(&cluster, &cluster.nodes[0], "new"),
        );
        let mut new = new.await.expect("new connections are accepted");
        new.close().await;
        rounds += 1;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(rounds > 10, "{rounds}");
    assert_eq!(
        watcher.ask("there").await,
        "offline",
        "the documented fallback"
    );
    cluster.nodes[0].reports(200, "Degraded").await;
    assert_eq!(
        watcher.events.len(),
        2,
        "nobody was announced: {:?}",
        watcher.events
    );

    cluster.redis.resume();
    for node in &cluster.nodes {
        node.is_ready().await;
    }
    watcher.sees("there", "online").await;
    watcher.listen(Duration::from_secs(9)).await;
    assert_eq!(
        watcher.events.len(),
        2,
        "nobody was away: {:?}",
        watcher.events
    );
    assert_eq!(watcher.ask("here").await, "online");
}

/// The service starts without Redis and is ready when it comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_starts_without_redis_and_is_ready_when_it_comes() {
    let Some(mut cluster) = Cluster::start(1, &[]).await else {
        return;
    };
    cluster.redis.kill();
    let node = crate::node::Node::start(&cluster.issuer, &cluster.redis.url(), &[]).await;
    assert_eq!(node.health().await.0, 503);
    let _alice = person(&cluster, &node, "alice").await;
    let mut watcher = Watcher::start(&cluster, &node, &["alice".to_owned()]).await;
    assert_eq!(watcher.ask("alice").await, "online");
    cluster.redis.restart_empty().await;
    node.is_ready().await;
    let word = cluster.redis.cli(&["GET", "user:alice:status"]).await;
    assert_eq!(word.trim(), "online");
}

/// Case 8: the subscriptions alone are cut, again and again, while users flip.
#[tokio::test(flavor = "multi_thread")]
async fn watchers_whose_subscriptions_break_end_up_with_the_truth() {
    let Some(cluster) = Cluster::start(2, &[]).await else {
        return;
    };
    let users = names("user", 20);
    let mut watcher = Watcher::start(&cluster, &cluster.nodes[1], &users).await;
    let mut last = Vec::new();
    for round in 0..12 {
        cluster
            .redis
            .cli(&["CLIENT", "KILL", "TYPE", "pubsub"])
            .await;
        // Some are here twice, some for the first time since the round before.
        let mut people = crowd(&cluster, &cluster.nodes[0], &users).await;
        for client in &mut last {
            close(client).await;
        }
        let (stay, go): (Vec<_>, Vec<_>) =
            (0..users.len()).partition(|number| (number + round) % 3 == 0);
        assert!(stay.len() < go.len());
        last = Vec::new();
        for (number, mut client) in people.drain(..).enumerate() {
            if go.contains(&number) {
                close(&mut client).await;
            } else {
                last.push(client);
            }
        }
    }
    for (number, user) in users.iter().enumerate() {
        let status = if (number + 11) % 3 == 0 {
            "online"
        } else {
            "offline"
        };
        watcher.sees(user, status).await;
    }
    let in_order = |watcher: &Watcher| {
        users.iter().enumerate().all(|(number, user)| {
            let status = if (number + 11) % 3 == 0 {
                "online"
            } else {
                "offline"
            };
            watcher.told_of(user).last() == Some(&status)
        })
    };
    let patience = Instant::now();
    while !in_order(&watcher) {
        assert!(
            patience.elapsed() < Duration::from_secs(20),
            "{:?}",
            watcher.events
        );
        watcher.listen(Duration::from_millis(200)).await;
    }
    assert!(cluster.nodes[1].metric("presence_gaps_total").await >= 1.0);
    drop(last);
}

/// What was announced while a node could not hear it is not announced again by who registers it at an empty Redis: the
/// node has to look once more when that is done.
#[tokio::test(flavor = "multi_thread")]
async fn an_arrival_that_was_missed_before_all_was_lost_is_found() {
    let Some(mut cluster) = Cluster::start(2, &[]).await else {
        return;
    };
    let mut watcher = Watcher::start(&cluster, &cluster.nodes[1], &["alice".to_owned()]).await;
    cluster.nodes[1].signal("STOP");
    cluster
        .redis
        .cli(&["CLIENT", "KILL", "TYPE", "pubsub"])
        .await;
    let alice = person(&cluster, &cluster.nodes[0], "alice").await;
    cluster.nodes[0].signal("STOP");
    cluster.redis.restart_empty().await;
    cluster.nodes[1].signal("CONT");
    eventually("the node that knows nothing of her has looked", || {
        cluster.nodes[1].log().contains("unsaid=MayComeBack")
    })
    .await;
    assert_eq!(watcher.events, []);
    cluster.nodes[0].signal("CONT");
    watcher.believes("alice", "online").await;
    assert_eq!(watcher.told_of("alice"), ["online"]);
    drop(alice);
}
