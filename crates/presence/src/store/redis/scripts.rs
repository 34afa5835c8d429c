//! The operations on one user, as scripts: each is one step at the server, announcement included.

use std::sync::LazyLock;
use std::time::Duration;

use redis_link::{Cmd, Script};

use super::keys;
use super::shared::Shared;
use crate::change::{Cause, StatusChange, Version};
use crate::ids::{NodeId, UserId};
use crate::state::End;
use crate::status::Status;

macro_rules! script {
    ($name:ident, $file:literal) => {
        static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(
                include_str!("lua/common.lua"),
                "\n",
                include_str!($file)
            ))
        });
    };
}

script!(ARRIVE, "lua/arrive.lua");
script!(TOUCH, "lua/touch.lua");
script!(SHORTEN, "lua/shorten.lua");
script!(LEAVE, "lua/leave.lua");
script!(EXPIRE, "lua/expire.lua");
script!(LOSE, "lua/lose.lua");
script!(RESTORE, "lua/restore.lua");

/// The lease of a node; its keys are not a user's.
pub(super) static LEASE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/lease.lua")));

/// How long something counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// As long as the connection lasts.
    Ever,
    /// Unless something more is heard.
    Only(Duration),
}

/// What a node holds of a user, to be said again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Connections that count.
    Connections(For),
    /// A grace to end, and what remains of it.
    Grace(Duration),
}

/// Makes the commands, for a node at this moment.
///
/// Each says which version this node has been told of last since the user is online here: the server may have lost it. The lock of the user's [`Shard`](super::shared::Shard) must be free.
#[derive(Clone, Copy)]
pub(super) struct Scripts<'a> {
    pub(super) shared: &'a Shared,
    /// As whom the node is known at present.
    pub(super) node: NodeId,
    /// The version that unknown users start from.
    pub(super) first_version: u64,
}

impl Scripts<'_> {
    pub(super) fn arrive(&self, user: &UserId, counts: For) -> Cmd {
        let mut command = self.command(&ARRIVE, user, Some(Status::Online));
        command.arg(milliseconds_for(counts));
        command
    }

    pub(super) fn touch(&self, user: &UserId, counts: For) -> Cmd {
        let mut command = self.command(&TOUCH, user, Some(Status::Online));
        command.arg(milliseconds_for(counts));
        command
    }

    pub(super) fn shorten(&self, user: &UserId, remaining: Duration) -> Cmd {
        let mut command = self.command(&SHORTEN, user, None);
        command.arg(milliseconds(remaining));
        command
    }

    pub(super) fn leave(&self, user: &UserId, end: End, grace: Duration) -> Cmd {
        let mut command = self.command(&LEAVE, user, Some(Status::Offline));
        command.arg(milliseconds(grace)).arg(end == End::Clean);
        command
    }

    pub(super) fn expire(&self, user: &UserId) -> Cmd {
        self.command(&EXPIRE, user, Some(Status::Offline))
    }

    /// What this node held is taken out by another; `takes_over`: that one ends its grace.
    pub(super) fn lose(&self, user: &UserId, by: NodeId, takes_over: bool) -> Cmd {
        let mut command = self.command(&LOSE, user, Some(Status::Offline));
        command.arg(&by.digits()[..]).arg(takes_over);
        command
    }

    /// `may_be_lost`: the server may have lost what it was told; who is not known to it, and was told to it or to the one
    /// before, is no news.
    pub(super) fn restore(&self, user: &UserId, claim: Claim, may_be_lost: bool) -> Cmd {
        let mut command = self.command(&RESTORE, user, Some(Status::Online));
        match claim {
            Claim::Connections(counts) => command.arg(milliseconds_for(counts)).arg(""),
            Claim::Grace(remaining) => command.arg("-").arg(milliseconds(remaining)),
        };
        command.arg(may_be_lost);
        command
    }

    /// A script with what all of them are told; `says`: what it announces, if anything.
    fn command(&self, script: &Script, user: &UserId, says: Option<Status>) -> Cmd {
        let status = keys::status(user.as_str());
        let presence = keys::presence(&status);
        let publication = &self.shared.publication;
        let message = says.map_or_else(Vec::new, |status| publication.message(user, status));
        let shard = self.shared.shard_of(user.as_str());
        let version = shard.local.lock().version(user);
        let mut command = script.command(&[&status, &presence]);
        command
            .arg(server_time(self.shared))
            .arg(&self.node.digits()[..])
            .arg(milliseconds(self.shared.settings.status_ttl))
            .arg(publication.channel(user))
            .arg(message)
            .arg(self.first_version)
            .arg(version.number())
            .arg(self.shared.link.pub_sub().publish());
        command
    }
}

/// What a script returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    changed: bool,
    pub(super) version: Version,
    /// What remains of what was found to run.
    pub(super) remaining: Option<Duration>,
    why: i64,
}

impl Answer {
    pub(super) fn new([changed, version, remaining, why]: [i64; 4]) -> Self {
        Self {
            changed: changed == 1,
            version: Version::new(u64::try_from(version).unwrap_or_default()),
            remaining: u64::try_from(remaining)
                .ok()
                .filter(|ms| *ms > 0)
                .map(Duration::from_millis),
            why,
        }
    }

    /// Whether others see the user offline, and did so before.
    pub(super) fn was_offline(&self) -> bool {
        !self.changed && self.remaining.is_none() && self.why != 0
    }

    /// The change, if there was one; `came`: why somebody is online by this operation.
    pub(super) fn change(&self, user: &UserId, came: Cause) -> Option<StatusChange> {
        let cause = match self.why {
            1 => Cause::LinkLost,
            2 => Cause::Silent,
            3 => Cause::NodeLost,
            4 => Cause::Closed,
            _ => came,
        };
        let to = cause.leads_to();
        self.changed.then(|| StatusChange {
            user: user.clone(),
            from: to.other(),
            to,
            version: self.version,
            cause,
        })
    }
}

/// The time that a script goes by, in tests; empty: the server's clock.
pub(super) fn server_time(shared: &Shared) -> String {
    let now = shared.time.of_server();
    now.map_or_else(String::new, |now| now.to_string())
}

fn milliseconds_for(counts: For) -> String {
    match counts {
        For::Ever => String::new(),
        For::Only(duration) => milliseconds(duration).to_string(),
    }
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
