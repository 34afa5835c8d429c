//! What is done most often allocates nothing, and what is kept is small.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use presence::{
    Changes, ConnectionId, End, Liveness, MemoryStore, NodeId, Settings, State, Status,
    StatusChange, Store, Timestamp, Touched, UserId, ValidSettings, Version,
};

struct Deaf;

impl Changes for Deaf {
    fn changed(&self, _: &StatusChange) {}
    fn confirmed(&self, _: &UserId, _: Version) {}
}

/// The outcome of something that never waits, without a runtime that could allocate.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("the memory store does not wait"),
    }
}

/// How many times a thousand rounds of `operation` allocate, once everything has its size.
fn allocations(operation: impl Fn()) -> u64 {
    operation();
    operation();
    allocation_counter::measure(|| (0..1_000).for_each(|_| operation())).count_total
}

#[tokio::test]
async fn a_touch_and_a_read_allocate_nothing() {
    for liveness in [Liveness::Connection, Liveness::Heartbeat] {
        let settings = Settings {
            liveness,
            ..Settings::default()
        }
        .validate()
        .unwrap();
        let store = MemoryStore::start(&settings, Arc::new(Deaf));
        let (alice, nobody) = (
            UserId::new("alice").unwrap(),
            UserId::new("nobody").unwrap(),
        );
        let connection = ConnectionId {
            node: NodeId::new(1),
            number: 1,
        };
        assert!(
            at_once(store.connect(&alice, connection))
                .unwrap()
                .is_some()
        );

        let touch = || {
            assert!(matches!(
                at_once(store.touch(&alice, connection)),
                Ok(Touched::Confirmed(_))
            ))
        };
        assert_eq!(allocations(touch), 0, "a touch, by {liveness}");
        let read = || assert_eq!(at_once(store.status(&alice)).unwrap(), Status::Online);
        assert_eq!(allocations(read), 0, "a read of a user who is online");
        let read = || assert_eq!(at_once(store.status(&nobody)).unwrap(), Status::Offline);
        assert_eq!(allocations(read), 0, "a read of a user who is not known");
    }
}

#[tokio::test]
async fn a_read_of_many_allocates_its_answer_alone() {
    let store = MemoryStore::start(&Settings::default().validate().unwrap(), Arc::new(Deaf));
    let users: Vec<_> = (0..1_000)
        .map(|number| UserId::new(&number.to_string()).unwrap())
        .collect();
    let names: Vec<_> = users.iter().map(UserId::as_str).collect();
    let read = || assert_eq!(at_once(store.statuses(&names)).unwrap().len(), 1_000);
    assert_eq!(allocations(read), 1_000, "one for each of a thousand reads");
}

/// A name as long as a UUID, which is what most identity providers give.
fn user(number: u64) -> UserId {
    UserId::new(&format!("{number:036}")).expect("the name is short enough")
}

#[test]
fn a_user_takes_300_bytes_while_online_and_40_afterwards() {
    const USERS: u64 = 100_000;
    let (mut state, now) = (State::new(&ValidSettings::default()), Timestamp::ORIGIN);
    let connection = |number| ConnectionId {
        node: NodeId::new(1),
        number,
    };

    let online = allocation_counter::measure(|| {
        for number in 0..USERS {
            state.connect(&user(number), connection(number), now);
        }
    });
    let each = online.bytes_current / USERS as i64;
    assert!(each <= 300, "{each} bytes for a user who is online");

    let offline = allocation_counter::measure(|| {
        for number in 0..USERS {
            state.disconnect(&user(number), connection(number), End::Clean, now);
        }
    });
    let each = (online.bytes_current + offline.bytes_current) / USERS as i64;
    assert!(
        (16..=40).contains(&each),
        "{each} bytes for a user who left"
    );
}
