//! The issuer's two documents over HTTP, and its ways to fail.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::Shared;

/// A way in which an issuer fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outage {
    /// Takes the connection and closes it without a word.
    Hangup,
    /// Takes the request and never answers.
    Stall,
    /// Answers with this status.
    Status(u16),
    /// Answers 200 and this text.
    Garbage(String),
    /// Answers 200 and so many bytes.
    Flood(usize),
    /// Redirects to this address.
    Redirect(String),
    /// Names this address for its keys.
    KeysAt(String),
}

/// How often an issuer was asked for each document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requests {
    /// `/.well-known/openid-configuration`.
    pub discovery: usize,
    /// `/jwks`.
    pub keys: usize,
    /// Anything else: nobody should.
    pub others: usize,
}

#[derive(Default)]
pub(super) struct Counters {
    discovery: AtomicUsize,
    keys: AtomicUsize,
    others: AtomicUsize,
}

impl Counters {
    pub(super) fn read(&self) -> Requests {
        let read = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        Requests {
            discovery: read(&self.discovery),
            keys: read(&self.keys),
            others: read(&self.others),
        }
    }

    fn count(&self, path: &str) {
        let counter = match path {
            DISCOVERY => &self.discovery,
            KEYS => &self.keys,
            _ => &self.others,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

const DISCOVERY: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/jwks";

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, url: String) {
    while let Ok((stream, _)) = listener.accept().await {
        let (shared, url) = (Arc::clone(&shared), url.clone());
        tokio::spawn(async move {
            let answer = service_fn(|request| respond(request, &shared, &url));
            // An error here is the client's going away, or an outage that was asked for.
            drop(
                http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .await,
            );
        });
    }
}

async fn respond(
    request: Request<Incoming>,
    shared: &Shared,
    url: &str,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let path = request.uri().path();
    shared.requests.count(path);
    let outage = shared.state.lock().outage.clone();
    match outage {
        Some(Outage::Hangup) => return Err(io::ErrorKind::ConnectionAborted.into()),
        Some(Outage::Stall) => match std::future::pending::<Infallible>().await {},
        Some(Outage::Status(status)) => {
            let status = StatusCode::from_u16(status).map_err(io::Error::other)?;
            return Ok(answer(status, Bytes::from_static(b"{}")));
        }
        Some(Outage::Garbage(text)) => return Ok(answer(StatusCode::OK, text.into())),
        Some(Outage::Flood(bytes)) => return Ok(answer(StatusCode::OK, vec![b' '; bytes].into())),
        Some(Outage::Redirect(to)) => {
            let mut response = answer(StatusCode::FOUND, Bytes::new());
            response
                .headers_mut()
                .insert(header::LOCATION, to.parse().map_err(io::Error::other)?);
            return Ok(response);
        }
        Some(Outage::KeysAt(address)) if path == DISCOVERY => {
            return Ok(json_answer(&json!({ "issuer": url, "jwks_uri": address })));
        }
        Some(Outage::KeysAt(_)) | None => {}
    }
    let state = shared.state.lock();
    Ok(match path {
        DISCOVERY => json_answer(&state.discovery(url)),
        KEYS => json_answer(&json!({ "keys": state.published })),
        _ => answer(StatusCode::NOT_FOUND, Bytes::new()),
    })
}

fn json_answer(document: &Value) -> Response<Full<Bytes>> {
    let mut response = answer(StatusCode::OK, document.to_string().into());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    response
}

fn answer(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}
