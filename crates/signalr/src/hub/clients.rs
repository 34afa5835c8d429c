//! Whom to send to.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use hashbrown::HashSet;
use serde::de::DeserializeOwned;
use signalr_protocol::payload::EncodeArguments;

use super::context::{Context, Role};
use super::runtime::HubShared;
use crate::connection::cork;
use crate::error::HubError;
use crate::frame::{Broadcast, Question};
use crate::lifetime::{SendError, Target};

/// Reaches the clients of a hub from anywhere in the program; cheap to clone.
#[derive(Debug, Clone)]
pub struct HubHandle(pub(crate) Arc<HubShared>);

impl HubHandle {
    /// Whom to send to.
    #[must_use]
    pub fn clients(&self) -> Clients<'_> {
        Clients { hub: &self.0 }
    }

    /// Which connections belong to which groups.
    #[must_use]
    pub fn groups(&self) -> Groups<'_> {
        Groups::new(&self.0)
    }
}

/// Clients of a hub.
#[derive(Debug, Clone, Copy)]
pub struct Clients<'a> {
    hub: &'a Arc<HubShared>,
}

impl<'a> Clients<'a> {
    /// Everybody.
    pub fn all(self) -> Receivers<'a> {
        self.to(Whom::All { except: Vec::new() })
    }

    /// Everybody but these connections.
    pub fn all_except(self, connection_ids: impl IntoIterator<Item = &'a str>) -> Receivers<'a> {
        self.to(Whom::All {
            except: connection_ids.into_iter().collect(),
        })
    }

    /// One connection; the only receiver that can be asked for an answer.
    pub fn client(self, connection_id: &'a str) -> SingleClient<'a> {
        SingleClient {
            hub: self.hub,
            connection_id,
            caller: None,
        }
    }

    /// Some connections; who is named twice gets the message once.
    pub fn clients(self, connection_ids: impl IntoIterator<Item = &'a str>) -> Receivers<'a> {
        self.to(Whom::Each(distinct(connection_ids, Target::Connection)))
    }

    /// The members of a group.
    pub fn group(self, name: &'a str) -> Receivers<'a> {
        self.group_except(name, [])
    }

    /// The members of a group but these connections.
    pub fn group_except(
        self,
        name: &'a str,
        connection_ids: impl IntoIterator<Item = &'a str>,
    ) -> Receivers<'a> {
        self.to(Whom::Group {
            name,
            except: connection_ids.into_iter().collect(),
        })
    }

    /// The members of several groups; who belongs to two gets the message twice.
    pub fn groups(self, names: impl IntoIterator<Item = &'a str>) -> Receivers<'a> {
        let group = |name| Target::Group { name, except: &[] };
        self.to(Whom::Each(names.into_iter().map(group).collect()))
    }

    /// All connections of a user.
    pub fn user(self, id: &'a str) -> Receivers<'a> {
        self.to(Whom::Each(vec![Target::User(id)]))
    }

    /// All connections of some users; who is named twice gets the message once.
    pub fn users(self, ids: impl IntoIterator<Item = &'a str>) -> Receivers<'a> {
        self.to(Whom::Each(distinct(ids, Target::User)))
    }

    fn to(self, whom: Whom<'a>) -> Receivers<'a> {
        Receivers {
            hub: self.hub,
            whom,
        }
    }
}

/// A target for each name that is not there twice, in their order.
fn distinct<'a>(
    names: impl IntoIterator<Item = &'a str>,
    target: impl Fn(&'a str) -> Target<'a>,
) -> Vec<Target<'a>> {
    let mut seen = HashSet::new();
    names
        .into_iter()
        .filter(|&name| seen.insert(name))
        .map(target)
        .collect()
}

/// Clients of a hub, seen from one of them. Everything of [`Clients`] is there too.
#[derive(Debug, Clone, Copy)]
pub struct CallerClients<'a> {
    context: &'a Context,
    clients: Clients<'a>,
}

impl<'a> CallerClients<'a> {
    pub(crate) fn new(context: &'a Context) -> Self {
        Self {
            context,
            clients: Clients { hub: &context.hub },
        }
    }

    /// The connection that called.
    pub fn caller(self) -> SingleClient<'a> {
        self.client(self.context.connection_id())
    }

    /// Everybody but the caller.
    pub fn others(self) -> Receivers<'a> {
        self.clients.all_except([self.context.connection_id()])
    }

    /// The members of a group but the caller.
    pub fn others_in_group(self, name: &'a str) -> Receivers<'a> {
        self.clients
            .group_except(name, [self.context.connection_id()])
    }

    /// One connection; the only receiver that can be asked for an answer.
    pub fn client(self, connection_id: &'a str) -> SingleClient<'a> {
        SingleClient {
            caller: Some(self.context),
            ..self.clients.client(connection_id)
        }
    }
}

impl<'a> std::ops::Deref for CallerClients<'a> {
    type Target = Clients<'a>;

    fn deref(&self) -> &Self::Target {
        &self.clients
    }
}

/// Whom a message is for, with room for what a [`Target`] borrows.
#[derive(Debug, Clone)]
enum Whom<'a> {
    All { except: Vec<&'a str> },
    Group { name: &'a str, except: Vec<&'a str> },
    Each(Vec<Target<'a>>),
}

/// Clients that a message can be sent to.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent yet"]
pub struct Receivers<'a> {
    hub: &'a Arc<HubShared>,
    whom: Whom<'a>,
}

impl Receivers<'_> {
    /// Calls the client method `target` on each of them.
    ///
    /// `arguments` is a tuple, `(a,)` where there is one only, or a slice of values of one type.
    ///
    /// # Errors
    /// Arguments that cannot be written; a group without a name; a backplane that is away. That nobody is there is
    /// no error.
    pub async fn send(
        self,
        target: &str,
        arguments: impl EncodeArguments + Send,
    ) -> Result<(), SendError> {
        let lifetime = &self.hub.lifetime;
        let work = {
            let message = Broadcast::new(target, &arguments);
            match &self.whom {
                Whom::All { except } => vec![lifetime.send(&Target::All { except }, &message)],
                Whom::Group { name, except } => {
                    vec![lifetime.send(&Target::Group { name, except }, &message)]
                }
                Whom::Each(targets) => targets
                    .iter()
                    .map(|target| lifetime.send(target, &message))
                    .collect(),
            }
        };
        // One that fails does not keep the others from theirs.
        let sent = stream::iter(work)
            .buffered(SIDE_BY_SIDE)
            .fold(Ok(()), async |first_error: Result<(), SendError>, sent| {
                first_error.and(sent)
            })
            .await;
        cork::breathe().await;
        sent
    }
}

/// Messages of one send that are under way to a backplane at once: one round trip for as many, and few enough that a
/// long list of receivers leaves room for other senders.
const SIDE_BY_SIDE: usize = 64;

/// One connection that can be sent to and asked.
#[derive(Debug, Clone, Copy)]
#[must_use = "nothing is sent yet"]
pub struct SingleClient<'a> {
    hub: &'a Arc<HubShared>,
    connection_id: &'a str,
    /// The hub method's own connection, where one is asking.
    caller: Option<&'a Context>,
}

impl SingleClient<'_> {
    /// Calls the client method `target`.
    ///
    /// # Errors
    /// As [`Receivers::send`].
    pub async fn send(
        self,
        target: &str,
        arguments: impl EncodeArguments + Send,
    ) -> Result<(), SendError> {
        let work = self.hub.lifetime.send(
            &Target::Connection(self.connection_id),
            &Broadcast::new(target, &arguments),
        );
        let sent = work.await;
        cork::breathe().await;
        sent
    }

    /// Calls the client method `target` and waits for what it returns.
    ///
    /// Other calls of the same client run meanwhile. There is no time limit: drop the future to stop waiting.
    ///
    /// # Errors
    /// No such connection, or it ends; an error text of the client's; a result of another type; a call from
    /// [`Hub::on_connected`](crate::Hub::on_connected), when the client cannot answer yet.
    pub async fn invoke<R: DeserializeOwned>(
        self,
        target: &str,
        arguments: impl EncodeArguments + Send,
    ) -> Result<R, HubError> {
        if self
            .caller
            .is_some_and(|context| context.role == Role::Connecting)
        {
            return Err(HubError::hidden(
                "InvalidOperationException",
                "Client results inside OnConnectedAsync Hub methods are not allowed.",
            ));
        }
        let _lent = self
            .caller
            .filter(|context| context.role == Role::InTurn)
            .map(|context| context.link.lend_place());
        let answer = self.hub.client_results.ask(
            &*self.hub.lifetime,
            self.connection_id,
            &Question::new(target, &arguments),
        );
        super::client_results::read::<R>(answer.await?.as_ref())
    }
}

/// Which connections belong to which groups.
#[derive(Debug, Clone, Copy)]
pub struct Groups<'a> {
    hub: &'a Arc<HubShared>,
}

impl<'a> Groups<'a> {
    pub(crate) fn new(hub: &'a Arc<HubShared>) -> Self {
        Self { hub }
    }

    /// Adds a connection to a group; who is a member stays one.
    ///
    /// # Errors
    /// A backplane that is away.
    pub async fn add(self, connection_id: &str, group: &str) -> Result<(), SendError> {
        self.hub.lifetime.add_to_group(connection_id, group).await
    }

    /// Takes a connection out of a group; who is no member stays none.
    ///
    /// # Errors
    /// A backplane that is away.
    pub async fn remove(self, connection_id: &str, group: &str) -> Result<(), SendError> {
        self.hub
            .lifetime
            .remove_from_group(connection_id, group)
            .await
    }
}
