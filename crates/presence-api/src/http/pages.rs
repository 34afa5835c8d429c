//! The page at `/`.

use axum::{Router, routing::get};

/// One line that says what answers here. `presence-api dev` serves a page of its own instead.
pub fn router() -> Router {
    Router::new().route(
        "/",
        get(async || concat!("MSChat.PresenceAPI ", env!("CARGO_PKG_VERSION"), "\n")),
    )
}
