//! People who come and go, at the same moment and on different nodes.

use std::time::Duration;

use crate::node::Cluster;
use crate::people::{Watcher, close, person};

/// Case 1: the connection to one node ends after a newer one to another was made.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_end_of_an_old_connection_is_no_news() {
    let Some(cluster) = Cluster::start(3, &[]).await else {
        return;
    };
    let mut watcher = Watcher::start(&cluster, &cluster.nodes[2], &["alice".to_owned()]).await;
    let mut old = person(&cluster, &cluster.nodes[0], "alice").await;
    watcher.hears(1).await;
    let mut new = person(&cluster, &cluster.nodes[1], "alice").await;
    close(&mut old).await;
    watcher.listen(Duration::from_secs(6)).await;
    assert_eq!(watcher.told_of("alice"), ["online"]);
    assert_eq!(watcher.ask("alice").await, "online");
    close(&mut new).await;
    watcher.hears(2).await;
    assert_eq!(watcher.told_of("alice"), ["online", "offline"]);
}

/// Case 2: the last two connections close on two nodes at once, 200 times.
#[tokio::test(flavor = "multi_thread")]
async fn two_last_connections_that_close_at_once_are_one_offline() {
    let Some(cluster) = Cluster::start(3, &[]).await else {
        return;
    };
    let mut watcher = Watcher::start(&cluster, &cluster.nodes[2], &["alice".to_owned()]).await;
    for round in 1..=200 {
        let (mut one, mut other) = tokio::join!(
            person(&cluster, &cluster.nodes[0], "alice"),
            person(&cluster, &cluster.nodes[1], "alice"),
        );
        tokio::join!(close(&mut one), close(&mut other));
        watcher.hears(2 * round).await;
        assert_eq!(watcher.events.len(), 2 * round);
    }
    watcher.listen(Duration::from_secs(1)).await;
    let expected: Vec<_> = ["online", "offline"].repeat(200);
    assert_eq!(watcher.told_of("alice"), expected);
}

/// Case 9: 200 watchers begin while somebody flips 1,000 times; what each hears last is what is true.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_begins_to_watch_amid_flips_ends_up_with_the_truth() {
    let Some(cluster) = Cluster::start(2, &[]).await else {
        return;
    };
    let flips = async {
        for _ in 0..500 {
            let mut client = person(&cluster, &cluster.nodes[0], "alice").await;
            close(&mut client).await;
        }
    };
    let watchers = async {
        let mut watchers = Vec::new();
        for number in 0..200 {
            let node = &cluster.nodes[number % 2];
            let mut watcher = Watcher::start(&cluster, node, &[]).await;
            watcher.watch("alice").await;
            let asked = watcher.ask("alice").await;
            // The answer counts for what was heard before it.
            watcher.events.push(("alice".to_owned(), asked));
            watchers.push(watcher);
        }
        watchers
    };
    let ((), mut watchers) = tokio::join!(flips, watchers);
    for watcher in &mut watchers {
        watcher.believes("alice", "offline").await;
    }
    for watcher in &mut watchers {
        // What was on its way when the first of them was there has come by now.
        assert_eq!(watcher.ask("alice").await, "offline");
        assert_eq!(watcher.told_of("alice").last(), Some(&"offline"));
    }
}

/// Cases 10 and 11: a link is lost; back within the grace nobody hears of it, back after it everybody does.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_link_has_its_grace_on_every_node() {
    let Some(cluster) = Cluster::start(2, &[("Presence__Grace", "2")]).await else {
        return;
    };
    let mut watcher = Watcher::start(&cluster, &cluster.nodes[1], &["alice".to_owned()]).await;
    let mut client = person(&cluster, &cluster.nodes[0], "alice").await;
    watcher.hears(1).await;
    client.cut();
    let mut client = person(&cluster, &cluster.nodes[1], "alice").await;
    watcher.listen(Duration::from_secs(4)).await;
    assert_eq!(watcher.told_of("alice"), ["online"]);
    client.cut();
    watcher.hears(2).await;
    let _client = person(&cluster, &cluster.nodes[0], "alice").await;
    watcher.hears(3).await;
    watcher.listen(Duration::from_secs(3)).await;
    assert_eq!(watcher.told_of("alice"), ["online", "offline", "online"]);
}

/// Case 15, from outside: whatever is in a name, it is that user's and nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn every_name_is_a_user_of_its_own() {
    let Some(cluster) = Cluster::start(2, &[]).await else {
        return;
    };
    let names = [
        "a b",
        "a:status",
        "{}",
        "{a}",
        "a}b",
        "\0",
        "😀",
        "*",
        "x\r\nFLUSHALL\r\n",
    ];
    let users: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut watcher = Watcher::start(&cluster, &cluster.nodes[1], &users).await;
    for (number, user) in users.iter().enumerate() {
        let mut client = person(&cluster, &cluster.nodes[0], user).await;
        watcher.hears(2 * number + 1).await;
        assert_eq!(watcher.ask(user).await, "online");
        close(&mut client).await;
        watcher.hears(2 * number + 2).await;
        assert_eq!(watcher.told_of(user), ["online", "offline"], "{user:?}");
    }
    let long = "x".repeat(4_096);
    let refused = watcher
        .client
        .invoke("GetUserStatus", &[serde_json::json!(long)])
        .await;
    let refusal = "userId: the user id has 4096 bytes, at most 512 are allowed";
    assert!(refused.unwrap_err().ends_with(refusal));
}
