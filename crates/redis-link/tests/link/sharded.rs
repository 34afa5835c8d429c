//! Sharded pub/sub.

use std::{collections::HashSet, time::Duration};

use redis_link::{Link, LinkError, LinkState, PubSub, Settings, Subscriber, cmd, slot};
use testkit::{
    raw::{eventually, within},
    redis::{Cluster, Monitor, RedisServer},
};

use crate::common::{Notes, away, parsed, ready, ready_after, subscribed};

fn sharded(text: &str) -> Settings {
    let mut settings = parsed(text);
    settings.pub_sub = PubSub::Sharded;
    settings
}

#[tokio::test]
async fn a_thousand_channels_are_spread_over_the_masters() {
    let Some(cluster) = Cluster::start(3).await else {
        return;
    };
    let settings = sharded(&cluster.connection_string());
    let notes = Notes::new();
    let subscriber = Subscriber::start(&settings, notes.clone());
    let link = Link::start(&settings);
    ready(&link).await;
    subscribed(&subscriber).await;
    let monitors = [
        cluster.servers()[0].monitor().await,
        cluster.servers()[1].monitor().await,
        cluster.servers()[2].monitor().await,
    ];
    let channels = channels(1000);
    subscriber.subscribe_all(&channels).await.unwrap();
    assert_eq!(subscriber.counters().channels(), 1000);
    assert_eq!(subscriber.counters().connections(), 3);
    let mut subscribed = HashSet::new();
    for server in cluster.servers() {
        let here = server.cli(&["PUBSUB", "SHARDCHANNELS"]).await;
        assert!(here.lines().count() > 250, "every master has its share");
        subscribed.extend(here.lines().map(|name| name.as_bytes().to_vec()));
        assert_eq!(server.cli(&["PUBSUB", "CHANNELS"]).await, "");
    }
    assert_eq!(subscribed, channels.iter().cloned().collect());

    let published: Vec<_> = channels
        .iter()
        .map(|channel| cmd("SPUBLISH").arg(channel).arg(channel).clone())
        .collect();
    for heard in link.run_all(&published).await {
        assert_eq!(redis_link::from_value::<u64>(heard.unwrap()), Ok(1));
    }
    eventually("all messages", || notes.count() == 1000).await;
    let heard: HashSet<Vec<u8>> = notes
        .payloads()
        .into_iter()
        .map(String::into_bytes)
        .collect();
    assert_eq!(heard, subscribed, "each once");
    assert!(channels.iter().all(|name| notes.has(name, name)));
    assert_eq!(notes.resumed(), [] as [u64; 0], "nothing was missed");
    let classic = |monitor: &Monitor| monitor.count("PUBLISH") + monitor.count("SUBSCRIBE");
    assert_eq!(monitors.iter().map(classic).sum::<usize>(), 0);

    for channel in &channels {
        subscriber.unsubscribe(channel);
    }
    for server in cluster.servers() {
        let none = |channels: &str| channels.is_empty();
        server
            .cli_until("the end", &["PUBSUB", "SHARDCHANNELS"], none)
            .await;
    }
    assert_eq!(subscriber.counters().channels(), 0);
    assert_eq!(subscriber.counters().losses(), 0);
}

#[tokio::test]
async fn subscriptions_follow_a_slot_that_moves() {
    let Some(cluster) = Cluster::start(3).await else {
        return;
    };
    let settings = sharded(&cluster.connection_string());
    let notes = Notes::new();
    let subscriber = Subscriber::start(&settings, notes.clone());
    let mut state = subscriber.state();
    ready_after(&mut state, 0).await;
    let mut channels = channels(100);
    channels.extend(["{moving}1", "{moving}2"].map(|name| name.as_bytes().to_vec()));
    subscriber.subscribe_all(&channels).await.unwrap();
    let moving = slot(b"{moving}1");
    let from = cluster.master_of(moving);
    let mut generation = 1;
    // There and back: who had it once may have it again.
    for (from, to) in [(from, (from + 1) % 3), ((from + 1) % 3, from)] {
        cluster.move_slot(moving, from, to).await;
        generation = ready_after(&mut state, generation).await;
        assert_eq!(notes.resumed().last(), Some(&generation));
        let there = &cluster.servers()[to];
        let heard = there.cli(&["SPUBLISH", "{moving}1", &to.to_string()]).await;
        assert_eq!(heard, "1");
        let payload = to.to_string();
        eventually("the message", || {
            notes.has(b"{moving}1", payload.as_bytes())
        })
        .await;
        let before = &cluster.servers()[from];
        let left = before
            .cli(&["PUBSUB", "SHARDNUMSUB", "{moving}1", "{moving}2"])
            .await;
        assert_eq!(left, "{moving}1\n0\n{moving}2\n0");
    }
    assert_eq!(subscriber.counters().losses(), 0);
    assert_eq!(subscriber.counters().channels(), 102);
    // A channel that comes later goes where the slot is now.
    subscriber.subscribe(b"{moving}3").await.unwrap();
    subscriber.unsubscribe(b"{moving}1");
    let owner = &cluster.servers()[from];
    owner
        .cli_until("the end", &["PUBSUB", "SHARDNUMSUB", "{moving}1"], |n| {
            n.ends_with("\n0")
        })
        .await;
    assert_eq!(owner.cli(&["SPUBLISH", "{moving}3", "x"]).await, "1");
}

#[tokio::test]
async fn who_subscribes_while_a_slot_moves_is_subscribed() {
    let Some(cluster) = Cluster::start(3).await else {
        return;
    };
    let settings = sharded(&cluster.connection_string());
    let subscriber = Subscriber::start(&settings, Notes::new());
    subscribed(&subscriber).await;
    let moving = slot(b"{moving}");
    let from = cluster.master_of(moving);
    for round in 0..10 {
        let (from, to) = ((from + round) % 3, (from + round + 1) % 3);
        let name = format!("{{moving}}{round}");
        let subscribing = subscriber.subscribe(name.as_bytes());
        let (subscribed, ()) = tokio::join!(subscribing, cluster.move_slot(moving, from, to));
        assert_eq!(subscribed, Ok(()), "round {round}");
    }
    let count = |channels: &str| channels.lines().count() == 10;
    let owner = &cluster.servers()[(from + 10) % 3];
    owner
        .cli_until("all of them", &["PUBSUB", "SHARDCHANNELS"], count)
        .await;
}

#[tokio::test]
async fn a_replica_takes_over_the_subscriptions_of_a_dead_master() {
    let Some(mut cluster) = Cluster::start_with_replicas(3, 1).await else {
        return;
    };
    let settings = sharded(&cluster.connection_string());
    let notes = Notes::new();
    let subscriber = Subscriber::start(&settings, notes.clone());
    let link = Link::start(&settings);
    let mut state = subscriber.state();
    ready_after(&mut state, 0).await;
    let channels = channels(300);
    subscriber.subscribe_all(&channels).await.unwrap();
    let dead = cluster.master_of(slot(&channels[0]));
    let live = channels
        .iter()
        .find(|channel| cluster.master_of(slot(channel)) != dead)
        .unwrap();
    cluster.server(dead).kill();
    away(&mut state).await;
    // What others have goes on.
    let other = &cluster.servers()[cluster.master_of(slot(live))];
    let name = String::from_utf8_lossy(live);
    assert_eq!(other.cli(&["SPUBLISH", &name, "meanwhile"]).await, "1");
    eventually("a message", || notes.has(live, b"meanwhile")).await;

    let generation = ready_after(&mut state, 1).await;
    assert_eq!(notes.resumed(), [generation], "once, when all is there");
    ready(&link).await;
    for channel in &channels {
        within("the link to find the replica", async {
            // It learns of the replica by itself.
            while link
                .run::<u64>(cmd("SPUBLISH").arg(channel).arg("afterwards"))
                .await
                != Ok(1)
            {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    eventually("all messages", || {
        channels
            .iter()
            .all(|channel| notes.has(channel, b"afterwards"))
    })
    .await;
    assert_eq!(subscriber.counters().losses(), 1);
}

#[tokio::test]
async fn a_master_that_stalls_is_away_alone() {
    let Some(cluster) = Cluster::start(3).await else {
        return;
    };
    let notes = Notes::new();
    let subscriber = Subscriber::start(&sharded(&cluster.connection_string()), notes.clone());
    let mut state = subscriber.state();
    ready_after(&mut state, 0).await;
    subscriber.subscribe_all(&channels(30)).await.unwrap();
    let begun = tokio::time::Instant::now();
    cluster.servers()[1].pause();
    let LinkState::Away { reason, .. } = away(&mut state).await else {
        unreachable!();
    };
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    let port = cluster.servers()[1].port().to_string();
    assert!(reason.contains(&port), "{reason}");
    cluster.servers()[1].resume();
    let generation = ready_after(&mut state, 1).await;
    assert_eq!(notes.resumed(), [generation]);
    assert_eq!(subscriber.counters().losses(), 1);
}

#[tokio::test]
async fn a_whole_cluster_that_is_gone_is_found_again() {
    let Some(mut cluster) = Cluster::start(3).await else {
        return;
    };
    let notes = Notes::new();
    let subscriber = Subscriber::start(&sharded(&cluster.servers()[0].url()), notes.clone());
    let mut state = subscriber.state();
    ready_after(&mut state, 0).await;
    subscriber.subscribe_all(&channels(30)).await.unwrap();
    for at in 0..3 {
        cluster.server(at).kill();
    }
    away(&mut state).await;
    eventually("all to be lost", || subscriber.counters().losses() == 3).await;
    for at in 0..3 {
        cluster.server(at).restart().await;
    }
    ready_after(&mut state, 1).await;
    assert_eq!(notes.resumed().len(), 1);
    let mut subscribed = 0;
    for server in cluster.servers() {
        let here = server.cli(&["PUBSUB", "SHARDCHANNELS"]).await;
        subscribed += here.lines().count();
    }
    assert_eq!(subscribed, 30);
}

#[tokio::test]
async fn one_server_does_the_same() {
    let Some(mut server) = RedisServer::start().await else {
        return;
    };
    let settings = sharded(&server.url());
    let notes = Notes::new();
    let subscriber = Subscriber::start(&settings, notes.clone());
    let mut state = subscriber.state();
    ready_after(&mut state, 0).await;
    let channels = channels(5000);
    subscriber.subscribe_all(&channels).await.unwrap();
    subscriber.unsubscribe(&channels[7]);
    subscriber.subscribe(b"a").await.unwrap();
    assert_eq!(server.cli(&["SPUBLISH", "a", "x"]).await, "1");
    assert_eq!(server.cli(&["PUBLISH", "a", "y"]).await, "0");
    eventually("the message", || notes.has(b"a", b"x")).await;
    server.kill();
    away(&mut state).await;
    server.restart_empty().await;
    let generation = ready_after(&mut state, 1).await;
    assert_eq!(notes.resumed(), [generation]);
    let count = server
        .cli(&["PUBSUB", "SHARDCHANNELS"])
        .await
        .lines()
        .count();
    assert_eq!(count, 5000);
}

/// A server that does not know the commands, as Redis 6 does not.
#[tokio::test]
async fn a_server_that_cannot_is_away_and_says_why() {
    let Some(server) = RedisServer::start_with(&["--rename-command", "PUBSUB", "GONE"]).await
    else {
        return;
    };
    let old = server.url();
    let classic = Subscriber::start(&parsed(&old), Notes::new());
    subscribed(&classic).await;
    let settings = sharded(&old);
    let link = Link::start(&settings);
    let subscriber = Subscriber::start(&settings, Notes::new());
    for mut state in [link.state(), subscriber.state()] {
        let LinkState::Away { reason, .. } = away(&mut state).await else {
            unreachable!();
        };
        assert!(reason.contains("sharded pub/sub needs Redis 7"), "{reason}");
    }
}

#[tokio::test]
async fn masters_that_speak_tls_have_connections_of_their_own() {
    let Some(cluster) = Cluster::start_with_tls(3, "redis.test").await else {
        return;
    };
    let first = &cluster.servers()[0];
    let mut settings = sharded(&first.url());
    let tls = settings.tls.as_mut().unwrap();
    tls.authorities = first.authority().map(|pem| pem.as_bytes().to_vec());
    tls.host_name = Some("redis.test".into());
    settings.client_name = Some("subscriber".to_owned());
    let notes = Notes::new();
    let subscriber = Subscriber::start(&settings, notes.clone());
    subscribed(&subscriber).await;
    let channels = channels(30);
    subscriber.subscribe_all(&channels).await.unwrap();
    for server in cluster.servers() {
        let clients = server.cli(&["CLIENT", "LIST", "TYPE", "PUBSUB"]).await;
        assert!(clients.contains("name=subscriber"), "{clients}");
    }
    let link = Link::start(&settings);
    ready(&link).await;
    for channel in &channels {
        let publish = cmd("SPUBLISH").arg(channel).arg("x").clone();
        assert_eq!(link.run::<u64>(&publish).await, Ok(1));
    }
    eventually("all messages", || notes.count() == channels.len()).await;
}

#[tokio::test]
async fn a_cluster_that_may_not_be_asked_is_no_single_server() {
    let Some(cluster) = Cluster::start(3).await else {
        return;
    };
    let acl = [
        "ACL", "SETUSER", "app", "on", ">p", "~*", "&*", "+@all", "-info",
    ];
    for server in cluster.servers() {
        assert_eq!(server.cli(&acl).await, "OK");
    }
    let text = format!("{},user=app,password=p", cluster.connection_string());
    let subscriber = Subscriber::start(&sharded(&text), Notes::new());
    subscribed(&subscriber).await;
    let error = subscriber.subscribe_all(&channels(30)).await.unwrap_err();
    assert!(matches!(error, LinkError::Away(_)), "{error:?}");
    let LinkState::Away { reason, .. } = away(&mut subscriber.state()).await else {
        unreachable!();
    };
    assert!(
        reason.contains("may not be asked whether it is one"),
        "{reason}"
    );
}

fn channels(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|at| format!("c{at}").into_bytes()).collect()
}
