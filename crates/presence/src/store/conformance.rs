//! What holds for every [`Store`]: a suite that anyone's can be put through.
//!
//! Each case is a function that makes a store by a [`Factory`] and ends, or panics. [`store_conformance!`] makes a test
//! of each:
//!
//! ```
//! # use std::sync::Arc;
//! # use presence::{Changes, MemoryStore, ValidSettings};
//! # use presence::store::conformance::Factory;
//! struct Memory;
//!
//! impl Factory for Memory {
//!     type Store = MemoryStore;
//!
//!     async fn make(&self, settings: &ValidSettings, listener: Arc<dyn Changes>) -> MemoryStore {
//!         MemoryStore::start(settings, listener)
//!     }
//! }
//!
//! presence::store_conformance!(#[tokio::test(start_paused = true)] for Memory);
//! ```
//!
//! Time passes as tokio's clock says: at once for a store that lives by it in a runtime whose clock is paused, and in
//! truth for a store that is elsewhere.
//!
//! [`store_conformance!`]: crate::store_conformance

mod cases;
mod recorder;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::change::Changes;
use crate::settings::{Liveness, Settings, ValidSettings};
use crate::store::Store;

pub use cases::*;
pub use recorder::{Heard, Recorder};

/// Somebody who makes the stores to be tried.
pub trait Factory {
    /// The kind of store.
    type Store: Store;

    /// A store in which nobody was ever online.
    fn make(
        &self,
        settings: &ValidSettings,
        listener: Arc<dyn Changes>,
    ) -> impl Future<Output = Self::Store>;
}

/// Makes a test of every case of the suite.
///
/// Takes the attributes of each test, and an expression for the [`Factory`](crate::store::conformance::Factory).
#[macro_export]
macro_rules! store_conformance {
    ($(#[$attribute:meta])* for $factory:expr) => {
        $crate::store_conformance!(@each [$(#[$attribute])*] $factory;
            the_first_connection_is_online_and_the_last_to_go_is_offline
            a_read_answers_in_the_order_asked
            a_late_disconnect_of_an_old_connection_changes_nothing
            an_operation_done_twice_changes_nothing_more
            two_connections_that_close_at_once_make_one_change
            back_within_the_grace_is_no_event
            back_after_the_grace_is_one_offline_and_one_online
            without_a_grace_a_lost_link_is_offline_at_once
            every_grace_of_many_users_ends_once
            an_earlier_deadline_is_kept_while_a_later_one_is_waited_for
            a_touch_is_confirmed_every_time
            a_touch_of_an_unknown_connection_is_not_announced
            silence_is_offline_and_a_touch_is_online_again
            touches_keep_a_user_online
            a_lost_node_takes_only_what_it_kept
            versions_grow_by_one_through_every_way_of_changing
            every_user_id_is_a_user_of_its_own
            changes_made_at_once_are_told_in_order
        );
    };
    (@each $attributes:tt $factory:expr; $($case:ident)*) => {
        $($crate::store_conformance!(@one $attributes $factory, $case);)*
    };
    (@one [$(#[$attribute:meta])*] $factory:expr, $case:ident) => {
        $(#[$attribute])*
        async fn $case() {
            $crate::store::conformance::$case(&$factory).await;
        }
    };
}

/// The settings of most cases: short, for the sake of stores that live by a real clock.
fn settings() -> ValidSettings {
    checked(Settings {
        grace: GRACE,
        ..Settings::default()
    })
}

fn heartbeats() -> ValidSettings {
    let (status_ttl, refresh_interval) = (SILENCE_MAX, SILENCE_MAX / 2);
    checked(Settings {
        status_ttl,
        refresh_interval,
        liveness: Liveness::Heartbeat,
        ..*settings()
    })
}

fn checked(settings: Settings) -> ValidSettings {
    settings.validate().expect("the suite's settings are valid")
}

/// Long enough for a handful of round trips to be well within half of it.
const GRACE: Duration = Duration::from_millis(600);

/// The same for [`Settings::status_ttl`] in heartbeat mode.
const SILENCE_MAX: Duration = Duration::from_millis(900);
