//! The state model equals the naive one, step by step.

use presence::{End, State, Status, Touched};
use proptest::prelude::*;

use crate::naive::{Naive, Touch, USERS};
use crate::operations::{
    Operation, at, connection, event, events, node, rules, settings, steps, user,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn ten_thousand_lists_of_operations_equal_the_naive_model((grace, silence_max) in rules(), steps in steps(40)) {
        let mut state = State::new(&settings(grace, silence_max));
        let mut naive = Naive::new(grace, silence_max);
        let mut now = 0;
        for (wait, operation) in steps {
            now += wait;
            step(&mut state, &mut naive, operation, now);
            compare(&state, &naive, now);
        }
    }
}

fn step(state: &mut State, naive: &mut Naive, operation: Operation, now: u64) {
    match operation {
        Operation::Connect(c) => {
            let change = state.connect(&user(c.0), connection(c), at(now));
            assert_eq!(
                change.as_ref().map(event),
                naive.connect(c, now),
                "{operation:?}"
            );
        }
        Operation::Disconnect(c, end) => {
            let change = state.disconnect(&user(c.0), connection(c), end, at(now));
            let expected = naive.disconnect(c, end == End::Clean, now);
            assert_eq!(change.as_ref().map(event), expected, "{operation:?}");
        }
        Operation::Touch(c) => {
            let touched = match state.touch(&user(c.0), connection(c), at(now)) {
                Touched::Changed(change) => Touch::Back(event(&change)),
                Touched::Confirmed(version) => Touch::Again(version.number()),
                Touched::Unknown => Touch::Unknown,
            };
            assert_eq!(touched, naive.touch(c, now), "{operation:?}");
        }
        Operation::Expire => {
            let changes: Vec<_> = state.expire(at(now)).collect();
            assert_eq!(events(&changes), naive.expire(now), "{operation:?}");
        }
        Operation::Lose(number) => {
            let changes = state.lose(node(number), at(now));
            assert_eq!(events(&changes), naive.lose(number, now), "{operation:?}");
        }
    }
}

fn compare(state: &State, naive: &Naive, now: u64) {
    let online = (0..USERS).filter(|number| naive.online(*number)).count();
    assert_eq!(state.users_online(), online, "users online at {now}");
    assert_eq!(
        state.connections(),
        naive.connections(),
        "connections at {now}"
    );
    for number in 0..USERS {
        let online = state.status(&user(number)) == Status::Online;
        assert_eq!(online, naive.online(number), "user {number} at {now}");
        assert_eq!(
            state.version(&user(number)).number(),
            naive.version(number),
            "user {number} at {now}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whoever_expires_at_the_next_deadline_is_never_late((grace, silence_max) in rules(), steps in steps(40)) {
        let mut state = State::new(&settings(grace, silence_max));
        let mut naive = Naive::new(grace, silence_max);
        let mut now = 0;
        for (wait, operation) in steps {
            now += wait;
            expire_until(&mut state, &mut naive, now);
            step(&mut state, &mut naive, operation, now);
        }
        expire_until(&mut state, &mut naive, now + 60_000);
        prop_assert_eq!(state.next_deadline(), None);
        prop_assert!(silence_max.is_none() || state.users_online() == 0);
    }
}

/// Lets time pass until `now`, and looks at what is due only when the state says that something may be.
fn expire_until(state: &mut State, naive: &mut Naive, now: u64) {
    while let Some(next) = state.next_deadline().filter(|next| *next <= at(now)) {
        let changes: Vec<_> = state.expire(next).collect();
        let expected = match naive.next_due() {
            Some(due) if at(due) == next => naive.expire(due),
            // A deadline on file may be early.
            _ => Vec::new(),
        };
        assert_eq!(events(&changes), expected, "at {next:?}");
    }
    assert!(
        naive.next_due().is_none_or(|due| due > now),
        "{:?} was missed at {now}",
        naive.next_due()
    );
}
