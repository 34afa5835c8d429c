//! The calls of one client: which run, which wait, and how they are answered.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as TaskContext, Poll};

use futures_util::future::{AbortHandle, Abortable, BoxFuture};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use serde::Serialize;
use signalr_protocol::codec::Answer;
use signalr_protocol::message::{Invocation, Outcome};
use signalr_protocol::payload::{EncodeError, OwnedValue, Value};
use smallvec::SmallVec;

use super::context::{Context, Role};
use super::methods::{self, Request};
use super::runtime::{HubShared, caught};
use super::stream::{Pushed, UploadSink};
use crate::close::CloseReason;
use crate::connection::link::Link;
use crate::error::HubError;
use crate::frame::{self, Frame};

/// The id of a call; those of stock clients are short numbers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CallId(SmallVec<[u8; 16]>);

impl CallId {
    fn new(id: &str) -> Self {
        Self(SmallVec::from_slice(id.as_bytes()))
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The calls of one connection. Holds little while none runs.
#[derive(Default)]
pub(crate) struct Calls {
    inline: Inline,
    others: Option<Box<Others>>,
}

/// A call that the connection's own task polls whenever it runs: the only one, where one at a time does, as is usual.
///
/// A set of futures would allocate for it, and have the task run twice for each time that it has to wait.
#[derive(Default)]
struct Inline {
    future: Option<BoxFuture<'static, ()>>,
    /// It has been polled in this turn of the task.
    is_polled: bool,
}

/// Calls that run at the same time as another, and all that stream.
#[derive(Default)]
struct Others {
    running: FuturesUnordered<BoxFuture<'static, Ended>>,
    /// Calls among `running` that take a place.
    places_taken: usize,
    /// A call that waits for a place; nothing behind it is read.
    waiting: Option<BoxFuture<'static, ()>>,
    /// How to cancel the streams that run.
    streams: HashMap<CallId, AbortHandle>,
    uploads: HashMap<CallId, Box<dyn UploadSink>>,
    /// An item for which there was no room; nothing behind it is read.
    stalled: Option<(CallId, OwnedValue)>,
}

/// A call that has ended, and what it leaves behind.
struct Ended {
    took_place: bool,
    stream: Option<CallId>,
    uploads: Vec<CallId>,
}

impl Ended {
    /// What a call leaves behind that streams nothing.
    fn in_turn((): ()) -> Self {
        Self {
            took_place: true,
            stream: None,
            uploads: Vec::new(),
        }
    }
}

impl Inline {
    fn poll(&mut self, cx: &mut TaskContext<'_>) {
        if std::mem::take(&mut self.is_polled) {
            return;
        }
        // One that panics is not put back: it must not be polled again.
        if let Some(mut future) = self.future.take()
            && future.poll_unpin(cx).is_pending()
        {
            self.future = Some(future);
        }
    }
}

impl Calls {
    /// Whether messages have to wait until a call ends or reads.
    pub(crate) fn is_stalled(&self) -> bool {
        self.others
            .as_ref()
            .is_some_and(|others| others.waiting.is_some() || others.stalled.is_some())
    }

    /// Calls that wait for their own client have given their places back.
    fn has_place(&self, link: &Link) -> bool {
        let others = self.others.as_ref().map_or(0, |others| others.places_taken);
        let taken = others + usize::from(self.inline.future.is_some());
        let lent = link.lent_places.load(Ordering::Acquire);
        taken.saturating_sub(lent) < link.options.maximum_parallel_invocations
    }

    /// Begins a call, or answers why it is not begun.
    pub(crate) fn handle_invocation(
        &mut self,
        cx: &mut TaskContext<'_>,
        hub: &Arc<HubShared>,
        link: &Arc<Link>,
        invocation: &Invocation<'_>,
        wants_stream: bool,
    ) {
        hub.metrics.count_invocation();
        let id = invocation.id.as_ref().map(|id| CallId::new(id));
        let responder = Responder {
            link: Arc::clone(link),
            hub: Arc::clone(hub),
            id: id.clone(),
            target: Arc::from(&*invocation.target),
        };
        if wants_stream
            && let (Some(id), Some(others)) = (&id, &self.others)
            && others.streams.contains_key(id)
        {
            responder.refuse(&format!(
                "Invocation ID '{}' is already in use.",
                id.as_str()
            ));
            return;
        }
        let streams = wants_stream || !invocation.stream_ids.is_empty();
        if streams && self.streaming() >= hub.options.streams_max {
            let base = methods::failed_to_invoke(&invocation.target);
            responder.refuse(&format!("{base} HubException: Too many streams are open."));
            return;
        }
        let refuser = responder.clone();
        let request = Request {
            context: Context {
                link: Arc::clone(link),
                hub: Arc::clone(hub),
                role: if streams { Role::Beside } else { Role::InTurn },
            },
            arguments: &invocation.arguments,
            stream_count: invocation.stream_ids.len(),
            wants_stream,
            responder,
        };
        let detailed = hub.options.detailed_errors;
        match hub.hub.prepare(&invocation.target, request) {
            None => {
                let base = methods::failed_to_invoke(&invocation.target);
                refuser.refuse(&format!("{base} HubException: Method does not exist."));
            }
            Some(Err(refusal)) => {
                refuser.refuse(&methods::describe(&refusal, &invocation.target, detailed));
            }
            Some(Ok(prepared)) => {
                let uploads: Vec<CallId> = invocation
                    .stream_ids
                    .iter()
                    .map(|id| CallId::new(id))
                    .collect();
                if !streams {
                    self.run_in_turn(cx, link, prepared.future);
                } else {
                    let stream = id.filter(|_| prepared.is_stream);
                    self.run_beside(refuser, prepared.future, stream, uploads, prepared.sinks);
                }
            }
        }
    }

    /// How many calls run that stream in either direction.
    fn streaming(&self) -> usize {
        self.others
            .as_ref()
            .map_or(0, |others| others.running.len() - others.places_taken)
    }

    /// Runs a call when there is a place for it. Most calls end at once and cost nothing more.
    fn run_in_turn(
        &mut self,
        cx: &mut TaskContext<'_>,
        link: &Arc<Link>,
        mut future: BoxFuture<'static, ()>,
    ) {
        if !self.has_place(link) {
            self.others.get_or_insert_default().waiting = Some(future);
        } else if future.poll_unpin(cx).is_pending() {
            self.go_on(future, true);
        }
    }

    /// Takes a call into those that run in turn.
    fn go_on(&mut self, future: BoxFuture<'static, ()>, is_polled: bool) {
        if self.inline.future.is_none() {
            self.inline = Inline {
                future: Some(future),
                is_polled,
            };
            return;
        }
        let others = self.others.get_or_insert_default();
        others.places_taken += 1;
        others.running.push(future.map(Ended::in_turn).boxed());
    }

    /// Runs a call that streams in either direction: it takes no place and holds nobody up.
    fn run_beside(
        &mut self,
        responder: Responder,
        future: BoxFuture<'static, ()>,
        stream: Option<CallId>,
        uploads: Vec<CallId>,
        sinks: Vec<Box<dyn UploadSink>>,
    ) {
        let others = self.others.get_or_insert_default();
        others.uploads.extend(uploads.iter().cloned().zip(sinks));
        let (handle, registration) = AbortHandle::new_pair();
        if let Some(id) = &stream {
            others.streams.insert(id.clone(), handle);
        }
        let future = Abortable::new(future, registration).map(move |ended| {
            if ended.is_err() {
                responder.end_stream();
            }
            Ended {
                took_place: false,
                stream,
                uploads,
            }
        });
        others.running.push(future.boxed());
    }

    /// Takes an item of an upload stream; unknown streams are ignored.
    pub(crate) fn handle_item(&mut self, id: &str, item: Value<'_>, detailed: bool) {
        let Some(others) = &mut self.others else {
            return;
        };
        let id = CallId::new(id);
        let Some(sink) = others.uploads.get_mut(&id) else {
            return;
        };
        match sink.push(item, detailed) {
            Pushed::Taken => {}
            Pushed::Full(item) => others.stalled = Some((id, item)),
            Pushed::Over => {
                others.uploads.remove(&id);
            }
        }
    }

    /// Takes the end of an upload stream; false: there is no such stream.
    pub(crate) fn handle_upload_end(&mut self, id: &str, outcome: &Outcome<'_>) -> bool {
        let Some(others) = &mut self.others else {
            return false;
        };
        let Some(mut sink) = others.uploads.remove(&CallId::new(id)) else {
            return false;
        };
        sink.complete(match outcome {
            Outcome::Error(text) => Some(HubError::new(text.clone().into_owned())),
            Outcome::Void | Outcome::Result(_) => None,
        });
        true
    }

    /// The client no longer wants a stream.
    pub(crate) fn handle_cancel(&mut self, id: &str) {
        if let Some(others) = &mut self.others
            && let Some(handle) = others.streams.get(&CallId::new(id))
        {
            // Its id is taken until it has ended.
            handle.abort();
        }
    }

    /// Lets the calls go on.
    pub(crate) fn poll(&mut self, cx: &mut TaskContext<'_>, link: &Arc<Link>, detailed: bool) {
        loop {
            self.inline.poll(cx);
            let Some(others) = &mut self.others else {
                return;
            };
            while let Poll::Ready(Some(ended)) = others.running.poll_next_unpin(cx) {
                others.forget(&ended);
            }
            others.poll_stalled(cx, detailed);
            if others.is_idle() {
                self.others = None;
            }
            if !self.has_place(link) {
                return;
            }
            let Some(next) = self
                .others
                .as_mut()
                .and_then(|others| others.waiting.take())
            else {
                return;
            };
            self.go_on(next, false);
        }
    }

    /// The connection is over: uploads end with an error, streams are cancelled, calls go on by themselves.
    pub(crate) fn handle_end(&mut self) -> Option<BoxFuture<'static, ()>> {
        let inline = self.inline.future.take();
        let Some(mut others) = self.others.take() else {
            return inline;
        };
        for handle in others.streams.values() {
            handle.abort();
        }
        for (_, mut sink) in others.uploads.drain() {
            sink.complete(Some(HubError::hidden(
                "OperationCanceledException",
                "The underlying connection was closed.",
            )));
        }
        let mut running = std::mem::take(&mut others.running);
        running.extend(inline.map(|inline| inline.map(Ended::in_turn).boxed()));
        (!running.is_empty())
            .then(|| async move { while running.next().await.is_some() {} }.boxed())
    }
}

impl Others {
    fn forget(&mut self, ended: &Ended) {
        if ended.took_place {
            self.places_taken -= 1;
        }
        if let Some(id) = &ended.stream {
            self.streams.remove(id);
        }
        for id in &ended.uploads {
            self.uploads.remove(id);
        }
        if let Some((id, _)) = &self.stalled
            && !self.uploads.contains_key(id)
        {
            self.stalled = None;
        }
    }

    fn poll_stalled(&mut self, cx: &mut TaskContext<'_>, detailed: bool) {
        let Some((id, item)) = &self.stalled else {
            return;
        };
        let Some(sink) = self.uploads.get_mut(id) else {
            self.stalled = None;
            return;
        };
        if sink.poll_ready(cx).is_pending() {
            return;
        }
        if matches!(sink.push(item.borrow(), detailed), Pushed::Over) {
            self.uploads.remove(id);
        }
        self.stalled = None;
    }

    fn is_idle(&self) -> bool {
        self.running.is_empty()
            && self.waiting.is_none()
            && self.stalled.is_none()
            && self.uploads.is_empty()
    }
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calls")
            .field("is_stalled", &self.is_stalled())
            .finish_non_exhaustive()
    }
}

/// Answers one call, if its caller wants an answer.
#[derive(Debug, Clone)]
pub(crate) struct Responder {
    link: Arc<Link>,
    hub: Arc<HubShared>,
    id: Option<CallId>,
    target: Arc<str>,
}

impl Responder {
    /// The name of the method, as the client spelled it.
    pub(crate) fn target(&self) -> Arc<str> {
        Arc::clone(&self.target)
    }

    pub(crate) fn succeed<R: Serialize>(&self, value: &R) {
        self.answer(Answer::Result(value));
    }

    pub(crate) fn fail(&self, error: &HubError) {
        tracing::debug!(
            connection = %self.link.id,
            method = %self.target,
            exception = error.exception(),
            error = error.message(),
            "the hub method failed"
        );
        let base = format!(
            "An unexpected error occurred invoking '{}' on the server.",
            self.target
        );
        self.refuse(&error.describe(&base, self.hub.options.detailed_errors));
    }

    /// Answers with an error text.
    pub(crate) fn refuse(&self, text: &str) {
        self.hub.metrics.count_failed_invocation();
        self.answer(Answer::Error(text));
    }

    /// Answers with items until the stream ends; waits for a client that reads slowly.
    pub(crate) async fn stream<R: Serialize>(
        &self,
        items: impl Stream<Item = Result<R, HubError>>,
    ) {
        let mut items = std::pin::pin!(items);
        loop {
            self.link.wait_for_room().await;
            match caught(items.next().map(Ok::<_, HubError>)).await {
                Ok(None) => return self.end_stream(),
                Ok(Some(Ok(item))) => self.item(&item),
                Ok(Some(Err(error))) | Err(error) => {
                    let text = error.describe(
                        "An error occurred on the server while streaming results.",
                        self.hub.options.detailed_errors,
                    );
                    return self.refuse(&text);
                }
            }
        }
    }

    /// Answers that there are no more items.
    pub(crate) fn end_stream(&self) {
        self.answer(Answer::Void);
    }

    fn item<R: Serialize>(&self, item: &R) {
        self.write(|protocol, id| frame::stream_item(protocol, id, item));
    }

    fn answer(&self, answer: Answer<'_>) {
        self.write(|protocol, id| frame::completion(protocol, id, answer));
    }

    fn write(
        &self,
        frame: impl FnOnce(signalr_protocol::HubProtocol, &str) -> Result<Frame, EncodeError>,
    ) {
        let (Some(id), Some(protocol)) = (&self.id, self.link.protocol()) else {
            return;
        };
        match frame(protocol, id.as_str()) {
            Ok(frame) => self.link.send(frame),
            Err(error) => {
                // ASP.NET Core ends the connection, too: the caller would wait for ever.
                tracing::error!(method = %self.target, %error, "the answer cannot be written");
                self.link.close(CloseReason::Aborted);
            }
        }
    }
}
