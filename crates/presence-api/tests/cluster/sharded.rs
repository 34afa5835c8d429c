//! Messages that stay within a shard of a Redis Cluster.

use testkit::raw::eventually;
use testkit::redis::{Cluster as RedisCluster, Monitor, RedisServer};

use crate::node::{Node, Nodes};
use crate::people::{Watcher, close, crowd, names};

pub(crate) const SHARDED: &[(&str, &str)] = &[("Redis__ShardedPubSub", "true")];

/// Each node's watchers hear of users of the other, whatever their names are, and no message goes through the whole cluster.
#[tokio::test(flavor = "multi_thread")]
async fn watchers_hear_by_the_shard_of_each_user() {
    let Some(redis) = RedisCluster::start(3).await else {
        return;
    };
    let mut monitors = Vec::new();
    for server in redis.servers() {
        monitors.push(server.monitor().await);
    }
    let service = Nodes::start_on(&redis.connection_string(), 2, SHARDED).await;
    let mut users = names("user", 30);
    users.extend(["{a}", "a{b}c", "{}a", "a}b", "}{", "{"].map(str::to_owned));
    let mut watchers = [
        Watcher::start(&service, &service.nodes[0], &users).await,
        Watcher::start(&service, &service.nodes[1], &users).await,
    ];
    let (first, second) = users.split_at(users.len() / 2);
    let mut people = crowd(&service, &service.nodes[0], first).await;
    people.extend(crowd(&service, &service.nodes[1], second).await);
    for (at, client) in people.iter_mut().enumerate() {
        if at % 2 == 0 {
            close(client).await;
        } else {
            let said = client.invoke("BroadcastOnlineStatus", &[]).await;
            said.expect("it is announced again");
        }
    }
    for watcher in &mut watchers {
        watcher.hears(users.len() * 2).await;
        for (at, user) in users.iter().enumerate() {
            let wanted: &[_] = if at % 2 == 0 {
                &["online", "offline"]
            } else {
                &["online", "online"]
            };
            assert_eq!(watcher.told_of(user), wanted, "{user}");
        }
    }
    // Each user twice, and once the watchers, who are one person.
    let wanted = users.len() * 2 + 1;
    let published = || -> usize {
        let each = monitors.iter();
        each.map(|monitor| commands(monitor, "SPUBLISH")).sum()
    };
    eventually("all announcements", || published() >= wanted).await;
    assert_eq!(published(), wanted);
    for (at, monitor) in monitors.iter().enumerate() {
        assert!(
            commands(monitor, "SPUBLISH") > 0,
            "master {at} has its share"
        );
        assert_eq!(commands(monitor, "PUBLISH"), 0);
        assert_eq!(commands(monitor, "SUBSCRIBE"), 0);
        let sent = redis.servers()[at].cli(&["CLUSTER", "INFO"]).await;
        assert!(!sent.contains("messages_publish_sent"), "{sent}");
        let channels = redis.servers()[at].cli(&["PUBSUB", "SHARDCHANNELS"]).await;
        assert!(channels.lines().count() > 1, "{channels}");
    }
}

/// Without the commands nobody would hear of anything: the node says so and wants no traffic.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_too_old_is_told() {
    let Some(redis) = RedisServer::start_with(&["--rename-command", "PUBSUB", "GONE"]).await else {
        return;
    };
    let service = Nodes::start_on(&redis.url(), 1, &[]).await;
    let settings: Vec<_> = SHARDED
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let node = Node::start(&service.issuer, &redis.url(), &settings).await;
    node.reports(503, "Unhealthy").await;
    eventually("a word in the log", || {
        node.log().contains("sharded pub/sub needs Redis 7")
    })
    .await;
}

/// Those of scripts are among them.
fn commands(monitor: &Monitor, command: &str) -> usize {
    let wanted = format!("] \"{command}\"");
    let lines = monitor.lines();
    lines.iter().filter(|line| line.contains(&wanted)).count()
}
