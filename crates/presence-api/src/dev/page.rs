//! The page of `presence-api dev`, built from `page/` and carried inside the program.

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};

/// The page at `/` and what it loads.
pub fn router() -> Router {
    FILES.iter().fold(Router::new(), |router, file| {
        router.route(file.path, get(async || file.response()))
    })
}

/// A file that is part of the program.
struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static str,
}

impl File {
    /// The file, which browsers ask for anew each time: it belongs to the program that runs.
    fn response(&self) -> impl IntoResponse + use<> {
        let headers = [
            (CONTENT_TYPE, self.content_type),
            (CACHE_CONTROL, "no-cache"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (REFERRER_POLICY, "no-referrer"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        (headers, self.content)
    }
}

static FILES: [File; 3] = [
    File {
        path: "/",
        content_type: "text/html; charset=utf-8",
        content: include_str!("../../assets/index.html"),
    },
    File {
        path: "/assets/app.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_str!("../../assets/app.js"),
    },
    File {
        path: "/assets/app.css",
        content_type: "text/css; charset=utf-8",
        content: include_str!("../../assets/app.css"),
    },
];

/// Only what is served here, and connections to where it came from.
///
/// `dev` is reached by loopback alone. Its names are there for browsers to which `'self'` means no WebSockets.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; \
    connect-src 'self' ws://localhost:* wss://localhost:* ws://127.0.0.1:* wss://127.0.0.1:*; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests;
