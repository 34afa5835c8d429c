//! From a token to a principal.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::{
    cache::{TokenCache, TokenHash},
    clock::{Clock, SystemClock},
    keys::{
        KeySet, Signature,
        http_source::HttpSource,
        source::KeySource,
        store::{Current, KeyStore},
    },
    principal::Principal,
    refusal::Refusal,
    settings::{AuthSettings, SettingsError},
    token::{TOKEN_LENGTH_MAX, Token},
    validate,
};

/// Judges tokens of one issuer for one service.
#[derive(Debug)]
pub struct Authenticator {
    settings: AuthSettings,
    keys: KeyStore,
    cache: TokenCache,
    clock: Arc<dyn Clock>,
    verifications: AtomicU64,
}

/// What an [`Authenticator`] has done since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Signatures checked; a token that comes again is not counted again.
    pub verifications: u64,
    /// Tokens remembered at the moment.
    pub cached_tokens: usize,
    /// Times that the issuer was asked for its keys.
    pub key_fetches: u64,
    /// How many of these brought no usable keys.
    pub key_fetch_failures: u64,
}

impl Authenticator {
    /// An authenticator that asks the issuer over HTTP. Nothing is fetched yet.
    pub fn new(settings: AuthSettings) -> Result<Self, SettingsError> {
        let source = HttpSource::new(&settings)?;
        Self::with_parts(settings, Box::new(source), Arc::new(SystemClock))
    }

    /// An authenticator with another source of keys or another clock.
    pub fn with_parts(
        settings: AuthSettings,
        source: Box<dyn KeySource>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self {
            keys: KeyStore::new(
                source,
                settings.key_refresh_interval,
                settings.key_refresh_floor,
            ),
            cache: TokenCache::new(settings.cached_tokens_max),
            settings,
            clock,
            verifications: AtomicU64::new(0),
        })
    }

    /// The principal of a token that was verified before and is still good, without any waiting.
    pub fn cached(&self, token: &str) -> Option<Arc<Principal>> {
        // A longer one was never accepted, and hashing a megabyte would be work for nothing.
        if token.len() > TOKEN_LENGTH_MAX {
            return None;
        }
        self.find(&TokenHash::of(token), self.keys.current()?.generation)
    }

    /// Judges a token.
    ///
    /// It waits only while keys are fetched: for the first token of all, and for one whose key is unknown; at most twice
    /// [`AuthSettings::fetch_timeout`], if another fetch is under way already.
    pub async fn authenticate(&self, token: &str) -> Result<Arc<Principal>, Refusal> {
        if token.is_empty() {
            return Err(Refusal::NoToken);
        }
        if let Some(principal) = self.cached(token) {
            return Ok(principal);
        }
        let parsed = Token::parse(token)?;
        let keys = self.fitting_keys(&parsed).await?;
        self.check_claims(&parsed, Some(&keys.keys))?;
        let principal = Arc::new(validate::principal(parsed.claims, &self.settings.scope)?);
        self.cache.insert(
            TokenHash::of(token),
            Arc::clone(&principal),
            keys.generation,
        );
        Ok(principal)
    }

    /// Fetches keys at once and keeps them fresh; never ends. To be run in a task of its own.
    ///
    /// Without it keys are fetched on first need and for unknown ones only, so that a key which the issuer withdrew
    /// would be trusted as long as nobody comes with a new one.
    pub async fn keep_keys_fresh(self: Arc<Self>) {
        self.keys.keep_fresh().await;
    }

    /// Whether the issuer's keys were ever had.
    pub fn has_keys(&self) -> bool {
        self.keys.current().is_some()
    }

    /// Counters for metrics.
    pub fn figures(&self) -> Figures {
        let (key_fetches, key_fetch_failures) = self.keys.fetches();
        Figures {
            verifications: self.verifications.load(Ordering::Relaxed),
            cached_tokens: self.cache.len(),
            key_fetches,
            key_fetch_failures,
        }
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &AuthSettings {
        &self.settings
    }

    fn find(&self, hash: &TokenHash, generation: u64) -> Option<Arc<Principal>> {
        let now = self.clock.now();
        let skew = self.settings.clock_skew;
        self.cache.find(hash, generation, |principal| {
            !validate::is_over(principal.expires_at(), skew, now)
        })
    }

    /// The keys of which one made the token's signature; asks the issuer for new ones if none did.
    async fn fitting_keys(&self, token: &Token<'_>) -> Result<Arc<Current>, Refusal> {
        let seen = self.keys.current();
        match self.judge(token, seen.as_deref()) {
            Signature::Fits => return seen.ok_or(Refusal::KeyNotFound),
            Signature::Wrong => return Err(Refusal::Signature),
            Signature::NoKey => {}
        }
        // Like .NET: a token that would be refused anyway is told so, and is no reason to ask the issuer.
        self.check_claims(token, seen.as_deref().map(|set| &set.keys))?;
        let newer = self.keys.newer_than(seen.as_deref()).await;
        let is_newer =
            newer.as_deref().map(|set| set.generation) != seen.as_deref().map(|set| set.generation);
        if !is_newer {
            return Err(Refusal::KeyNotFound);
        }
        match self.judge(token, newer.as_deref()) {
            Signature::Fits => newer.ok_or(Refusal::KeyNotFound),
            Signature::Wrong => Err(Refusal::Signature),
            Signature::NoKey => Err(Refusal::KeyNotFound),
        }
    }

    fn judge(&self, token: &Token<'_>, keys: Option<&Current>) -> Signature {
        match keys {
            Some(current) => {
                self.verifications.fetch_add(1, Ordering::Relaxed);
                current.keys.judge(token)
            }
            None if token.signature.is_empty() => Signature::Wrong,
            None => Signature::NoKey,
        }
    }

    /// Lifetime, audience and, once the issuer's own name is known, issuer.
    fn check_claims(&self, token: &Token<'_>, keys: Option<&KeySet>) -> Result<(), Refusal> {
        validate::check_time_then_audience(&token.claims, &self.settings, self.clock.now())?;
        let Some(keys) = keys else { return Ok(()) };
        let known = self
            .settings
            .valid_issuer
            .as_deref()
            .into_iter()
            .chain(keys.issuer.as_deref());
        validate::check_issuer(&token.claims, known)
    }
}
