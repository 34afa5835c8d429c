//! Who may talk to the service from a page of another origin.
//!
//! The rules are those of ASP.NET Core's CORS middleware with a default policy of listed origins, any method, any
//! header, and credentials, which is what a SignalR client in a browser needs:
//!
//! - a preflight (`OPTIONS` with `Origin` and `Access-Control-Request-Method`) is answered 204 on every path, before
//!   anybody asks for a token, echoing what was asked for;
//! - an origin that is not listed gets no headers, but its request is processed all the same: it is the browser that
//!   keeps the answer from the page;
//! - origins are compared byte by byte. A last slash or a capital letter makes another origin.
//!
//! WebSockets are not subject to CORS: browsers open them to everybody. [`AllowedOrigins::permits_upgrade`] is for the
//! hub to close that hole.

use std::{collections::HashSet, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode, Uri,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
};

/// The origins whose pages may talk to the service; `Cors:AllowedOrigins`.
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins {
    origins: Arc<HashSet<Vec<u8>>>,
}

impl AllowedOrigins {
    /// Takes origins such as `https://chat.example` or `http://localhost:5002`.
    ///
    /// They are lower-cased, as .NET does it; what browsers send is compared as it is. `*` is no origin: it cannot be
    /// combined with credentials.
    pub fn new<O: AsRef<str>>(origins: impl IntoIterator<Item = O>) -> Self {
        let origins = origins
            .into_iter()
            .map(|o| o.as_ref().to_lowercase().into_bytes())
            .collect();
        Self {
            origins: Arc::new(origins),
        }
    }

    /// Whether pages of this origin may read answers.
    pub fn contains(&self, origin: &HeaderValue) -> bool {
        self.origins.contains(origin.as_bytes())
    }

    /// Whether a request with these headers may become a WebSocket.
    ///
    /// Yes without an `Origin` (no browser sent it), from a listed origin, and from the origin that the request goes
    /// to. ASP.NET Core lets every origin pass unless `WebSocketOptions.AllowedOrigins` is set; anything but 403 here
    /// would let a foreign page use the cookies or the network position of its visitor.
    pub fn permits_upgrade(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN) else {
            return true;
        };
        self.contains(origin) || is_same_origin(origin, uri, headers)
    }

    /// Whether an answer depends on who asks. With one origin it does not, to .NET: it either carries that one or none.
    fn several(&self) -> bool {
        self.origins.len() > 1
    }

    fn write_common(&self, origin: &HeaderValue, headers: &mut HeaderMap) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
        if self.several() {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
    }
}

/// Answers preflights, and adds the headers to every answer for an allowed origin, refusals included.
pub async fn apply(
    State(allowed): State<AllowedOrigins>,
    request: Request,
    next: Next,
) -> Response {
    let Some(origin) = request.headers().get(ORIGIN).cloned() else {
        return next.run(request).await;
    };
    let matched = allowed.contains(&origin);
    if let Some(method) = preflight_method(&request) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if matched {
            allowed.write_common(&origin, response.headers_mut());
            response
                .headers_mut()
                .insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
            if let Some(asked) = requested_headers(request.headers()) {
                response
                    .headers_mut()
                    .insert(ACCESS_CONTROL_ALLOW_HEADERS, asked);
            }
        }
        return response;
    }
    let mut response = next.run(request).await;
    if matched {
        allowed.write_common(&origin, response.headers_mut());
    }
    response
}

/// The method that a preflight asks about; none if the request is no preflight.
fn preflight_method(request: &Request) -> Option<&HeaderValue> {
    if request.method() != Method::OPTIONS {
        return None;
    }
    request.headers().get(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The headers that a preflight asks for, joined by commas without blanks, as .NET writes them.
fn requested_headers(headers: &HeaderMap) -> Option<HeaderValue> {
    let names: Vec<&str> = headers
        .get_all(ACCESS_CONTROL_REQUEST_HEADERS)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    if names.is_empty() {
        return None;
    }
    HeaderValue::from_str(&names.join(",")).ok()
}

/// Whether host and port of the origin are those that the request was sent to. The schemes are not compared: behind a
/// proxy that ends TLS they differ.
fn is_same_origin(origin: &HeaderValue, uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(origin) = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.parse::<Uri>().ok())
    else {
        return false;
    };
    let default_port = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    let Some(theirs) = origin.authority() else {
        return false;
    };
    let Some(ours) = super::redirect::host_of(uri, headers) else {
        return false;
    };
    theirs.host().eq_ignore_ascii_case(ours.host())
        && theirs.port_u16().unwrap_or(default_port) == ours.port_u16().unwrap_or(default_port)
}

#[cfg(test)]
mod tests;
