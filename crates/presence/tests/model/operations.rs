//! Random lists of operations, and how to read what comes of them.

use std::time::Duration;

use presence::{
    ConnectionId, End, Liveness, NodeId, Settings, State, Status, StatusChange, Timestamp, Touched,
    UserId, ValidSettings,
};
use proptest::prelude::*;

use crate::naive::{Connection, Event, USERS};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Operation {
    Connect(Connection),
    Disconnect(Connection, End),
    Touch(Connection),
    Expire,
    Lose(u8),
}

/// An operation, and the milliseconds that pass before it.
pub(crate) type Step = (u64, Operation);

/// Up to `length` steps. Waits are multiples of 10 ms: see [`settings`].
pub(crate) fn steps(length: usize) -> impl Strategy<Value = Vec<Step>> {
    let wait =
        prop_oneof![4 => Just(0), 4 => 1..300_u64, 1 => 300..1_200_u64].prop_map(|tens| tens * 10);
    proptest::collection::vec((wait, operation()), 1..=length)
}

fn operation() -> impl Strategy<Value = Operation> {
    let connection = || (0..USERS, 0..2_u8, 0..2_u8);
    let end = prop_oneof![Just(End::Clean), Just(End::Lost)];
    prop_oneof![
        6 => connection().prop_map(Operation::Connect),
        6 => (connection(), end).prop_map(|(connection, end)| Operation::Disconnect(connection, end)),
        3 => connection().prop_map(Operation::Touch),
        2 => Just(Operation::Expire),
        1 => (0..2_u8).prop_map(Operation::Lose),
    ]
}

/// A grace and a liveness, in milliseconds.
///
/// Neither of the durations is a multiple of 10 ms, nor is their sum: no deadline falls together with an operation, so
/// that it is always clear which comes first.
pub(crate) fn rules() -> impl Strategy<Value = (u64, Option<u64>)> {
    (
        prop_oneof![1 => Just(0), 3 => Just(5_003)],
        prop_oneof![Just(None), Just(Some(10_001))],
    )
}

pub(crate) fn settings(grace: u64, silence_max: Option<u64>) -> ValidSettings {
    let liveness = if silence_max.is_some() {
        Liveness::Heartbeat
    } else {
        Liveness::Connection
    };
    let status_ttl = silence_max.map_or(Duration::from_secs(10), Duration::from_millis);
    let grace = Duration::from_millis(grace);
    Settings {
        grace,
        liveness,
        status_ttl,
        ..Settings::default()
    }
    .validate()
    .unwrap()
}

/// Does one operation, and says what changed.
pub(crate) fn perform(
    state: &mut State,
    operation: Operation,
    now: Timestamp,
) -> Vec<StatusChange> {
    match operation {
        Operation::Connect(at) => state
            .connect(&user(at.0), connection(at), now)
            .into_iter()
            .collect(),
        Operation::Disconnect(at, end) => state
            .disconnect(&user(at.0), connection(at), end, now)
            .into_iter()
            .collect(),
        Operation::Touch(at) => match state.touch(&user(at.0), connection(at), now) {
            Touched::Changed(change) => vec![change],
            Touched::Confirmed(_) | Touched::Unknown => vec![],
        },
        Operation::Expire => state.expire(now).collect(),
        Operation::Lose(number) => state.lose(node(number), now),
    }
}

pub(crate) fn user(number: u8) -> UserId {
    UserId::new(&format!("user {number:03}")).unwrap()
}

pub(crate) fn node(number: u8) -> NodeId {
    NodeId::new(u128::from(number))
}

pub(crate) fn connection((_, at, number): Connection) -> ConnectionId {
    ConnectionId {
        node: node(at),
        number: u64::from(number),
    }
}

pub(crate) fn at(milliseconds: u64) -> Timestamp {
    Timestamp::since_origin(Duration::from_millis(milliseconds))
}

/// A change in the naive model's terms.
pub(crate) fn event(change: &StatusChange) -> Event {
    assert_ne!(change.from, change.to, "{change:?}");
    let number = change
        .user
        .as_str()
        .trim_start_matches("user ")
        .parse()
        .unwrap();
    (
        number,
        change.to == Status::Online,
        change.version.number(),
        change.cause.as_str(),
    )
}

/// Several, by user: simultaneous changes of different users have no order.
pub(crate) fn events(changes: &[StatusChange]) -> Vec<Event> {
    let mut events: Vec<_> = changes.iter().map(event).collect();
    events.sort_by_key(|event| event.0);
    events
}
