//! What others see of a user.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Whether a user is here.
///
/// Whoever is not known is [`Offline`](Status::Offline).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Status {
    /// At least one connection of the user lives.
    Online,
    /// None does, or the user was never heard of.
    #[default]
    Offline,
}

impl Status {
    /// The word for it, the same on every wire: `online` or `offline`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
        }
    }

    /// What a status is if it is not this one.
    #[cfg(feature = "redis")]
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Online => Self::Offline,
            Self::Offline => Self::Online,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(word: &str) -> Result<Self, UnknownStatus> {
        match word {
            "online" => Ok(Self::Online),
            "offline" => Ok(Self::Offline),
            _ => Err(UnknownStatus),
        }
    }
}

/// A word that is no status.
///
/// The word itself is left out: it comes from elsewhere and may be of any length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the word is no status, wanted online or offline")]
pub struct UnknownStatus;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_statuses_are_one_to_one() {
        for status in [Status::Online, Status::Offline] {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(status.to_string(), status.as_str());
        }
    }

    #[test]
    fn other_words_are_refused() {
        for word in ["", "Online", "online ", "away"] {
            assert_eq!(word.parse::<Status>(), Err(UnknownStatus), "{word:?}");
        }
    }

    #[test]
    fn whoever_is_not_known_is_offline() {
        assert_eq!(Status::default(), Status::Offline);
    }
}
