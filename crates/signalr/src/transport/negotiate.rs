//! `POST …/negotiate`: reserves a connection and says how to reach it.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use signalr_protocol::negotiate::{self, Transport};
use tokio::time::Instant;

use super::respond;
use crate::caller::Caller;
use crate::endpoint::Query;
use crate::hub::runtime::HubShared;

/// Answers a negotiation.
pub(crate) fn handle(hub: &HubShared, method: &Method, query: &Query, caller: Caller) -> Response {
    if method != Method::POST {
        return respond::text(StatusCode::METHOD_NOT_ALLOWED, "");
    }
    let version = match negotiate::version(query.get("negotiateVersion")) {
        Ok(version) => version,
        Err(error) => return json(error.body()),
    };
    let transports = &hub.options.transports;
    let is_stateful = hub.options.allow_stateful_reconnects
        && transports.contains(&Transport::WebSockets)
        && query
            .get("useStatefulReconnect")
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
    let reserved = hub
        .registry
        .reserve(caller, version > 0, is_stateful, Instant::now());
    match reserved {
        Ok(link) => json(
            negotiate::Response {
                version,
                connection_id: &link.id,
                connection_token: &link.token,
                stateful_reconnect: is_stateful,
                transports,
            }
            .body(),
        ),
        Err(why) => respond::refused(why),
    }
}

fn json(body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
