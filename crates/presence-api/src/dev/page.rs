//! The page of `presence-api dev`.

use axum::Router;

/// The page at `/` and what it loads.
pub fn router() -> Router {
    Router::new()
}
