//! The connections of this process.

use std::ops::ControlFlow;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use parking_lot::{Mutex, RwLock};
use signalr_protocol::HubProtocol;

use super::index::{Index, Members, SHARDS};
use super::{Connection, LifetimeManager, Name, SendError, Target, Watcher, Work};
use crate::connection::cork::corked;
use crate::connection::link::Link;
use crate::frame::Broadcast;
use crate::metrics::Metrics;

/// Knows and reaches the connections of this process.
pub struct LocalLifetime {
    by_id: RwLock<HashMap<Box<str>, Arc<Link>>>,
    groups: Index,
    users: Index,
    watched: Option<Watched>,
    metrics: Arc<Metrics>,
}

/// Somebody who is told what changes, and in which order.
struct Watched {
    watcher: Arc<dyn Watcher>,
    /// Held, by name, from a change until it is told; never while anything is delivered.
    turns: [Mutex<()>; SHARDS],
}

impl LocalLifetime {
    /// Nobody is there yet; deliveries are counted in `metrics`.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            by_id: RwLock::default(),
            groups: Index::new(),
            users: Index::new(),
            watched: None,
            metrics,
        }
    }

    /// Nobody is there yet; `watcher` is told who comes and goes.
    #[must_use]
    pub fn watched(metrics: Arc<Metrics>, watcher: Arc<dyn Watcher>) -> Self {
        Self {
            watched: Some(Watched {
                watcher,
                turns: [const { Mutex::new(()) }; SHARDS],
            }),
            ..Self::new(metrics)
        }
    }

    /// The groups that have members here.
    #[must_use]
    pub fn groups(&self) -> Vec<Arc<str>> {
        self.groups.names()
    }

    /// How many members a group has here.
    #[must_use]
    pub fn group_members(&self, name: &str) -> usize {
        self.groups.get(name).map_or(0, |members| members.len())
    }

    /// Delivers at once, as [`LifetimeManager::send`] does.
    ///
    /// # Errors
    /// A message that has no form in the protocol of a receiver; a group without a name.
    pub fn deliver(&self, target: &Target<'_>, message: &Broadcast<'_>) -> Result<(), SendError> {
        corked(|| self.hand_out(target, message))
    }

    fn hand_out(&self, target: &Target<'_>, message: &Broadcast<'_>) -> Result<(), SendError> {
        let mut delivery = Delivery {
            message,
            except: Except::new(&[]),
            delivered: 0,
            failure: None,
        };
        match *target {
            Target::All { except } => {
                delivery.except = Except::new(except);
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
                delivery.except = Except::new(except);
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
            self.take_out(Name::Group(group), &members, link);
        }
    }

    /// Adds a connection; no members: it was one before.
    fn join(&self, name: Name<'_>, link: &Arc<Link>) -> (Option<Arc<Members>>, Work) {
        let (index, key) = self.index(name);
        let Some(watched) = &self.watched else {
            return (index.join(key, link), Work::done(Ok(())));
        };
        let _turn = watched.turns[index.shard_number(key)].lock();
        let joined = index.join(key, link);
        let is_first = joined.as_ref().is_some_and(|members| members.len() == 1);
        (joined, watched.watcher.joined(name, is_first))
    }

    fn take_out(&self, name: Name<'_>, members: &Members, link: &Link) {
        let (index, key) = self.index(name);
        let Some(watched) = &self.watched else {
            index.take_out(members, link);
            return;
        };
        let _turn = watched.turns[index.shard_number(key)].lock();
        if index.take_out(members, link) && members.len() == 0 {
            watched.watcher.vacated(name);
        }
    }

    fn index<'a>(&self, name: Name<'a>) -> (&Index, &'a str) {
        match name {
            Name::Group(name) => (&self.groups, name),
            Name::User(id) => (&self.users, id),
        }
    }
}

impl std::fmt::Debug for LocalLifetime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalLifetime")
            .field("connections", &self.by_id.read().len())
            .finish_non_exhaustive()
    }
}

impl LifetimeManager for LocalLifetime {
    fn connected(&self, connection: &Connection) -> Work {
        let link = &connection.0;
        self.by_id.write().insert(link.id.clone(), Arc::clone(link));
        match link.user_id() {
            Some(user) => self.join(Name::User(user), link).1,
            None => Work::done(Ok(())),
        }
    }

    fn disconnected(&self, connection: &Connection) -> Work {
        let link = &connection.0;
        self.by_id.write().remove(&link.id);
        let memberships = std::mem::take(&mut *link.memberships.lock());
        for members in memberships {
            self.take_out(Name::Group(members.name()), &members, link);
        }
        if let Some(user) = link.user_id()
            && let Some(members) = self.users.get(user)
        {
            self.take_out(Name::User(user), &members, link);
        }
        Work::done(Ok(()))
    }

    fn add_to_group(&self, connection_id: &str, group: &str) -> Work {
        let Some(link) = self.link(connection_id) else {
            return Work::done(Ok(()));
        };
        let (joined, work) = self.join(Name::Group(group), &link);
        if let Some(members) = joined {
            link.memberships.lock().push(members);
        }
        // The connection may have ended meanwhile: then nobody else takes it out again.
        if self.link(connection_id).is_none() {
            self.leave_group(group, &link);
        }
        work
    }

    fn remove_from_group(&self, connection_id: &str, group: &str) -> Work {
        if let Some(link) = self.link(connection_id) {
            self.leave_group(group, &link);
        }
        Work::done(Ok(()))
    }

    fn send(&self, target: &Target<'_>, message: &Broadcast<'_>) -> Work {
        Work::done(self.deliver(target, message))
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
    except: Except<'a>,
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
        if self.except.contains(&link.id) {
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

/// Connections that do not get a message.
enum Except<'a> {
    Few(&'a [&'a str]),
    Many(HashSet<&'a str>),
}

/// From here on a search in a set is faster than one through a list.
const MANY: usize = 16;

impl<'a> Except<'a> {
    fn new(ids: &'a [&'a str]) -> Self {
        if ids.len() < MANY {
            Self::Few(ids)
        } else {
            Self::Many(ids.iter().copied().collect())
        }
    }

    fn contains(&self, id: &str) -> bool {
        match self {
            Self::Few(ids) => ids.contains(&id),
            Self::Many(ids) => ids.contains(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifetime::conformance::{Factory, Receiver};

    /// Tells as lines what it is told.
    #[derive(Default)]
    struct Diary(Mutex<Vec<String>>);

    impl Diary {
        fn take(&self) -> Vec<String> {
            let mut lines = std::mem::take(&mut *self.0.lock());
            lines.retain(|line| !line.contains("marker of"));
            lines
        }
    }

    impl Watcher for Diary {
        fn joined(&self, name: Name<'_>, is_first: bool) -> Work {
            self.0
                .lock()
                .push(format!("{name:?} joined, first: {is_first}"));
            if name == Name::Group("closed") {
                return Work::done(Err(SendError::EmptyGroupName));
            }
            Work::done(Ok(()))
        }

        fn vacated(&self, name: Name<'_>) {
            self.0.lock().push(format!("{name:?} vacated"));
        }
    }

    #[tokio::test]
    async fn a_watcher_is_told_of_everybody_who_comes_and_of_the_last_who_goes() {
        let diary = Arc::new(Diary::default());
        let watcher = Arc::clone(&diary) as Arc<dyn Watcher>;
        let local = Arc::new(LocalLifetime::watched(Arc::default(), watcher));
        let manager = Arc::clone(&local) as Arc<dyn LifetimeManager>;
        let nobody = Receiver::connect(&manager, None).await;
        assert!(diary.take().is_empty());
        let alice = Receiver::connect(&manager, Some("alice")).await;
        assert_eq!(diary.take(), ["User(\"alice\") joined, first: true"]);

        for id in [alice.id(), alice.id(), nobody.id(), "elsewhere"] {
            local.add_to_group(id, "room").await.unwrap();
        }
        let later = "Group(\"room\") joined, first: false";
        let first = "Group(\"room\") joined, first: true";
        assert_eq!(diary.take(), [first, later, later]);
        assert_eq!(local.group_members("room"), 2);
        assert!(local.groups().contains(&Arc::from("room")));

        for _ in 0..2 {
            local.remove_from_group(nobody.id(), "room").await.unwrap();
        }
        assert!(diary.take().is_empty());
        alice.disconnect(&manager).await;
        assert_eq!(
            diary.take(),
            ["Group(\"room\") vacated", "User(\"alice\") vacated"]
        );
        assert!(!local.groups().contains(&Arc::from("room")));
    }

    #[tokio::test]
    async fn the_work_of_the_watcher_is_that_of_whoever_added_somebody() {
        let watcher = Arc::new(Diary::default()) as Arc<dyn Watcher>;
        let local = Arc::new(LocalLifetime::watched(Arc::default(), watcher));
        let manager = Arc::clone(&local) as Arc<dyn LifetimeManager>;
        let alice = Receiver::connect(&manager, None).await;
        let joined = local.add_to_group(alice.id(), "closed").await;
        assert_eq!(joined, Err(SendError::EmptyGroupName));
    }

    #[test]
    fn few_and_many_are_excepted_alike() {
        let ids: Vec<String> = (0..MANY * 2).map(|i| i.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        for count in [0, 1, MANY - 1, MANY, MANY * 2] {
            let except = Except::new(&ids[..count]);
            for (at, id) in ids.iter().enumerate() {
                assert_eq!(except.contains(id), at < count, "{id} of {count}");
            }
        }
    }

    struct Local;

    impl Factory for Local {
        async fn make(&self) -> Arc<dyn LifetimeManager> {
            Arc::new(LocalLifetime::new(Arc::default()))
        }
    }

    crate::lifetime_conformance!(#[tokio::test] for Local);
}
