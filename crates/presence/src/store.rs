//! Where presence is kept for a whole service.

mod alarm;
mod clock;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod memory;
#[cfg(feature = "redis")]
pub mod redis;

use std::error::Error;
use std::future::Future;

use thiserror::Error;

use crate::change::{StatusChange, Touched};
use crate::ids::{ConnectionId, NodeId, UserId};
use crate::state::End;
use crate::status::Status;

/// The operations of [`State`](crate::State), for a whole service.
///
/// An implementation is given a [`Changes`](crate::Changes) listener when it is made, and calls it for everything that
/// is to be announced, as is said there; what an operation returns is for its caller to know, not to announce. It has
/// its own clock, and carries out deadlines by itself.
///
/// An operation is one atomic step. Two that overlap come out as if one had come after the other, whichever nodes they
/// come from. Each is one round trip at most, whatever the number of users in it.
pub trait Store: Send + Sync + 'static {
    /// A connection of `user` came; see [`State::connect`](crate::State::connect).
    fn connect(
        &self,
        user: &UserId,
        connection: ConnectionId,
    ) -> impl Future<Output = Result<Option<StatusChange>, StoreError>> + Send;

    /// A connection of `user` is gone; see [`State::disconnect`](crate::State::disconnect).
    fn disconnect(
        &self,
        user: &UserId,
        connection: ConnectionId,
        end: End,
    ) -> impl Future<Output = Result<Option<StatusChange>, StoreError>> + Send;

    /// A client said that it is there; see [`State::touch`](crate::State::touch).
    fn touch(
        &self,
        user: &UserId,
        connection: ConnectionId,
    ) -> impl Future<Output = Result<Touched, StoreError>> + Send;

    /// A node is gone; see [`State::lose`](crate::State::lose). Returns how many users it made offline.
    fn lose(&self, node: NodeId) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// What others see of `user`.
    fn status(&self, user: &UserId) -> impl Future<Output = Result<Status, StoreError>> + Send;

    /// What others see of each of `users`, in the same order, in one read.
    ///
    /// They are asked for by their names. One that is no [`UserId`] is nobody's, and nobody is offline.
    fn statuses(
        &self,
        users: &[&str],
    ) -> impl Future<Output = Result<Vec<Status>, StoreError>> + Send;

    /// How much there is, as far as this process knows without asking.
    fn totals(&self) -> Totals;

    /// Whether answers are the whole truth, as far as this process knows without asking.
    fn condition(&self) -> Condition {
        Condition::Sound
    }

    /// This process ends: whatever it has to end later is left to others, if there are any.
    fn close(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// How much the answers of a store are worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// They are the truth.
    Sound,
    /// What is shared cannot be reached and never was since the start. Users of this process are known.
    Starting(String),
    /// What is shared cannot be reached at present. Users of this process are known, all others seem offline.
    Degraded(String),
}

/// Why a store could not answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached, or does not answer in time. Nothing is known of what became of the operation.
    #[error("the presence store does not answer")]
    Away(#[source] Box<dyn Error + Send + Sync>),
}

/// How much a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Users who are online, in a grace or not.
    pub users_online: usize,
    /// Connections, whether they count or not.
    pub connections: usize,
}
