//! Upload streams: items that a client sends into a running hub method.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use signalr_protocol::payload::{OwnedValue, Value};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use super::dotnet;
use crate::error::HubError;

/// The items of an upload stream, as a hub method reads them.
///
/// It ends where the client completes it. An error of the client's comes as the last item, and so does an item of
/// another type, or the end of the connection.
#[derive(Debug)]
pub struct Upload<T> {
    items: mpsc::Receiver<T>,
    /// With what the stream ends, if not well.
    error: Arc<Mutex<Option<HubError>>>,
}

impl<T> Stream for Upload<T> {
    type Item = Result<T, HubError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(match ready!(self.items.poll_recv(cx)) {
            Some(item) => Some(Ok(item)),
            None => self.error.lock().take().map(Err),
        })
    }
}

/// Where the items of an upload stream go; knows their type.
pub(crate) trait UploadSink: Send {
    /// Takes an item; gives it back where the method has not read enough yet.
    fn push(&mut self, item: Value<'_>, detailed: bool) -> Pushed;

    /// Ends the stream.
    fn complete(&mut self, error: Option<HubError>);

    /// Waits until an item can be taken, or nobody wants any.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// What became of an item.
#[derive(Debug)]
pub(crate) enum Pushed {
    Taken,
    Full(OwnedValue),
    /// The stream has ended: the item was of a wrong type, or nobody reads any more.
    Over,
}

/// A stream and the sink that feeds it; `capacity` items may wait in between.
pub(crate) fn upload<T: DeserializeOwned + Send + 'static>(
    capacity: usize,
) -> (Upload<T>, Box<dyn UploadSink>) {
    let (sender, items) = mpsc::channel(capacity.max(1));
    let error = Arc::default();
    let sink = TypedSink {
        sender: PollSender::new(sender),
        has_place: false,
        error: Arc::clone(&error),
    };
    (Upload { items, error }, Box::new(sink))
}

struct TypedSink<T> {
    sender: PollSender<T>,
    /// Whether a place for the next item was waited for.
    has_place: bool,
    error: Arc<Mutex<Option<HubError>>>,
}

impl<T: DeserializeOwned + Send + 'static> UploadSink for TypedSink<T> {
    fn push(&mut self, value: Value<'_>, detailed: bool) -> Pushed {
        let Some(sender) = self.sender.get_ref().filter(|sender| !sender.is_closed()) else {
            return Pushed::Over;
        };
        if !self.has_place && sender.capacity() == 0 {
            return Pushed::Full(value.detach());
        }
        let item = match value.read::<T>() {
            Ok(item) => item,
            Err(reason) => {
                let reason = dotnet::conversion_error::<T>(value, reason);
                let hidden = HubError::hidden("JsonException", reason);
                let text = hidden.describe("Failed to bind Stream message.", detailed);
                self.complete(Some(HubError::new(text)));
                return Pushed::Over;
            }
        };
        let sent = if std::mem::take(&mut self.has_place) {
            self.sender.send_item(item).is_ok()
        } else {
            sender.try_send(item).is_ok()
        };
        if sent { Pushed::Taken } else { Pushed::Over }
    }

    fn complete(&mut self, error: Option<HubError>) {
        *self.error.lock() = error;
        self.sender.abort_send();
        self.sender.close();
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.has_place {
            // Where nobody reads any more, the next push says so.
            self.has_place = ready!(self.sender.poll_reserve(cx)).is_ok();
        }
        Poll::Ready(())
    }
}
