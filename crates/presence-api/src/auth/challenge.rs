//! The HTTP answer to a request that is refused.

use axum::{body::Body, response::Response};
use http::{HeaderValue, header};
use identity::Refusal;

/// As .NET answers: 401 with `WWW-Authenticate`, or 403 without; no body.
pub(super) fn response(refusal: &Refusal) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = refusal.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    if let Some(challenge) = refusal.www_authenticate() {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
