//! The middleware of the hub's routes.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};

use super::{Gatekeeper, challenge};

/// Lets a request through with an `Arc<Principal>` in its extensions, or answers 401 or 403.
///
/// For hub routes only, since it takes tokens from the query:
/// `axum::middleware::from_fn_with_state(gatekeeper, authenticate)`.
pub async fn authenticate(
    State(gatekeeper): State<Gatekeeper>,
    mut request: Request,
    next: Next,
) -> Response {
    match gatekeeper.admit_hub(request.headers(), request.uri()).await {
        Ok(principal) => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(refusal) => challenge::response(&refusal),
    }
}

/// Lets every request through, with an `Arc<Principal>` in its extensions if it brings a good token.
///
/// For hubs that let anybody in and judge for themselves whom they let do what.
pub async fn identify(
    State(gatekeeper): State<Gatekeeper>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Ok(principal) = gatekeeper.admit_hub(request.headers(), request.uri()).await {
        request.extensions_mut().insert(principal);
    }
    next.run(request).await
}
