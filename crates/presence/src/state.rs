//! The model of presence: a function of its inputs, and nothing else.
//!
//! It has no clock, no lock and no task. Whoever holds it says what happened and what time it is, and is told what has
//! changed. Every store must behave as this model does.

mod user;
mod versions;

use std::collections::BTreeSet;
use std::time::Duration;

use hashbrown::hash_map::{Entry, HashMap};

use crate::change::{Cause, StatusChange, Touched, Version};
use crate::ids::{ConnectionId, NodeId, UserId};
use crate::settings::{Liveness, ValidSettings};
use crate::status::Status;
use crate::timestamp::Timestamp;
use user::{Phase, User};
use versions::Versions;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// Somebody meant it: the client said goodbye.
    Clean,
    /// The link broke or timed out; the client may be back in a moment.
    Lost,
}

/// Who is online, through which connections, and what is due when.
///
/// Every operation takes the time. Should it run backwards, as it may seem to when two threads read a clock before
/// they take a lock, the latest time so far is used.
///
/// # Deadlines
///
/// A deadline that has passed changes nothing by itself; [`State::expire`] carries it out. Until then the user is what
/// was last announced, and whoever comes back in the meantime was never away. So what a read finds is what watchers
/// were told, however late somebody calls `expire`.
///
/// # Memory
///
/// A user is kept while it has a connection or is within a grace, and has at most one deadline. Of anyone else only the
/// version is kept, as one of the latest [`State::REMEMBERED_MAX`] to leave, so that the next change continues it.
/// Whoever was forgotten even there, or never known, starts from the highest version that was ever forgotten: a version
/// never goes back, at the price that such a user's first one may be a larger step than one. (One counter for all users
/// would need no memory, but then no version would grow by one, and no watcher could see that it missed a change.)
///
/// Versions begin again when the process does: so do all watchers, for they were connected to it.
///
/// # Cost
///
/// With `n` users and `c` connections of one user: connecting and disconnecting is O(log n + c), where the `c` is one
/// move in memory or one look through a list; a read or a touch is O(log c); carrying out one deadline O(log n + c);
/// losing a node O(all connections), for it happens once in the life of a node and an index would cost every connection
/// memory.
#[derive(Debug)]
pub struct State {
    rules: Rules,
    users: HashMap<UserId, User>,
    /// What is due when. At most one for each user: see [`User::filed`].
    deadlines: BTreeSet<(Timestamp, UserId)>,
    versions: Versions,
    online: usize,
    connections: usize,
    latest: Timestamp,
}

impl State {
    /// How many users who left are remembered by their version, at least.
    ///
    /// Seven eighths of 2²⁰, which fill a hash table to the point where it would grow. At most twice as many are
    /// remembered, in 36 MB.
    pub const REMEMBERED_MAX: usize = versions::generation_for(1 << 20);

    /// A state in which nobody was ever online.
    pub fn new(settings: &ValidSettings) -> Self {
        Self::with_remembered_max(settings, Self::REMEMBERED_MAX)
    }

    /// The same, remembering at least `remembered_max` versions and at most twice as many.
    pub fn with_remembered_max(settings: &ValidSettings, remembered_max: usize) -> Self {
        Self {
            rules: Rules::new(settings),
            users: HashMap::new(),
            deadlines: BTreeSet::new(),
            versions: Versions::new(remembered_max),
            online: 0,
            connections: 0,
            latest: Timestamp::ORIGIN,
        }
    }

    /// A connection of `user` came.
    ///
    /// One that is there already is only heard once more.
    pub fn connect(
        &mut self,
        user: &UserId,
        connection: ConnectionId,
        now: Timestamp,
    ) -> Option<StatusChange> {
        let now = self.advance(now);
        let entry = match self.users.entry(user.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(User::new(self.versions.recall(user))),
        };
        if entry.links.hear(connection, now) == user::Heard::New {
            self.connections += 1;
        }
        self.revive(user, Cause::Connected)
    }

    /// A connection of `user` is gone, and how it went.
    ///
    /// Changes something only if it was the last that counted: a clean end makes the user offline at once, a lost link
    /// starts the grace. One that is not known changes nothing.
    pub fn disconnect(
        &mut self,
        user: &UserId,
        connection: ConnectionId,
        end: End,
        now: Timestamp,
    ) -> Option<StatusChange> {
        let now = self.advance(now);
        let entry = self.users.get_mut(user)?;
        let link = entry.links.remove(connection)?;
        self.connections -= 1;

        if !self.rules.counts(&link, now) {
            // Nobody was online by it. An online user who has nothing else is overdue, and `expire` will say so.
            if entry.is_idle() {
                self.forget(user);
            }
            return None;
        }
        if self.rules.is_alive(entry, now) {
            // The one that is gone may have been the last one heard: without it, silence begins earlier.
            file(&mut self.deadlines, user, entry, &self.rules);
            return None;
        }
        match end {
            End::Lost if !self.rules.grace.is_zero() => {
                entry.phase = Phase::Grace {
                    until: now.after(self.rules.grace),
                };
                file(&mut self.deadlines, user, entry, &self.rules);
                None
            }
            End::Lost => self.leave(user, Cause::LinkLost),
            End::Clean => self.leave(user, Cause::Closed),
        }
    }

    /// The client at the other end of a connection said that it is there.
    pub fn touch(&mut self, user: &UserId, connection: ConnectionId, now: Timestamp) -> Touched {
        let now = self.advance(now);
        let Some(entry) = self.users.get_mut(user) else {
            return Touched::Unknown;
        };
        let Some(link) = entry.links.find_mut(connection) else {
            return Touched::Unknown;
        };
        link.heard = now;
        if entry.phase == Phase::Online {
            // Its deadline has become later; the one on file is early, which `expire` finds out.
            return Touched::Confirmed(entry.version);
        }
        match self.revive(user, Cause::HeardAgain) {
            Some(change) => Touched::Changed(change),
            None => Touched::Confirmed(self.version(user)),
        }
    }

    /// Carries out, earliest first, every deadline that has passed at `now`.
    ///
    /// This happens as the iterator is asked: what is not taken out of it stays due. So the work can be cut into
    /// pieces with [`Iterator::take`].
    pub fn expire(&mut self, now: Timestamp) -> impl Iterator<Item = StatusChange> + '_ {
        let now = self.advance(now);
        std::iter::from_fn(move || {
            while self.deadlines.first().is_some_and(|(at, _)| *at <= now) {
                let (at, user) = self.deadlines.pop_first()?;
                if let Some(change) = self.carry_out(&user, at, now) {
                    return Some(change);
                }
            }
            None
        })
    }

    /// A node is gone, and with it every connection that it kept; there is no grace.
    ///
    /// The changes are in the order of the users' names, and no more than the node had users. A grace that runs for a
    /// connection lost before goes on.
    pub fn lose(&mut self, node: NodeId, now: Timestamp) -> Vec<StatusChange> {
        let now = self.advance(now);
        let (mut leaving, mut idle) = (Vec::new(), Vec::new());
        for (user, entry) in &mut self.users {
            let before = entry.links.len();
            let counted = entry
                .links
                .remove_node(node, |link| self.rules.counts(link, now));
            self.connections -= before - entry.links.len();
            if counted && !self.rules.is_alive(entry, now) {
                leaving.push(user.clone());
            } else if counted {
                file(&mut self.deadlines, user, entry, &self.rules);
            } else if entry.is_idle() {
                idle.push(user.clone());
            }
        }
        for user in idle {
            self.forget(&user);
        }
        leaving.sort_unstable();
        leaving
            .iter()
            .filter_map(|user| self.leave(user, Cause::NodeLost))
            .collect()
    }

    /// What others see of `user`.
    pub fn status(&self, user: &UserId) -> Status {
        self.status_of(user.as_str())
    }

    /// The same by the user's name; one that is no [`UserId`] is nobody's.
    pub fn status_of(&self, name: &str) -> Status {
        self.users.get(name).map_or(Status::Offline, User::status)
    }

    /// The number of the latest change of `user`, or where it would start from.
    pub fn version(&self, user: &UserId) -> Version {
        self.users
            .get(user)
            .map_or_else(|| self.versions.recall(user), |entry| entry.version)
    }

    /// A time before which there is nothing for [`State::expire`] to do; `None` while nothing is due at all.
    ///
    /// With [`Liveness::Heartbeat`] it may be early, because a touch does not move what is on file. It is never late.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// How many users are online.
    pub fn users_online(&self) -> usize {
        self.online
    }

    /// How many connections there are, whether they count or not.
    pub fn connections(&self) -> usize {
        self.connections
    }

    fn advance(&mut self, now: Timestamp) -> Timestamp {
        self.latest = self.latest.max(now);
        self.latest
    }

    /// A connection that counts was added to, or found at, a user who may not have had one.
    fn revive(&mut self, user: &UserId, cause: Cause) -> Option<StatusChange> {
        let entry = self.users.get_mut(user)?;
        let before = std::mem::replace(&mut entry.phase, Phase::Online);
        if before == Phase::Online {
            return None;
        }
        file(&mut self.deadlines, user, entry, &self.rules);
        if before != Phase::Silent {
            return None;
        }
        self.online += 1;
        Some(entry.change(user, cause))
    }

    /// No connection of an online user counts any more.
    fn leave(&mut self, user: &UserId, cause: Cause) -> Option<StatusChange> {
        let entry = self.users.get_mut(user)?;
        entry.phase = Phase::Silent;
        self.online -= 1;
        let change = entry.change(user, cause);
        file(&mut self.deadlines, user, entry, &self.rules);
        if entry.is_idle() {
            self.forget(user);
        }
        Some(change)
    }

    /// A user has nothing left but its version.
    fn forget(&mut self, user: &UserId) {
        if let Some(entry) = self.users.remove(user) {
            self.versions.remember(user, entry.version);
        }
        // After a rush hour the map gives memory back: seldom enough to cost each departure next to nothing.
        let capacity = self.users.capacity();
        if capacity > USERS_KEPT && self.users.len() <= capacity / 8 {
            self.users.shrink_to(capacity / 4);
        }
    }

    /// The deadline that was on file for `user` at `at` has come.
    fn carry_out(&mut self, user: &UserId, at: Timestamp, now: Timestamp) -> Option<StatusChange> {
        let entry = self.users.get_mut(user)?;
        entry.filed = None;
        // A deadline on file may be early. Filed again at its true time it takes its turn, even if that has come too.
        if self.rules.due(entry).is_some_and(|due| due > at) {
            file(&mut self.deadlines, user, entry, &self.rules);
            return None;
        }
        debug_assert!(
            matches!(entry.phase, Phase::Grace { .. }) || !self.rules.is_alive(entry, now)
        );
        match entry.phase {
            Phase::Grace { .. } => self.leave(user, Cause::LinkLost),
            Phase::Online => self.leave(user, Cause::Silent),
            Phase::Silent => None,
        }
    }
}

/// The settings, as far as they matter here.
#[derive(Debug, Clone, Copy)]
struct Rules {
    grace: Duration,
    /// How long a connection may be silent and still count; `None`: for ever.
    silence_max: Option<Duration>,
}

impl Rules {
    fn new(settings: &ValidSettings) -> Self {
        let silence_max = match settings.liveness {
            Liveness::Connection => None,
            Liveness::Heartbeat => Some(settings.status_ttl),
        };
        Self {
            grace: settings.grace,
            silence_max,
        }
    }

    /// Whether a user is online by this connection.
    fn counts(&self, link: &user::Link, now: Timestamp) -> bool {
        self.silence_max
            .is_none_or(|max| now < link.heard.after(max))
    }

    fn is_alive(&self, user: &User, now: Timestamp) -> bool {
        user.links.iter().any(|link| self.counts(link, now))
    }

    /// When a user goes offline if nothing more is heard.
    fn due(&self, user: &User) -> Option<Timestamp> {
        match user.phase {
            Phase::Online => Some(user.links.last_heard()?.after(self.silence_max?)),
            Phase::Grace { until } => Some(until),
            Phase::Silent => None,
        }
    }
}

/// Puts on file what is due for a user, unless something earlier is: that will look again.
fn file(
    deadlines: &mut BTreeSet<(Timestamp, UserId)>,
    id: &UserId,
    user: &mut User,
    rules: &Rules,
) {
    let due = rules.due(user);
    if user
        .filed
        .is_some_and(|filed| due.is_some_and(|due| filed <= due))
    {
        return;
    }
    if let Some(filed) = user.filed.take() {
        deadlines.remove(&(filed, id.clone()));
    }
    if let Some(due) = due {
        deadlines.insert((due, id.clone()));
        user.filed = Some(due);
    }
}

/// Room for this many users is not worth giving back: some 20 kB.
const USERS_KEPT: usize = 128;

#[cfg(test)]
mod tests;
