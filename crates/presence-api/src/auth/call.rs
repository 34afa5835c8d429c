//! Tokens at gRPC.

use http::HeaderMap;
use identity::Refusal;
use tonic::{Code, Status};

use super::Gatekeeper;
use crate::grpc::Gate;

/// Judges a gRPC call by its metadata: `UNAUTHENTICATED` without a good token, `PERMISSION_DENIED` without the scope.
impl Gate for Gatekeeper {
    async fn admit(&self, headers: &HeaderMap) -> Result<(), Status> {
        let admitted = self.admit_headers(headers).await;
        admitted.map(drop).map_err(|refusal| status(&refusal))
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
