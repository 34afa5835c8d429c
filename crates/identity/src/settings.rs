//! What an authenticator has to know.

use std::time::Duration;

use http::Uri;

/// What an [`Authenticator`](crate::Authenticator) has to know about the issuer and about this service.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// The issuer's address; discovery is at `{authority}/.well-known/openid-configuration`.
    pub authority: String,
    /// The issuer's name in tokens. The one in the discovery document is accepted as well.
    pub valid_issuer: Option<String>,
    /// This service's name, which a token's `aud` must contain.
    pub audience: String,
    /// The scope that a token must grant.
    pub scope: String,
    /// How much the clocks of issuer and service may differ. Default: 5 minutes, .NET's.
    pub clock_skew: Duration,
    /// Whether authority and key address must be `https`. Default: yes, as in .NET.
    pub require_https_metadata: bool,
    /// How old keys may become. Default: 12 hours, .NET's `AutomaticRefreshInterval`.
    pub key_refresh_interval: Duration,
    /// The least time between two questions because of a token with an unknown key. Default: 30 seconds.
    ///
    /// Strangers can make us ask the issuer by inventing key names; this is how often.
    pub key_refresh_floor: Duration,
    /// How long discovery and keys together may take. Default: 5 seconds.
    ///
    /// A caller may be waiting for it, and gives up or repeats after some 10.
    pub fetch_timeout: Duration,
    /// Verified tokens remembered. Default: 32,768, at about 200 bytes each, 7 MB when full.
    ///
    /// More tokens than that in use at a time cost a verification (some 50 µs) now and then, no more.
    pub cached_tokens_max: usize,
}

impl AuthSettings {
    /// Settings for an issuer and a service, everything else as .NET has it.
    #[must_use]
    pub fn new(
        authority: impl Into<String>,
        audience: impl Into<String>,
        scope: impl Into<String>,
    ) -> Self {
        Self {
            authority: authority.into(),
            valid_issuer: None,
            audience: audience.into(),
            scope: scope.into(),
            clock_skew: Duration::from_secs(5 * 60),
            require_https_metadata: true,
            key_refresh_interval: Duration::from_secs(12 * 60 * 60),
            key_refresh_floor: Duration::from_secs(30),
            fetch_timeout: Duration::from_secs(5),
            cached_tokens_max: 32_768,
        }
    }

    /// Checks everything that can be checked without asking anybody.
    pub(crate) fn check(&self) -> Result<Uri, SettingsError> {
        let authority = self.authority.trim_end_matches('/');
        let uri: Uri = format!("{authority}/.well-known/openid-configuration")
            .parse()
            .map_err(|_| SettingsError::Authority(self.authority.clone()))?;
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if !self.require_https_metadata => {}
            Some("http") => return Err(SettingsError::AuthorityNotHttps(self.authority.clone())),
            _ => return Err(SettingsError::Authority(self.authority.clone())),
        }
        if uri.query().is_some() {
            return Err(SettingsError::Authority(self.authority.clone()));
        }
        if self.audience.trim().is_empty() {
            return Err(SettingsError::NoAudience);
        }
        if self.scope.trim().is_empty() || self.scope.contains(' ') {
            return Err(SettingsError::Scope(self.scope.clone()));
        }
        Ok(uri)
    }
}

/// Why settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The authority is not an absolute `http` or `https` address without a query.
    #[error("authority {0:?} is not an address such as https://login.example.org")]
    Authority(String),
    /// The authority is `http` though `https` is required.
    #[error("authority {0:?} must begin with https:// unless plain metadata is allowed")]
    AuthorityNotHttps(String),
    /// The audience is empty.
    #[error("the audience is empty")]
    NoAudience,
    /// The scope is empty or more than one word.
    #[error("scope {0:?} is not one word")]
    Scope(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(authority: &str) -> Result<String, SettingsError> {
        AuthSettings::new(authority, "presenceapi", "presenceapi")
            .check()
            .map(|uri| uri.to_string())
    }

    #[test]
    fn discovery_is_below_the_authority() {
        assert_eq!(
            check("https://a.example").unwrap(),
            "https://a.example/.well-known/openid-configuration"
        );
        assert_eq!(
            check("https://a.example/r/x/").unwrap(),
            "https://a.example/r/x/.well-known/openid-configuration"
        );
    }

    #[test]
    fn an_authority_that_cannot_work_is_refused_at_once() {
        for wrong in [
            "",
            "a.example",
            "/x",
            "ftp://a.example",
            "https://",
            "https://a b",
            "https://a.example?x=y",
        ] {
            assert_eq!(
                check(wrong),
                Err(SettingsError::Authority(wrong.into())),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn plain_http_has_to_be_allowed() {
        let mut settings = AuthSettings::new("http://a.example", "presenceapi", "presenceapi");
        assert_eq!(
            settings.check(),
            Err(SettingsError::AuthorityNotHttps("http://a.example".into()))
        );
        settings.require_https_metadata = false;
        assert!(settings.check().is_ok());
    }

    #[test]
    fn audience_and_scope_must_say_something() {
        let no_audience = AuthSettings::new("https://a.example", " ", "presenceapi");
        assert_eq!(no_audience.check(), Err(SettingsError::NoAudience));
        let two_words = AuthSettings::new("https://a.example", "presenceapi", "a b");
        assert_eq!(two_words.check(), Err(SettingsError::Scope("a b".into())));
    }
}
