use super::*;
use crate::settings::Settings;

const A: NodeId = NodeId::new(1);
const B: NodeId = NodeId::new(2);

fn state(liveness: Liveness) -> State {
    let settings = Settings {
        liveness,
        ..Settings::default()
    };
    State::new(&settings.validate().unwrap())
}

fn without_grace() -> State {
    let settings = Settings {
        grace: Duration::ZERO,
        ..Settings::default()
    };
    State::new(&settings.validate().unwrap())
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn at(seconds: f64) -> Timestamp {
    Timestamp::since_origin(Duration::from_secs_f64(seconds))
}

fn on(node: NodeId, number: u64) -> ConnectionId {
    ConnectionId { node, number }
}

fn said(change: Option<StatusChange>) -> Option<(Status, u64, Cause)> {
    change.map(|change| {
        assert_ne!(change.from, change.to);
        (change.to, change.version.number(), change.cause)
    })
}

fn expired(state: &mut State, now: Timestamp) -> Vec<(String, u64, Cause)> {
    let told = |change: StatusChange| {
        (
            change.user.to_string(),
            change.version.number(),
            change.cause,
        )
    };
    state.expire(now).map(told).collect()
}

fn assert_empty(state: &State) {
    assert!(state.users.is_empty());
    assert!(state.deadlines.is_empty());
    assert_eq!((state.users_online(), state.connections()), (0, 0));
}

#[test]
fn the_last_of_several_connections_decides() {
    let (mut state, alice) = (state(Liveness::Connection), user("alice"));
    assert_eq!(
        said(state.connect(&alice, on(A, 1), at(0.0))),
        Some((Status::Online, 1, Cause::Connected))
    );
    assert_eq!(state.connect(&alice, on(A, 2), at(1.0)), None);
    assert_eq!(state.connect(&alice, on(B, 1), at(1.0)), None);
    assert_eq!(
        state.disconnect(&alice, on(A, 1), End::Clean, at(2.0)),
        None
    );
    assert_eq!(state.disconnect(&alice, on(B, 1), End::Lost, at(2.0)), None);
    assert_eq!(state.next_deadline(), None, "a grace is for the last one");
    let last = state.disconnect(&alice, on(A, 2), End::Clean, at(3.0));
    assert_eq!(said(last), Some((Status::Offline, 2, Cause::Closed)));
    assert_empty(&state);
}

#[test]
fn a_late_disconnect_of_an_old_connection_does_not_undo_a_newer_connect() {
    let (mut state, alice) = (state(Liveness::Connection), user("alice"));
    state.connect(&alice, on(A, 1), at(0.0));
    state.connect(&alice, on(B, 1), at(1.0));
    assert_eq!(
        state.disconnect(&alice, on(A, 1), End::Clean, at(2.0)),
        None
    );
    assert_eq!(state.status(&alice), Status::Online);
}

#[test]
fn a_user_back_within_the_grace_was_never_away() {
    let (mut state, alice) = (state(Liveness::Connection), user("alice"));
    state.connect(&alice, on(A, 1), at(0.0));
    assert_eq!(state.disconnect(&alice, on(A, 1), End::Lost, at(1.0)), None);
    assert_eq!(state.next_deadline(), Some(at(6.0)));
    assert_eq!(state.status(&alice), Status::Online);
    assert_eq!(state.connect(&alice, on(B, 1), at(5.9)), None);
    assert_eq!(state.next_deadline(), None);
    assert_eq!(expired(&mut state, at(100.0)), []);
    assert_eq!(state.version(&alice), Version::new(1));
}

#[test]
fn a_user_who_is_not_back_within_the_grace_goes_offline_once() {
    let (mut state, alice) = (state(Liveness::Connection), user("alice"));
    state.connect(&alice, on(A, 1), at(0.0));
    state.disconnect(&alice, on(A, 1), End::Lost, at(1.0));
    assert_eq!(expired(&mut state, at(5.999)), []);
    assert_eq!(
        expired(&mut state, at(6.0)),
        [("alice".into(), 2, Cause::LinkLost)]
    );
    assert_eq!(expired(&mut state, at(7.0)), []);
    assert_empty(&state);
    assert_eq!(
        said(state.connect(&alice, on(A, 2), at(8.0))),
        Some((Status::Online, 3, Cause::Connected))
    );
}

#[test]
fn back_before_an_overdue_deadline_is_carried_out_is_back_in_time() {
    let (mut state, alice) = (state(Liveness::Connection), user("alice"));
    state.connect(&alice, on(A, 1), at(0.0));
    state.disconnect(&alice, on(A, 1), End::Lost, at(0.0));
    assert_eq!(
        state.status(&alice),
        Status::Online,
        "watchers were told nothing else"
    );
    assert_eq!(state.connect(&alice, on(A, 2), at(60.0)), None);
    assert_eq!(expired(&mut state, at(60.0)), []);
}

#[test]
fn without_a_grace_a_lost_link_is_offline_at_once() {
    let (mut state, alice) = (without_grace(), user("alice"));
    state.connect(&alice, on(A, 1), at(0.0));
    let lost = state.disconnect(&alice, on(A, 1), End::Lost, at(1.0));
    assert_eq!(said(lost), Some((Status::Offline, 2, Cause::LinkLost)));
    assert_empty(&state);
}

#[test]
fn deadlines_come_earliest_first_and_can_be_taken_in_pieces() {
    let mut state = state(Liveness::Connection);
    for (second, name) in ["c", "a", "b"].iter().enumerate() {
        state.connect(&user(name), on(A, 1), at(0.0));
        state.disconnect(&user(name), on(A, 1), End::Lost, at(second as f64));
    }
    assert_eq!(state.expire(at(60.0)).next().unwrap().user, user("c"));
    assert_eq!(
        state.next_deadline(),
        Some(at(6.0)),
        "the rest is still due"
    );
    let rest: Vec<_> = state.expire(at(60.0)).map(|change| change.user).collect();
    assert_eq!(rest, [user("a"), user("b")]);
}

#[test]
fn an_operation_done_twice_changes_nothing_more() {
    let (mut state, alice) = (state(Liveness::Connection), user("alice"));
    assert!(state.connect(&alice, on(A, 1), at(0.0)).is_some());
    assert_eq!(state.connect(&alice, on(A, 1), at(0.0)), None);
    assert_eq!(state.connections(), 1);
    assert!(
        state
            .disconnect(&alice, on(A, 1), End::Clean, at(1.0))
            .is_some()
    );
    assert_eq!(
        state.disconnect(&alice, on(A, 1), End::Clean, at(1.0)),
        None
    );
    assert_eq!(
        state.disconnect(&user("nobody"), on(A, 1), End::Lost, at(1.0)),
        None
    );
    assert_eq!(state.touch(&alice, on(A, 1), at(1.0)), Touched::Unknown);
    assert_empty(&state);
}

#[test]
fn a_touch_confirms_a_connected_user_and_nobody_else() {
    let (mut state, alice) = (state(Liveness::Connection), user("alice"));
    state.connect(&alice, on(A, 1), at(0.0));
    assert_eq!(
        state.touch(&alice, on(A, 1), at(60.0)),
        Touched::Confirmed(Version::new(1))
    );
    assert_eq!(state.touch(&alice, on(A, 2), at(60.0)), Touched::Unknown);
    assert_eq!(
        state.touch(&user("bob"), on(A, 1), at(60.0)),
        Touched::Unknown
    );
    assert_eq!(state.next_deadline(), None);
}

#[test]
fn a_connected_user_may_be_silent_for_ever() {
    let (mut state, alice) = (state(Liveness::Connection), user("alice"));
    state.connect(&alice, on(A, 1), at(0.0));
    assert_eq!(expired(&mut state, at(1e6)), []);
    assert_eq!(state.status(&alice), Status::Online);
}

#[test]
fn with_heartbeats_silence_is_offline_and_a_touch_is_online_again() {
    let (mut state, alice) = (state(Liveness::Heartbeat), user("alice"));
    state.connect(&alice, on(A, 1), at(0.0));
    assert_eq!(
        state.touch(&alice, on(A, 1), at(9.0)),
        Touched::Confirmed(Version::new(1))
    );
    assert_eq!(expired(&mut state, at(18.999)), []);
    assert_eq!(
        expired(&mut state, at(19.0)),
        [("alice".into(), 2, Cause::Silent)]
    );
    assert_eq!((state.users_online(), state.connections()), (0, 1));
    assert_eq!(state.next_deadline(), None);

    let Touched::Changed(change) = state.touch(&alice, on(A, 1), at(20.0)) else {
        panic!("alice was away")
    };
    assert_eq!(
        said(Some(change)),
        Some((Status::Online, 3, Cause::HeardAgain))
    );
    assert_eq!(state.next_deadline(), Some(at(30.0)));
}

#[test]
fn with_heartbeats_a_deadline_on_file_moves_only_when_it_comes() {
    let (mut state, alice) = (state(Liveness::Heartbeat), user("alice"));
    state.connect(&alice, on(A, 1), at(0.0));
    state.touch(&alice, on(A, 1), at(4.0));
    assert_eq!(state.next_deadline(), Some(at(10.0)), "early, never late");
    assert_eq!(expired(&mut state, at(10.0)), []);
    assert_eq!(state.next_deadline(), Some(at(14.0)));
}

#[test]
fn with_heartbeats_early_deadlines_still_come_in_order() {
    let mut state = state(Liveness::Heartbeat);
    state.connect(&user("early"), on(A, 1), at(0.0));
    state.connect(&user("late"), on(A, 2), at(1.0));
    state.touch(&user("early"), on(A, 1), at(5.0));
    let order: Vec<_> = state.expire(at(60.0)).map(|change| change.user).collect();
    assert_eq!(order, [user("late"), user("early")]);
}

#[test]
fn with_heartbeats_one_heard_connection_is_enough() {
    let (mut state, alice) = (state(Liveness::Heartbeat), user("alice"));
    state.connect(&alice, on(A, 1), at(0.0));
    state.connect(&alice, on(A, 2), at(0.0));
    state.touch(&alice, on(A, 2), at(8.0));
    assert_eq!(expired(&mut state, at(12.0)), []);
    let last_heard = state.disconnect(&alice, on(A, 2), End::Clean, at(12.0));
    assert_eq!(
        said(last_heard),
        Some((Status::Offline, 2, Cause::Closed)),
        "the other one does not count"
    );
    assert_eq!(
        state.disconnect(&alice, on(A, 1), End::Clean, at(13.0)),
        None
    );
    assert_empty(&state);
    assert_eq!(state.version(&alice), Version::new(2));
}

#[test]
fn with_heartbeats_silence_begins_earlier_when_the_connection_last_heard_goes() {
    for gone_with_its_node in [false, true] {
        let (mut state, alice) = (state(Liveness::Heartbeat), user("alice"));
        state.connect(&alice, on(A, 1), at(5.0));
        state.connect(&alice, on(B, 1), at(8.0));
        assert_eq!(
            expired(&mut state, at(15.0)),
            [],
            "now the deadline at 18 s is on file"
        );
        state.touch(&alice, on(A, 1), at(15.5));
        state.touch(&alice, on(B, 1), at(17.0));
        assert_eq!(expired(&mut state, at(18.0)), [], "and now the one at 27 s");
        if gone_with_its_node {
            assert_eq!(state.lose(B, at(18.0)), []);
        } else {
            assert_eq!(
                state.disconnect(&alice, on(B, 1), End::Clean, at(18.0)),
                None
            );
        }
        assert_eq!(state.next_deadline(), Some(at(25.5)));
    }
}

#[test]
fn with_heartbeats_a_silent_connection_that_goes_leaves_a_grace_alone() {
    let (mut state, alice) = (state(Liveness::Heartbeat), user("alice"));
    state.connect(&alice, on(A, 1), at(0.0));
    state.connect(&alice, on(A, 2), at(9.0));
    assert_eq!(
        state.disconnect(&alice, on(A, 2), End::Lost, at(12.0)),
        None
    );
    assert_eq!(
        state.disconnect(&alice, on(A, 1), End::Clean, at(13.0)),
        None
    );
    assert_eq!(expired(&mut state, at(16.9)), []);
    assert_eq!(
        expired(&mut state, at(17.0)),
        [("alice".into(), 2, Cause::LinkLost)]
    );
    assert_empty(&state);
}

#[test]
fn with_heartbeats_a_silent_connection_that_is_heard_ends_a_grace() {
    let (mut state, alice) = (state(Liveness::Heartbeat), user("alice"));
    state.connect(&alice, on(A, 1), at(0.0));
    state.connect(&alice, on(A, 2), at(9.0));
    state.disconnect(&alice, on(A, 2), End::Lost, at(12.0));
    assert_eq!(
        state.touch(&alice, on(A, 1), at(13.0)),
        Touched::Confirmed(Version::new(1))
    );
    assert_eq!(expired(&mut state, at(22.9)), []);
    assert_eq!(
        expired(&mut state, at(23.0)),
        [("alice".into(), 2, Cause::Silent)]
    );
}

#[test]
fn with_heartbeats_an_overdue_connection_that_goes_leaves_the_rest_to_expire() {
    let (mut state, alice) = (state(Liveness::Heartbeat), user("alice"));
    state.connect(&alice, on(A, 1), at(0.0));
    assert_eq!(
        state.disconnect(&alice, on(A, 1), End::Lost, at(10.0)),
        None
    );
    assert_eq!(state.status(&alice), Status::Online);
    assert_eq!(
        expired(&mut state, at(10.0)),
        [("alice".into(), 2, Cause::Silent)]
    );
    assert_empty(&state);
}

#[test]
fn a_lost_node_takes_its_users_without_grace_and_in_order() {
    let mut state = state(Liveness::Connection);
    for name in ["carol", "alice", "bob"] {
        state.connect(&user(name), on(A, 1), at(0.0));
        state.connect(&user(name), on(A, 2), at(0.0));
    }
    state.connect(&user("bob"), on(B, 1), at(0.0));
    let lost: Vec<_> = state
        .lose(A, at(1.0))
        .into_iter()
        .map(|change| (change.user, change.cause))
        .collect();
    assert_eq!(
        lost,
        [
            (user("alice"), Cause::NodeLost),
            (user("carol"), Cause::NodeLost)
        ]
    );
    assert_eq!(state.lose(A, at(1.0)), []);
    assert_eq!((state.users_online(), state.connections()), (1, 1));
    assert_eq!(state.next_deadline(), None);
}

#[test]
fn a_grace_outlives_the_node_that_lost_the_link() {
    let (mut state, alice) = (state(Liveness::Connection), user("alice"));
    state.connect(&alice, on(A, 1), at(0.0));
    state.disconnect(&alice, on(A, 1), End::Lost, at(1.0));
    assert_eq!(state.lose(A, at(2.0)), []);
    assert_eq!(
        expired(&mut state, at(6.0)),
        [("alice".into(), 2, Cause::LinkLost)]
    );
}

#[test]
fn with_heartbeats_a_lost_node_takes_silent_connections_without_a_word() {
    let (mut state, alice) = (state(Liveness::Heartbeat), user("alice"));
    state.connect(&alice, on(A, 1), at(0.0));
    assert_eq!(expired(&mut state, at(10.0)).len(), 1);
    assert_eq!(state.lose(A, at(11.0)), []);
    assert_empty(&state);
    assert_eq!(state.version(&alice), Version::new(2));
}

#[test]
fn time_that_runs_backwards_stands_still() {
    let (mut state, alice) = (state(Liveness::Connection), user("alice"));
    state.connect(&alice, on(A, 1), at(10.0));
    state.disconnect(&alice, on(A, 1), End::Lost, at(3.0));
    assert_eq!(state.next_deadline(), Some(at(15.0)));
}

#[test]
fn a_user_who_comes_and_goes_leaves_one_deadline_at_most() {
    let (mut state, alice) = (state(Liveness::Connection), user("alice"));
    for number in 0..1_000 {
        state.connect(&alice, on(A, number), at(number as f64 / 1e3));
        state.disconnect(&alice, on(A, number), End::Lost, at(number as f64 / 1e3));
        assert_eq!(state.deadlines.len(), 1);
    }
    assert_eq!(state.version(&alice), Version::new(1));
}
