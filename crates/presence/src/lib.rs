//! User presence: who is online, and who has to hear about it.
//!
//! A *user* is a person with a name ([`UserId`]). A *connection* ([`ConnectionId`]) is one way in which that person is
//! here at the moment: a browser tab, a phone. A *node* ([`NodeId`]) is one server process, the keeper of connections.
//! From the comings and goings of connections this crate works out one thing, the [`Status`] of every user, and
//! announces each visible change of it exactly once, as a [`StatusChange`].
//!
//! # The rules
//!
//! * A user is online while any of its connections lives; the last one to go decides.
//! * A connection that is closed cleanly is gone at once. One whose link was lost leaves a *grace*: whoever is back
//!   within it was never away, and nobody hears anything.
//! * With [`Liveness::Heartbeat`], a connection counts only for [`Settings::status_ttl`] after it was last heard.
//! * What is announced, what is returned and what a read finds are always the same: a status changes only by a
//!   [`StatusChange`], and the [`Version`] in it grows with every change of that user and never goes back.
//! * Doing an operation twice does nothing the second time.
//!
//! # The rooms of the house
//!
//! [`State`] is those rules and nothing else: a plain value without a clock, a lock or a task, told the time with each
//! operation. It is the model that every store has to agree with.
//!
//! A [`Store`] answers the same operations for a whole service. [`MemoryStore`] keeps `State` under locks, with a clock
//! and one task that carries out deadlines; another one may keep it in a database. What holds for one has to hold for
//! all, so the suite that judges them is part of the crate (`store::conformance`, by the feature `conformance`).
//!
//! [`Tracker`] is what an application holds: it names connections, asks the store and counts. Changes go to the
//! [`Changes`] listener that the application gives at the start, whichever way they arose.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use presence::{Changes, End, Status, StatusChange, Tracker, UserId, ValidSettings, Version};
//!
//! /// Somebody who wants to know.
//! struct Printer;
//!
//! impl Changes for Printer {
//!     fn changed(&self, change: &StatusChange) {
//!         println!("{} is {}", change.user, change.to);
//!     }
//!     fn confirmed(&self, user: &UserId, _version: Version) {
//!         println!("{user} is still online");
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
//! # runtime.block_on(async {
//! let tracker = Tracker::in_memory(&ValidSettings::default(), Arc::new(Printer));
//! let alice = UserId::new("alice")?;
//!
//! let (tab, phone) = (tracker.new_connection(), tracker.new_connection());
//! assert!(tracker.connect(&alice, tab).await?.is_some(), "alice came online");
//! assert!(tracker.connect(&alice, phone).await?.is_none(), "she was online already");
//!
//! assert!(tracker.disconnect(&alice, tab, End::Clean).await?.is_none(), "the phone is still there");
//! assert!(tracker.disconnect(&alice, phone, End::Clean).await?.is_some(), "now she is gone");
//! assert_eq!(tracker.status(&alice).await?, Status::Offline);
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! # What it costs
//!
//! An online user with one connection takes some 300 bytes; one who is offline takes none, except that the versions of
//! about the last million who left are remembered in 20 bytes each. Nothing here is kept for longer than a connection
//! lives, a grace runs or that memory reaches, so what the application lets in bounds what this crate holds. A read of
//! a status, or a touch of an online user, allocates nothing.

pub mod change;
pub mod ids;
pub mod settings;
pub mod state;
pub mod status;
pub mod store;
pub mod timestamp;
pub mod tracker;

pub use change::{Cause, Changes, StatusChange, Touched, Version};
pub use ids::{ConnectionId, InvalidNodeId, InvalidUserId, NodeId, UserId};
pub use settings::{InvalidSettings, Liveness, Settings, ValidSettings};
pub use state::{End, State};
pub use status::Status;
pub use store::memory::MemoryStore;
#[cfg(feature = "redis")]
pub use store::redis::{Publication, RedisStore};
pub use store::{Condition, Store, StoreError, Totals};
pub use timestamp::Timestamp;
pub use tracker::{Counters, Tracker};
