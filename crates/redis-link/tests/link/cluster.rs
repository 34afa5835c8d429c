//! Clusters: slots, scripts, a slot that moves, a master that dies.

use std::sync::{
    LazyLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use redis_link::{Link, LinkState, PubSub, Script, Settings, Subscriber, Topology, Value, cmd};
use testkit::{
    raw::{eventually, within},
    redis::{Cluster, RedisServer},
};

use crate::common::{
    Notes, SEEN_WITHIN, away, parsed, ready, ready_after, subscribed, with_argument,
};

static BUMP: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])"));

#[tokio::test]
async fn commands_scripts_and_batches_over_all_slots() {
    let Some(cluster) = Cluster::start(3).await else {
        return;
    };
    let script = &*BUMP;
    let link = Link::start(&parsed(&cluster.connection_string()));
    ready(&link).await;
    assert!(link.is_cluster());
    let keys: Vec<String> = (0..300).map(|at| format!("user:{at}:status")).collect();
    let sets: Vec<_> = keys
        .iter()
        .map(|key| cmd("SET").arg(key).arg(format!("of {key}")).clone())
        .collect();
    for result in link.run_all(&sets).await {
        assert_eq!(result, Ok(Value::Okay));
    }
    for server in cluster.servers() {
        let count: usize = server.cli(&["DBSIZE"]).await.parse().unwrap();
        assert!(count > 50, "every master has its share, not {count}");
    }
    let found: Vec<String> = link.run(cmd("MGET").args(&keys)).await.unwrap();
    let wanted: Vec<String> = keys.iter().map(|key| format!("of {key}")).collect();
    assert_eq!(found, wanted, "in the order asked");

    let bumps: Vec<_> = (0..30)
        .map(|at| with_argument(script, &format!("n{}", at % 3), "1"))
        .collect();
    let results = link.run_in_order(&bumps).await.unwrap();
    let last: Vec<_> = results[27..].to_vec();
    assert_eq!(last, vec![Ok(Value::Int(10)); 3]);
    for server in cluster.servers() {
        server.cli(&["SCRIPT", "FLUSH"]).await;
    }
    for key in ["n0", "n1", "n2"] {
        let value: i64 = link.run(&with_argument(script, key, "1")).await.unwrap();
        assert_eq!(value, 11);
    }
}

#[tokio::test]
async fn a_slot_moves_under_commands() {
    let Some(cluster) = Cluster::start(3).await else {
        return;
    };
    let link = Link::start(&parsed(&cluster.connection_string()));
    ready(&link).await;
    let slot = cluster.slot("{moving}").await;
    let from = cluster.master_of(slot);
    let bumped = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    let bump = async {
        while !is_over.load(Ordering::Relaxed) {
            let key = format!("{{moving}}{}", bumped.load(Ordering::Relaxed) % 50);
            link.run::<i64>(cmd("INCR").arg(key)).await.unwrap();
            bumped.fetch_add(1, Ordering::Relaxed);
        }
    };
    let moving = async {
        eventually("keys", || bumped.load(Ordering::Relaxed) > 200).await;
        cluster.move_slot(slot, from, (from + 1) % 3).await;
        let now = bumped.load(Ordering::Relaxed);
        eventually("commands afterwards", || {
            bumped.load(Ordering::Relaxed) > now + 200
        })
        .await;
        is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(bump, within("the slot to move", moving));
    let keys: Vec<_> = (0..50).map(|at| format!("{{moving}}{at}")).collect();
    let found: Vec<u64> = link.run(cmd("MGET").args(keys)).await.unwrap();
    assert_eq!(found.iter().sum::<u64>(), bumped.load(Ordering::Relaxed));
    let moved = &cluster.servers()[(from + 1) % 3];
    let count = moved
        .cli(&["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()])
        .await;
    assert_eq!(count, "50");
    let state = link.state().borrow().clone();
    assert_eq!(
        state,
        LinkState::Ready { generation: 1 },
        "nothing was lost"
    );
}

#[tokio::test]
async fn a_dead_master_is_replaced_by_its_replica() {
    let Some(mut cluster) = Cluster::start_with_replicas(3, 1).await else {
        return;
    };
    let link = Link::start(&parsed(&cluster.connection_string()));
    ready(&link).await;
    let mut state = link.state();
    let dead = cluster.master_of(cluster.slot("key").await);
    link.run::<()>(cmd("SET").arg("key").arg("value"))
        .await
        .unwrap();
    let replicated = |info: &str| {
        let mut fields = info.split([',', '\r', '\n']);
        let is_all = |sent: &str| fields.any(|field| field.strip_prefix("offset=") == Some(sent));
        let mut lines = info.lines();
        let sent = lines.find_map(|line| line.strip_prefix("master_repl_offset:"));
        sent.is_some_and(is_all)
    };
    let master = cluster.server(dead);
    master
        .cli_until(
            "the replica to have it",
            &["INFO", "replication"],
            replicated,
        )
        .await;
    cluster.server(dead).kill();
    // Other slots go on; this one is back when the replica has taken over.
    within("the replica", async {
        loop {
            let found = link.run::<Option<String>>(cmd("GET").arg("key")).await;
            match found {
                Ok(found) => return assert_eq!(found.as_deref(), Some("value")),
                Err(error) => assert!(error.is_outage(), "{error:?}"),
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    ready_after(&mut state, 1).await;
    assert_eq!(link.counters().losses(), 0, "the cluster was never away");
    link.run::<()>(cmd("SET").arg("key").arg("again"))
        .await
        .unwrap();
}

#[tokio::test]
async fn all_masters_stalled_is_away_and_heals() {
    let Some(cluster) = Cluster::start(3).await else {
        return;
    };
    let link = Link::start(&parsed(&cluster.connection_string()));
    ready(&link).await;
    let mut state = link.state();
    for server in cluster.servers() {
        server.pause();
    }
    let begun = tokio::time::Instant::now();
    let LinkState::Away { reason, .. } = away(&mut state).await else {
        unreachable!();
    };
    assert!(begun.elapsed() < SEEN_WITHIN, "{:?}", begun.elapsed());
    assert_eq!(&*reason, "no master of the cluster answers");
    for server in cluster.servers() {
        server.resume();
    }
    ready_after(&mut state, 1).await;
    within("the cluster to be whole", async {
        while link
            .run::<()>(cmd("SET").arg("key").arg("value"))
            .await
            .is_err()
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn subscriptions_hear_every_node_and_outlive_theirs() {
    let Some(mut cluster) = Cluster::start(3).await else {
        return;
    };
    // It knows one of them, and finds the others.
    let first = cluster.servers()[0].url();
    let notes = Notes::new();
    let subscriber = Subscriber::start(&parsed(&first), notes.clone());
    subscribed(&subscriber).await;
    subscriber.subscribe(b"c").await.unwrap();
    for server in cluster.servers() {
        server
            .cli(&["PUBLISH", "c", &server.port().to_string()])
            .await;
    }
    eventually("one message of each node", || notes.count() == 3).await;
    cluster.server(0).kill();
    ready_after(&mut subscriber.state(), 1).await;
    assert_eq!(notes.resumed().len(), 1);
    cluster.servers()[2]
        .cli(&["PUBLISH", "c", "afterwards"])
        .await;
    eventually("a message", || notes.has(b"c", b"afterwards")).await;
}

#[tokio::test]
async fn every_node_is_logged_in_to() {
    let Some(cluster) = Cluster::start(3).await else {
        return;
    };
    for server in cluster.servers() {
        let user = ["ACL", "SETUSER", "app", "on", ">word", "~*", "&*", "+@all"];
        assert_eq!(server.cli(&user).await, "OK");
        let password = ["CONFIG", "SET", "requirepass", "secret"];
        assert_eq!(server.cli(&password).await, "OK");
    }
    let at = cluster.connection_string();
    for (login, said) in [("", "NOAUTH"), (",password=wrong", "WRONGPASS")] {
        let link = Link::start(&parsed(&format!("{at}{login}")));
        let LinkState::Away { reason, .. } = away(&mut link.state()).await else {
            unreachable!();
        };
        assert!(reason.contains(said), "{reason}");
        assert!(!reason.contains("wrong"), "{reason}");
    }
    for (round, login) in ["password=secret", "user=app,password=word"]
        .into_iter()
        .enumerate()
    {
        for pub_sub in [PubSub::Classic, PubSub::Sharded] {
            let mut settings = parsed(&format!("{at},{login}"));
            settings.pub_sub = pub_sub;
            let link = Link::start(&settings);
            let notes = Notes::new();
            let subscriber = Subscriber::start(&settings, notes.clone());
            ready(&link).await;
            subscribed(&subscriber).await;
            assert!(link.is_cluster());
            // Enough that each master has its share.
            let names: Vec<String> = (0..30).map(|at| format!("{round} {at}")).collect();
            let channels: Vec<_> = names.iter().map(|name| name.clone().into_bytes()).collect();
            subscriber.subscribe_all(&channels).await.unwrap();
            let said: Vec<_> = names
                .iter()
                .map(|name| cmd(pub_sub.publish()).arg(name).arg(name).clone())
                .collect();
            for result in link.run_all(&said).await {
                assert!(result.is_ok(), "{result:?}");
            }
            eventually("all messages", || notes.count() == names.len()).await;
            let bumps: Vec<_> = names
                .iter()
                .map(|name| with_argument(&BUMP, name, "1"))
                .collect();
            for result in link.run_all(&bumps).await {
                assert!(matches!(result, Ok(Value::Int(_))), "{result:?}");
            }
        }
    }
}

/// The nodes tell their addresses; what their certificates say is a name.
#[tokio::test]
async fn tls_with_an_own_authority_and_another_name_for_all_nodes() {
    let Some(cluster) = Cluster::start_with_tls(3, "redis.test").await else {
        return;
    };
    let first = &cluster.servers()[0];
    let mut settings = parsed(&first.url());
    let tls = settings.tls.as_mut().unwrap();
    tls.authorities = first.authority().map(|pem| pem.as_bytes().to_vec());
    tls.host_name = Some("redis.test".into());
    let link = Link::start(&settings);
    ready(&link).await;
    assert!(link.is_cluster());
    let keys: Vec<String> = (0..30).map(|at| format!("key {at}")).collect();
    let bumps: Vec<_> = keys
        .iter()
        .map(|key| with_argument(&BUMP, key, "1"))
        .collect();
    for result in link.run_all(&bumps).await {
        assert_eq!(result, Ok(Value::Int(1)));
    }
    for server in cluster.servers() {
        assert_ne!(server.cli(&["DBSIZE"]).await, "0", "each has its share");
    }
    let notes = Notes::new();
    let subscriber = Subscriber::start(&settings, notes.clone());
    subscribed(&subscriber).await;
    subscriber.subscribe(b"c").await.unwrap();
    for key in &keys {
        let publish = cmd("PUBLISH").arg("c").arg(key).clone();
        link.run::<i64>(&publish).await.unwrap();
    }
    eventually("all messages", || notes.count() == keys.len()).await;

    settings.tls.as_mut().unwrap().host_name = None;
    let refused = Link::start(&settings);
    let LinkState::Away { reason, .. } = away(&mut refused.state()).await else {
        unreachable!();
    };
    assert!(
        reason.contains("TLS") && reason.contains("not valid for name"),
        "{reason}"
    );
}

/// Who looks at a server sees whose connections there are; also of those that were made later.
#[tokio::test]
async fn each_connection_says_its_name() {
    let Some(mut cluster) = Cluster::start(3).await else {
        return;
    };
    let settings = parsed(&format!("{},name=a-node", cluster.connection_string()));
    let link = Link::start(&settings);
    ready(&link).await;
    for server in cluster.servers() {
        let is_named = |clients: &str| clients.contains("name=a-node");
        server
            .cli_until("a name", &["CLIENT", "LIST"], is_named)
            .await;
    }
    let mut state = link.state();
    cluster.server(2).restart().await;
    ready_after(&mut state, 1).await;
    let is_named = |clients: &str| clients.contains("name=a-node");
    cluster.servers()[2]
        .cli_until("a name", &["CLIENT", "LIST"], is_named)
        .await;
}

#[tokio::test]
async fn what_is_no_cluster_is_said() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let mut settings: Settings = parsed(&server.url());
    settings.topology = Topology::Cluster;
    let link = Link::start(&settings);
    let LinkState::Away { reason, .. } = away(&mut link.state()).await else {
        unreachable!();
    };
    assert!(reason.contains("does not belong to a cluster"), "{reason}");
}
