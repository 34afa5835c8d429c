//! Users who have left this node lately.
//!
//! In a cluster a departure and the list of this node's users are on different servers. If the first dies before its
//! replica has heard of the departure, nobody would ever ask about that user again: they are not here, and not in the list.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;

use crate::ids::UserId;
use crate::timestamp::Timestamp;

/// Who has left, in order, and when.
#[derive(Debug, Default)]
pub(super) struct Departed(Mutex<VecDeque<(Timestamp, UserId)>>);

impl Departed {
    pub(super) fn note(&self, user: &UserId, now: Timestamp) {
        let mut users = self.0.lock();
        forget(&mut users, now);
        if users.len() >= REMEMBERED_MAX {
            users.pop_front();
        }
        users.push_back((now, user.clone()));
    }

    /// Those whose departures may have been lost; some may be here again.
    pub(super) fn recent(&self, now: Timestamp) -> Vec<UserId> {
        let mut users = self.0.lock();
        forget(&mut users, now);
        users.iter().map(|(_, user)| user.clone()).collect()
    }
}

fn forget(users: &mut VecDeque<(Timestamp, UserId)>, now: Timestamp) {
    while users
        .front()
        .is_some_and(|(at, _)| now.since(*at) > REMEMBERED)
    {
        users.pop_front();
    }
}

/// Four times as long as a cluster waits by default (`cluster-node-timeout`, 15 s) before it replaces a master.
const REMEMBERED: Duration = Duration::from_secs(60);

/// More than a hundred a second for all that time; some 1 MB. Of more, the earliest are forgotten: a replica is behind by
/// milliseconds.
const REMEMBERED_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered_and_not_for_ever() {
        let departed = Departed::default();
        let at = |seconds| Timestamp::since_origin(Duration::from_secs(seconds));
        let names = |users: Vec<UserId>| -> Vec<String> {
            users.iter().map(|user| user.as_str().to_owned()).collect()
        };
        departed.note(&UserId::new("alice").unwrap(), at(1));
        departed.note(&UserId::new("bob").unwrap(), at(31));
        assert_eq!(names(departed.recent(at(61))), ["alice", "bob"]);
        assert_eq!(names(departed.recent(at(62))), ["bob"]);
        for number in 0..=REMEMBERED_MAX {
            departed.note(&UserId::new(&number.to_string()).unwrap(), at(70));
        }
        let users = names(departed.recent(at(70)));
        assert_eq!(users.len(), REMEMBERED_MAX);
        assert_eq!(users[0], "1");
    }
}
