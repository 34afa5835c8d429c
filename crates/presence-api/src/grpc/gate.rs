//! Who may call.

use std::{
    convert::Infallible,
    future::Future,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use tonic::{Status, body::Body, server::NamedService};
use tower::Service;

/// Lets calls in by their headers, or refuses them with a status.
///
/// [`Gatekeeper`](crate::auth::Gatekeeper) is one.
pub trait Gate: Clone + Send + Sync + 'static {
    /// Looks at the headers of one call.
    fn admit(&self, headers: &HeaderMap) -> impl Future<Output = Result<(), Status>> + Send;
}

/// A service behind a gate. Calls that are refused are answered before a byte of their message is read.
#[derive(Clone, Debug)]
pub(super) struct Guarded<S, G> {
    service: S,
    gate: G,
}

impl<S, G> Guarded<S, G> {
    pub(super) fn new(service: S, gate: G) -> Self {
        Self { service, gate }
    }
}

impl<S, G> Service<Request<Body>> for Guarded<S, G>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    G: Gate,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The clone takes the place of the service that was polled ready.
        let next = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, next);
        let gate = self.gate.clone();
        Box::pin(async move {
            match gate.admit(request.headers()).await {
                Ok(()) => service.call(request).await,
                Err(refusal) => Ok(refusal.into_http()),
            }
        })
    }
}

impl<S: NamedService, G> NamedService for Guarded<S, G> {
    const NAME: &'static str = S::NAME;
}
