//! The web edge: what every request passes on its way to the routes.
//!
//! From the outside in:
//!
//! 1. counting, so that every answer is counted, whoever gives it;
//! 2. [CORS](cors), outside everything that may refuse: a browser shows a page the reason of a refusal only if the
//!    refusal carries the headers, and preflights must be answered before anybody asks for a token;
//! 3. [HTTPS redirection](redirect);
//! 4. the routes: hub, [health], [metrics], [pages]. Authentication stands at the routes that want it.

pub mod cors;
pub mod health;
pub mod metrics;
pub mod pages;
pub mod paths;
pub mod redirect;
pub mod requests;

use std::sync::Arc;

use axum::{Router, middleware};

use cors::AllowedOrigins;
use requests::RequestCounters;

/// What the middleware has to know.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Who may read answers from another origin.
    pub origins: AllowedOrigins,
    /// The port that plain requests are sent to; none leaves them where they are.
    pub https_port: Option<u16>,
    /// Counts every answer.
    pub requests: Arc<RequestCounters>,
}

/// Puts the middleware around the routes.
///
/// Paths without a route answer 404 with an empty body, as ASP.NET Core does.
pub fn assemble(routes: Router, edge: Edge) -> Router {
    // As a whole, not route by route: axum adds `Allow` to what a layer of a route answers, preflights included.
    Router::new()
        .fallback_service(routes)
        .layer(middleware::from_fn_with_state(
            edge.https_port,
            redirect::to_https,
        ))
        .layer(middleware::from_fn_with_state(edge.origins, cors::apply))
        .layer(middleware::from_fn_with_state(
            edge.requests,
            requests::count,
        ))
}

#[cfg(test)]
mod tests;
