//! Who a token speaks for.

use std::sync::Arc;

use crate::clock::UnixTime;

/// The person or program that a verified token names.
///
/// Every connection holds one for as long as it lives, so it keeps what is needed and not the token: about 80 bytes
/// beside the texts. Tokens that are presented again share one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    user: Arc<str>,
    scopes: Box<str>,
    expires_at: UnixTime,
}

impl Principal {
    pub(crate) fn new(user: Arc<str>, scopes: Box<str>, expires_at: UnixTime) -> Self {
        Self {
            user,
            scopes,
            expires_at,
        }
    }

    /// The user id, never empty: claim `sub`, or `nameid`, or the long `NameIdentifier` claim.
    #[must_use]
    pub fn user(&self) -> &Arc<str> {
        &self.user
    }

    /// The scopes that were granted, in the order of the token.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Whether a scope was granted; upper and lower case differ, as in .NET.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|granted| granted == scope)
    }

    /// The claim `exp`. The token is accepted for the clock skew longer.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_whole_words_of_exact_case() {
        let principal = Principal::new(
            "alice".into(),
            "openid  presenceapi".into(),
            UnixTime::from_seconds(0),
        );
        assert!(principal.has_scope("presenceapi"));
        assert!(!principal.has_scope("PresenceApi"));
        assert!(!principal.has_scope("presence"));
        assert!(!principal.has_scope(""));
        assert_eq!(
            principal.scopes().collect::<Vec<_>>(),
            ["openid", "presenceapi"]
        );
    }
}
