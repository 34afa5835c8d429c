//! The store on a real server, on one node and on several.

mod cluster;
mod crowd;
mod jumps;
mod model;
mod nodes;
mod registration;
mod tabs;

use std::sync::Arc;

use parking_lot::Mutex;

use super::*;
use crate::ids::UserId;
use crate::store::conformance::Factory;
use nodes::{Nodes, Server};

/// Messages that name the user and the status, and nobody to be told here.
#[derive(Debug, Default)]
pub(super) struct Plain {
    pub(super) told_here: Mutex<Vec<(UserId, Status)>>,
}

impl Publication for Plain {
    fn channel(&self, user: &UserId) -> Vec<u8> {
        format!("presence of {user}").into_bytes()
    }

    fn message(&self, user: &UserId, status: Status) -> Vec<u8> {
        format!("{user} is {status}").into_bytes()
    }

    fn tell_here(&self, user: &UserId, status: Status) {
        self.told_here.lock().push((user.clone(), status));
    }

    fn confirm_here(&self, user: &UserId) {
        self.tell_here(user, Status::Online);
    }
}

/// A cluster of nodes that looks like one store.
struct Cluster;

impl Factory for Cluster {
    type Store = Nodes;

    async fn make(&self, settings: &ValidSettings, listener: Arc<dyn Changes>) -> Nodes {
        let server = Server::start()
            .await
            .expect("redis-server is needed, ./test installs it");
        Nodes::start(server, settings, listener).await
    }
}

mod conformance {
    crate::store_conformance!(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] for super::Cluster);
}
