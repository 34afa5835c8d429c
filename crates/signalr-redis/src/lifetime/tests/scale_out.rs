//! What Microsoft's suite for backplanes asks for: two servers, and who is reached from where.

use super::*;

on_both! {
    everybody_is_reached_on_all_servers
    a_connection_of_another_server_is_reached_by_its_id
    members_of_a_group_are_reached_on_all_servers
    connections_join_and_leave_groups_from_another_server
    who_is_added_from_both_servers_gets_a_message_once
    changes_from_another_server_are_made_in_their_order
    who_has_disconnected_is_reached_from_nowhere
    all_connections_of_a_user_are_reached_on_all_servers
    a_connection_without_a_user_can_be_reached
    a_dead_connection_does_not_keep_those_of_other_servers_from_theirs
    each_reads_the_message_in_its_own_protocol
    messages_of_one_sender_keep_their_order_everywhere
    hubs_of_different_names_have_nothing_to_do_with_each_other
    what_nobody_needs_any_more_is_not_subscribed_to
}

async fn everybody_is_reached_on_all_servers(under: &Under) {
    let [(a, mut alice), (b, mut bob)] = two(under).await;
    send(&a, &ALL, "ToAll").await;
    send(
        &a,
        &Target::All {
            except: &[alice.id()],
        },
        "NotToAlice",
    )
    .await;
    send(
        &b,
        &Target::All {
            except: &["nobody", bob.id()],
        },
        "NotToBob",
    )
    .await;
    alice.expect(&b, &["ToAll", "NotToBob"]).await;
    bob.expect(&b, &["ToAll", "NotToAlice"]).await;
}

async fn a_connection_of_another_server_is_reached_by_its_id(under: &Under) {
    let [(a, mut alice), (b, mut bob)] = two(under).await;
    send(&a, &Target::Connection(bob.id()), "ToBob").await;
    send(&b, &Target::Connection(alice.id()), "ToAlice").await;
    send(&a, &Target::Connection("nobody"), "ToNobody").await;
    alice.expect(&b, &["ToAlice"]).await;
    bob.expect(&a, &["ToBob"]).await;
}

async fn members_of_a_group_are_reached_on_all_servers(under: &Under) {
    let [(a, mut alice), (b, mut bob)] = two(under).await;
    let mut carol = Receiver::connect(&b, None).await;
    join(&a, &alice, "room").await;
    join(&b, &bob, "room").await;
    send(&b, &group("room"), "ToRoom").await;
    let except = [alice.id()];
    let others = Target::Group {
        name: "room",
        except: &except,
    };
    send(&a, &others, "ToOthers").await;
    alice.expect(&a, &["ToRoom"]).await;
    bob.expect(&a, &["ToRoom", "ToOthers"]).await;
    carol.expect(&a, &[]).await;
}

async fn connections_join_and_leave_groups_from_another_server(under: &Under) {
    let [(a, mut alice), (b, mut bob)] = two(under).await;
    join(&a, &bob, "room").await;
    join(&b, &alice, "room").await;
    send(&a, &group("room"), "ToBoth").await;
    leave(&a, &bob, "room").await;
    send(&a, &group("room"), "ToAlice").await;
    send(&b, &group("room"), "ToAliceAgain").await;
    alice
        .expect(&b, &["ToBoth", "ToAlice", "ToAliceAgain"])
        .await;
    bob.expect(&b, &["ToBoth"]).await;
}

async fn who_is_added_from_both_servers_gets_a_message_once(under: &Under) {
    let [(a, _alice), (b, mut bob)] = two(under).await;
    join(&a, &bob, "room").await;
    join(&b, &bob, "room").await;
    join(&a, &bob, "room").await;
    send(&a, &group("room"), "Once").await;
    bob.expect(&b, &["Once"]).await;
    leave(&a, &bob, "room").await;
    leave(&a, &bob, "room").await;
    send(&b, &group("room"), "Never").await;
    bob.expect(&b, &[]).await;
}

async fn changes_from_another_server_are_made_in_their_order(under: &Under) {
    let [(a, _alice), (b, mut bob)] = two(under).await;
    let room = group("room");
    for round in 0..50 {
        // Both are on their way before either is confirmed.
        let (added, removed) = tokio::join!(
            a.add_to_group(bob.id(), "room"),
            a.remove_from_group(bob.id(), "room"),
        );
        assert_eq!((added, removed), (Ok(()), Ok(())), "{round}");
    }
    send(&a, &room, "Never").await;
    bob.expect(&b, &[]).await;
}

async fn who_has_disconnected_is_reached_from_nowhere(under: &Under) {
    let [(a, mut alice), (b, bob)] = two(under).await;
    join(&a, &bob, "room").await;
    join(&a, &alice, "room").await;
    bob.disconnect(&b).await;
    send(&a, &group("room"), "ToRoom").await;
    send(&a, &Target::User("bob"), "ToNobody").await;
    send(&a, &Target::Connection(bob.id()), "ToNobody").await;
    alice.expect(&a, &["ToRoom"]).await;
    let nobody = b.local(bob.id());
    assert!(nobody.is_none());
}

async fn all_connections_of_a_user_are_reached_on_all_servers(under: &Under) {
    let [(a, mut a1), (b, mut bob)] = two(under).await;
    let mut a2 = Receiver::connect(&b, Some("alice")).await;
    let mut a3 = Receiver::connect(&b, Some("alice")).await;
    send(&a, &Target::User("alice"), "First").await;
    a3.expect(&b, &["First"]).await;
    a3.disconnect(&b).await;
    send(&b, &Target::User("alice"), "Second").await;
    a1.expect(&a, &["First", "Second"]).await;
    a2.expect(&b, &["First", "Second"]).await;
    bob.expect(&b, &[]).await;
    // Those of this server are counted.
    assert_eq!(
        (a.user_connections("alice"), b.user_connections("alice")),
        (1, 1)
    );
}

async fn a_connection_without_a_user_can_be_reached(under: &Under) {
    let [(a, _alice), (b, _bob)] = two(under).await;
    let mut nobody = Receiver::connect(&b, None).await;
    send(&a, &Target::Connection(nobody.id()), "ToYou").await;
    send(&a, &Target::User(""), "ToNobody").await;
    nobody.expect(&a, &["ToYou"]).await;
}

async fn a_dead_connection_does_not_keep_those_of_other_servers_from_theirs(under: &Under) {
    let [(a, mut alice), (b, bob)] = two(under).await;
    let mut carol = Receiver::connect(&b, None).await;
    bob.break_off();
    send(&a, &ALL, "ToAll").await;
    alice.expect(&a, &["ToAll"]).await;
    carol.expect(&a, &["ToAll"]).await;
}

async fn each_reads_the_message_in_its_own_protocol(under: &Under) {
    let [(a, mut alice), (b, mut bob)] = two(under).await;
    let mut packed = Receiver::connect_in(&b, Some("alice"), HubProtocol::MessagePack).await;
    send(&a, &ALL, "ToAll").await;
    send(&b, &Target::User("alice"), "ToAlice").await;
    send(&a, &Target::Connection(packed.id()), "ToOne").await;
    packed.expect(&a, &["ToAll", "ToAlice", "ToOne"]).await;
    alice.expect(&a, &["ToAll", "ToAlice"]).await;
    bob.expect(&a, &["ToAll"]).await;
}

async fn messages_of_one_sender_keep_their_order_everywhere(under: &Under) {
    let [(a, mut alice), (b, mut bob)] = two(under).await;
    join(&a, &alice, "room").await;
    join(&b, &bob, "room").await;
    let names: Vec<String> = (0..200).map(|i| format!("Message{i}")).collect();
    for name in &names {
        send(&a, &group("room"), name).await;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    alice.expect(&b, &names).await;
    bob.expect(&b, &names).await;
}

async fn hubs_of_different_names_have_nothing_to_do_with_each_other(under: &Under) {
    let a: Manager = under.server().await;
    let mut alice = Receiver::connect(&a, Some("alice")).await;
    join(&a, &alice, "room").await;
    let other = RedisLifetime::builder("Ns.ChatHub2");
    let other: Manager = match under {
        Under::Memory(exchange) => other.start_on(exchange),
        Under::Redis(redis) => {
            let other = other.start(&settings(redis));
            ready(&other).await;
            other
        }
    };
    for target in [
        ALL,
        group("room"),
        Target::User("alice"),
        Target::Connection(alice.id()),
    ] {
        send(&other, &target, "ToNobody").await;
    }
    alice.expect(&a, &[]).await;
}

async fn what_nobody_needs_any_more_is_not_subscribed_to(under: &Under) {
    let server = under.server().await;
    let a: Manager = Arc::clone(&server) as Manager;
    let idle = server.subscriptions();
    // Everybody, commands, acks, answers.
    assert_eq!(idle, 4);
    let a1 = Receiver::connect(&a, Some("alice")).await;
    let a2 = Receiver::connect(&a, Some("alice")).await;
    // Two connections, each with a group for its markers, and one user.
    assert_eq!(server.subscriptions(), idle + 5);
    for member in [&a1, &a2, &a1] {
        join(&a, member, "room").await;
    }
    assert_eq!(server.subscriptions(), idle + 6);
    leave(&a, &a1, "room").await;
    a1.disconnect(&a).await;
    assert_eq!(server.subscriptions(), idle + 4);
    a2.disconnect(&a).await;
    assert_eq!(server.subscriptions(), idle);
}

/// A local message costs nothing: only what may be for others is published.
#[tokio::test]
async fn one_connection_of_the_same_server_is_written_to_directly() {
    let exchange = Exchange::new();
    let under = Under::Memory(Arc::clone(&exchange));
    let a: Manager = under.server().await;
    let mut alice = Receiver::connect(&a, Some("alice")).await;
    send(&a, &Target::Connection(alice.id()), "ToAlice").await;
    assert_eq!(exchange.published(), []);
    alice.expect(&a, &["ToAlice"]).await;
}

/// ASP.NET Core has the caller wait for 30 s.
#[tokio::test(start_paused = true)]
async fn where_no_other_server_is_nobody_waits_for_its_ack() {
    let a: Manager = Under::memory().server().await;
    let begun = tokio::time::Instant::now();
    a.add_to_group("nobody", "room").await.unwrap();
    a.remove_from_group("nobody", "room").await.unwrap();
    assert_eq!(begun.elapsed(), std::time::Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_no_server_confirms_is_an_error_after_half_a_minute() {
    let under = Under::memory();
    let server = under.server().await;
    let _other = under.server().await;
    let begun = tokio::time::Instant::now();
    let changed = server.add_to_group("nobody", "room").await;
    assert_eq!(changed, Err(SendError::Unconfirmed(acks::TIMEOUT)));
    assert_eq!(begun.elapsed(), std::time::Duration::from_secs(30));
    assert_eq!(server.metrics().acks_timed_out(), 1);
    assert_eq!(
        changed.unwrap_err().to_string(),
        "no server has confirmed the change of a group within 30s"
    );
}

/// In a cluster, that a node passes a message on to nobody says nothing about the others.
#[tokio::test(start_paused = true)]
async fn where_receivers_cannot_be_counted_acks_are_waited_for() {
    let exchange = Exchange::new();
    exchange.count_nothing();
    let server = Under::Memory(Arc::clone(&exchange)).server().await;
    let changed = server.add_to_group("nobody", "room").await;
    assert_eq!(changed, Err(SendError::Unconfirmed(acks::TIMEOUT)));
}

/// What other servers write is not always what this one would.
#[tokio::test]
async fn what_cannot_be_read_is_counted_and_does_no_harm() {
    let exchange = Exchange::new();
    let server = Under::Memory(Arc::clone(&exchange)).server().await;
    let a: Manager = Arc::clone(&server) as Manager;
    let mut alice = Receiver::connect(&a, Some("alice")).await;
    let channels = &server.node.channels;
    let received = server.metrics().received();
    for channel in [
        channels.all(),
        channels.user("alice"),
        channels.connection(alice.id()),
        channels.commands(),
        channels.acks(channels.server()),
        channels.answers(),
    ] {
        assert_eq!(exchange.inject(&channel, b"\xc1"), 1);
    }
    alice.expect(&a, &[]).await;
    assert_eq!(server.metrics().malformed(), 6);
    assert!(server.metrics().received() >= received + 6);
}

#[tokio::test]
async fn who_speaks_a_protocol_that_the_sender_lacks_gets_nothing_and_that_is_counted() {
    let exchange = Exchange::new();
    let server = Under::Memory(Arc::clone(&exchange)).server().await;
    let a: Manager = Arc::clone(&server) as Manager;
    let mut json = Receiver::connect(&a, Some("alice")).await;
    let mut packed = Receiver::connect_in(&a, None, HubProtocol::MessagePack).await;
    let message = Broadcast::new("ToAll", &());
    let frame = message.frame(HubProtocol::Json).unwrap().payload();
    let payload = wire::write_invocation(&[], &[("json", &frame), ("other", b"?")], None);
    exchange.inject(&server.node.channels.all(), &payload);
    json.expect(&a, &["ToAll"]).await;
    packed.expect(&a, &[]).await;
    assert_eq!(server.metrics().unknown_protocols(), 1);
}

/// Alice on one server, bob on the other.
async fn two(under: &Under) -> [(Manager, Receiver); 2] {
    let (a, b): (Manager, Manager) = (under.server().await, under.server().await);
    let alice = Receiver::connect(&a, Some("alice")).await;
    let bob = Receiver::connect(&b, Some("bob")).await;
    [(a, alice), (b, bob)]
}
