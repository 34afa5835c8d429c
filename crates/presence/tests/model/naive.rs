//! Presence written down as plainly as possible: lists, full scans, time in milliseconds.
//!
//! It shares nothing with the crate, not even its types, so that a mistake would have to be made twice.

/// Users have the numbers below this one.
pub(crate) const USERS: u8 = 3;

/// What somebody is told: user, whether online, version, and the word for the cause.
pub(crate) type Event = (u8, bool, u64, &'static str);

/// A connection: the user, the node and the number.
pub(crate) type Connection = (u8, u8, u8);

#[derive(Debug)]
pub(crate) struct Naive {
    /// Milliseconds a connection may be silent; none: for ever.
    silence_max: Option<u64>,
    /// Milliseconds until a lost user goes offline.
    grace: u64,
    /// Every connection that is open, with the time it was last heard.
    open: Vec<(Connection, u64)>,
    /// Users who were online, are not connected, and go offline at a time.
    graces: Vec<(u8, u64)>,
    /// Everything that was ever told.
    history: Vec<Event>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    Unknown,
    Again(u64),
    Back(Event),
}

impl Naive {
    pub(crate) fn new(grace: u64, silence_max: Option<u64>) -> Self {
        Self {
            silence_max,
            grace,
            open: vec![],
            graces: vec![],
            history: vec![],
        }
    }

    pub(crate) fn online(&self, user: u8) -> bool {
        self.history
            .iter()
            .rev()
            .find(|event| event.0 == user)
            .is_some_and(|event| event.1)
    }

    pub(crate) fn version(&self, user: u8) -> u64 {
        self.history.iter().filter(|event| event.0 == user).count() as u64
    }

    pub(crate) fn connections(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn connect(&mut self, connection: Connection, now: u64) -> Option<Event> {
        self.open.retain(|(other, _)| *other != connection);
        self.open.push((connection, now));
        self.graces.retain(|(user, _)| *user != connection.0);
        if self.online(connection.0) {
            None
        } else {
            Some(self.tell(connection.0, true, "connected"))
        }
    }

    pub(crate) fn disconnect(
        &mut self,
        connection: Connection,
        clean: bool,
        now: u64,
    ) -> Option<Event> {
        let user = connection.0;
        let counted = self.counting(now).contains(&connection);
        self.open.retain(|(other, _)| *other != connection);
        if !counted || self.counting(now).iter().any(|other| other.0 == user) {
            return None;
        }
        if !clean && self.grace > 0 {
            self.graces.push((user, now + self.grace));
            return None;
        }
        Some(self.tell(user, false, if clean { "closed" } else { "link_lost" }))
    }

    pub(crate) fn touch(&mut self, connection: Connection, now: u64) -> Touch {
        let Some(open) = self.open.iter_mut().find(|(other, _)| *other == connection) else {
            return Touch::Unknown;
        };
        open.1 = now;
        self.graces.retain(|(user, _)| *user != connection.0);
        if self.online(connection.0) {
            return Touch::Again(self.version(connection.0));
        }
        Touch::Back(self.tell(connection.0, true, "heard_again"))
    }

    /// Everything that has become due, by user.
    pub(crate) fn expire(&mut self, now: u64) -> Vec<Event> {
        let mut events = vec![];
        for user in 0..USERS {
            let grace = self
                .graces
                .iter()
                .find(|(other, _)| *other == user)
                .map(|(_, until)| *until);
            if let Some(until) = grace {
                if until <= now {
                    self.graces.retain(|(other, _)| *other != user);
                    events.push(self.tell(user, false, "link_lost"));
                }
            } else if self.online(user) && !self.counting(now).iter().any(|other| other.0 == user) {
                events.push(self.tell(user, false, "silent"));
            }
        }
        events
    }

    /// Every user whom the end of a node makes offline, by user.
    pub(crate) fn lose(&mut self, node: u8, now: u64) -> Vec<Event> {
        let before = self.counting(now);
        self.open.retain(|((_, other, _), _)| *other != node);
        let after = self.counting(now);
        let mut events = vec![];
        for user in 0..USERS {
            let has = |connections: &[Connection]| connections.iter().any(|other| other.0 == user);
            if has(&before) && !has(&after) {
                events.push(self.tell(user, false, "node_lost"));
            }
        }
        events
    }

    /// When somebody goes offline next, if nothing more is heard.
    pub(crate) fn next_due(&self) -> Option<u64> {
        let mut due: Vec<u64> = self.graces.iter().map(|(_, until)| *until).collect();
        for user in 0..USERS {
            let last = self
                .open
                .iter()
                .filter(|open| open.0.0 == user)
                .map(|open| open.1)
                .max();
            let waits = self.graces.iter().any(|(other, _)| *other == user);
            if let (true, false, Some(last), Some(max)) =
                (self.online(user), waits, last, self.silence_max)
            {
                due.push(last + max);
            }
        }
        due.into_iter().min()
    }

    fn counting(&self, now: u64) -> Vec<Connection> {
        let heard = |heard: u64| self.silence_max.is_none_or(|max| heard + max > now);
        self.open
            .iter()
            .filter(|open| heard(open.1))
            .map(|open| open.0)
            .collect()
    }

    fn tell(&mut self, user: u8, online: bool, cause: &'static str) -> Event {
        let event = (user, online, self.version(user) + 1, cause);
        self.history.push(event);
        event
    }
}
