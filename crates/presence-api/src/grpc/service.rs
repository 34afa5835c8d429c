//! `presenceapi.PresenceAPI`.

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use presence::{Status as UserStatus, UserId};
use tonic::body::Body;
use tonic::metadata::MetadataValue;
use tonic::server::{Grpc, UnaryService};
use tonic::{Request, Response, Status};

use super::codec::{Ids, StatusCodec, Statuses};
use super::gate::Gate;

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

/// Answers back ends that `gate` lets in.
#[derive(Debug)]
pub(super) struct PresenceService<R, G> {
    reader: R,
    users_max: NonZeroUsize,
    gate: G,
}

impl<R, G> PresenceService<R, G> {
    /// A service that reads from `reader` and refuses calls for more than `users_max` users.
    pub(super) const fn new(reader: R, users_max: NonZeroUsize, gate: G) -> Self {
        Self {
            reader,
            users_max,
            gate,
        }
    }

    fn check<'a>(&self, ids: &'a Ids) -> Result<Vec<&'a str>, Status> {
        if ids.len() > self.users_max.get() {
            return Err(Status::invalid_argument(format!(
                "userIds: {} ids, and {} are the most for one call",
                ids.len(),
                self.users_max
            )));
        }
        let users = ids.texts()?;
        for (at, id) in users.iter().enumerate() {
            UserId::check(id)
                .map_err(|error| Status::invalid_argument(format!("userIds[{at}]: {error}")))?;
        }
        Ok(users)
    }
}

impl<R: StatusReader, G: Gate> PresenceService<R, G> {
    /// Answers a request for any method of the service. Calls that are refused are answered before a byte of their
    /// message is read.
    pub(super) async fn handle(
        self: Arc<Self>,
        request: http::Request<Body>,
    ) -> http::Response<Body> {
        if let Err(refusal) = self.gate.admit(request.headers()).await {
            return refusal.into_http();
        }
        if request.uri().path() != METHOD {
            return Status::unimplemented("there is no such method").into_http();
        }
        Grpc::new(StatusCodec)
            .unary(GetUsersStatus(self), request)
            .await
    }

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
struct GetUsersStatus<R, G>(Arc<PresenceService<R, G>>);

impl<R: StatusReader, G: Gate> UnaryService<Ids> for GetUsersStatus<R, G> {
    type Response = Statuses;
    type Future = BoxFuture<'static, Result<Response<Statuses>, Status>>;

    fn call(&mut self, request: Request<Ids>) -> Self::Future {
        let service = Arc::clone(&self.0);
        Box::pin(async move { service.answer(request.into_inner()).await })
    }
}

/// Whether a path is that of a method of the service, known or not.
pub(super) fn owns(path: &str) -> bool {
    let method = path
        .strip_prefix('/')
        .and_then(|path| path.strip_prefix(NAME));
    method.is_some_and(|method| method.starts_with('/') && method.len() > 1)
}

/// The full name of the service.
pub(super) const NAME: &str = "presenceapi.PresenceAPI";

const METHOD: &str = "/presenceapi.PresenceAPI/GetUsersStatus";
