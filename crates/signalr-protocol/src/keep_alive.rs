//! Which deadlines a connection has, and what each one asks for.

use std::time::{Duration, Instant};

/// Time-outs of a connection; one of zero, or of more than the clock can hold, never comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// How long the handshake may take. ASP.NET Core: 15 s.
    pub handshake: Duration,
    /// How often the server pings. ASP.NET Core: 15 s; clients give up after 30 s without a byte.
    pub keep_alive: Duration,
    /// How long a client may be silent. ASP.NET Core: 30 s, twice the interval in which clients ping.
    pub client: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(15),
            keep_alive: Duration::from_secs(15),
            client: Duration::from_secs(30),
        }
    }
}

/// What a transport does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liveness {
    /// Whether the server pings in hub messages; long polling lives by its polls.
    pub pings: bool,
    /// Whether the transport can ask the peer by itself (WebSocket ping and pong).
    pub probes: bool,
}

/// What has to be done about a deadline that has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Send a Ping message.
    Ping,
    /// Ask the peer by means of the transport.
    ///
    /// ASP.NET Core times out only clients that have pinged once. A client that never does is asked here, so that
    /// no dead one stays for ever.
    Probe,
    /// End the connection: no handshake came.
    HandshakeTimeout,
    /// End the connection: the client is silent.
    ClientTimeout,
}

/// The deadlines of one connection; reads no clock.
#[derive(Debug, Clone)]
pub struct KeepAlive {
    timeouts: Timeouts,
    liveness: Liveness,
    phase: Phase,
    /// When anything last came, or the client was last asked.
    heard: Instant,
    pinged: Instant,
    /// Set while the server, not the client, is the one that keeps the other waiting.
    held: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Handshake,
    /// The client has not pinged yet: it may be one that never does.
    Unknown,
    /// As before, and it has been asked.
    Probed,
    /// The client pings, and is expected to go on.
    Pinging,
}

impl KeepAlive {
    /// A connection that begins now.
    #[must_use]
    pub fn new(timeouts: Timeouts, liveness: Liveness, now: Instant) -> Self {
        Self {
            timeouts,
            liveness,
            phase: Phase::Handshake,
            heard: now,
            pinged: now,
            held: false,
        }
    }

    /// The handshake succeeded.
    pub fn handle_open(&mut self, now: Instant) {
        self.phase = Phase::Unknown;
        self.heard = now;
        self.pinged = now;
    }

    /// Bytes came, whatever they are.
    pub fn handle_received(&mut self, now: Instant) {
        if self.phase == Phase::Handshake {
            return;
        }
        self.heard = now;
        if self.phase == Phase::Probed {
            self.phase = Phase::Unknown;
        }
    }

    /// A Ping message came: from now on the client is expected to ping.
    pub fn handle_ping(&mut self) {
        self.phase = Phase::Pinging;
    }

    /// The server stops reading because it is busy: the client's silence no longer counts.
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// The server reads again.
    pub fn release(&mut self, now: Instant) {
        // The time for the handshake is no one's silence: it only runs out.
        if std::mem::take(&mut self.held) && self.phase != Phase::Handshake {
            self.heard = now;
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let ping = self.ping_at();
        let silence = self.silence_at();
        match (ping, silence) {
            (Some(ping), Some(silence)) => Some(ping.min(silence)),
            (ping, silence) => ping.or(silence),
        }
    }

    /// What the time asks for; to be called until it asks for nothing.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Due> {
        if self.silence_at().is_some_and(|at| at <= now) {
            return Some(match self.phase {
                Phase::Handshake => Due::HandshakeTimeout,
                Phase::Unknown => {
                    self.phase = Phase::Probed;
                    self.heard = now;
                    Due::Probe
                }
                Phase::Probed | Phase::Pinging => Due::ClientTimeout,
            });
        }
        if self.ping_at().is_some_and(|at| at <= now) {
            self.pinged = now;
            return Some(Due::Ping);
        }
        None
    }

    fn ping_at(&self) -> Option<Instant> {
        if self.liveness.pings && self.phase != Phase::Handshake {
            after(self.pinged, self.timeouts.keep_alive)
        } else {
            None
        }
    }

    fn silence_at(&self) -> Option<Instant> {
        match self.phase {
            Phase::Handshake => after(self.heard, self.timeouts.handshake),
            Phase::Unknown | Phase::Probed if !self.liveness.probes => None,
            _ if self.held => None,
            _ => after(self.heard, self.timeouts.client),
        }
    }
}

fn after(start: Instant, time: Duration) -> Option<Instant> {
    if time.is_zero() {
        None
    } else {
        start.checked_add(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB_SOCKET: Liveness = Liveness {
        pings: true,
        probes: true,
    };
    const LONG_POLLING: Liveness = Liveness {
        pings: false,
        probes: false,
    };

    struct Clock(Instant);

    impl Clock {
        fn at(&self, seconds: u64) -> Instant {
            self.0 + Duration::from_secs(seconds)
        }
    }

    fn open(liveness: Liveness) -> (KeepAlive, Clock) {
        #[expect(clippy::disallowed_methods, reason = "any origin will do")]
        let clock = Clock(Instant::now());
        let mut keep_alive = KeepAlive::new(Timeouts::default(), liveness, clock.at(0));
        keep_alive.handle_open(clock.at(0));
        (keep_alive, clock)
    }

    #[test]
    fn a_handshake_that_does_not_come_ends_the_connection() {
        let (_, clock) = open(WEB_SOCKET);
        let mut keep_alive = KeepAlive::new(Timeouts::default(), WEB_SOCKET, clock.at(0));
        keep_alive.handle_received(clock.at(14));
        assert_eq!(keep_alive.poll_timeout(), Some(clock.at(15)));
        assert_eq!(keep_alive.handle_timeout(clock.at(14)), None);
        assert_eq!(
            keep_alive.handle_timeout(clock.at(15)),
            Some(Due::HandshakeTimeout)
        );
    }

    #[test]
    fn pings_go_out_every_interval_whatever_comes_in() {
        let (mut keep_alive, clock) = open(WEB_SOCKET);
        for round in 1..=4 {
            keep_alive.handle_received(clock.at(15 * round - 1));
            assert_eq!(keep_alive.poll_timeout(), Some(clock.at(15 * round)));
            assert_eq!(
                keep_alive.handle_timeout(clock.at(15 * round)),
                Some(Due::Ping)
            );
            assert_eq!(keep_alive.handle_timeout(clock.at(15 * round)), None);
        }
    }

    #[test]
    fn a_client_that_pinged_and_falls_silent_is_timed_out() {
        let (mut keep_alive, clock) = open(WEB_SOCKET);
        keep_alive.handle_ping();
        keep_alive.handle_received(clock.at(5));
        assert_eq!(keep_alive.handle_timeout(clock.at(34)), Some(Due::Ping));
        assert_eq!(keep_alive.handle_timeout(clock.at(34)), None);
        assert_eq!(
            keep_alive.handle_timeout(clock.at(35)),
            Some(Due::ClientTimeout)
        );
    }

    #[test]
    fn a_client_that_never_pings_is_asked_first() {
        let (mut keep_alive, clock) = open(WEB_SOCKET);
        assert_eq!(keep_alive.handle_timeout(clock.at(30)), Some(Due::Probe));
        assert_eq!(keep_alive.handle_timeout(clock.at(30)), Some(Due::Ping));
        keep_alive.handle_received(clock.at(31));
        assert_eq!(keep_alive.handle_timeout(clock.at(60)), Some(Due::Ping));
        assert_eq!(keep_alive.handle_timeout(clock.at(60)), None);
        assert_eq!(keep_alive.handle_timeout(clock.at(61)), Some(Due::Probe));
        assert_eq!(
            keep_alive.handle_timeout(clock.at(91)),
            Some(Due::ClientTimeout)
        );
    }

    #[test]
    fn a_busy_server_does_not_blame_the_client() {
        let (mut keep_alive, clock) = open(WEB_SOCKET);
        keep_alive.handle_ping();
        keep_alive.hold();
        assert_eq!(keep_alive.handle_timeout(clock.at(100)), Some(Due::Ping));
        assert_eq!(keep_alive.handle_timeout(clock.at(100)), None);
        keep_alive.release(clock.at(100));
        assert_eq!(keep_alive.handle_timeout(clock.at(115)), Some(Due::Ping));
        assert_eq!(keep_alive.handle_timeout(clock.at(129)), None);
        assert_eq!(
            keep_alive.handle_timeout(clock.at(130)),
            Some(Due::ClientTimeout)
        );
    }

    #[test]
    fn a_handshake_that_drags_on_is_not_given_more_time() {
        let (_, clock) = open(WEB_SOCKET);
        let mut keep_alive = KeepAlive::new(Timeouts::default(), WEB_SOCKET, clock.at(0));
        keep_alive.handle_received(clock.at(5));
        keep_alive.hold();
        keep_alive.release(clock.at(10));
        assert_eq!(keep_alive.poll_timeout(), Some(clock.at(15)));
        assert_eq!(
            keep_alive.handle_timeout(clock.at(15)),
            Some(Due::HandshakeTimeout)
        );
    }

    #[test]
    fn a_time_out_of_zero_or_of_eternity_never_comes() {
        for never in [Duration::ZERO, Duration::MAX] {
            let timeouts = Timeouts {
                handshake: never,
                keep_alive: never,
                client: never,
            };
            let (_, clock) = open(WEB_SOCKET);
            let mut keep_alive = KeepAlive::new(timeouts, WEB_SOCKET, clock.at(0));
            assert_eq!(keep_alive.poll_timeout(), None);
            keep_alive.handle_open(clock.at(0));
            keep_alive.handle_ping();
            assert_eq!(keep_alive.poll_timeout(), None);
            assert_eq!(keep_alive.handle_timeout(clock.at(1000)), None);
        }
    }

    #[test]
    fn long_polling_has_no_deadline_until_the_client_pings() {
        let (mut keep_alive, clock) = open(LONG_POLLING);
        assert_eq!(keep_alive.poll_timeout(), None);
        keep_alive.handle_ping();
        assert_eq!(keep_alive.poll_timeout(), Some(clock.at(30)));
    }
}
