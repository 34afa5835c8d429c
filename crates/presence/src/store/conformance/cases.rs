//! The cases of the suite, one function each.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::{Factory, GRACE, Heard, Recorder, SILENCE_MAX, checked, heartbeats, settings};
use crate::change::{Cause, StatusChange, Touched, Version};
use crate::ids::{ConnectionId, NodeId, UserId};
use crate::settings::{Settings, ValidSettings};
use crate::state::End;
use crate::status::Status;
use crate::store::{Store, StoreError};

/// A user is online while any connection lives, on any node.
pub async fn the_first_connection_is_online_and_the_last_to_go_is_offline(factory: &impl Factory) {
    let (store, recorder, alice) = set_up(factory, &settings()).await;
    let came = ok(store.connect(&alice, A1)).await;
    assert_eq!(
        brief(came.as_ref()),
        Some((Status::Online, 1, Cause::Connected))
    );
    assert_eq!(ok(store.connect(&alice, A2)).await, None);
    assert_eq!(ok(store.connect(&alice, B1)).await, None);
    assert_eq!(ok(store.disconnect(&alice, A1, End::Clean)).await, None);
    assert_eq!(ok(store.disconnect(&alice, B1, End::Lost)).await, None);
    assert_eq!(ok(store.status(&alice)).await, Status::Online);
    let went = ok(store.disconnect(&alice, A2, End::Clean)).await;
    assert_eq!(
        brief(went.as_ref()),
        Some((Status::Offline, 2, Cause::Closed))
    );
    assert_eq!(ok(store.status(&alice)).await, Status::Offline);

    recorder.wait_for(2).await;
    sleep(2 * GRACE).await;
    assert_eq!(
        recorder.changes(),
        [came, went].map(|change| change.expect("seen above"))
    );
}

/// One answer for each user asked for, duplicates included; whoever is not known is offline.
pub async fn a_read_answers_in_the_order_asked(factory: &impl Factory) {
    let (store, _, alice) = set_up(factory, &settings()).await;
    let (bob, nobody) = (user("bob"), user("nobody"));
    ok(store.connect(&alice, A1)).await;
    ok(store.connect(&bob, A2)).await;
    ok(store.disconnect(&bob, A2, End::Clean)).await;
    let asked = [bob.clone(), alice.clone(), nobody, alice.clone(), bob];
    let (online, offline) = (Status::Online, Status::Offline);
    assert_eq!(
        ok(store.statuses(&names(&asked))).await,
        [offline, online, offline, online, offline]
    );
    assert_eq!(ok(store.statuses(&[])).await, []);
}

/// A disconnect that arrives after a newer connect, from another node, does not undo it.
pub async fn a_late_disconnect_of_an_old_connection_changes_nothing(factory: &impl Factory) {
    let (store, recorder, alice) = set_up(factory, &settings()).await;
    ok(store.connect(&alice, A1)).await;
    ok(store.connect(&alice, B1)).await;
    assert_eq!(ok(store.disconnect(&alice, A1, End::Lost)).await, None);
    assert_eq!(ok(store.disconnect(&alice, A1, End::Clean)).await, None);
    sleep(2 * GRACE).await;
    assert_eq!(ok(store.status(&alice)).await, Status::Online);
    assert_eq!(recorder.heard().len(), 1);
}

/// Whatever is done again at once has no second effect.
pub async fn an_operation_done_twice_changes_nothing_more(factory: &impl Factory) {
    let (store, recorder, alice) = set_up(factory, &settings()).await;
    assert!(ok(store.connect(&alice, A1)).await.is_some());
    assert_eq!(ok(store.connect(&alice, A1)).await, None);
    assert!(ok(store.disconnect(&alice, A1, End::Clean)).await.is_some());
    assert_eq!(ok(store.disconnect(&alice, A1, End::Clean)).await, None);
    assert_eq!(ok(store.disconnect(&alice, A1, End::Lost)).await, None);
    ok(store.connect(&alice, B1)).await;
    assert_eq!(ok(store.lose(B)).await, 1);
    assert_eq!(ok(store.lose(B)).await, 0);
    recorder.wait_for(4).await;
    sleep(2 * GRACE).await;
    assert_eq!(numbers(&recorder), [1, 2, 3, 4]);
    assert_eq!(store.totals(), crate::store::Totals::default());
}

/// The last two connections close on two nodes at the same moment: one of them is the last.
pub async fn two_connections_that_close_at_once_make_one_change(factory: &impl Factory) {
    let (store, recorder, alice) = set_up(factory, &settings()).await;
    for round in 1..=20 {
        ok(store.connect(&alice, A1)).await;
        ok(store.connect(&alice, B1)).await;
        let closes = tokio::join!(
            store.disconnect(&alice, A1, End::Clean),
            store.disconnect(&alice, B1, End::Clean)
        );
        let (one, other) = (
            closes.0.expect("the store answers"),
            closes.1.expect("the store answers"),
        );
        assert!(one.is_some() != other.is_some(), "{one:?} and {other:?}");
        recorder.wait_for(2 * round).await;
    }
    assert_eq!(numbers(&recorder), Vec::from_iter(1..=40));
}

/// A link is lost and the user comes back in time, through whatever connection: nobody hears of it.
pub async fn back_within_the_grace_is_no_event(factory: &impl Factory) {
    let (store, recorder, alice) = set_up(factory, &settings()).await;
    ok(store.connect(&alice, A1)).await;
    assert_eq!(ok(store.disconnect(&alice, A1, End::Lost)).await, None);
    sleep(GRACE / 3).await;
    assert_eq!(ok(store.status(&alice)).await, Status::Online);
    assert_eq!(ok(store.connect(&alice, B1)).await, None);
    sleep(3 * GRACE).await;
    assert_eq!(ok(store.status(&alice)).await, Status::Online);
    assert_eq!(recorder.heard().len(), 1, "{:#?}", recorder.heard());
}

/// A link is lost and the user comes back too late: one offline, one online.
pub async fn back_after_the_grace_is_one_offline_and_one_online(factory: &impl Factory) {
    let (store, recorder, alice) = set_up(factory, &settings()).await;
    ok(store.connect(&alice, A1)).await;
    ok(store.disconnect(&alice, A1, End::Lost)).await;
    recorder.wait_for(2).await;
    assert_eq!(ok(store.status(&alice)).await, Status::Offline);
    assert!(ok(store.connect(&alice, A2)).await.is_some());
    recorder.wait_for(3).await;
    sleep(2 * GRACE).await;
    let heard: Vec<_> = recorder
        .changes()
        .iter()
        .map(|change| (change.version.number(), change.cause))
        .collect();
    assert_eq!(
        heard,
        [
            (1, Cause::Connected),
            (2, Cause::LinkLost),
            (3, Cause::Connected)
        ]
    );
}

/// With a grace of zero, a lost link is as good as a clean end.
pub async fn without_a_grace_a_lost_link_is_offline_at_once(factory: &impl Factory) {
    let none = checked(Settings {
        grace: Duration::ZERO,
        ..*settings()
    });
    let (store, _, alice) = set_up(factory, &none).await;
    ok(store.connect(&alice, A1)).await;
    let lost = ok(store.disconnect(&alice, A1, End::Lost)).await;
    assert_eq!(
        brief(lost.as_ref()),
        Some((Status::Offline, 2, Cause::LinkLost))
    );
    assert_eq!(ok(store.status(&alice)).await, Status::Offline);
}

/// A cable is cut: everybody goes, nobody twice, nobody not at all.
pub async fn every_grace_of_many_users_ends_once(factory: &impl Factory) {
    let (store, recorder, _) = set_up(factory, &settings()).await;
    let users: Vec<_> = (0..CROWD)
        .map(|number| user(&format!("user {number}")))
        .collect();
    for (user, number) in users.iter().zip(1..) {
        ok(store.connect(user, ConnectionId { node: A, number })).await;
    }
    for (user, number) in users.iter().zip(1..) {
        assert_eq!(
            ok(store.disconnect(user, ConnectionId { node: A, number }, End::Lost)).await,
            None
        );
    }
    recorder.wait_for(2 * CROWD).await;
    sleep(GRACE).await;
    let mut left: Vec<_> = recorder
        .changes()
        .into_iter()
        .skip(CROWD)
        .map(|change| change.user)
        .collect();
    left.sort_unstable();
    let mut expected = users.clone();
    expected.sort_unstable();
    assert_eq!(left, expected);
    assert_eq!(
        ok(store.statuses(&names(&users))).await,
        vec![Status::Offline; CROWD]
    );
}

/// One who sleeps until a late deadline is woken for an earlier one.
pub async fn an_earlier_deadline_is_kept_while_a_later_one_is_waited_for(factory: &impl Factory) {
    let late = checked(Settings {
        status_ttl: 20 * GRACE,
        refresh_interval: GRACE,
        ..*heartbeats()
    });
    let (store, recorder, alice) = set_up(factory, &late).await;
    ok(store.connect(&alice, A1)).await;
    sleep(GRACE / 3).await;
    ok(store.connect(&user("bob"), B1)).await;
    ok(store.disconnect(&user("bob"), B1, End::Lost)).await;
    sleep(3 * GRACE).await;
    assert_eq!(ok(store.status(&user("bob"))).await, Status::Offline);
    assert_eq!(ok(store.status(&alice)).await, Status::Online);
    recorder.wait_for(3).await;
}

/// `BroadcastOnlineStatus`: announced every time, changed or not.
pub async fn a_touch_is_confirmed_every_time(factory: &impl Factory) {
    let (store, recorder, alice) = set_up(factory, &settings()).await;
    ok(store.connect(&alice, A1)).await;
    for _ in 0..3 {
        assert_eq!(
            ok(store.touch(&alice, A1)).await,
            Touched::Confirmed(Version::new(1))
        );
    }
    let heard = recorder.wait_for(4).await;
    assert_eq!(
        heard[1..],
        vec![Heard::Confirmed(alice, Version::new(1)); 3]
    );
}

/// Nobody is announced by a connection that is closed already, or is somebody else's.
pub async fn a_touch_of_an_unknown_connection_is_not_announced(factory: &impl Factory) {
    let (store, recorder, alice) = set_up(factory, &settings()).await;
    assert_eq!(ok(store.touch(&alice, A1)).await, Touched::Unknown);
    ok(store.connect(&alice, A1)).await;
    assert_eq!(ok(store.touch(&alice, A2)).await, Touched::Unknown);
    assert_eq!(ok(store.touch(&user("bob"), A1)).await, Touched::Unknown);
    ok(store.disconnect(&alice, A1, End::Clean)).await;
    assert_eq!(ok(store.touch(&alice, A1)).await, Touched::Unknown);
    recorder.wait_for(2).await;
    sleep(GRACE).await;
    assert_eq!(recorder.changes().len(), recorder.heard().len());
    assert_eq!(ok(store.status(&alice)).await, Status::Offline);
}

/// Heartbeats: who is not heard is announced as offline, and as online when heard again.
pub async fn silence_is_offline_and_a_touch_is_online_again(factory: &impl Factory) {
    let (store, recorder, alice) = set_up(factory, &heartbeats()).await;
    ok(store.connect(&alice, A1)).await;
    recorder.wait_for(2).await;
    assert_eq!(ok(store.status(&alice)).await, Status::Offline);
    let Touched::Changed(change) = ok(store.touch(&alice, A1)).await else {
        panic!("alice was silent")
    };
    assert_eq!(
        brief(Some(&change)),
        Some((Status::Online, 3, Cause::HeardAgain))
    );
    assert_eq!(ok(store.status(&alice)).await, Status::Online);
    recorder.wait_for(4).await;
    let causes: Vec<_> = recorder
        .changes()
        .iter()
        .map(|change| change.cause)
        .collect();
    assert_eq!(
        causes,
        [
            Cause::Connected,
            Cause::Silent,
            Cause::HeardAgain,
            Cause::Silent
        ]
    );
}

/// Heartbeats: who is heard often enough stays, for however long.
pub async fn touches_keep_a_user_online(factory: &impl Factory) {
    let (store, recorder, alice) = set_up(factory, &heartbeats()).await;
    ok(store.connect(&alice, A1)).await;
    for _ in 0..10 {
        sleep(SILENCE_MAX / 5).await;
        assert_eq!(
            ok(store.touch(&alice, A1)).await,
            Touched::Confirmed(Version::new(1))
        );
    }
    assert_eq!(recorder.changes().len(), 1);
}

/// A node is gone: its users are offline without grace, except those who are elsewhere too.
pub async fn a_lost_node_takes_only_what_it_kept(factory: &impl Factory) {
    let (store, recorder, alice) = set_up(factory, &settings()).await;
    let (bob, carol) = (user("bob"), user("carol"));
    ok(store.connect(&alice, A1)).await;
    ok(store.connect(&alice, A2)).await;
    ok(store.connect(&bob, A1)).await;
    ok(store.connect(&bob, B1)).await;
    ok(store.connect(&carol, B1)).await;
    assert_eq!(ok(store.lose(A)).await, 1);
    assert_eq!(
        ok(store.statuses(&["alice", "bob", "carol"])).await,
        [Status::Offline, Status::Online, Status::Online],
    );
    recorder.wait_for(4).await;
    let last = recorder.changes().pop();
    assert_eq!(
        last.map(|change| (change.user, change.cause)),
        Some((alice, Cause::NodeLost))
    );
    let bob_went = ok(store.disconnect(&bob, B1, End::Clean)).await;
    assert_eq!(
        brief(bob_went.as_ref()),
        Some((Status::Offline, 2, Cause::Closed))
    );
}

/// The versions of one user have no gap and no repetition, whatever caused the changes.
pub async fn versions_grow_by_one_through_every_way_of_changing(factory: &impl Factory) {
    let (store, recorder, alice) = set_up(factory, &heartbeats()).await;
    ok(store.connect(&alice, A1)).await; // 1
    ok(store.disconnect(&alice, A1, End::Clean)).await; // 2
    ok(store.connect(&alice, A2)).await; // 3
    ok(store.disconnect(&alice, A2, End::Lost)).await;
    recorder.wait_for(4).await;
    ok(store.connect(&alice, B1)).await; // 5
    recorder.wait_for(6).await;
    ok(store.touch(&alice, B1)).await; // 7
    ok(store.lose(B)).await; // 8
    recorder.wait_for(8).await;
    assert_eq!(numbers(&recorder), Vec::from_iter(1..=8));
    let causes: Vec<_> = recorder
        .changes()
        .iter()
        .map(|change| change.cause)
        .collect();
    assert!(
        Cause::ALL.iter().all(|cause| causes.contains(cause)),
        "{causes:?}"
    );
}

/// Whatever is in a name, it is a user like any other, and none other.
pub async fn every_user_id_is_a_user_of_its_own(factory: &impl Factory) {
    let (store, _, _) = set_up(factory, &settings()).await;
    let long = "x".repeat(UserId::MAX_LEN);
    let ids = [
        "a",
        "A",
        " a",
        "{a}",
        "a}",
        "{",
        "{}a",
        "a:status",
        "a:presence",
        "{user:a:status}:presence",
        "*",
        "a\0",
        "a\r\nDEL user:a:status",
        "é",
        "e\u{301}",
        "😀",
        "\"a\"",
        long.as_str(),
        &long[1..],
    ];
    let users: Vec<_> = ids.iter().map(|name| user(name)).collect();
    for (index, each) in users.iter().enumerate() {
        assert!(ok(store.connect(each, A1)).await.is_some(), "{each:?}");
        let online = ok(store.statuses(&names(&users))).await;
        assert_eq!(
            online
                .iter()
                .filter(|status| **status == Status::Online)
                .count(),
            index + 1,
            "{each:?}"
        );
    }
    for each in &users {
        assert!(
            ok(store.disconnect(each, A1, End::Clean)).await.is_some(),
            "{each:?}"
        );
        assert_eq!(ok(store.status(each)).await, Status::Offline);
    }
}

/// Many at once flip one user: every change is told once, and the last one told is what a read finds.
pub async fn changes_made_at_once_are_told_in_order(factory: &impl Factory) {
    let (store, recorder, alice) = set_up(factory, &settings()).await;
    let store = Arc::new(store);
    let flips = (0..8).map(|number| {
        let (store, alice) = (Arc::clone(&store), alice.clone());
        tokio::spawn(async move {
            let connection = ConnectionId { node: A, number };
            for _ in 0..50 {
                ok(store.connect(&alice, connection)).await;
                tokio::task::yield_now().await;
                ok(store.disconnect(&alice, connection, End::Clean)).await;
            }
            ok(store.connect(&alice, connection)).await;
        })
    });
    for flip in Vec::from_iter(flips) {
        flip.await.expect("no flip panics");
    }
    let last = ok(store.lose(A)).await;
    assert_eq!(last, 1);
    while recorder
        .changes()
        .last()
        .is_none_or(|change| change.cause != Cause::NodeLost)
    {
        recorder.wait_for(recorder.heard().len() + 1).await;
    }
    let told = numbers(&recorder);
    assert_eq!(told, Vec::from_iter(1..=told.len() as u64));
    assert_eq!(ok(store.status(&alice)).await, Status::Offline);
}

async fn set_up<F: Factory>(
    factory: &F,
    settings: &ValidSettings,
) -> (F::Store, Arc<Recorder>, UserId) {
    let recorder = Arc::new(Recorder::default());
    (
        factory.make(settings, recorder.clone()).await,
        recorder,
        user("alice"),
    )
}

async fn ok<T>(answer: impl Future<Output = Result<T, StoreError>>) -> T {
    answer.await.expect("the store answers")
}

fn names(users: &[UserId]) -> Vec<&str> {
    users.iter().map(UserId::as_str).collect()
}

fn user(name: &str) -> UserId {
    UserId::new(name).expect("the suite's names are valid")
}

fn brief(change: Option<&StatusChange>) -> Option<(Status, u64, Cause)> {
    change.map(|change| (change.to, change.version.number(), change.cause))
}

fn numbers(recorder: &Recorder) -> Vec<u64> {
    recorder
        .changes()
        .iter()
        .map(|change| change.version.number())
        .collect()
}

const A: NodeId = NodeId::new(0xa);
const B: NodeId = NodeId::new(0xb);
const A1: ConnectionId = ConnectionId { node: A, number: 1 };
const A2: ConnectionId = ConnectionId { node: A, number: 2 };
const B1: ConnectionId = ConnectionId { node: B, number: 1 };

/// More than a store carries out, or sends, in one piece.
const CROWD: usize = 1_000;
