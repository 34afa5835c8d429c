//! What answers on listeners that speak HTTP/2 only.

use std::{fmt, sync::Arc};

use axum::Router;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;
use tower::Service as _;

/// Answers requests, one call of a function each.
///
/// A [`Router`] is one, too, but costs more than a small answer: for each request it looks up and notes the route, and
/// wraps the future and both bodies once more.
#[derive(Clone)]
pub struct Handler(Arc<dyn Fn(Request<Incoming>) -> Answer + Send + Sync>);

/// An answer that is being made.
pub type Answer = BoxFuture<'static, Response<Body>>;

impl Handler {
    /// Answers by a function.
    pub fn new(answer: impl Fn(Request<Incoming>) -> Answer + Send + Sync + 'static) -> Self {
        Self(Arc::new(answer))
    }

    pub(crate) fn answer(&self, request: Request<Incoming>) -> Answer {
        (self.0)(request)
    }
}

impl From<Router> for Handler {
    fn from(router: Router) -> Self {
        Self::new(move |request| {
            let answer = router.clone().call(request);
            Box::pin(async {
                let Ok(response) = answer.await;
                response.map(Body::new)
            })
        })
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handler").finish_non_exhaustive()
    }
}
