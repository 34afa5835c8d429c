//! Who is where: connections by id, by user and by group, and how messages reach them.
//!
//! [`LifetimeManager`] is a seam: [`LocalLifetime`] knows the connections of this process; a backplane knows those
//! of other servers too, and keeps a [`LocalLifetime`] for its own. What holds for all of them is written down as a
//! suite: `conformance`, by the feature of that name.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{self, BoxFuture};
use signalr_protocol::HubProtocol;
use signalr_protocol::message::Outcome;
use signalr_protocol::payload::{EncodeError, OwnedValue};
use thiserror::Error;

pub use local::LocalLifetime;
pub use watcher::{Name, Watcher};

use crate::connection::link::Link;
use crate::error::HubError;
use crate::frame::{Broadcast, Frame, Question};

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub(crate) mod index;
mod local;
mod watcher;

/// Keeps track of connections and delivers messages to them.
pub trait LifetimeManager: Send + Sync + 'static {
    /// A connection is there: from now on it can be sent to.
    fn connected(&self, connection: &Connection) -> Work;

    /// A connection is gone: it leaves its groups and its user.
    fn disconnected(&self, connection: &Connection) -> Work;

    /// Adds a connection, wherever it is, to a group; one that is nowhere is ignored.
    fn add_to_group(&self, connection_id: &str, group: &str) -> Work;

    /// Takes a connection, wherever it is, out of a group; one that is nowhere is ignored.
    fn remove_from_group(&self, connection_id: &str, group: &str) -> Work;

    /// Delivers a message. Whoever is not there is not an error.
    ///
    /// In one process, the message stands in the queue of every receiver when it is done, behind all that was
    /// delivered before by the same caller. A backplane has it on its way by then; what the same caller sends to the
    /// same target keeps its order.
    fn send(&self, target: &Target<'_>, message: &Broadcast<'_>) -> Work;

    /// How many connections a user has on this server.
    fn user_connections(&self, user_id: &str) -> usize;

    /// A connection of this process by its id.
    fn local(&self, connection_id: &str) -> Option<Connection>;

    /// Asks a client of another process; those of this one are asked without the manager.
    fn ask(&self, connection_id: &str, _question: &Question<'_>) -> Asking {
        Box::pin(future::ready(Err(HubError::no_such_connection(
            connection_id,
        ))))
    }

    /// A client of this process answers what nobody of this process has asked; false: nobody else has, either.
    fn handle_answer(&self, _connection: &Connection, _id: &str, _outcome: &Outcome<'_>) -> bool {
        false
    }
}

/// Gives what a client answers, none where its handler returns nothing; nobody waits any more when this is dropped.
pub type Asking = BoxFuture<'static, Result<Option<OwnedValue>, HubError>>;

/// Whom a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// Everybody.
    All {
        /// Ids of connections that do not get it.
        except: &'a [&'a str],
    },
    /// One connection.
    Connection(&'a str),
    /// The members of a group.
    Group {
        /// The name of the group.
        name: &'a str,
        /// Ids of connections that do not get it.
        except: &'a [&'a str],
    },
    /// All connections of a user.
    User(&'a str),
}

/// A connection of this process, as lifetime managers see it.
#[derive(Debug, Clone)]
pub struct Connection(pub(crate) Arc<Link>);

impl Connection {
    /// The public id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The user, if known.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.0.user_id().map(|id| &**id)
    }

    /// The hub protocol that it speaks.
    #[must_use]
    pub fn protocol(&self) -> Option<HubProtocol> {
        self.0.protocol()
    }

    /// Queues a message in the protocol that the connection speaks.
    pub fn send(&self, frame: Frame) {
        self.0.send(frame);
    }
}

/// What could not be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendError {
    /// An argument has no form in a hub protocol.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A group without a name.
    #[error("Cannot send to an empty group name.")]
    EmptyGroupName,
    /// The backplane did not take it.
    #[error("backplane is unavailable: {0}")]
    Backplane(String),
    /// No server has confirmed in time that it has the connection which is to join or leave a group.
    #[error("no server has confirmed the change of a group within {0:?}")]
    Unconfirmed(Duration),
    /// The application has said that its hub is never addressed so, and servers do not listen for it.
    #[error("this hub is not addressed by {0}")]
    NotAddressed(&'static str),
}

/// Work that is mostly done when it is handed out.
#[must_use = "work does nothing unless it is awaited"]
pub struct Work(State);

enum State {
    Done(Option<Result<(), SendError>>),
    Pending(BoxFuture<'static, Result<(), SendError>>),
}

impl Work {
    /// Work that is done.
    pub fn done(result: Result<(), SendError>) -> Self {
        Self(State::Done(Some(result)))
    }

    /// Leaves what is not done yet to a task of its own, for callers that cannot wait.
    ///
    /// # Panics
    /// Outside a tokio runtime, if there is anything left to do.
    pub fn detach(self) {
        match self.0 {
            State::Done(Some(Err(error))) => tracing::warn!(%error, "message not delivered"),
            State::Done(_) => {}
            State::Pending(future) => {
                tokio::spawn(async move {
                    if let Err(error) = future.await {
                        tracing::warn!(%error, "message not delivered");
                    }
                });
            }
        }
    }

    /// Work that takes time.
    pub fn pending(future: BoxFuture<'static, Result<(), SendError>>) -> Self {
        Self(State::Pending(future))
    }
}

impl Future for Work {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Done(result) => Poll::Ready(result.take().unwrap_or(Ok(()))),
            State::Pending(future) => future.as_mut().poll(cx),
        }
    }
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            State::Done(_) => "Work::Done",
            State::Pending(_) => "Work::Pending",
        })
    }
}
