//! Who may call.

use std::future::Future;

use http::HeaderMap;
use tonic::Status;

/// Lets calls in by their headers, or refuses them with a status.
///
/// [`Gatekeeper`](crate::auth::Gatekeeper) is one.
pub trait Gate: Send + Sync + 'static {
    /// Looks at the headers of one call.
    fn admit(&self, headers: &HeaderMap) -> impl Future<Output = Result<(), Status>> + Send;
}
