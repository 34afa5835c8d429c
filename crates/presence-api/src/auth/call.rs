//! Tokens at gRPC.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::HeaderMap;
use identity::{Principal, Refusal};
use tonic::{Code, Status};

use super::Gatekeeper;

impl Gatekeeper {
    /// Judges a gRPC call by its metadata: `UNAUTHENTICATED` without a good token, `PERMISSION_DENIED` without the
    /// scope.
    pub async fn admit_call(&self, headers: &HeaderMap) -> Result<Arc<Principal>, Status> {
        self.admit_headers(headers)
            .await
            .map_err(|refusal| status(&refusal))
    }

    /// The same as a closure that keeps no principal, for a layer around a gRPC service.
    pub fn call_gate(
        &self,
    ) -> impl Fn(HeaderMap) -> BoxFuture<'static, Result<(), Status>> + Clone + use<> {
        let gatekeeper = self.clone();
        move |headers| {
            let gatekeeper = gatekeeper.clone();
            Box::pin(async move { gatekeeper.admit_call(&headers).await.map(drop) })
        }
    }
}

fn status(refusal: &Refusal) -> Status {
    let code = match refusal {
        Refusal::MissingScope => Code::PermissionDenied,
        _ => Code::Unauthenticated,
    };
    let words = refusal.description().unwrap_or_else(|| match refusal {
        Refusal::MissingScope => "the token does not grant the scope".to_owned(),
        Refusal::NoToken => "a bearer token is required".to_owned(),
        _ => "the token is invalid".to_owned(),
    });
    Status::new(code, words)
}
