//! What a hub method knows of its caller.

use std::any::Any;
use std::sync::Arc;

use signalr_protocol::negotiate::Transport;
use tokio_util::sync::CancellationToken;

use super::clients::{CallerClients, Groups};
use super::runtime::HubShared;
use crate::close::CloseReason;
use crate::connection::link::Link;

/// The connection on which a hub method was called; cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    pub(crate) link: Arc<Link>,
    pub(crate) hub: Arc<HubShared>,
    pub(crate) role: Role,
}

/// What the code that holds a context was called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// To let the client in: nothing is read from it yet, so it cannot answer.
    Connecting,
    /// A call that takes one of the client's places, and can lend it to another.
    InTurn,
    /// A call that streams and takes no place, or to see the client off.
    Beside,
}

impl Context {
    /// The public id of the connection.
    #[must_use]
    pub fn connection_id(&self) -> &str {
        &self.link.id
    }

    /// The user, if known.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.link.user_id().map(|id| &**id)
    }

    /// A number of the connection, unique within the process.
    #[must_use]
    pub fn connection_number(&self) -> u64 {
        self.link.number
    }

    /// What the application attached to the caller when the connection was opened.
    #[must_use]
    pub fn caller_data<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.link.caller.data.as_ref()?.downcast_ref()
    }

    /// The transport of the connection.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.link.transport().unwrap_or(Transport::WebSockets)
    }

    /// Whom to send to, seen from this connection.
    #[must_use]
    pub fn clients(&self) -> CallerClients<'_> {
        CallerClients::new(self)
    }

    /// Which connections belong to which groups.
    #[must_use]
    pub fn groups(&self) -> Groups<'_> {
        Groups::new(&self.hub)
    }

    /// How many groups the connection belongs to.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.link.memberships.lock().len()
    }

    /// Ends the connection; the client is told not to come back by itself.
    pub fn abort(&self) {
        self.link.close(CloseReason::Aborted);
    }

    /// Fires when the connection has ended.
    #[must_use]
    pub fn aborted(&self) -> CancellationToken {
        self.link.aborted()
    }
}
