//! The HTTP request that opens a WebSocket.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderValue, Method, Version, header};

/// RFC 6455 section 1.3.
const KEY_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// How a request asks for a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// HTTP/1.1; the value of `Sec-WebSocket-Accept`.
    Http1 { accept: HeaderValue },
    /// HTTP/2, extended CONNECT.
    Http2,
}

/// What a request asks for; none: no WebSocket.
pub(crate) fn asked(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
    extensions: &http::Extensions,
) -> Option<Upgrade> {
    if version == Version::HTTP_2 {
        let protocol = extensions.get::<hyper::ext::Protocol>()?;
        return (method == Method::CONNECT && protocol.as_str() == "websocket")
            .then_some(Upgrade::Http2);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    let is_upgrade = method == Method::GET
        && has_token(headers, header::CONNECTION, "upgrade")
        && has_token(headers, header::UPGRADE, "websocket")
        && headers
            .get(header::SEC_WEBSOCKET_VERSION)
            .is_some_and(|v| v == "13")
        && BASE64
            .decode(key.as_bytes())
            .is_ok_and(|key| key.len() == 16);
    is_upgrade.then(|| Upgrade::Http1 {
        accept: accept(key.as_bytes()),
    })
}

fn accept(key: &[u8]) -> HeaderValue {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(KEY_GUID);
    let accept = BASE64.encode(context.finish());
    HeaderValue::try_from(accept).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|found| found.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_value_is_that_of_the_rfc() {
        assert_eq!(
            accept(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    fn check(change: impl FnOnce(&mut http::Request<()>), is_websocket: bool) {
        let mut request = http::Request::get("/")
            .header("connection", "keep-alive, Upgrade")
            .header("upgrade", "WebSocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .body(())
            .unwrap();
        change(&mut request);
        let upgrade = asked(
            request.method(),
            request.version(),
            request.headers(),
            request.extensions(),
        );
        assert_eq!(upgrade.is_some(), is_websocket);
    }

    #[test]
    fn all_of_the_request_has_to_be_right() {
        check(|_| {}, true);
        check(|request| *request.method_mut() = Method::POST, false);
        for (name, wrong) in [
            ("connection", "close"),
            ("upgrade", "h2c"),
            ("sec-websocket-version", "8"),
            ("sec-websocket-key", "c2hvcnQ="),
        ] {
            check(
                |request| {
                    request.headers_mut().insert(name, wrong.parse().unwrap());
                },
                false,
            );
        }
    }
}
