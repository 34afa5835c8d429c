//! Who may come in: bearer tokens at the hub's routes and at gRPC.
//!
//! [`Gatekeeper`] finds the token in a request, has it judged, and answers those who are refused. Hub routes take it by
//! the middleware [`authenticate`], which leaves the [`Principal`] (as `Arc<Principal>`) in the request's extensions;
//! gRPC takes it as its [`Gate`](crate::grpc::Gate).
//!
//! A token never leaves this module: not into a log, a label, or an answer. Whoever writes a URI somewhere writes
//! [`Masked`] instead.

mod bearer;
mod call;
mod challenge;
mod layer;
mod mask;

use std::{fmt, sync::Arc};

use http::{HeaderMap, Uri};
use identity::{Authenticator, Principal, Refusal};

pub use self::{
    layer::{authenticate, identify},
    mask::Masked,
};

/// Told the [reason](Refusal::reason) of each refusal, for metrics.
pub type OnRefusal = Arc<dyn Fn(&'static str) + Send + Sync>;

/// Lets requests in by their token, or refuses them.
#[derive(Clone)]
pub struct Gatekeeper {
    authenticator: Arc<Authenticator>,
    on_refusal: OnRefusal,
}

impl Gatekeeper {
    /// A gatekeeper that asks `authenticator` and tells `on_refusal`.
    pub fn new(authenticator: Arc<Authenticator>, on_refusal: OnRefusal) -> Self {
        Self {
            authenticator,
            on_refusal,
        }
    }

    /// Judges a request to the hub: its `Authorization` header, or `access_token` in the query.
    ///
    /// Browsers cannot set headers on WebSockets and event streams, so their clients put the token into the query.
    pub async fn admit_hub(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
    ) -> Result<Arc<Principal>, Refusal> {
        let token = bearer::in_query(uri).or_else(|| bearer::in_headers(headers));
        self.judge(token.as_deref()).await
    }

    /// Judges a request by its `Authorization` header alone.
    pub async fn admit_headers(&self, headers: &HeaderMap) -> Result<Arc<Principal>, Refusal> {
        self.judge(bearer::in_headers(headers).as_deref()).await
    }

    async fn judge(&self, token: Option<&str>) -> Result<Arc<Principal>, Refusal> {
        let judged = match token {
            Some(token) => self.authenticator.authenticate(token).await,
            None => Err(Refusal::NoToken),
        };
        judged.inspect_err(|refusal| {
            (self.on_refusal)(refusal.reason());
            tracing::debug!(%refusal, "request refused");
        })
    }
}

impl fmt::Debug for Gatekeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gatekeeper")
            .field("authenticator", &self.authenticator)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
