//! A hub that is addressed in some ways only.

use super::*;
use crate::Addressing;

#[tokio::test]
async fn only_what_a_hub_is_addressed_by_is_subscribed_to() {
    let groups = Addressing::NOTHING.groups();
    for (addressing, with_two_connections_in_a_group) in [
        (Addressing::NOTHING, 3),
        (groups, 6),
        (groups.all(), 7),
        (groups.users(), 7),
        (groups.connections(), 8),
        (Addressing::EVERYTHING, 10),
    ] {
        let server = Under::memory()
            .server_with(|builder| builder.addressing(addressing))
            .await;
        let manager: Manager = Arc::clone(&server) as Manager;
        // Each is in a group for its markers.
        let a = Receiver::connect(&manager, Some("alice")).await;
        let b = Receiver::connect(&manager, Some("alice")).await;
        join(&manager, &a, "room").await;
        join(&manager, &b, "room").await;
        assert_eq!(
            server.subscriptions(),
            with_two_connections_in_a_group,
            "{addressing:?}"
        );
        a.disconnect(&manager).await;
        b.disconnect(&manager).await;
        let always = 3 + u64::from(addressing.all.yes());
        assert_eq!(server.subscriptions(), always, "{addressing:?}");
    }
}

#[tokio::test]
async fn a_hub_of_groups_reaches_groups_everywhere_and_single_connections_of_its_own() {
    let under = Under::memory();
    let groups = |builder: Builder| builder.addressing(Addressing::NOTHING.groups());
    let (a, b): (Manager, Manager) = (
        under.server_with(groups).await,
        under.server_with(groups).await,
    );
    let mut alice = Receiver::connect(&a, Some("alice")).await;
    let mut bob = Receiver::connect(&b, None).await;
    join(&b, &alice, "room").await;
    join(&b, &bob, "room").await;
    send(&a, &group("room"), "ToRoom").await;
    send(&a, &Target::Connection(alice.id()), "ToAlice").await;
    bob.expect(&a, &["ToRoom"]).await;
    // The direct one may be before the other.
    send(&b, &group("room"), "Last").await;
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains("Last") {
        received.extend(alice.next_message().await);
    }
    let received = String::from_utf8(received).unwrap();
    assert_eq!(received.matches("ToRoom").count(), 1, "{received}");
    assert_eq!(received.matches("ToAlice").count(), 1, "{received}");
}

#[tokio::test]
async fn what_servers_do_not_listen_for_is_not_sent() {
    let exchange = Exchange::new();
    let under = Under::Memory(Arc::clone(&exchange));
    let server = under
        .server_with(|builder| builder.addressing(Addressing::NOTHING))
        .await;
    for (target, by) in [
        (ALL, "all"),
        (Target::Connection("nobody"), "connection"),
        (group("room"), "group"),
        (Target::User("alice"), "user"),
    ] {
        let sent = server.send(&target, &Broadcast::new("ToNobody", &())).await;
        assert_eq!(sent, Err(SendError::NotAddressed(by)));
    }
    assert_eq!(exchange.published(), []);
}
