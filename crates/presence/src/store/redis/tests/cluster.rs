//! Nodes on a cluster, over TLS.

use std::sync::Arc;
use std::time::Duration;

use redis_link::Link;
use testkit::raw::within;
use testkit::redis::Cluster;

use super::Plain;
use crate::ids::{ConnectionId, NodeId, UserId};
use crate::settings::ValidSettings;
use crate::state::End;
use crate::status::Status;
use crate::store::conformance::Recorder;
use crate::store::redis::RedisStore;
use crate::store::{Condition, Store};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_all_slots_are_seen_from_another_node() {
    let Some(cluster) = Cluster::start_with_tls(3, "redis.test").await else {
        return;
    };
    let first = &cluster.servers()[0];
    let parsed = redis_link::Settings::parse(&first.url()).unwrap();
    let mut settings = parsed.settings;
    let tls = settings.tls.as_mut().unwrap();
    tls.authorities = first.authority().map(|pem| pem.as_bytes().to_vec());
    tls.host_name = Some("redis.test".into());
    let recorder = Arc::new(Recorder::default());
    let nodes = [0xa, 0xb].map(NodeId::new);
    let stores = nodes.map(|node| {
        let (link, publication) = (Link::start(&settings), Arc::new(Plain::default()));
        let listener = recorder.clone();
        RedisStore::start(&ValidSettings::default(), link, node, publication, listener)
    });
    within("both nodes to be members", async {
        while stores
            .iter()
            .any(|store| store.condition() != Condition::Sound)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;

    let users: Vec<_> = (0..USERS)
        .map(|number| UserId::new(&number.to_string()).unwrap())
        .collect();
    let at = |number| ConnectionId {
        node: nodes[0],
        number,
    };
    for (number, user) in (0..).zip(&users) {
        let change = stores[0].connect(user, at(number)).await.unwrap();
        assert_eq!(change.unwrap().to, Status::Online);
    }
    let names: Vec<_> = users.iter().map(UserId::as_str).collect();
    let seen = stores[1].statuses(&names).await.unwrap();
    assert_eq!(seen, [Status::Online; USERS]);
    for server in cluster.servers() {
        assert_ne!(server.cli(&["DBSIZE"]).await, "0", "each has its share");
    }
    for (number, user) in (0..).zip(&users) {
        let change = stores[0].disconnect(user, at(number), End::Clean).await;
        assert_eq!(change.unwrap().unwrap().to, Status::Offline);
    }
    let seen = stores[1].statuses(&names).await.unwrap();
    assert_eq!(seen, [Status::Offline; USERS]);
    assert_eq!(recorder.changes().len(), 2 * USERS);
}

/// So many that each of three masters has some for sure.
const USERS: usize = 30;
