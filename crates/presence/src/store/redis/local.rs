//! What this node knows by itself: the connections it holds, and the graces that it has to end.

use std::collections::BTreeSet;
use std::time::Duration;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use smallvec::SmallVec;

use super::scripts::{Claim, For};
use crate::change::Version;
use crate::ids::UserId;
use crate::settings::{Liveness, ValidSettings};
use crate::state::End;
use crate::timestamp::Timestamp;

/// A part of the users of this node.
///
/// A plain value without a clock or a lock. It says what has to be said to the server; what others see of a user is
/// for the server to say, for a user may have connections at other nodes.
#[derive(Debug)]
pub(super) struct Local {
    users: HashMap<UserId, Here>,
    /// When to look after whom; see [`Here::filed`].
    deadlines: BTreeSet<(Timestamp, UserId)>,
    rules: Rules,
    connections: usize,
}

/// One user who has connections here, or whose grace ends here.
#[derive(Debug, Default)]
struct Here {
    /// The numbers of the connections, and when each was last heard.
    links: SmallVec<[(u64, Timestamp); 1]>,
    /// The last link was lost, and nobody else held one: offline after this, unless somebody comes.
    grace: Option<Timestamp>,
    /// Where the user stands among the deadlines: never later than the true one.
    filed: Option<Timestamp>,
    /// The latest version that the server has told since the user is online here; none: it has told nothing yet.
    version: Version,
}

/// What the server has to be told when a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Nothing, if another connection counts already and for as long.
    pub(super) tell: Option<For>,
    /// The user has to be entered among those of this node.
    pub(super) is_first: bool,
    /// Nobody was online by this node before.
    pub(super) is_online: bool,
}

/// What the server has to be told when a connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Departure {
    /// Nothing: it was unknown, or did not count, or others count for as long.
    Unnoticed,
    /// The others count for less long.
    Shorter(Duration),
    /// None counts any more. A grace runs here from now on, if there is to be one.
    Last {
        /// How long the grace is; zero: there is none.
        grace: Duration,
        /// The connection counted: somebody was online by it.
        counted: bool,
    },
}

#[derive(Debug, Clone, Copy)]
struct Rules {
    grace: Duration,
    /// How long a connection may be silent and still count; `None`: for ever.
    silence_max: Option<Duration>,
}

impl Local {
    pub(super) fn new(settings: &ValidSettings) -> Self {
        let silence_max = match settings.liveness {
            Liveness::Connection => None,
            Liveness::Heartbeat => Some(settings.status_ttl),
        };
        Self {
            users: HashMap::new(),
            deadlines: BTreeSet::new(),
            rules: Rules {
                grace: settings.grace,
                silence_max,
            },
            connections: 0,
        }
    }

    pub(super) fn connect(&mut self, user: &UserId, number: u64, now: Timestamp) -> Arrival {
        let rules = self.rules;
        let (here, is_first) = match self.users.entry(user.clone()) {
            Entry::Occupied(known) => (known.into_mut(), false),
            Entry::Vacant(place) => (place.insert(Here::default()), true),
        };
        let counted = rules.counting(here, now);
        let was_online = counted || here.grace.is_some();
        match here.links.iter_mut().find(|(known, _)| *known == number) {
            Some((_, heard)) => *heard = now,
            None => {
                here.links.push((number, now));
                self.connections += 1;
            }
        }
        here.grace = None;
        if !was_online {
            here.version = Version::NONE;
        }
        file(&mut self.deadlines, user, here, rules);
        let is_news = !counted || rules.silence_max.is_some();
        Arrival {
            tell: is_news.then(|| rules.counts_for()),
            is_first,
            is_online: !was_online,
        }
    }

    /// `None`: the connection is unknown.
    pub(super) fn touch(&mut self, user: &UserId, number: u64, now: Timestamp) -> Option<For> {
        let rules = self.rules;
        let here = self.users.get_mut(user)?;
        let was_online = rules.counting(here, now) || here.grace.is_some();
        let link = here.links.iter_mut().find(|(known, _)| *known == number)?;
        link.1 = now;
        here.grace = None;
        if !was_online {
            here.version = Version::NONE;
        }
        file(&mut self.deadlines, user, here, rules);
        Some(rules.counts_for())
    }

    pub(super) fn disconnect(
        &mut self,
        user: &UserId,
        number: u64,
        end: End,
        now: Timestamp,
    ) -> Departure {
        let rules = self.rules;
        let Some(here) = self.users.get_mut(user) else {
            return Departure::Unnoticed;
        };
        let Some(at) = here.links.iter().position(|(known, _)| *known == number) else {
            return Departure::Unnoticed;
        };
        let (_, heard) = here.links.remove(at);
        if here.links.spilled() && here.links.len() <= here.links.capacity() / 4 {
            here.links.shrink_to_fit();
        }
        self.connections -= 1;
        let counted = rules.counts(heard, now);
        if counted && !rules.counting(here, now) {
            let grace = if end == End::Lost {
                rules.grace
            } else {
                Duration::ZERO
            };
            here.grace = (!grace.is_zero()).then(|| now.after(grace));
            file(&mut self.deadlines, user, here, rules);
            return Departure::Last { grace, counted };
        }
        if here.grace.is_some() {
            return Departure::Unnoticed;
        }
        file(&mut self.deadlines, user, here, rules);
        let last = here.links.iter().map(|(_, heard)| *heard).max();
        match (rules.silence_max, last) {
            (_, None) => Departure::Last {
                grace: Duration::ZERO,
                counted,
            },
            (Some(max), Some(last)) if counted && last < heard => {
                Departure::Shorter(last.after(max).since(now))
            }
            _ => Departure::Unnoticed,
        }
    }

    /// Somebody else's grace is to be ended here; `version`: of the status that goes on meanwhile.
    pub(super) fn adopt(&mut self, user: &UserId, until: Timestamp, version: Version) {
        let here = self.users.entry(user.clone()).or_default();
        here.grace = Some(until);
        here.version = here.version.max(version);
        file(&mut self.deadlines, user, here, self.rules);
    }

    /// Nothing is due for a user any more, and no grace runs here. Returns whether nothing is left of the user.
    pub(super) fn end_grace(&mut self, user: &UserId) -> bool {
        if let Some(here) = self.users.get_mut(user) {
            // Nothing is put on file: what is left are silent connections, and nothing is due for those.
            here.grace = None;
        }
        self.forget_if_idle(user)
    }

    /// Something is due for a user, but not before this.
    pub(super) fn postpone(&mut self, user: &UserId, until: Timestamp) {
        let Some(here) = self.users.get_mut(user) else {
            return;
        };
        if let Some(filed) = here.filed.replace(until) {
            self.deadlines.remove(&(filed, user.clone()));
        }
        self.deadlines.insert((until, user.clone()));
    }

    /// Takes out up to `max` users for whom something is due.
    pub(super) fn take_due(&mut self, now: Timestamp, max: usize) -> Vec<UserId> {
        let mut due = Vec::new();
        while due.len() < max && self.deadlines.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, user)) = self.deadlines.pop_first() else {
                break;
            };
            let Some(here) = self.users.get_mut(&user) else {
                continue;
            };
            here.filed = None;
            if self.rules.due(here).is_some_and(|at| at <= now) {
                due.push(user);
            } else {
                file(&mut self.deadlines, &user, here, self.rules);
            }
        }
        due
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Whether a user is online by what is known here.
    pub(super) fn is_online(&self, user: &str, now: Timestamp) -> bool {
        self.users
            .get(user)
            .is_some_and(|here| self.rules.claim(here, now).is_some())
    }

    /// Whether a connection that counts is here: then a user is online, whatever else there is.
    pub(super) fn counts(&self, user: &str, now: Timestamp) -> bool {
        self.users
            .get(user)
            .is_some_and(|here| self.rules.counting(here, now))
    }

    /// What this node holds of a user.
    pub(super) fn claim(&self, user: &UserId, now: Timestamp) -> Option<Claim> {
        self.rules.claim(self.users.get(user)?, now)
    }

    /// The server has told that a user is online, and by which version; it is kept for as long as that goes on here.
    pub(super) fn confirm(&mut self, user: &UserId, version: Version) {
        if let Some(here) = self.users.get_mut(user) {
            here.version = here.version.max(version);
        }
    }

    /// The server has told the version of a user, and not that it knows of what is here.
    pub(super) fn note(&mut self, user: &UserId, version: Version) {
        if let Some(here) = self.users.get_mut(user)
            && here.version != Version::NONE
        {
            here.version = here.version.max(version);
        }
    }

    /// The latest version of a user that the server has told since the user is online here; none: nobody has told the
    /// watchers of other nodes.
    pub(super) fn version(&self, user: &UserId) -> Version {
        self.users
            .get(user)
            .map_or(Version::NONE, |here| here.version)
    }

    pub(super) fn contains(&self, user: &UserId) -> bool {
        self.users.contains_key(user)
    }

    /// Everybody of whom this node holds something.
    pub(super) fn users(&self) -> impl Iterator<Item = &UserId> {
        self.users.keys()
    }

    /// Those among them who are online by it.
    pub(super) fn online(&self, now: Timestamp) -> impl Iterator<Item = &UserId> {
        let online = move |here: &Here| self.rules.claim(here, now).is_some();
        self.users
            .iter()
            .filter(move |(_, here)| online(here))
            .map(|(user, _)| user)
    }

    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// Forgets a user of whom nothing is left; returns whether that is so.
    pub(super) fn forget_if_idle(&mut self, user: &UserId) -> bool {
        let is_idle = |here: &Here| here.links.is_empty() && here.grace.is_none();
        if !self.users.get(user).is_some_and(is_idle) {
            return false;
        }
        if let Some(filed) = self.users.remove(user).and_then(|here| here.filed) {
            self.deadlines.remove(&(filed, user.clone()));
        }
        // After a rush hour the map gives memory back: seldom enough to cost each departure next to nothing.
        let capacity = self.users.capacity();
        if capacity > USERS_KEPT && self.users.len() <= capacity / 8 {
            self.users.shrink_to(capacity / 4);
        }
        true
    }
}

impl Rules {
    fn counts(&self, heard: Timestamp, now: Timestamp) -> bool {
        self.silence_max.is_none_or(|max| now < heard.after(max))
    }

    fn counting(&self, here: &Here, now: Timestamp) -> bool {
        here.links.iter().any(|(_, heard)| self.counts(*heard, now))
    }

    fn counts_for(&self) -> For {
        self.silence_max.map_or(For::Ever, For::Only)
    }

    fn claim(&self, here: &Here, now: Timestamp) -> Option<Claim> {
        if self.counting(here, now) {
            let last = here.links.iter().map(|(_, heard)| *heard).max()?;
            return Some(Claim::Connections(match self.silence_max {
                None => For::Ever,
                Some(max) => For::Only(last.after(max).since(now)),
            }));
        }
        let remaining = here.grace?.since(now);
        (!remaining.is_zero()).then_some(Claim::Grace(remaining))
    }

    fn due(&self, here: &Here) -> Option<Timestamp> {
        let last = here.links.iter().map(|(_, heard)| *heard).max();
        here.grace.or_else(|| Some(last?.after(self.silence_max?)))
    }
}

/// Puts on file what is due for a user, unless something earlier is: that will look again.
fn file(
    deadlines: &mut BTreeSet<(Timestamp, UserId)>,
    user: &UserId,
    here: &mut Here,
    rules: Rules,
) {
    let Some(due) = rules.due(here) else { return };
    if here.filed.is_some_and(|filed| filed <= due) {
        return;
    }
    if let Some(filed) = here.filed.replace(due) {
        deadlines.remove(&(filed, user.clone()));
    }
    deadlines.insert((due, user.clone()));
}

/// Room for this many users is not worth giving back.
const USERS_KEPT: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn local(liveness: Liveness) -> (Local, UserId) {
        let settings = Settings {
            liveness,
            ..Settings::default()
        };
        (
            Local::new(&settings.validate().unwrap()),
            UserId::new("alice").unwrap(),
        )
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::since_origin(Duration::from_secs(seconds))
    }

    const NONE: Duration = Duration::ZERO;

    #[test]
    fn only_the_first_and_the_last_connection_are_told() {
        let (mut local, alice) = local(Liveness::Connection);
        let first = local.connect(&alice, 1, at(0));
        assert_eq!(
            first,
            Arrival {
                tell: Some(For::Ever),
                is_first: true,
                is_online: true
            }
        );
        let second = local.connect(&alice, 2, at(0));
        assert_eq!(
            second,
            Arrival {
                tell: None,
                is_first: false,
                is_online: false
            }
        );
        assert_eq!(
            local.disconnect(&alice, 1, End::Lost, at(1)),
            Departure::Unnoticed
        );
        assert_eq!(
            local.disconnect(&alice, 1, End::Lost, at(1)),
            Departure::Unnoticed,
            "twice"
        );
        let last = local.disconnect(&alice, 2, End::Clean, at(1));
        assert_eq!(
            last,
            Departure::Last {
                grace: NONE,
                counted: true
            }
        );
        assert!(local.forget_if_idle(&alice));
        assert_eq!(
            (
                local.connections(),
                local.users().count(),
                local.next_deadline()
            ),
            (0, 0, None)
        );
    }

    #[test]
    fn a_grace_is_a_claim_until_somebody_comes_or_it_ends() {
        let (mut local, alice) = local(Liveness::Connection);
        local.connect(&alice, 1, at(0));
        let grace = Duration::from_secs(5);
        assert_eq!(
            local.disconnect(&alice, 1, End::Lost, at(1)),
            Departure::Last {
                grace,
                counted: true
            }
        );
        assert!(!local.forget_if_idle(&alice));
        assert_eq!(
            local.claim(&alice, at(2)),
            Some(Claim::Grace(Duration::from_secs(4)))
        );
        assert!(local.is_online(alice.as_str(), at(5)) && !local.counts(alice.as_str(), at(5)));
        let back = local.connect(&alice, 2, at(3));
        assert_eq!(
            back,
            Arrival {
                tell: Some(For::Ever),
                is_first: false,
                is_online: false
            }
        );
        assert_eq!(local.take_due(at(100), 10), []);

        local.disconnect(&alice, 2, End::Lost, at(100));
        assert_eq!(local.take_due(at(104), 10), []);
        assert_eq!(local.take_due(at(105), 10), std::slice::from_ref(&alice));
        assert!(local.end_grace(&alice));
    }

    #[test]
    fn heartbeats_shorten_what_a_departure_leaves() {
        let (mut local, alice) = local(Liveness::Heartbeat);
        local.connect(&alice, 1, at(0));
        local.connect(&alice, 2, at(4));
        let departure = local.disconnect(&alice, 2, End::Clean, at(6));
        assert_eq!(departure, Departure::Shorter(Duration::from_secs(4)));
        assert_eq!(local.take_due(at(9), 10), []);
        assert_eq!(local.take_due(at(10), 10), std::slice::from_ref(&alice));
        assert!(!local.end_grace(&alice), "a silent connection is left");
        assert_eq!(local.next_deadline(), None, "for which nothing is due");
        assert_eq!(local.claim(&alice, at(11)), None);
        assert_eq!(
            local.touch(&alice, 1, at(12)),
            Some(For::Only(Duration::from_secs(10)))
        );
        assert_eq!(local.touch(&alice, 2, at(12)), None);
        assert!(local.counts(alice.as_str(), at(21)) && !local.counts(alice.as_str(), at(22)));
    }

    #[test]
    fn a_version_is_kept_with_the_user() {
        let (mut local, alice) = local(Liveness::Connection);
        local.confirm(&alice, Version::new(1));
        assert_eq!(local.version(&alice), Version::NONE, "nobody is here");
        local.connect(&alice, 1, at(0));
        local.note(&alice, Version::new(1));
        assert_eq!(local.version(&alice), Version::NONE, "she may be offline");
        local.confirm(&alice, Version::new(2));
        local.note(&alice, Version::new(3));
        local.note(&alice, Version::new(2));
        assert_eq!(local.version(&alice), Version::new(3));
        local.disconnect(&alice, 1, End::Lost, at(1));
        assert_eq!(local.version(&alice), Version::new(3), "a grace is left");
        assert!(local.end_grace(&alice));
        assert_eq!(local.version(&alice), Version::NONE);
    }

    #[test]
    fn a_version_says_nothing_of_whoever_was_silent_meanwhile() {
        let (mut local, alice) = local(Liveness::Heartbeat);
        let told = |local: &Local| local.version(&alice).number();
        local.connect(&alice, 1, at(0));
        local.confirm(&alice, Version::new(1));
        local.touch(&alice, 1, at(9));
        local.connect(&alice, 2, at(18));
        assert_eq!(told(&local), 1, "heard in time");
        local.connect(&alice, 3, at(28));
        assert_eq!(told(&local), 0, "she came anew, beside silent connections");
        local.confirm(&alice, Version::new(3));
        local.touch(&alice, 1, at(38));
        assert_eq!(told(&local), 0, "one of them was heard again");
    }

    #[test]
    fn a_user_takes_little() {
        // One connection each, and a byte of the table: what is kept of 100,000 users is some 10 MB and their names.
        assert_eq!(size_of::<(UserId, Here)>(), 80);
    }
}
