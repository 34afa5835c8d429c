//! Responses, with the statuses, headers and texts of ASP.NET Core.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, EXPIRES, PRAGMA};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::metrics::Refused;

/// A response of plain text; an empty one has a type all the same.
pub(crate) fn text(status: StatusCode, body: &'static str) -> Response {
    let mut response = bare(status, body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// A response without a type.
pub(crate) fn bare(status: StatusCode, body: &'static str) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
}

pub(crate) fn connection_id_required() -> Response {
    text(StatusCode::BAD_REQUEST, "Connection ID required")
}

pub(crate) fn unknown_connection() -> Response {
    text(StatusCode::NOT_FOUND, "No Connection with that ID")
}

pub(crate) fn other_transport() -> Response {
    text(
        StatusCode::BAD_REQUEST,
        "Cannot change transports mid-connection",
    )
}

/// The answer to a client that cannot be let in; ASP.NET Core lets everybody in.
pub(crate) fn refused(why: Refused) -> Response {
    match why {
        Refused::Unclaimed => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many connections are being negotiated",
        ),
        Refused::Closing => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "The server is shutting down",
        ),
        Refused::User | Refused::Address => {
            text(StatusCode::TOO_MANY_REQUESTS, "Too many connections")
        }
    }
}

/// What no cache and no proxy may keep.
pub(crate) fn set_uncached(headers: &mut HeaderMap) {
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-store"),
    );
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(
        EXPIRES,
        HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"),
    );
}
