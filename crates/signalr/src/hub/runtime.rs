//! A hub at work: its methods and its application's value, with their types taken away.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::Hub;
use super::client_results::ClientResults;
use super::context::Context;
use super::filter::{Filters, Step};
use super::methods::{Methods, Prepared, Refusal, Request};
use crate::close::CloseReason;
use crate::connection::registry::Registry;
use crate::error::HubError;
use crate::lifetime::LifetimeManager;
use crate::metrics::Metrics;
use crate::options::HubOptions;

/// What all connections of a hub share.
pub(crate) struct HubShared {
    pub(crate) options: Arc<HubOptions>,
    pub(crate) protocol_options: Arc<signalr_protocol::Options>,
    pub(crate) registry: Registry,
    pub(crate) lifetime: Arc<dyn LifetimeManager>,
    pub(crate) client_results: Arc<ClientResults>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) filters: Filters,
    pub(crate) hub: Box<dyn AnyHub>,
}

impl std::fmt::Debug for HubShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubShared").finish_non_exhaustive()
    }
}

/// A hub whose type is not known.
pub(crate) trait AnyHub: Send + Sync {
    fn on_connected(&self, context: Context) -> BoxFuture<'static, Result<(), HubError>>;

    fn on_disconnected(
        &self,
        context: Context,
        reason: CloseReason,
    ) -> BoxFuture<'static, Result<(), HubError>>;

    /// None: there is no such method.
    fn prepare(&self, target: &str, request: Request<'_>) -> Option<Result<Prepared, Refusal>>;
}

pub(crate) struct TypedHub<H> {
    hub: Arc<H>,
    methods: Methods<H>,
}

impl<H: Hub> TypedHub<H> {
    pub(crate) fn new(hub: Arc<H>) -> Self {
        let mut methods = Methods::new();
        H::methods(&mut methods);
        Self { hub, methods }
    }
}

impl<H: Hub> AnyHub for TypedHub<H> {
    fn on_connected(&self, context: Context) -> BoxFuture<'static, Result<(), HubError>> {
        let hub = Arc::clone(&self.hub);
        if context.hub.filters.is_empty() {
            // Called within: it may panic before there is a future.
            return caught(async move { hub.on_connected(context).await }).boxed();
        }
        async move {
            let step = Step::Connected(&context);
            let connected = async { hub.on_connected(context.clone()).await };
            context.hub.filters.around(step, connected).await
        }
        .boxed()
    }

    fn on_disconnected(
        &self,
        context: Context,
        reason: CloseReason,
    ) -> BoxFuture<'static, Result<(), HubError>> {
        let hub = Arc::clone(&self.hub);
        if context.hub.filters.is_empty() {
            return caught(async move { hub.on_disconnected(context, reason).await }).boxed();
        }
        async move {
            let step = Step::Disconnected(&context, &reason);
            let gone = async { hub.on_disconnected(context.clone(), reason.clone()).await };
            context.hub.filters.around(step, gone).await
        }
        .boxed()
    }

    fn prepare(&self, target: &str, request: Request<'_>) -> Option<Result<Prepared, Refusal>> {
        let method = self.methods.get(target)?;
        Some(method.prepare(Arc::clone(&self.hub), request))
    }
}

/// Makes a panic of the application's an error like any other: it must not take other connections along.
///
/// No `async` function: that would take room for its argument twice.
pub(crate) fn caught<R, E: Into<HubError>>(
    work: impl Future<Output = Result<R, E>>,
) -> impl Future<Output = Result<R, HubError>> {
    let work = AssertUnwindSafe(work).catch_unwind();
    work.map(|ended| match ended {
        Ok(result) => result.map_err(Into::into),
        Err(panic) => {
            let text = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            tracing::error!(panic = text, "the hub panicked");
            Err(HubError::hidden("Panic", text))
        }
    })
}
