//! Redis is away, or never was there.

use std::time::Duration;

use redis_link::Settings;
use testkit::redis::Proxy;

use super::*;

#[tokio::test]
async fn without_a_bus_sends_fail_and_connections_and_groups_stay() {
    let exchange = Exchange::new();
    let server = Under::Memory(Arc::clone(&exchange)).server().await;
    let a: Manager = Arc::clone(&server) as Manager;
    let mut alice = Receiver::connect(&a, Some("alice")).await;
    exchange.go_away();
    let mut bob = Receiver::connect(&a, Some("bob")).await;
    join(&a, &bob, "room").await;
    for target in [
        ALL,
        group("room"),
        Target::User("bob"),
        Target::Connection("elsewhere"),
    ] {
        let sent = a.send(&target, &Broadcast::new("Lost", &())).await;
        assert!(
            matches!(sent, Err(SendError::Backplane(_))),
            "{target:?}: {sent:?}"
        );
    }
    let joined = a.add_to_group("elsewhere", "room").await;
    assert!(matches!(joined, Err(SendError::Backplane(_))), "{joined:?}");
    send(&a, &Target::Connection(bob.id()), "Direct").await;
    assert_eq!(server.metrics().publish_failures(), 5);
    exchange.come_back();
    for target in [ALL, group("room"), Target::User("bob")] {
        send(&a, &target, "Again").await;
    }
    bob.expect(&a, &["Direct", "Again", "Again", "Again"]).await;
    alice.expect(&a, &["Again"]).await;
}

/// ASP.NET Core fails connections until Redis is there.
#[tokio::test]
async fn a_server_starts_without_redis_and_catches_up() {
    let Some(mut redis) = RedisServer::start().await else {
        return;
    };
    redis.kill();
    let server = RedisLifetime::builder(HUB).start(&settings(&redis));
    let a: Manager = Arc::clone(&server) as Manager;
    let mut alice = Receiver::connect(&a, Some("alice")).await;
    join(&a, &alice, "room").await;
    let sent = a.send(&group("room"), &Broadcast::new("Lost", &())).await;
    assert!(matches!(sent, Err(SendError::Backplane(_))), "{sent:?}");
    redis.restart_empty().await;
    ready(&server).await;
    let under = Under::Redis(redis);
    let b: Manager = under.server().await;
    send(&b, &group("room"), "ToRoom").await;
    send(&b, &Target::User("alice"), "ToAlice").await;
    send(&b, &Target::Connection(alice.id()), "ToOne").await;
    alice.expect(&a, &["ToRoom", "ToAlice", "ToOne"]).await;
}

#[tokio::test]
async fn subscriptions_come_back_after_a_restart() {
    let Some(redis) = RedisServer::start().await else {
        return;
    };
    let mut under = Under::Redis(redis);
    let server = under.server().await;
    let a: Manager = Arc::clone(&server) as Manager;
    let mut alice = Receiver::connect(&a, Some("alice")).await;
    join(&a, &alice, "room").await;
    if let Under::Redis(redis) = &mut under {
        redis.restart_empty().await;
    }
    eventually("the subscriptions are back", || {
        server.metrics().resumed() > 0
    })
    .await;
    ready(&server).await;
    send(&a, &group("room"), "Again").await;
    alice.expect(&a, &["Again"]).await;
}

/// Nobody can tell a stalled Redis from a slow one, but nobody waits for it for long.
#[tokio::test]
async fn a_stalled_redis_keeps_nobody_waiting() {
    let Some(redis) = RedisServer::start().await else {
        return;
    };
    let proxy = Proxy::start(redis.port()).await;
    let settings = Settings::parse(&proxy.url()).unwrap().settings;
    let server = RedisLifetime::builder(HUB).start(&settings);
    ready(&server).await;
    let a: Manager = Arc::clone(&server) as Manager;
    let alice = Receiver::connect(&a, None).await;
    proxy.stall();
    let begun = tokio::time::Instant::now();
    let message = Broadcast::new("Lost", &());
    let (sent, bob) = tokio::join!(a.send(&ALL, &message), Receiver::connect(&a, None));
    join(&a, &bob, "room").await;
    join(&a, &alice, "room").await;
    assert!(matches!(sent, Err(SendError::Backplane(_))), "{sent:?}");
    // Each waits for one command's time at most.
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "{:?}",
        begun.elapsed()
    );
    proxy.pass();
    ready(&server).await;
    eventually("the subscriptions are back", || {
        server.metrics().resumed() > 0
    })
    .await;
    let mut bob = bob;
    send(&a, &group("room"), "Again").await;
    bob.expect(&a, &["Again"]).await;
}
