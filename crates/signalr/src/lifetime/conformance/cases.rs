//! The cases of the suite, one function each.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use signalr_protocol::HubProtocol;

use super::{Factory, Receiver};
use crate::frame::Broadcast;
use crate::lifetime::{LifetimeManager, SendError, Target};

type Manager = Arc<dyn LifetimeManager>;

/// All, all but some; ids that are nobody's except nobody.
pub async fn everybody_gets_a_message_to_all_but_the_excepted(factory: &impl Factory) {
    let manager = factory.make().await;
    let mut a = Receiver::connect(&manager, None).await;
    let mut b = Receiver::connect(&manager, Some("bob")).await;
    send(&manager, &Target::All { except: &[] }, "ToAll").await;
    send(
        &manager,
        &Target::All {
            except: &[a.id(), "nobody"],
        },
        "NotToA",
    )
    .await;
    a.expect(&manager, &["ToAll"]).await;
    b.expect(&manager, &["ToAll", "NotToA"]).await;
}

/// One, and no other.
pub async fn one_connection_is_reached_by_its_id(factory: &impl Factory) {
    let manager = factory.make().await;
    let mut a = Receiver::connect(&manager, None).await;
    let mut b = Receiver::connect(&manager, None).await;
    send(&manager, &Target::Connection(a.id()), "ToA").await;
    a.expect(&manager, &["ToA"]).await;
    b.expect(&manager, &[]).await;
}

/// Who asks a client needs its connection.
pub async fn a_connection_is_known_while_it_is_connected(factory: &impl Factory) {
    let manager = factory.make().await;
    let a = Receiver::connect(&manager, Some("alice")).await;
    let found = manager.local(a.id()).expect("it is connected");
    assert_eq!((found.id(), found.user_id()), (a.id(), Some("alice")));
    assert!(manager.local("nobody").is_none());
    a.disconnect(&manager).await;
    assert!(manager.local(a.id()).is_none());
}

/// Members and nobody else; members that are excepted do not.
pub async fn members_of_a_group_get_its_messages_but_the_excepted(factory: &impl Factory) {
    let (manager, [mut a, mut b, mut c]) = three(factory).await;
    join(&manager, &a, "room").await;
    join(&manager, &b, "room").await;
    join(&manager, &c, "hall").await;
    send(&manager, &group("room"), "ToRoom").await;
    let except = [a.id(), c.id()];
    send(
        &manager,
        &Target::Group {
            name: "room",
            except: &except,
        },
        "NotToA",
    )
    .await;
    a.expect(&manager, &["ToRoom"]).await;
    b.expect(&manager, &["ToRoom", "NotToA"]).await;
    c.expect(&manager, &[]).await;
}

/// To join is to be a member, however often.
pub async fn who_is_added_twice_gets_a_message_once(factory: &impl Factory) {
    let (manager, [mut a, ..]) = three(factory).await;
    join(&manager, &a, "room").await;
    join(&manager, &a, "room").await;
    send(&manager, &group("room"), "Once").await;
    a.expect(&manager, &["Once"]).await;
    leave(&manager, &a, "room").await;
    send(&manager, &group("room"), "Never").await;
    a.expect(&manager, &[]).await;
}

/// To leave is to be none, however often, and also where one never was.
pub async fn who_was_removed_gets_nothing(factory: &impl Factory) {
    let (manager, [mut a, mut b, mut c]) = three(factory).await;
    join(&manager, &a, "room").await;
    join(&manager, &b, "room").await;
    for _ in 0..2 {
        leave(&manager, &a, "room").await;
    }
    leave(&manager, &c, "room").await;
    leave(&manager, &c, "nowhere").await;
    send(&manager, &group("room"), "ToRoom").await;
    a.expect(&manager, &[]).await;
    b.expect(&manager, &["ToRoom"]).await;
    c.expect(&manager, &[]).await;
}

/// A group is there when somebody joins, as often as that is.
pub async fn a_group_is_founded_again_when_all_have_left(factory: &impl Factory) {
    let (manager, [mut a, mut b, _]) = three(factory).await;
    for _ in 0..3 {
        join(&manager, &a, "room").await;
        leave(&manager, &a, "room").await;
    }
    join(&manager, &b, "room").await;
    send(&manager, &group("room"), "ToRoom").await;
    a.expect(&manager, &[]).await;
    b.expect(&manager, &["ToRoom"]).await;
}

/// Groups, users and ids have a case, and no character in them means anything.
pub async fn names_are_compared_to_the_letter(factory: &impl Factory) {
    let manager = factory.make().await;
    let names = [
        "room",
        "Room",
        "room ",
        "room:1",
        "{room}",
        "*",
        "r\u{f6}\u{f6}m",
        "\u{1f3e0}",
    ];
    let mut members = Vec::new();
    for name in names {
        let member = Receiver::connect(&manager, Some(name)).await;
        join(&manager, &member, name).await;
        members.push(member);
    }
    for name in names {
        send(&manager, &group(name), "ToGroup").await;
        send(&manager, &Target::User(name), "ToUser").await;
    }
    for member in &mut members {
        member.expect(&manager, &["ToGroup", "ToUser"]).await;
    }
    let id = members[0].id().to_ascii_lowercase();
    if id != members[0].id() {
        send(&manager, &Target::Connection(&id), "ToNobody").await;
        members[0].expect(&manager, &[]).await;
    }
}

/// One person, many tabs.
pub async fn all_connections_of_a_user_are_reached_and_counted(factory: &impl Factory) {
    let manager = factory.make().await;
    assert_eq!(manager.user_connections("alice"), 0);
    let mut a1 = Receiver::connect(&manager, Some("alice")).await;
    let mut a2 = Receiver::connect(&manager, Some("alice")).await;
    let mut b = Receiver::connect(&manager, Some("bob")).await;
    assert_eq!(manager.user_connections("alice"), 2);
    send(&manager, &Target::User("alice"), "ToAlice").await;
    a1.expect(&manager, &["ToAlice"]).await;
    a2.expect(&manager, &["ToAlice"]).await;
    b.expect(&manager, &[]).await;
    a1.disconnect(&manager).await;
    assert_eq!(manager.user_connections("alice"), 1);
    send(&manager, &Target::User("alice"), "ToAlice").await;
    a2.expect(&manager, &["ToAlice"]).await;
}

/// Nobody is not somebody without a name.
pub async fn a_connection_without_a_user_is_no_users(factory: &impl Factory) {
    let manager = factory.make().await;
    let mut a = Receiver::connect(&manager, None).await;
    send(&manager, &Target::User(""), "ToNobody").await;
    assert_eq!(manager.user_connections(""), 0);
    a.expect(&manager, &[]).await;
}

/// Whatever a connection belonged to, it belongs to it no more.
pub async fn who_has_disconnected_is_in_no_group_and_of_no_user(factory: &impl Factory) {
    let (manager, [a, mut b, _]) = three(factory).await;
    for name in ["room", "hall"] {
        join(&manager, &a, name).await;
        join(&manager, &b, name).await;
    }
    a.disconnect(&manager).await;
    a.disconnect(&manager).await;
    assert_eq!(manager.user_connections("alice"), 0);
    for target in [
        group("room"),
        group("hall"),
        Target::All { except: &[] },
        Target::User("alice"),
    ] {
        send(&manager, &target, "ToTheRest").await;
    }
    b.expect(&manager, &["ToTheRest", "ToTheRest", "ToTheRest"])
        .await;
}

/// A method of a client that has gone may still want it to join something.
pub async fn who_joins_while_it_disconnects_is_left_in_no_group(factory: &impl Factory) {
    let (manager, [a, mut b, _]) = three(factory).await;
    join(&manager, &b, "room").await;
    let (joining, leaving) = (manager.add_to_group(a.id(), "room"), a.disconnect(&manager));
    let (joined, ()) = tokio::join!(joining, leaving);
    joined.expect("who is nowhere is no error");
    join(&manager, &a, "room").await;
    send(&manager, &group("room"), "ToRoom").await;
    b.expect(&manager, &["ToRoom"]).await;
}

/// Addressing nobody succeeds.
pub async fn whoever_is_nowhere_is_no_error(factory: &impl Factory) {
    let manager = factory.make().await;
    for target in [
        Target::All {
            except: &["nobody"],
        },
        Target::Connection("nobody"),
        group("nowhere"),
        Target::User("nobody"),
    ] {
        send(&manager, &target, "ToNobody").await;
    }
    for work in [
        manager.add_to_group("nobody", "room"),
        manager.remove_from_group("nobody", "room"),
    ] {
        work.await.expect("who is nowhere is no error");
    }
}

/// In the words of ASP.NET Core.
pub async fn a_group_without_a_name_is_an_error(factory: &impl Factory) {
    let manager = factory.make().await;
    let message = Broadcast::new("ToNobody", &());
    let error = manager.send(&group(""), &message).await;
    assert_eq!(error, Err(SendError::EmptyGroupName));
    assert_eq!(
        SendError::EmptyGroupName.to_string(),
        "Cannot send to an empty group name."
    );
}

/// Whoever they are that a message is for, each can read it.
pub async fn each_gets_the_message_in_its_own_protocol(factory: &impl Factory) {
    let manager = factory.make().await;
    let mut members = Vec::new();
    for protocol in HubProtocol::ALL.into_iter().cycle().take(6) {
        let member = Receiver::connect_in(&manager, Some("alice"), protocol).await;
        join(&manager, &member, "room").await;
        members.push(member);
    }
    for target in [
        Target::All { except: &[] },
        group("room"),
        Target::User("alice"),
    ] {
        send(&manager, &target, "ToMany").await;
    }
    for member in &mut members {
        member
            .expect(&manager, &["ToMany", "ToMany", "ToMany"])
            .await;
    }
}

/// Also where they are addressed in different ways.
pub async fn messages_of_one_sender_keep_their_order(factory: &impl Factory) {
    let (manager, [mut a, mut b, _]) = three(factory).await;
    join(&manager, &a, "room").await;
    join(&manager, &b, "room").await;
    let names: Vec<String> = (0..100).map(|i| format!("Message{i}")).collect();
    for name in &names {
        send(&manager, &group("room"), name).await;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    a.expect(&manager, &names).await;
    b.expect(&manager, &names).await;
}

/// A broken connection is nobody else's trouble.
pub async fn a_dead_connection_does_not_keep_the_others_from_theirs(factory: &impl Factory) {
    let (manager, [a, mut b, mut c]) = three(factory).await;
    for member in [&a, &b, &c] {
        join(&manager, member, "room").await;
    }
    a.break_off();
    send(&manager, &group("room"), "ToRoom").await;
    send(&manager, &Target::All { except: &[] }, "ToAll").await;
    send(&manager, &Target::User("alice"), "ToAlice").await;
    b.expect(&manager, &["ToRoom", "ToAll"]).await;
    c.expect(&manager, &["ToRoom", "ToAll"]).await;
}

/// The sender is told, and nobody gets half a message.
pub async fn an_argument_that_cannot_be_written_is_an_error(factory: &impl Factory) {
    struct Unwritable;

    impl Serialize for Unwritable {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("it cannot be written"))
        }
    }

    let (manager, [mut a, ..]) = three(factory).await;
    join(&manager, &a, "room").await;
    for target in [
        group("room"),
        Target::Connection(a.id()),
        Target::User("alice"),
    ] {
        let sent = manager.send(&target, &Broadcast::new("ToRoom", &(Unwritable,)));
        assert!(
            matches!(sent.await, Err(SendError::Encode(_))),
            "{target:?}"
        );
    }
    a.expect(&manager, &[]).await;
}

/// Members that stay get everything, whatever the others do.
pub async fn joining_leaving_and_sending_at_once_loses_nothing(factory: &impl Factory) {
    let (manager, [mut staying, restless, leaving]) = three(factory).await;
    join(&manager, &staying, "room").await;
    let names: Vec<String> = (0..200).map(|i| format!("Message{i}")).collect();
    let moving = async {
        for _ in 0..200 {
            join(&manager, &restless, "room").await;
            tokio::task::yield_now().await;
            leave(&manager, &restless, "room").await;
        }
        leaving.disconnect(&manager).await;
    };
    let sending = async {
        for name in &names {
            send(&manager, &group("room"), name).await;
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(moving, sending);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    staying.expect(&manager, &names).await;
}

/// Alice, bob and somebody.
async fn three(factory: &impl Factory) -> (Manager, [Receiver; 3]) {
    let manager = factory.make().await;
    let receivers = [
        Receiver::connect(&manager, Some("alice")).await,
        Receiver::connect(&manager, Some("bob")).await,
        Receiver::connect(&manager, None).await,
    ];
    (manager, receivers)
}

fn group(name: &str) -> Target<'_> {
    Target::Group { name, except: &[] }
}

async fn send(manager: &Manager, target: &Target<'_>, name: &str) {
    let sent = manager.send(target, &Broadcast::new(name, &()));
    sent.await.expect("a message can be sent");
}

async fn join(manager: &Manager, receiver: &Receiver, name: &str) {
    let joined = manager.add_to_group(receiver.id(), name);
    joined.await.expect("groups can be joined");
}

async fn leave(manager: &Manager, receiver: &Receiver, name: &str) {
    let left = manager.remove_from_group(receiver.id(), name);
    left.await.expect("groups can be left");
}
