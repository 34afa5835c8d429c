//! `presenceapi.PresenceAPI`.

use std::convert::Infallible;
use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use presence::{Status as UserStatus, UserId};
use tonic::body::Body;
use tonic::metadata::MetadataValue;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tower::Service;

use super::codec::{Ids, StatusCodec, Statuses};

/// Reads the statuses of many users in one go.
pub trait StatusReader: Send + Sync + 'static {
    /// The status of each user, in the order asked.
    ///
    /// One read of the store, however many users. When the store is away the answer is UNAVAILABLE or the documented
    /// fallback, as the implementation has it.
    fn statuses(
        &self,
        users: &[&str],
    ) -> impl Future<Output = Result<Vec<UserStatus>, Status>> + Send;

    /// Whether answers are at present not the whole truth: what nodes share cannot be reached.
    fn is_degraded(&self) -> bool;
}

/// Metadata of an answer that knows only the users of this node: all others are reported as offline.
const DEGRADED: &str = "presence-degraded";

/// Answers back ends.
#[derive(Debug)]
pub struct PresenceService<R>(Arc<Parts<R>>);

#[derive(Debug)]
struct Parts<R> {
    reader: R,
    users_max: NonZeroUsize,
}

impl<R> PresenceService<R> {
    /// A service that reads from `reader` and refuses calls for more than `users_max` users.
    pub fn new(reader: R, users_max: NonZeroUsize) -> Self {
        Self(Arc::new(Parts { reader, users_max }))
    }
}

impl<R> Parts<R> {
    fn check<'a>(&self, ids: &'a Ids) -> Result<Vec<&'a str>, Status> {
        if ids.len() > self.users_max.get() {
            return Err(Status::invalid_argument(format!(
                "userIds: {} ids, and {} are the most for one call",
                ids.len(),
                self.users_max
            )));
        }
        let mut users = Vec::with_capacity(ids.len());
        for (at, id) in ids.iter().enumerate() {
            UserId::check(id)
                .map_err(|error| Status::invalid_argument(format!("userIds[{at}]: {error}")))?;
            users.push(id);
        }
        Ok(users)
    }
}

impl<R: StatusReader> Parts<R> {
    async fn answer(&self, ids: Ids) -> Result<Response<Statuses>, Status> {
        let users = self.check(&ids)?;
        // Asking for nobody is no mistake, and no reason to ask the store.
        let statuses = if users.is_empty() {
            Vec::new()
        } else {
            self.reader.statuses(&users).await?
        };
        if statuses.len() != ids.len() {
            return Err(Status::internal(
                "the store answered for another number of users",
            ));
        }
        let mut response = Response::new(Statuses { ids, statuses });
        if self.reader.is_degraded() {
            response
                .metadata_mut()
                .insert(DEGRADED, MetadataValue::from_static("true"));
        }
        Ok(response)
    }
}

/// The one method.
struct GetUsersStatus<R>(Arc<Parts<R>>);

impl<R: StatusReader> UnaryService<Ids> for GetUsersStatus<R> {
    type Response = Statuses;
    type Future = BoxFuture<'static, Result<Response<Statuses>, Status>>;

    fn call(&mut self, request: Request<Ids>) -> Self::Future {
        let parts = Arc::clone(&self.0);
        Box::pin(async move { parts.answer(request.into_inner()).await })
    }
}

impl<R: StatusReader> Service<http::Request<Body>> for PresenceService<R> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = GetUsersStatus(Arc::clone(&self.0));
        Box::pin(async move {
            if request.uri().path() != METHOD {
                return Ok(Status::unimplemented("there is no such method").into_http());
            }
            Ok(Grpc::new(StatusCodec).unary(method, request).await)
        })
    }
}

impl<R> Clone for PresenceService<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R> NamedService for PresenceService<R> {
    const NAME: &'static str = NAME;
}

/// The full name of the service.
pub(super) const NAME: &str = "presenceapi.PresenceAPI";

const METHOD: &str = "/presenceapi.PresenceAPI/GetUsersStatus";
