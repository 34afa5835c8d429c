//! What holds for any list of operations, whatever the rules are.

use std::collections::HashMap;
use std::time::Duration;

use presence::{State, StatusChange, Timestamp};
use proptest::prelude::*;

use crate::naive::USERS;
use crate::operations::{Step, at, perform, rules, settings, steps, user};

/// The changes that a list of operations makes, done from `origin` on.
fn play(state: &mut State, steps: &[Step], origin: Timestamp) -> Vec<StatusChange> {
    let mut now = origin;
    let play = |(wait, operation): &Step| {
        now = now.after(Duration::from_millis(*wait));
        perform(state, *operation, now)
    };
    steps.iter().flat_map(play).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn doing_an_operation_twice_yields_no_second_change((grace, silence_max) in rules(), steps in steps(60)) {
        let mut once = State::new(&settings(grace, silence_max));
        let mut twice = State::new(&settings(grace, silence_max));
        let mut now = 0;
        for (wait, operation) in steps {
            now += wait;
            let changes = perform(&mut once, operation, at(now));
            prop_assert_eq!(perform(&mut twice, operation, at(now)), changes);
            prop_assert_eq!(perform(&mut twice, operation, at(now)), vec![], "{:?} again", operation);
            prop_assert_eq!(once.connections(), twice.connections());
        }
    }

    #[test]
    fn versions_grow_by_one_and_statuses_alternate((grace, silence_max) in rules(), steps in steps(120)) {
        let mut state = State::new(&settings(grace, silence_max));
        let mut last: HashMap<_, StatusChange> = HashMap::new();
        for change in play(&mut state, &steps, Timestamp::ORIGIN) {
            prop_assert_eq!(change.cause.leads_to(), change.to);
            prop_assert_ne!(change.from, change.to);
            match last.insert(change.user.clone(), change.clone()) {
                Some(before) => {
                    prop_assert_eq!(change.version, before.version.next());
                    prop_assert_eq!(change.from, before.to);
                }
                None => prop_assert_eq!(change.version.number(), 1),
            }
        }
        for number in 0..USERS {
            let last = last.get(&user(number));
            prop_assert_eq!(state.status(&user(number)), last.map_or_else(Default::default, |change| change.to));
            prop_assert_eq!(state.version(&user(number)), last.map_or_else(Default::default, |change| change.version));
        }
    }

    #[test]
    fn versions_never_go_back_however_little_is_remembered(
        (grace, silence_max) in rules(), remembered_max in 0..3_usize, steps in steps(120)
    ) {
        let mut state = State::with_remembered_max(&settings(grace, silence_max), remembered_max);
        let mut last = HashMap::new();
        for change in play(&mut state, &steps, Timestamp::ORIGIN) {
            let before = last.insert(change.user.clone(), change.version).unwrap_or_default();
            prop_assert!(change.version > before, "{:?} after {}", change, before);
        }
    }

    #[test]
    fn the_same_operations_at_the_same_times_make_the_same_changes(
        (grace, silence_max) in rules(), steps in steps(60)
    ) {
        let mut first = State::new(&settings(grace, silence_max));
        let mut second = State::new(&settings(grace, silence_max));
        let changes = play(&mut first, &steps, Timestamp::ORIGIN);
        prop_assert_eq!(play(&mut second, &steps, Timestamp::ORIGIN), changes);
    }

    #[test]
    fn only_differences_of_time_matter((grace, silence_max) in rules(), steps in steps(60), origin in 0..1_u64 << 50) {
        let mut early = State::new(&settings(grace, silence_max));
        let mut late = State::new(&settings(grace, silence_max));
        let changes = play(&mut early, &steps, Timestamp::ORIGIN);
        prop_assert_eq!(play(&mut late, &steps, Timestamp::since_origin(Duration::from_nanos(origin))), changes);
    }
}
