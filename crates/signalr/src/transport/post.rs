//! `POST …?id=`: what clients send where messages do not travel on a WebSocket; and `DELETE …?id=`.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http_body_util::BodyExt as _;
use signalr_protocol::negotiate::Transport;

use super::respond;
use crate::connection::link::Link;
use crate::connection::pipe::Ended;

/// Takes the bytes of a request; they may hold any number of messages, and parts of some.
pub(crate) async fn send(link: &Arc<Link>, mut body: Body) -> Response {
    if link.transport() == Some(Transport::WebSockets) {
        return respond::text(
            StatusCode::METHOD_NOT_ALLOWED,
            "POST requests are not allowed for WebSocket connections.",
        );
    }
    let pipe = link.posted();
    // One request after the other, or their messages would mix.
    let _turn = pipe.turn().await;
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            // Bytes that were announced may never come; nobody is left to take them.
            () = pipe.over(link) => return respond::text(StatusCode::NOT_FOUND, ""),
        };
        let Some(frame) = frame else { break };
        let Ok(frame) = frame else {
            return respond::text(StatusCode::BAD_REQUEST, "");
        };
        if let Some(bytes) = frame.data_ref()
            && pipe.write(bytes, link).await.is_err()
        {
            return respond::text(StatusCode::NOT_FOUND, "");
        }
    }
    respond::text(StatusCode::OK, "")
}

/// Ends a long-polling connection; does not wait for the end.
pub(crate) fn delete(link: &Arc<Link>) -> Response {
    if link.transport() != Some(Transport::LongPolling) {
        return respond::text(
            StatusCode::BAD_REQUEST,
            "Cannot terminate this connection using the DELETE endpoint.",
        );
    }
    link.posted().end(Ended::Asked, link);
    respond::text(StatusCode::ACCEPTED, "")
}
