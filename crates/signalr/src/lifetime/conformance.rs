//! What holds for every [`LifetimeManager`]: a suite that anyone's can be put through.
//!
//! Each case is a function that makes a manager by a [`Factory`] and ends, or panics. [`lifetime_conformance!`] makes a
//! test of each:
//!
//! ```
//! # use std::sync::Arc;
//! # use signalr::{LifetimeManager, LocalLifetime};
//! # use signalr::lifetime::conformance::Factory;
//! struct Local;
//!
//! impl Factory for Local {
//!     async fn make(&self) -> Arc<dyn LifetimeManager> {
//!         Arc::new(LocalLifetime::new(Arc::default()))
//!     }
//! }
//!
//! signalr::lifetime_conformance!(#[tokio::test] for Local);
//! ```
//!
//! The cases are about one server. What a manager of several has to do besides is for its own tests to say.
//!
//! [`lifetime_conformance!`]: crate::lifetime_conformance

mod cases;
mod receiver;

use std::future::Future;
use std::sync::Arc;

use super::LifetimeManager;

pub use cases::*;
pub use receiver::Receiver;

/// Somebody who makes the managers to be tried.
pub trait Factory {
    /// A manager that knows nobody.
    fn make(&self) -> impl Future<Output = Arc<dyn LifetimeManager>>;
}

/// Makes a test of every case of the suite.
///
/// Takes the attributes of each test, and an expression for the [`Factory`](crate::lifetime::conformance::Factory); or,
/// with `if` instead of `for`, one for an `Option` of it: without one, the tests pass and do nothing.
#[macro_export]
macro_rules! lifetime_conformance {
    ($(#[$attribute:meta])* for $factory:expr) => {
        $crate::lifetime_conformance!($(#[$attribute])* if Some($factory));
    };
    ($(#[$attribute:meta])* if $factory:expr) => {
        $crate::lifetime_conformance!(@each [$(#[$attribute])*] $factory;
            everybody_gets_a_message_to_all_but_the_excepted
            one_connection_is_reached_by_its_id
            a_connection_is_known_while_it_is_connected
            members_of_a_group_get_its_messages_but_the_excepted
            who_is_added_twice_gets_a_message_once
            who_was_removed_gets_nothing
            a_group_is_founded_again_when_all_have_left
            names_are_compared_to_the_letter
            all_connections_of_a_user_are_reached_and_counted
            a_connection_without_a_user_is_no_users
            who_has_disconnected_is_in_no_group_and_of_no_user
            who_joins_while_it_disconnects_is_left_in_no_group
            whoever_is_nowhere_is_no_error
            a_group_without_a_name_is_an_error
            each_gets_the_message_in_its_own_protocol
            messages_of_one_sender_keep_their_order
            a_dead_connection_does_not_keep_the_others_from_theirs
            an_argument_that_cannot_be_written_is_an_error
            joining_leaving_and_sending_at_once_loses_nothing
        );
    };
    (@each $attributes:tt $factory:expr; $($case:ident)*) => {
        $($crate::lifetime_conformance!(@one $attributes $factory, $case);)*
    };
    (@one [$(#[$attribute:meta])*] $factory:expr, $case:ident) => {
        $(#[$attribute])*
        async fn $case() {
            if let Some(factory) = $factory {
                $crate::lifetime::conformance::$case(&factory).await;
            }
        }
    };
}
