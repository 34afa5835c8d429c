//! What other programs see in Redis: keys, times to live, channels, payloads.

use std::time::Duration;

use serde_json::json;
use testkit::raw::eventually;
use testkit::redis::Monitor;

use crate::node::Cluster;
use crate::people::{Watcher, close, person};

/// A session as it was recorded of ASP.NET Core: what it published is what is published here, byte for byte.
#[tokio::test(flavor = "multi_thread")]
async fn a_presence_session_is_the_recorded_one_to_other_programs() {
    let Some(cluster) = Cluster::start(1, &[]).await else {
        return;
    };
    let monitor = cluster.redis.monitor().await;
    let mut alice = Watcher {
        client: person(&cluster, &cluster.nodes[0], "alice").await,
        events: Vec::new(),
    };
    alice.watch("carol").await;
    let mut carol = person(&cluster, &cluster.nodes[0], "carol").await;
    alice.hears(1).await;
    let word = cluster.redis.cli(&["GET", "user:carol:status"]).await;
    assert_eq!(word, "online");
    let called = carol.invoke("BroadcastOnlineStatus", &[]).await;
    assert_eq!(called, Ok(json!(null)));
    alice.hears(2).await;
    assert_eq!(alice.ask("carol").await, "online");
    close(&mut carol).await;
    alice.hears(3).await;
    let word = cluster.redis.cli(&["GET", "user:carol:status"]).await;
    assert_eq!(word, "offline");
    alice.leave("carol").await;
    close(&mut alice.client).await;
    let published = || {
        let commands = commands(&monitor);
        let publishes = commands.into_iter().filter(|words| words[0] == b"PUBLISH");
        publishes
            .map(|words| (words[1].clone(), words[2].clone()))
            .collect::<Vec<_>>()
    };
    let recorded = recorded();
    eventually("alice to be announced as gone", || {
        published().len() >= recorded.len()
    })
    .await;
    assert_eq!(published(), recorded);
    assert_eq!(alice.told_of("carol"), ["online", "online", "offline"]);
    check_words(&monitor);
    check_subscriptions(&monitor);
}

/// Status words live for at most 10 s, whoever writes or prolongs them.
fn check_words(monitor: &Monitor) {
    let is_word = |word: &Vec<u8>| word.starts_with(b"user:") && word.ends_with(b":status");
    let mut written = Vec::new();
    for words in commands(monitor) {
        let text: Vec<_> = words
            .iter()
            .map(|word| String::from_utf8_lossy(word))
            .collect();
        let text: Vec<_> = text.iter().map(AsRef::as_ref).collect();
        match text[..] {
            ["SET", key, status, "PX", time] if is_word(&words[1]) => {
                assert!(time.parse::<u64>().unwrap() <= 10_000, "{text:?}");
                written.push((key.to_owned(), status.to_owned()));
            }
            ["GETEX", _, "PX", time] => assert!(time.parse::<u64>().unwrap() <= 10_000, "{text:?}"),
            ["GET" | "MGET", ..] | ["EVALSHA" | "EVAL", ..] => {}
            _ => assert!(!words.iter().any(is_word), "{text:?}"),
        }
    }
    let session = [
        ("user:alice:status", "online"),
        ("user:carol:status", "online"),
        ("user:carol:status", "online"),
        ("user:carol:status", "offline"),
        ("user:alice:status", "offline"),
    ];
    let session = session.map(|(key, status)| (key.to_owned(), status.to_owned()));
    assert_eq!(written, session);
}

/// Nobody sends to connections or users: only groups and what servers say to each other is subscribed to.
fn check_subscriptions(monitor: &Monitor) {
    let channels: Vec<String> = commands(monitor)
        .into_iter()
        .filter(|words| words[0].ends_with(b"SUBSCRIBE"))
        .flat_map(|words| words[1..].to_vec())
        .map(|channel| String::from_utf8(channel).unwrap())
        .collect();
    let group = format!("{HUB}:group:user:carol");
    let of_group = channels.iter().filter(|channel| **channel == group);
    assert_eq!(of_group.count(), 2, "once, and once no more: {channels:?}");
    let internal = format!("{HUB}:internal:");
    for channel in channels.iter().filter(|channel| **channel != group) {
        assert!(channel.starts_with(&internal), "{channel}");
    }
}

/// Channels and payloads of the session, as they were recorded.
fn recorded() -> Vec<(Vec<u8>, Vec<u8>)> {
    let cases: serde_json::Value =
        serde_json::from_str(include_str!("../../../../e2e/wire/aspnet/redis.json")).unwrap();
    let name = "redis: a presence session, commands and messages";
    let mut cases = cases.as_array().unwrap().iter();
    let case = cases.find(|case| case["name"] == name).unwrap();
    let mut rows = case["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row.as_str());
    let mut messages = Vec::new();
    while let Some(row) = rows.next() {
        let Some(channel) = row.strip_prefix("channel ") else {
            continue;
        };
        let payload = rows.next().unwrap().strip_prefix("  payload ").unwrap();
        messages.push((channel.into(), bytes(payload)));
    }
    assert_eq!(messages.len(), 5);
    messages
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// The commands so far, those of scripts included; their names in capitals.
fn commands(monitor: &Monitor) -> Vec<Vec<Vec<u8>>> {
    let lines = monitor.lines();
    let command = |line: &String| {
        let mut words = words(line.split_once("] ").unwrap().1);
        words[0].make_ascii_uppercase();
        words
    };
    lines.iter().map(command).collect()
}

/// The words of a line of `MONITOR`, each in quotation marks, with escapes as in C.
fn words(text: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word = None;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match (byte, &mut word) {
            (b'"', None) => word = Some(Vec::new()),
            (b'"', Some(_)) => words.extend(word.take()),
            (b'\\', Some(word)) => word.push(match bytes.next().unwrap() {
                b'x' => {
                    let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                    u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'a' => 7,
                b'b' => 8,
                plain => plain,
            }),
            (byte, Some(word)) => word.push(byte),
            (_, None) => {}
        }
    }
    words
}

const HUB: &str = "MSChat.PresenceAPI.Hubs.PresenceHub";

/// A user's keys and subscriptions go when the user does, but for the version.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_user_ends_by_itself() {
    let Some(cluster) = Cluster::start(
        1,
        &[
            ("Presence__StatusTtl", "2"),
            ("Presence__RefreshInterval", "1"),
        ],
    )
    .await
    else {
        return;
    };
    let mut alice = person(&cluster, &cluster.nodes[0], "alice").await;
    // Three times its time to live: it is prolonged.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let word = cluster.redis.cli(&["GET", "user:alice:status"]).await;
    assert_eq!(word, "online");
    close(&mut alice).await;
    let is_gone = |keys: &str| keys.is_empty();
    let arguments = ["KEYS", "user:*"];
    let redis = &cluster.redis;
    redis
        .cli_until("the word to end", &arguments, is_gone)
        .await;
    let left = redis.cli(&["PTTL", "{user:alice:status}:presence"]).await;
    let week = 7 * 24 * 60 * 60 * 1_000;
    assert!(
        (week - 60_000..=week).contains(&left.parse().unwrap()),
        "{left}"
    );
    let users = redis.cli(&["KEYS", "presence:node:*"]).await;
    assert_eq!(users, "", "a set without users is no key");
}
