//! The connections of this process.

use std::ops::ControlFlow;
use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::RwLock;
use signalr_protocol::HubProtocol;

use super::index::{Index, Members};
use super::{Connection, LifetimeManager, SendError, Target, Work};
use crate::connection::cork::corked;
use crate::connection::link::Link;
use crate::frame::Broadcast;
use crate::metrics::Metrics;

/// Knows and reaches the connections of this process.
#[derive(Debug)]
pub struct LocalLifetime {
    by_id: RwLock<HashMap<Box<str>, Arc<Link>>>,
    groups: Index,
    users: Index,
    metrics: Arc<Metrics>,
}

impl LocalLifetime {
    /// Nobody is there yet; deliveries are counted in `metrics`.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            by_id: RwLock::default(),
            groups: Index::new(),
            users: Index::new(),
            metrics,
        }
    }

    fn deliver(&self, target: &Target<'_>, message: &Broadcast<'_>) -> Result<(), SendError> {
        let mut delivery = Delivery {
            message,
            except: &[],
            delivered: 0,
            failure: None,
        };
        match *target {
            Target::All { except } => {
                delivery.except = except;
                // A copy of the list, so that connections come and go while the message is handed out.
                let links: Vec<Arc<Link>> = self.by_id.read().values().cloned().collect();
                links.iter().for_each(|link| delivery.hand_to(link));
            }
            Target::Connection(id) => {
                if let Some(link) = self.link(id) {
                    delivery.hand_to(&link);
                }
            }
            Target::Group { name: "", .. } => return Err(SendError::EmptyGroupName),
            Target::Group { name, except } => {
                delivery.except = except;
                if let Some(members) = self.groups.get(name) {
                    delivery.hand_to_members(&members);
                }
            }
            Target::User(id) => {
                if let Some(members) = self.users.get(id) {
                    delivery.hand_to_members(&members);
                }
            }
        }
        self.metrics.count_deliveries(delivery.delivered);
        delivery.failure.map_or(Ok(()), Err)
    }

    fn link(&self, id: &str) -> Option<Arc<Link>> {
        self.by_id.read().get(id).cloned()
    }

    fn leave_group(&self, group: &str, link: &Link) {
        if let Some(members) = self.groups.get(group) {
            link.memberships
                .lock()
                .retain(|membership| !Arc::ptr_eq(membership, &members));
            self.groups.take_out(&members, link);
        }
    }
}

impl LifetimeManager for LocalLifetime {
    fn connected(&self, connection: &Connection) -> Work {
        let link = &connection.0;
        self.by_id.write().insert(link.id.clone(), Arc::clone(link));
        if let Some(user) = link.user_id() {
            self.users.join(user, link);
        }
        Work::done(Ok(()))
    }

    fn disconnected(&self, connection: &Connection) -> Work {
        let link = &connection.0;
        self.by_id.write().remove(&link.id);
        let memberships = std::mem::take(&mut *link.memberships.lock());
        for members in memberships {
            self.groups.take_out(&members, link);
        }
        if let Some(members) = link.user_id().and_then(|user| self.users.get(user)) {
            self.users.take_out(&members, link);
        }
        Work::done(Ok(()))
    }

    fn add_to_group(&self, connection_id: &str, group: &str) -> Work {
        if let Some(link) = self.link(connection_id) {
            if let Some(members) = self.groups.join(group, &link) {
                link.memberships.lock().push(members);
            }
            // The connection may have ended meanwhile: then nobody else takes it out again.
            if self.link(connection_id).is_none() {
                self.leave_group(group, &link);
            }
        }
        Work::done(Ok(()))
    }

    fn remove_from_group(&self, connection_id: &str, group: &str) -> Work {
        if let Some(link) = self.link(connection_id) {
            self.leave_group(group, &link);
        }
        Work::done(Ok(()))
    }

    fn send(&self, target: &Target<'_>, message: &Broadcast<'_>) -> Work {
        Work::done(corked(|| self.deliver(target, message)))
    }

    fn user_connections(&self, user_id: &str) -> usize {
        self.users.get(user_id).map_or(0, |members| members.len())
    }

    fn local(&self, connection_id: &str) -> Option<Connection> {
        self.link(connection_id).map(Connection)
    }
}

/// One message on its way to many.
struct Delivery<'a> {
    message: &'a Broadcast<'a>,
    except: &'a [&'a str],
    delivered: usize,
    failure: Option<SendError>,
}

impl Delivery<'_> {
    /// The list is let go while the message is written: that calls the application.
    fn hand_to_members(&mut self, members: &Members) {
        let mut from = 0;
        while let Some((number, protocol)) =
            members.for_each_from(from, |link| self.hand_written_to(link))
        {
            let _ = self.message.frame(protocol);
            from = number;
        }
    }

    fn hand_to(&mut self, link: &Arc<Link>) {
        if let ControlFlow::Break(protocol) = self.hand_written_to(link) {
            let _ = self.message.frame(protocol);
            let _ = self.hand_written_to(link);
        }
    }

    /// Breaks where the message has yet to be written in a protocol.
    fn hand_written_to(&mut self, link: &Arc<Link>) -> ControlFlow<HubProtocol> {
        if self.except.contains(&&*link.id) {
            return ControlFlow::Continue(());
        }
        // Who has not finished the handshake has no protocol to be addressed in.
        let Some(protocol) = link.protocol() else {
            return ControlFlow::Continue(());
        };
        match self.message.written(protocol) {
            None => return ControlFlow::Break(protocol),
            Some(Ok(frame)) => {
                link.send(frame.clone());
                self.delivered += 1;
            }
            Some(Err(e)) => self.failure = Some(e.clone().into()),
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifetime::conformance::Factory;

    struct Local;

    impl Factory for Local {
        async fn make(&self) -> Arc<dyn LifetimeManager> {
            Arc::new(LocalLifetime::new(Arc::default()))
        }
    }

    crate::lifetime_conformance!(#[tokio::test] for Local);
}
