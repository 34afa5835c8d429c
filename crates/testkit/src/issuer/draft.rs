//! A token before it is signed.

use aws_lc_rs::hmac;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{AUDIENCE, SigningKey, base64url};

/// A token before it is signed: everything in it can be changed, also into what no issuer would write.
#[derive(Debug, Clone)]
#[must_use]
pub struct Draft {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    /// Text to be signed instead of the claims.
    payload: Option<String>,
    key: SigningKey,
    now: i64,
}

impl Draft {
    pub(super) fn new(issuer: &str, user: &str, key: SigningKey) -> Self {
        let now = Timestamp::now().as_second();
        let header = json!({ "alg": key.kind().name(), "typ": "at+jwt", "kid": key.id() });
        let claims = json!({
            "iss": issuer,
            "aud": AUDIENCE,
            "scope": "openid presenceapi",
            "iat": now,
            "nbf": now,
            "exp": now + 36_000,
            "sub": user,
        });
        Self {
            header: object(header),
            claims: object(claims),
            payload: None,
            key,
            now,
        }
    }

    /// The second in which the draft was made.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Sets a claim.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Takes a claim away.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Valid so many seconds from now on, for so many seconds; both may be negative.
    pub fn lifetime(self, begins_in: i64, ends_in: i64) -> Self {
        let now = self.now;
        self.claim("nbf", now + begins_in)
            .claim("exp", now + ends_in)
    }

    /// Over for an hour.
    pub fn expired(self) -> Self {
        self.lifetime(-7200, -3600)
    }

    /// Sets a member of the header.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Takes a member of the header away.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Signs this text instead of the claims.
    pub fn payload(mut self, text: impl Into<String>) -> Self {
        self.payload = Some(text.into());
        self
    }

    /// The claims as JSON text, to be spoiled and given to [`payload`](Self::payload).
    pub fn payload_text(&self) -> String {
        self.payload
            .clone()
            .unwrap_or_else(|| Value::Object(self.claims.clone()).to_string())
    }

    /// Will be signed with this key instead; the header stays as it is.
    pub fn key(mut self, key: &SigningKey) -> Self {
        self.key = key.clone();
        self
    }

    /// The token.
    #[must_use]
    pub fn sign(&self) -> String {
        let input = self.input();
        let signature = self.key.sign(input.as_bytes());
        format!("{input}.{}", base64url(signature))
    }

    /// The token with a shared-secret signature (`HS256`), the secret being the public key that everybody knows.
    #[must_use]
    pub fn sign_with_public_key(self) -> String {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, self.key.public().to_string().as_bytes());
        let input = self.header("alg", "HS256").input();
        let signature = hmac::sign(&secret, input.as_bytes());
        format!("{input}.{}", base64url(signature))
    }

    /// The token with algorithm `none` and no signature.
    #[must_use]
    pub fn unsigned(self) -> String {
        format!("{}.", self.header("alg", "none").input())
    }

    fn input(&self) -> String {
        format!(
            "{}.{}",
            base64url(Value::Object(self.header.clone()).to_string()),
            base64url(self.payload_text())
        )
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("an object is wanted, not {other}"),
    }
}
