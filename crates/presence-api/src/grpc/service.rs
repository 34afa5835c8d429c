//! `presenceapi.PresenceAPI`.

use std::{future::Future, num::NonZeroUsize};

use presence::{Status as UserStatus, UserId};
use tonic::{Request, Response, Status, async_trait, metadata::MetadataValue};

use super::pb::{self, presence_api_server::PresenceApi};

/// Reads the statuses of many users in one go.
pub trait StatusReader: Send + Sync + 'static {
    /// The status of each user, in the order asked.
    ///
    /// One read of the store, however many users. When the store is away the answer is UNAVAILABLE or the documented
    /// fallback, as the implementation has it.
    fn statuses(
        &self,
        users: &[UserId],
    ) -> impl Future<Output = Result<Vec<UserStatus>, Status>> + Send;

    /// Whether answers are at present not the whole truth: what nodes share cannot be reached.
    fn is_degraded(&self) -> bool;
}

/// Metadata of an answer that knows only the users of this node: all others are reported as offline.
const DEGRADED: &str = "presence-degraded";

/// Answers back ends.
#[derive(Debug)]
pub struct PresenceService<R> {
    reader: R,
    users_max: NonZeroUsize,
}

impl<R> PresenceService<R> {
    /// A service that reads from `reader` and refuses calls for more than `users_max` users.
    pub fn new(reader: R, users_max: NonZeroUsize) -> Self {
        Self { reader, users_max }
    }

    fn check(&self, ids: &[String]) -> Result<Vec<UserId>, Status> {
        if ids.len() > self.users_max.get() {
            return Err(Status::invalid_argument(format!(
                "userIds: {} ids, and {} are the most for one call",
                ids.len(),
                self.users_max
            )));
        }
        ids.iter()
            .enumerate()
            .map(|(i, id)| {
                UserId::new(id)
                    .map_err(|error| Status::invalid_argument(format!("userIds[{i}]: {error}")))
            })
            .collect()
    }
}

#[async_trait]
impl<R: StatusReader> PresenceApi for PresenceService<R> {
    async fn get_users_status(
        &self,
        request: Request<pb::GetUsersStatusRequest>,
    ) -> Result<Response<pb::GetUsersStatusResponse>, Status> {
        let ids = request.into_inner().user_ids;
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
        let users = ids
            .into_iter()
            .zip(statuses)
            .map(|(user_id, status)| pb::UserStatus {
                user_id,
                status: status.as_str().to_owned(),
            })
            .collect();
        let mut response = Response::new(pb::GetUsersStatusResponse { users });
        if self.reader.is_degraded() {
            response
                .metadata_mut()
                .insert(DEGRADED, MetadataValue::from_static("true"));
        }
        Ok(response)
    }
}
