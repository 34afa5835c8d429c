//! Nodes that die, freeze, end in order.

use std::time::Duration;

use tokio::time::Instant;

use crate::node::Cluster;
use crate::people::{Watcher, crowd, names, person};

/// Cases 3 and 5: a node is killed, two others find out, and everybody is told once.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_takes_its_users_along_once() {
    let Some(mut cluster) = Cluster::start(3, &[]).await else {
        return;
    };
    let users = names("user", 2_000);
    let people = crowd(&cluster, &cluster.nodes[0], &users).await;
    let mut watchers = [
        Watcher::start(&cluster, &cluster.nodes[1], &users).await,
        Watcher::start(&cluster, &cluster.nodes[2], &users).await,
    ];
    cluster.nodes[0].kill();
    let killed = Instant::now();
    for watcher in &mut watchers {
        watcher.hears(users.len()).await;
    }
    let took = killed.elapsed();
    assert!(took <= Duration::from_secs(8), "it took {took:?}");
    for watcher in &mut watchers {
        watcher.listen(Duration::from_secs(3)).await;
        for user in &users {
            assert_eq!(watcher.told_of(user), ["offline"], "{user}");
        }
    }
    drop(people);
}

/// Case 4: a node that was frozen comes back; its users were offline, and are online.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_node_comes_back() {
    let Some(cluster) = Cluster::start(2, &[]).await else {
        return;
    };
    let users = names("user", 50);
    let people = crowd(&cluster, &cluster.nodes[0], &users).await;
    let mut watcher = Watcher::start(&cluster, &cluster.nodes[1], &users).await;
    cluster.nodes[0].signal("STOP");
    watcher.listen(Duration::from_secs(20)).await;
    assert_eq!(watcher.events.len(), users.len());
    cluster.nodes[0].signal("CONT");
    watcher.hears(2 * users.len()).await;
    // Longer than it takes until the old name of the node is cleaned up after.
    watcher.listen(Duration::from_secs(9)).await;
    for user in &users {
        assert_eq!(watcher.told_of(user), ["offline", "online"], "{user}");
        assert_eq!(watcher.ask(user).await, "online");
    }
    drop(people);
}

/// Case 12: a node ends in order, and its clients are back elsewhere within the grace.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_moves_from_a_node_that_ends_was_never_away() {
    let Some(mut cluster) = Cluster::start(3, &[]).await else {
        return;
    };
    let users = names("user", 100);
    let mut people = crowd(&cluster, &cluster.nodes[0], &users).await;
    let stays_away = person(&cluster, &cluster.nodes[0], "gone for good").await;
    let mut watcher = Watcher::start(&cluster, &cluster.nodes[1], &users).await;
    watcher.watch("gone for good").await;
    cluster.nodes[0].signal("TERM");
    for (user, client) in users.iter().zip(&mut people) {
        let (_, _) = client.read_to_end().await;
        *client = person(&cluster, &cluster.nodes[2], user).await;
    }
    drop(stays_away);
    cluster.nodes[0].has_ended().await;
    watcher.hears(1).await;
    watcher.listen(Duration::from_secs(8)).await;
    assert_eq!(
        watcher.events,
        [("gone for good".to_owned(), "offline".to_owned())]
    );
    drop(people);
}
