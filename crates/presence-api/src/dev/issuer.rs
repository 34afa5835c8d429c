//! The token issuer of `presence-api dev`: anybody can be anybody.
//!
//! It is found like any other issuer, by discovery over HTTP, so that a developer walks the same way as production.
//! Its key lives as long as the process, and nothing outside of `dev` can reach this module.

mod signer;
mod users;

use std::{fmt, sync::Arc};

use axum::{
    Json, Router,
    extract::{Query, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use self::{signer::Signer, users::USERS};

/// An issuer that gives a token to whoever asks for one.
#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    /// Its name and address, without a last slash.
    url: String,
    audience: String,
    scope: String,
    signer: Signer,
}

impl Issuer {
    /// An issuer with a fresh key, reachable at `base_url`, for the audience and the scope of this service's contract.
    ///
    /// # Panics
    /// If the machine has no random numbers.
    pub fn new(base_url: &str) -> Self {
        Self::for_service(base_url, "presenceapi", "presenceapi")
    }

    /// The same for another audience and scope.
    ///
    /// # Panics
    /// If the machine has no random numbers.
    pub fn for_service(base_url: &str, audience: &str, scope: &str) -> Self {
        Self(Arc::new(Inner {
            url: base_url.trim_end_matches('/').to_owned(),
            audience: audience.to_owned(),
            scope: scope.to_owned(),
            signer: Signer::new(),
        }))
    }

    /// The address to be used as authority, and the issuer's name in tokens.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Discovery, keys, users and tokens.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/dev/jwks", get(keys))
            .route("/dev/users", get(users))
            .route("/dev/token", get(token))
            .with_state(self.clone())
    }

    /// A token for a user, good for [`LIFETIME_SECONDS`].
    fn token(&self, user: &str, now: Timestamp) -> String {
        let now = now.as_second();
        let claims = json!({
            "iss": self.0.url,
            "aud": self.0.audience,
            "scope": format!("openid {}", self.0.scope),
            "sub": user,
            "name": users::name_of(user),
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME_SECONDS,
        });
        self.0.signer.sign(&claims)
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("url", &self.0.url)
            .finish_non_exhaustive()
    }
}

async fn discovery(State(issuer): State<Issuer>) -> Json<Value> {
    let url = issuer.url();
    Json(json!({
        "issuer": url,
        "jwks_uri": format!("{url}/dev/jwks"),
        "token_endpoint": format!("{url}/dev/token"),
        "response_types_supported": ["token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }))
}

async fn keys(State(issuer): State<Issuer>) -> Json<Value> {
    Json(json!({ "keys": [issuer.0.signer.public()] }))
}

async fn users() -> Json<Value> {
    Json(
        USERS
            .iter()
            .map(|&(id, name)| json!({ "id": id, "name": name }))
            .collect(),
    )
}

#[derive(Deserialize)]
struct Wish {
    user: Option<String>,
}

async fn token(State(issuer): State<Issuer>, Query(wish): Query<Wish>) -> Response {
    let mut response = match checked(wish.user.as_deref()) {
        Ok(user) => Json(json!({
            "access_token": issuer.token(user, Timestamp::now()),
            "token_type": "Bearer",
            "expires_in": LIFETIME_SECONDS,
            "user": user,
        }))
        .into_response(),
        Err(problem) => {
            (StatusCode::BAD_REQUEST, Json(json!({ "error": problem }))).into_response()
        }
    };
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn checked(user: Option<&str>) -> Result<&str, String> {
    let user = user.ok_or("say who you are: /dev/token?user=alice")?;
    if user.chars().any(char::is_control) {
        return Err("the user id has a control character in it".to_owned());
    }
    presence::UserId::new(user).map_err(|problem| problem.to_string())?;
    Ok(user)
}

/// How long a token is good: an hour, as is usual, so that a page left open meets the end of one.
const LIFETIME_SECONDS: i64 = 3600;

#[cfg(test)]
mod tests;
