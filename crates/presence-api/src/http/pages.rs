//! The page at `/`.

use axum::{Router, routing::get};

/// The line with which the service answers that this one replaces: monitors may look for it.
///
/// `presence-api dev` serves a page of its own instead.
pub fn router() -> Router {
    Router::new().route("/", get(async || "Hello World!"))
}
