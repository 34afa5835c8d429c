//! `presence-api dev`: everything a developer needs on a laptop, and nothing else.

pub mod issuer;
pub mod page;

use axum::Router;

/// What `dev` serves beside the service: the page at `/`, and tokens for whoever asks.
pub(crate) fn router(issuer: &issuer::Issuer) -> Router {
    page::router().merge(issuer.router())
}
