//! `/_hubs/presence`: translates calls of clients into questions to the tracker, and decides nothing.

use std::sync::Arc;

use http::request::Parts;
use identity::Principal;
use presence::{ConnectionId, End, Status, UserId};
use serde::{Serialize, Serializer};
use signalr::{Caller, CloseReason, Context, Hub, HubError, Methods};

use crate::listen::PeerAddress;
use crate::notifier::watchers_of;
use crate::store::{PresenceStore, Tracker};
use crate::watch::{self, Watched};

/// Where the hub is.
pub const PATH: &str = "/_hubs/presence";

/// How many users one connection may watch: 20,000.
///
/// Each costs about 100 bytes here, so a client cannot take more than 2 MB; nobody looks at more people at once.
const WATCHED_MAX: usize = 20_000;

/// The hub of the contract: four methods, one event.
#[derive(Debug)]
pub struct PresenceHub {
    tracker: Tracker,
    watched: Arc<Watched>,
}

impl PresenceHub {
    /// A hub over `tracker`, whose changes are told to the watchers; `watched`: what those know by other nodes.
    pub fn new(tracker: Tracker, watched: Arc<Watched>) -> Self {
        Self { tracker, watched }
    }

    async fn get_user_status(
        self: Arc<Self>,
        _context: Context,
        user: Option<String>,
    ) -> Result<Answer, HubError> {
        let user = checked(user)?;
        if let PresenceStore::Memory(store) = self.tracker.store() {
            let (status, hold) = store.hold(&user);
            return Ok(Answer::new(status, Hold::OfStore(hold)));
        }
        let told = self.watched.told(&user);
        let found = self.tracker.status(&user).await?;
        let (status, hold) = self.watched.answer(&user, told, found);
        Ok(Answer::new(status, Hold::OfWatchers(hold)))
    }

    async fn subscribe(
        self: Arc<Self>,
        context: Context,
        user: Option<String>,
    ) -> Result<(), HubError> {
        let group = watchers_of(&checked(user)?);
        if context.group_count() >= WATCHED_MAX {
            return Err(HubError::new(format!(
                "userId: this connection watches {WATCHED_MAX} users, and may not watch more"
            )));
        }
        let groups = context.groups();
        Ok(groups.add(context.connection_id(), &group).await?)
    }

    async fn unsubscribe(
        self: Arc<Self>,
        context: Context,
        user: Option<String>,
    ) -> Result<(), HubError> {
        let group = watchers_of(&checked(user)?);
        let groups = context.groups();
        Ok(groups.remove(context.connection_id(), &group).await?)
    }

    async fn broadcast_online_status(self: Arc<Self>, context: Context) -> Result<(), HubError> {
        let visitor = visitor(&context)?;
        self.tracker
            .touch(&visitor.user, self.connection(&context))
            .await?;
        Ok(())
    }

    fn connection(&self, context: &Context) -> ConnectionId {
        ConnectionId {
            node: self.tracker.node(),
            number: context.connection_number(),
        }
    }
}

impl Hub for PresenceHub {
    fn methods(methods: &mut Methods<Self>) {
        methods.call("GetUserStatus", Self::get_user_status);
        methods.call("SubscribeToUserStatus", Self::subscribe);
        methods.call("UnsubscribeFromUserStatus", Self::unsubscribe);
        methods.call("BroadcastOnlineStatus", Self::broadcast_online_status);
    }

    async fn on_connected(self: Arc<Self>, context: Context) -> Result<(), HubError> {
        let connection = self.connection(&context);
        let user = &visitor(&context)?.user;
        self.tracker.connect(user, connection).await?;
        tracing::debug!(connection = context.connection_id(), "connected");
        Ok(())
    }

    async fn on_disconnected(
        self: Arc<Self>,
        context: Context,
        reason: CloseReason,
    ) -> Result<(), HubError> {
        let end = if reason.is_clean() {
            End::Clean
        } else {
            End::Lost
        };
        let connection = self.connection(&context);
        let user = &visitor(&context)?.user;
        self.tracker.disconnect(user, connection, end).await?;
        tracing::debug!(
            connection = context.connection_id(),
            reason = reason.label(),
            "disconnected"
        );
        Ok(())
    }
}

/// What a connection keeps of its principal.
struct Visitor {
    user: UserId,
}

/// Who a request comes from, as the authentication before it found.
pub fn caller(parts: &Parts) -> Caller {
    let user = parts
        .extensions
        .get::<Arc<Principal>>()
        .and_then(|principal| UserId::new(principal.user()).ok());
    let caller = match user {
        Some(user) => Caller::user(user.clone()).data(Arc::new(Visitor { user })),
        None => Caller::anonymous(),
    };
    match parts.extensions.get::<PeerAddress>() {
        Some(PeerAddress(address)) => caller.address(address.ip()),
        None => caller,
    }
}

/// The status of a user, which cannot change before the answer stands in the queue to the client.
///
/// So whoever watches a user and asks for its status never gets an old answer behind a newer event: the library queues
/// what a method returns before it drops it.
struct Answer {
    status: Status,
    _hold: Hold,
}

/// What keeps a status from changing.
#[expect(dead_code, reason = "held, never looked at")]
enum Hold {
    OfStore(presence::store::memory::Hold),
    OfWatchers(Option<watch::Hold>),
}

impl Answer {
    fn new(status: Status, hold: Hold) -> Self {
        Self {
            status,
            _hold: hold,
        }
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.status.as_str())
    }
}

fn visitor(context: &Context) -> Result<&Visitor, HubError> {
    context
        .caller_data()
        .ok_or_else(|| HubError::new("the connection has no user"))
}

/// A user id from a client.
fn checked(user: Option<String>) -> Result<UserId, HubError> {
    let user = user.ok_or_else(|| HubError::new("userId: must not be null"))?;
    UserId::new(&user).map_err(|error| HubError::new(format!("userId: {error}")))
}
