//! How a hub can be addressed.

/// What a hub's clients are addressed by; servers subscribe to nothing else.
///
/// Every connection costs a subscription where clients are addressed by connection, every user one where they are by
/// user, and every group with members one where they are by group. A hub that only ever sends to groups need not pay for
/// the others ([`Addressing::NOTHING`] with [`groups`](Self::groups)).
///
/// Whatever is chosen, a server listens for group commands, for their acks and for the answers of clients: three
/// channels. So connections of other servers can join and leave groups in any case. Connections of the same server are
/// sent to and asked in any case, too; those of other servers need [`connections`](Self::connections).
///
/// All servers of a hub have to choose the same. Servers on ASP.NET Core listen to everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addressing {
    pub(crate) all: Listens,
    pub(crate) connections: Listens,
    pub(crate) users: Listens,
    pub(crate) groups: Listens,
}

/// Whether a server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listens {
    Yes,
    No,
}

impl Addressing {
    /// In every way, as ASP.NET Core does.
    pub const EVERYTHING: Self = Self {
        all: Listens::Yes,
        connections: Listens::Yes,
        users: Listens::Yes,
        groups: Listens::Yes,
    };

    /// In no way yet; to be added to.
    pub const NOTHING: Self = Self {
        all: Listens::No,
        connections: Listens::No,
        users: Listens::No,
        groups: Listens::No,
    };

    /// Also all at once: one channel.
    #[must_use]
    pub const fn all(self) -> Self {
        Self {
            all: Listens::Yes,
            ..self
        }
    }

    /// Also single connections: a channel for each. Needed to ask clients of other servers.
    #[must_use]
    pub const fn connections(self) -> Self {
        Self {
            connections: Listens::Yes,
            ..self
        }
    }

    /// Also users: a channel for each.
    #[must_use]
    pub const fn users(self) -> Self {
        Self {
            users: Listens::Yes,
            ..self
        }
    }

    /// Also groups: a channel for each that has members.
    #[must_use]
    pub const fn groups(self) -> Self {
        Self {
            groups: Listens::Yes,
            ..self
        }
    }
}

impl Default for Addressing {
    fn default() -> Self {
        Self::EVERYTHING
    }
}

impl Listens {
    pub(crate) fn yes(self) -> bool {
        self == Self::Yes
    }
}
