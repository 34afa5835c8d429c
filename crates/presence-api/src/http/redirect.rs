//! Plain HTTP is sent to HTTPS, as ASP.NET Core's `UseHttpsRedirection` does it.

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode, Uri,
    header::{HOST, LOCATION},
    uri::Authority,
};

use crate::listen::Scheme;

/// Answers 307 with the same address under `https`, if an HTTPS port is known and the request came without TLS.
///
/// Never redirected:
///
/// - `OPTIONS`, because browsers take no redirect for an answer to a preflight (.NET redirects it all the same);
/// - `/health` and below, and `/metrics`: probes run inside the container or the cluster, where the certificate's name
///   does not fit, and `curl --fail` takes 307 for good health (.NET redirects them).
pub async fn to_https(
    State(https_port): State<Option<u16>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(port) = https_port.filter(|_| wants_redirect(&request)) else {
        return next.run(request).await;
    };
    let mut response = Response::new(Body::empty());
    match location(&request, port) {
        Some(location) => {
            *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            response.headers_mut().insert(LOCATION, location);
        }
        // Nobody can be sent to a host that was not named.
        None => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    response
}

/// The host that a request was sent to: `:authority` of HTTP/2, else the `Host` header.
pub(crate) fn host_of(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    if let Some(authority) = uri.authority() {
        return Some(authority.clone());
    }
    let host: Authority = headers.get(HOST)?.to_str().ok()?.parse().ok()?;
    // `user@host` is an authority, but no host.
    let is_host = !host.host().is_empty() && !host.as_str().contains('@');
    is_host.then_some(host)
}

fn wants_redirect(request: &Request) -> bool {
    let plain = request.extensions().get::<Scheme>() == Some(&Scheme::Http);
    plain && request.method() != Method::OPTIONS && !is_for_probes(request.uri().path())
}

fn is_for_probes(path: &str) -> bool {
    path == "/metrics" || path == "/health" || path.starts_with("/health/")
}

fn location(request: &Request, port: u16) -> Option<HeaderValue> {
    let host = host_of(request.uri(), request.headers())?;
    let host = host.host();
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let location = match port {
        443 => format!("https://{host}{target}"),
        port => format!("https://{host}:{port}{target}"),
    };
    HeaderValue::from_str(&location).ok()
}

#[cfg(test)]
mod tests;
