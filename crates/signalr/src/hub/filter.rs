//! Filters: code around the hub's methods and around its coming and going.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use signalr_protocol::payload::OwnedValue;

use super::context::Context;
use super::runtime::caught;
use crate::close::CloseReason;
use crate::error::HubError;

/// Code that runs around every method of a hub, and around its coming and going.
///
/// A filter goes on by [`Next::run`], and sees with what that ended; or it refuses, by an error in its place. Of
/// several the first that was added is the outermost. A filter that panics counts as one that fails.
///
/// What a client did wrong before its method could begin (an unknown name, arguments that do not fit, a method that it
/// may not call) reaches no filter. A hub without filters pays nothing for them; with one, a call costs two
/// allocations more and one for each of its arguments.
///
/// ```
/// use signalr::filter::{HubFilter, MethodCall, Next, Passed};
/// use signalr::{Context, Hub, HubEndpoint, HubError, Methods};
///
/// /// Nobody calls without a name, and the log tells who did what.
/// struct Named;
///
/// impl HubFilter for Named {
///     async fn invoke_method(&self, call: &MethodCall, next: Next<'_>) -> Result<Passed, HubError> {
///         let Some(user) = call.context().user_id() else {
///             return Err(HubError::new("who are you?"));
///         };
///         let ended = next.run().await;
///         tracing::info!(user, method = call.method(), is_ok = ended.is_ok());
///         ended
///     }
/// }
/// # struct Chat;
/// # impl Hub for Chat { fn methods(_: &mut Methods<Self>) {} }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let chat = HubEndpoint::builder(Chat).filter(Named).build();
/// # drop(chat);
/// # }
/// ```
pub trait HubFilter: Send + Sync + 'static {
    /// A client calls a method; its answer is sent when this returns, and says what this says.
    ///
    /// Of a method that streams this is the part up to its stream, not the items.
    fn invoke_method(
        &self,
        _call: &MethodCall,
        next: Next<'_>,
    ) -> impl Future<Output = Result<Passed, HubError>> + Send {
        next.run()
    }

    /// A client has connected. An error ends its connection, as one of [`Hub::on_connected`](crate::Hub::on_connected)
    /// does.
    fn on_connected(
        &self,
        _context: &Context,
        next: Next<'_>,
    ) -> impl Future<Output = Result<Passed, HubError>> + Send {
        next.run()
    }

    /// A client has gone.
    fn on_disconnected(
        &self,
        _context: &Context,
        _reason: &CloseReason,
        next: Next<'_>,
    ) -> impl Future<Output = Result<Passed, HubError>> + Send {
        next.run()
    }
}

/// A call as filters see it.
#[derive(Debug)]
pub struct MethodCall {
    pub(crate) context: Context,
    pub(crate) target: Arc<str>,
    pub(crate) arguments: Vec<OwnedValue>,
}

impl MethodCall {
    /// The name of the method, as the client spelled it: case is not told apart.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.target
    }

    /// Who calls.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// How many arguments there are; upload streams are none.
    #[must_use]
    pub fn argument_count(&self) -> usize {
        self.arguments.len()
    }

    /// Reads an argument, counted from 0.
    ///
    /// # Errors
    /// There is no such argument, or it is no `T`.
    pub fn argument<T: DeserializeOwned>(&self, index: usize) -> Result<T, HubError> {
        let value = self.arguments.get(index).ok_or_else(|| {
            let count = self.arguments.len();
            HubError::hidden(
                "ArgumentOutOfRangeException",
                format!("argument {index} of {count}"),
            )
        })?;
        let read = value.borrow().read();
        read.map_err(|reason| HubError::hidden("InvalidCastException", reason))
    }
}

/// What stands behind a filter: the next one, or the hub itself.
pub struct Next<'a> {
    filters: &'a [Box<dyn AnyFilter>],
    step: Step<'a>,
    hub: BoxFuture<'a, Result<(), HubError>>,
}

impl Next<'_> {
    /// Goes on, to the hub in the end.
    ///
    /// # Errors
    /// What a later filter or the hub fails with, panics included.
    pub async fn run(self) -> Result<Passed, HubError> {
        match self.filters.split_first() {
            None => self.hub.await.map(|()| Passed(())),
            Some((first, filters)) => {
                let step = self.step;
                let next = Self { filters, ..self };
                // Called within: it may panic before there is a future.
                caught(async { first.run(step, next).await }).await
            }
        }
    }
}

impl std::fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Next")
            .field("filters", &self.filters.len())
            .finish_non_exhaustive()
    }
}

/// The proof that a filter went on: only [`Next::run`] gives it.
///
/// A filter of .NET's may answer in the place of a method. Here the answer has the method's own type, which a filter
/// does not know: it lets the method answer, or refuses.
#[derive(Debug)]
pub struct Passed(());

/// What happens, with the filters around it.
#[derive(Clone, Copy)]
pub(crate) enum Step<'a> {
    Method(&'a MethodCall),
    Connected(&'a Context),
    Disconnected(&'a Context, &'a CloseReason),
}

/// A filter whose type is not known.
pub(crate) trait AnyFilter: Send + Sync {
    fn run<'a>(&'a self, step: Step<'a>, next: Next<'a>)
    -> BoxFuture<'a, Result<Passed, HubError>>;
}

impl<F: HubFilter> AnyFilter for F {
    fn run<'a>(
        &'a self,
        step: Step<'a>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Passed, HubError>> {
        match step {
            Step::Method(call) => self.invoke_method(call, next).boxed(),
            Step::Connected(context) => self.on_connected(context, next).boxed(),
            Step::Disconnected(context, reason) => {
                self.on_disconnected(context, reason, next).boxed()
            }
        }
    }
}

/// The filters of a hub, the outermost first.
#[derive(Default)]
pub(crate) struct Filters(pub(crate) Vec<Box<dyn AnyFilter>>);

impl Filters {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Runs `hub` with all filters around it, and gives what it gave.
    pub(crate) async fn around<R: Send>(
        &self,
        step: Step<'_>,
        hub: impl Future<Output = Result<R, HubError>> + Send,
    ) -> Result<R, HubError> {
        let mut given = None;
        let next = Next {
            filters: &self.0,
            step,
            hub: Box::pin(async {
                given = Some(caught(hub).await?);
                Ok(())
            }),
        };
        next.run().await?;
        // None: a filter passed on what it was given in another call.
        given.ok_or_else(|| HubError::hidden("InvalidOperationException", "a filter did not go on"))
    }
}
