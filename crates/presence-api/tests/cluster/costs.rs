//! What presence costs Redis.

use std::time::Duration;

use hashbrown::HashMap;
use serde_json::json;
use testkit::raw::eventually;
use testkit::redis::Monitor;

use crate::node::Cluster;
use crate::people::{close, crowd, multiplexed_crowd, names, person};

/// Idle users cost one `GETEX` in an interval each, and a node one command every 2 s.
#[tokio::test(flavor = "multi_thread")]
async fn idle_users_cost_one_command_in_an_interval() {
    let settings = [("Presence__RefreshInterval", "2")];
    let Some(cluster) = Cluster::start(1, &settings).await else {
        return;
    };
    let users = names("user", 1_000);
    let people = crowd(&cluster, &cluster.nodes[0], &users).await;
    check_idle(&cluster, users.len(), 2.0).await;
    drop(people);
}

/// As many as are meant for one node, at the interval that holds by default.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_idle_users_cost_one_command_in_an_interval() {
    let settings = [
        ("Presence__RefreshInterval", "5"),
        ("SignalR__WebSocketsOverHttp2", "true"),
    ];
    let Some(cluster) = Cluster::start(1, &settings).await else {
        return;
    };
    let users = names("user", 20_000);
    let people = multiplexed_crowd(&cluster, &cluster.nodes[0], &users).await;
    check_idle(&cluster, users.len(), 5.0).await;
    drop(people);
}

/// `count` users are connected and do nothing; `interval` is in seconds.
async fn check_idle(cluster: &Cluster, count: usize, interval: f64) {
    let monitor = cluster.redis.monitor().await;
    let wanted = count * INTERVALS;
    let patience = Duration::from_secs_f64(interval * (INTERVALS + 1) as f64 + 10.0);
    let prolonged = async {
        while monitor.count("GETEX") < wanted {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let waited = tokio::time::timeout(patience, prolonged).await;
    assert!(waited.is_ok(), "{} of {wanted}", monitor.count("GETEX"));

    let commands = by_clients(&monitor);
    let took = commands[commands.len() - 1].0 - commands[0].0;
    let mut of_user: HashMap<&str, usize> = HashMap::new();
    let mut of_name: HashMap<&str, usize> = HashMap::new();
    for (_, command) in &commands {
        let name = command.split('"').nth(1).unwrap();
        *of_name.entry(name).or_default() += 1;
        if name == "GETEX" {
            *of_user
                .entry(command.split('"').nth(3).unwrap())
                .or_default() += 1;
        }
    }
    // A window that begins anywhere has each user once more than whole intervals, at most.
    let most = (took / interval).ceil() as usize + 1;
    let found = of_user.values().max();
    assert!(
        found <= Some(&most),
        "{found:?} in {took} s, {most} at most"
    );
    assert_eq!(of_user.len(), count);
    let leases = of_name.remove("EVALSHA").unwrap_or_default();
    assert!(leases as f64 <= took / 2.0 + 1.0, "{leases} in {took} s");
    assert_eq!(of_name.remove("GETEX"), Some(of_user.values().sum()));
    // The connections themselves are looked after.
    of_name.remove("PING");
    assert!(of_name.is_empty(), "{of_name:?}");
}

/// A back end that asks for 1,000 users has one command sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_questions_at_once_are_one_command() {
    let Some(cluster) = Cluster::start(2, &[]).await else {
        return;
    };
    let users = names("user", 1_000);
    let people = crowd(&cluster, &cluster.nodes[0], &users[..100]).await;
    let monitor = cluster.redis.monitor().await;
    let told = cluster.statuses(&cluster.nodes[1], &users).await;
    let (here, gone) = told.split_at(100);
    assert!(here.iter().all(|status| status == "online"), "{here:?}");
    assert!(gone.iter().all(|status| status == "offline"), "{gone:?}");
    eventually("the command is seen", || monitor.count("MGET") > 0).await;
    assert_eq!((monitor.count("MGET"), monitor.count("GET")), (1, 0));
    drop(people);
}

/// A second tab on the same node is nothing that others have to know.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_tab_costs_no_command() {
    let Some(cluster) = Cluster::start(1, &[]).await else {
        return;
    };
    let first = person(&cluster, &cluster.nodes[0], "alice").await;
    let monitor = cluster.redis.monitor().await;
    for _ in 0..10 {
        let mut second = person(&cluster, &cluster.nodes[0], "alice").await;
        close(&mut second).await;
    }
    // Somebody new, so that it is known that all before has been seen.
    let _bob = person(&cluster, &cluster.nodes[0], "bob").await;
    let of = |user: &str| {
        let commands = by_clients(&monitor).into_iter();
        let told = commands.filter(|(_, command)| !command.contains("\"GETEX\""));
        told.filter(|(_, command)| command.contains(&format!("user:{user}:status")))
            .count()
    };
    eventually("bob is told of", || of("bob") > 0).await;
    assert_eq!(of("alice"), 0);
    drop(first);
}

/// Who announces what all know makes others hear it and the status word stored again, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn an_announcement_of_what_is_known_changes_nothing() {
    let Some(cluster) = Cluster::start(1, &[]).await else {
        return;
    };
    let mut alice = person(&cluster, &cluster.nodes[0], "alice").await;
    let monitor = cluster.redis.monitor().await;
    let said = alice.invoke("BroadcastOnlineStatus", &[]).await;
    assert_eq!(said, Ok(json!(null)));
    let told_by_script = || {
        let lines = monitor.lines();
        let commands = lines.iter().filter_map(|line| line.split_once(" lua] "));
        commands
            .filter(|(_, command)| command.contains("alice"))
            .filter_map(|(_, command)| Some(command.split('"').nth(1)?.to_owned()))
            .collect::<Vec<_>>()
    };
    eventually("it is announced", || {
        told_by_script().iter().any(|name| name == "PUBLISH")
    })
    .await;
    assert_eq!(told_by_script(), ["HGET", "HMGET", "GET", "SET", "PUBLISH"]);
}

/// When, in seconds, and what; what scripts do is not counted.
fn by_clients(monitor: &Monitor) -> Vec<(f64, String)> {
    let lines = monitor.lines();
    let command = |line: &String| {
        let (head, command) = line.split_once("] ")?;
        let (time, from) = head.trim_start_matches('+').split_once(' ')?;
        (!from.ends_with(" lua")).then(|| (time.parse().unwrap(), command.to_owned()))
    };
    lines.iter().filter_map(command).collect()
}

/// As many as make sure that it is not the first one only.
const INTERVALS: usize = 3;
