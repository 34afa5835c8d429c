//! What an operator can choose about presence.

use std::fmt;
use std::ops::{Deref, RangeInclusive};
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// The settings as given; [`Settings::validate`] makes them usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a status stands without being renewed. Default: 10 s.
    ///
    /// Web clients in use turn a person grey 10 s after the last `online` they heard, so that is the value that the
    /// rest of the world expects. With [`Liveness::Heartbeat`] it is how long a connection may be silent.
    pub status_ttl: Duration,
    /// How often a node renews the statuses it answers for. Default: 5 s; at most half of `status_ttl`.
    ///
    /// Half, so that one renewal may be lost or late without anybody turning grey.
    pub refresh_interval: Duration,
    /// How long a lost connection may take to come back unnoticed. Default: 5 s; zero: no grace.
    ///
    /// Long enough for a client's first attempts to reconnect (stock SignalR clients try at once, and after 2 s), short
    /// enough that it stays below `status_ttl` as others see it.
    pub grace: Duration,
    /// How long after a node's last sign of life it counts as gone. Default: 6 s.
    ///
    /// Nodes give a sign of life three times within it: two may be lost.
    pub node_ttl: Duration,
    /// What makes a connection count. Default: that it is there.
    pub liveness: Liveness,
}

impl Settings {
    /// Checks every setting, and names every mistake at once.
    pub fn validate(self) -> Result<ValidSettings, InvalidSettings> {
        let mut mistakes = Vec::new();
        let mut check =
            |setting, found: Duration, allowed: RangeInclusive<Duration>, unless: &str| {
                if !allowed.contains(&found) {
                    let wanted = format!("{:?} to {:?}{unless}", allowed.start(), allowed.end());
                    mistakes.push(Mistake {
                        setting,
                        found,
                        wanted,
                    });
                }
            };
        check("StatusTtl", self.status_ttl, TTL_MIN..=TTL_MAX, "");
        // An impossible TTL has been named; half of it would only be a second way to say so.
        let half = (self.status_ttl / 2).clamp(TTL_MIN / 2, TTL_MAX / 2);
        check(
            "RefreshInterval",
            self.refresh_interval,
            REFRESH_MIN..=half,
            " (half of StatusTtl)",
        );
        check(
            "Grace",
            self.grace,
            Duration::ZERO..=TTL_MAX,
            " (zero: no grace)",
        );
        check("NodeTtl", self.node_ttl, TTL_MIN..=TTL_MAX, "");

        if mistakes.is_empty() {
            Ok(ValidSettings(self))
        } else {
            Err(InvalidSettings { mistakes })
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            status_ttl: Duration::from_secs(10),
            refresh_interval: Duration::from_secs(5),
            grace: Duration::from_secs(5),
            node_ttl: Duration::from_secs(6),
            liveness: Liveness::Connection,
        }
    }
}

/// What makes a connection count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Liveness {
    /// It counts while it is there: a person is online while connected.
    #[default]
    Connection,
    /// It counts while it was heard within [`Settings::status_ttl`]; who falls silent is offline, and that is announced.
    Heartbeat,
}

impl Liveness {
    /// The word for it in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "Connection",
            Self::Heartbeat => "Heartbeat",
        }
    }
}

impl fmt::Display for Liveness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Liveness {
    type Err = UnknownLiveness;

    /// Letter case does not matter, as for every word of an ASP.NET configuration.
    fn from_str(word: &str) -> Result<Self, UnknownLiveness> {
        [Self::Connection, Self::Heartbeat]
            .into_iter()
            .find(|liveness| liveness.as_str().eq_ignore_ascii_case(word))
            .ok_or(UnknownLiveness)
    }
}

/// A word that is no [`Liveness`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the word is no liveness, wanted Connection or Heartbeat")]
pub struct UnknownLiveness;

/// Settings that were checked: the only ones that a store takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ValidSettings(Settings);

impl Deref for ValidSettings {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.0
    }
}

/// Settings that contradict each other or make no sense.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", mistakes.iter().map(Mistake::to_string).collect::<Vec<_>>().join("; "))]
pub struct InvalidSettings {
    /// Every mistake, one for each setting at most; never empty.
    pub mistakes: Vec<Mistake>,
}

/// One setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Its name, in the way of configuration keys: `StatusTtl`.
    pub setting: &'static str,
    /// What was given.
    pub found: Duration,
    /// What would be right, in words.
    pub wanted: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is {:?}, wanted {}",
            self.setting, self.found, self.wanted
        )
    }
}

/// A shorter one would make every user cost ten renewals a second and more.
const TTL_MIN: Duration = Duration::from_millis(100);

/// A longer one is a mistaken unit: nobody means to be seen online for a day after the last sign of life.
const TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Ten renewals within the shortest TTL; faster is a busy loop.
const REFRESH_MIN: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(settings: Settings) -> Vec<String> {
        let invalid = settings.validate().unwrap_err();
        assert_eq!(
            invalid.to_string().split("; ").count(),
            invalid.mistakes.len()
        );
        invalid.mistakes.iter().map(Mistake::to_string).collect()
    }

    #[test]
    fn the_defaults_are_valid_and_those_of_the_documentation() {
        assert_eq!(Settings::default().validate(), Ok(ValidSettings::default()));
        let settings = ValidSettings::default();
        let seconds = [
            settings.status_ttl,
            settings.refresh_interval,
            settings.grace,
            settings.node_ttl,
        ];
        assert_eq!(seconds.map(|duration| duration.as_secs()), [10, 5, 5, 6]);
        assert_eq!(settings.liveness, Liveness::Connection);
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let wrong = Settings {
            status_ttl: Duration::ZERO,
            refresh_interval: Duration::ZERO,
            grace: Duration::from_secs(86_401),
            node_ttl: Duration::from_millis(99),
            liveness: Liveness::Heartbeat,
        };
        assert_eq!(
            mistakes(wrong),
            [
                "StatusTtl is 0ns, wanted 100ms to 86400s",
                "RefreshInterval is 0ns, wanted 10ms to 50ms (half of StatusTtl)",
                "Grace is 86401s, wanted 0ns to 86400s (zero: no grace)",
                "NodeTtl is 99ms, wanted 100ms to 86400s",
            ],
        );
    }

    #[test]
    fn a_refresh_is_at_most_half_of_the_ttl() {
        let refresh = |refresh_interval| Settings {
            refresh_interval,
            ..Settings::default()
        };
        assert!(refresh(Duration::from_secs(5)).validate().is_ok());
        assert_eq!(
            mistakes(refresh(Duration::from_millis(5001))),
            ["RefreshInterval is 5.001s, wanted 10ms to 5s (half of StatusTtl)"],
        );
    }

    #[test]
    fn no_grace_is_allowed() {
        assert!(
            Settings {
                grace: Duration::ZERO,
                ..Settings::default()
            }
            .validate()
            .is_ok()
        );
    }

    #[test]
    fn liveness_is_read_in_any_case() {
        assert_eq!("heartbeat".parse(), Ok(Liveness::Heartbeat));
        assert_eq!("CONNECTION".parse(), Ok(Liveness::Connection));
        assert_eq!("alive".parse::<Liveness>(), Err(UnknownLiveness));
        assert_eq!(Liveness::Heartbeat.to_string(), "Heartbeat");
    }
}
