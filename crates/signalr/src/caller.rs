//! Who is at the other end of a connection.

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// What an application knows of a client when its request arrives.
///
/// The application gives it from the request that opens a connection
/// ([`HubEndpoint::caller`](crate::endpoint::Builder::caller)); hub methods read it from their
/// [`Context`](crate::Context).
#[derive(Clone, Default)]
pub struct Caller {
    pub(crate) user_id: Option<Arc<str>>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) data: Option<Arc<dyn Any + Send + Sync>>,
}

impl Caller {
    /// Somebody whose name is not known.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A user; all connections of one user can be addressed together.
    #[must_use]
    pub fn user(id: impl Into<Arc<str>>) -> Self {
        Self {
            user_id: Some(id.into()),
            ..Self::default()
        }
    }

    /// Where the request came from.
    #[must_use]
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Anything else that hub methods need, such as claims.
    #[must_use]
    pub fn data<T: Any + Send + Sync>(mut self, data: Arc<T>) -> Self {
        self.data = Some(data);
        self
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("user_id", &self.user_id)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
