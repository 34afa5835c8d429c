//! Long polling: requests that wait until there is something to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;

use super::respond;
use crate::connection::link::Link;

/// The most bytes of hub messages in one answer; what is left comes with the next.
const ANSWER_LEN_MAX: usize = 64 * 1024;

/// Which poll of a connection is served.
#[derive(Debug, Default)]
pub(crate) struct Polls {
    /// Held by the poll that is served.
    turn: Mutex<()>,
    /// Whether another poll waits for its turn.
    is_awaited: AtomicBool,
    /// Ends the poll that is served.
    supersede: Notify,
    /// Woken when the client knows that the connection is over, or has ended it.
    is_over: Notify,
}

impl Polls {
    /// The client knows that the connection is over.
    pub(crate) fn set_over(&self) {
        self.is_over.notify_one();
    }

    /// Waits until the client knows that the connection is over.
    pub(crate) async fn wait_until_over(&self) {
        self.is_over.notified().await;
    }
}

/// The first poll only says that the transport is there.
pub(crate) fn first() -> Response {
    answer(Bytes::new())
}

/// Serves a later poll.
pub(crate) async fn poll(link: &Arc<Link>) -> Response {
    let polls = link.posted().polls();
    if polls.is_awaited.swap(true, Ordering::AcqRel) {
        // Two polls wait for the same one to end: the later is refused.
        return uncached(respond::text(StatusCode::CONFLICT, ""));
    }
    let awaited = Awaited(&polls.is_awaited);
    polls.supersede.notify_waiters();
    let _turn = polls.turn.lock().await;
    // Before another poll can come: that one wakes only who waits already.
    let superseded = polls.supersede.notified();
    drop(awaited);
    let _active = Active::new(link);
    let deadline = tokio::time::sleep(link.options.poll_timeout);
    // A client that goes away drops this future; nothing was taken from the queue before it is answered.
    tokio::select! {
        biased;
        payload = fetch(link) => match payload {
            Some(payload) => answer(payload),
            None => {
                polls.set_over();
                uncached(respond::text(StatusCode::NO_CONTENT, ""))
            }
        },
        () = superseded => uncached(respond::text(StatusCode::NO_CONTENT, "")),
        () = deadline => uncached(respond::text(StatusCode::OK, "")),
    }
}

/// All that is queued, as soon as there is anything; none: the connection is over.
async fn fetch(link: &Link) -> Option<Bytes> {
    loop {
        let frames = link.fetch(ANSWER_LEN_MAX);
        if !frames.is_empty() {
            let payloads: Vec<Bytes> = frames.iter().map(|frame| frame.payload()).collect();
            return Some(payloads.concat().into());
        }
        if link.outbox.is_closed() {
            return None;
        }
        link.fetchable.notified().await;
    }
}

fn answer(payload: Bytes) -> Response {
    let len = payload.len();
    let mut response = Response::new(Body::from(payload));
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, len.into());
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    uncached(response)
}

/// Every answer to a poll says that it is not to be kept.
pub(crate) fn uncached(mut response: Response) -> Response {
    respond::set_uncached(response.headers_mut());
    response
}

/// A poll that waits for its turn.
struct Awaited<'a>(&'a AtomicBool);

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A poll that is served: while there is one, the client is there.
struct Active<'a>(&'a Arc<Link>);

impl<'a> Active<'a> {
    fn new(link: &'a Arc<Link>) -> Self {
        link.posted().set_idle_since(None);
        Self(link)
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.posted().set_idle_since(Some(Instant::now()));
        self.0.wake();
    }
}
