//! The paths of the health checks.

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, EXPIRES, PRAGMA},
};

use super::{Health, Status};

pub(super) fn router(health: Health) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/health", get(details))
        .with_state(health)
}

/// That this runs at all is the answer.
async fn live() -> Response {
    word(Status::Healthy)
}

async fn ready(State(health): State<Health>) -> Response {
    word(health.status().await)
}

async fn details(State(health): State<Health>) -> Response {
    let report = health.report().await;
    uncached((code(report.status), Json(report)).into_response())
}

fn word(status: Status) -> Response {
    let plain = [(CONTENT_TYPE, HeaderValue::from_static("text/plain"))];
    uncached((code(status), plain, status.as_str()).into_response())
}

fn code(status: Status) -> StatusCode {
    match status {
        Status::Healthy | Status::Degraded => StatusCode::OK,
        Status::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The headers by which ASP.NET Core keeps caches from answering.
fn uncached(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-cache"),
    );
    headers.insert(
        EXPIRES,
        HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"),
    );
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
