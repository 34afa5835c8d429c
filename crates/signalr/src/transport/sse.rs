//! Server-Sent Events: one response that does not end.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, stream};
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, PRAGMA};
use http::{HeaderMap, HeaderValue};

use crate::connection::link::Link;
use crate::connection::pipe::Ended;

/// The most bytes of hub messages in one event.
const EVENT_LEN_MAX: usize = 64 * 1024;

/// Whether a request asks for an event stream.
pub(crate) fn is_asked_for(headers: &HeaderMap) -> bool {
    headers
        .get_all(http::header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|media_type| media_type.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// The response that carries all messages of the connection.
pub(crate) fn respond(link: Arc<Link>) -> Response {
    let mut response = Response::new(Body::from_stream(events(link)));
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache,no-store"),
        (PRAGMA, "no-cache"),
        // Keeps whatever compresses responses away from this one.
        (CONTENT_ENCODING, "identity"),
        // ASP.NET Core does not send this one: without it nginx holds events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn events(link: Arc<Link>) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
    // The first bytes are a comment, so that clients see the stream open.
    let opening = Bytes::from_static(b":\r\n");
    let attached = Attached(link);
    stream::unfold((Some(opening), attached), async |(opening, attached)| {
        if let Some(opening) = opening {
            return Some((Ok(opening), (None, attached)));
        }
        let link = &attached.0;
        loop {
            let frames = link.fetch(EVENT_LEN_MAX);
            if !frames.is_empty() {
                let payloads: Vec<Bytes> = frames.iter().map(|frame| frame.payload()).collect();
                let event = Bytes::from(format_event(&payloads.concat()));
                return Some((Ok(event), (None, attached)));
            }
            if link.outbox.is_closed() {
                return None;
            }
            link.fetchable.notified().await;
        }
    })
}

/// The response that is attached to a connection; where it goes, the connection goes.
struct Attached(Arc<Link>);

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.posted().end(Ended::Broken, &self.0);
    }
}

/// One event: each line of the payload behind `data: `.
fn format_event(payload: &[u8]) -> Vec<u8> {
    let mut event = Vec::with_capacity(payload.len() + 16);
    if !payload.is_empty() {
        for line in payload.split(|&byte| byte == b'\n') {
            event.extend_from_slice(b"data: ");
            event.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
            event.extend_from_slice(b"\r\n");
        }
    }
    event.extend_from_slice(b"\r\n");
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_data_fields() {
        let check = |payload: &str, expected: &str| {
            assert_eq!(format_event(payload.as_bytes()), expected.as_bytes());
        };
        check("", "\r\n");
        check("Hello, World", "data: Hello, World\r\n\r\n");
        check("Hello\nWorld", "data: Hello\r\ndata: World\r\n\r\n");
        check("Hello\r\nWorld", "data: Hello\r\ndata: World\r\n\r\n");
        check("Hello\n", "data: Hello\r\ndata: \r\n\r\n");
        check("Hello\r\n", "data: Hello\r\ndata: \r\n\r\n");
    }

    #[test]
    fn only_the_exact_media_type_asks_for_events() {
        let check = |accept: &str, is_asked: bool| {
            let mut headers = HeaderMap::new();
            headers.insert("accept", accept.parse().unwrap());
            assert_eq!(is_asked_for(&headers), is_asked, "{accept}");
        };
        check("text/event-stream", true);
        check("text/html, text/event-stream", true);
        check("text/event-stream;q=0.9", false);
        check("*/*", false);
    }
}
