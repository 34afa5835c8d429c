//! What is said again, and in which order.

use std::sync::Arc;

use redis_link::{Link, LinkState};
use testkit::redis::Cluster;

use super::nodes::idle;
use crate::change::Cause;
use crate::ids::{ConnectionId, UserId};
use crate::settings::{Liveness, Settings};
use crate::state::End;
use crate::store::Store;
use crate::store::conformance::Recorder;
use crate::store::redis::keys;
use crate::store::redis::registration::settle;

/// In a cluster no two commands have an order unless the second waits for the answer to the first.
#[tokio::test]
async fn somebody_who_has_gone_is_settled_in_order() {
    let Some(cluster) = Cluster::start(1).await else {
        return;
    };
    let parsed = redis_link::Settings::parse(&cluster.connection_string()).unwrap();
    let link = Link::start(&parsed.settings);
    link.state().wait_for(LinkState::is_ready).await.unwrap();
    assert!(link.is_cluster());
    // A heartbeat counts for a while: whoever asked before it is taken back would believe that there is a time to wait.
    let settings = Settings {
        liveness: Liveness::Heartbeat,
        ..Settings::default()
    };
    let (recorder, now) = (Arc::new(Recorder::default()), Arc::default());
    let (node, store) = idle(
        &settings.validate().unwrap(),
        link.clone(),
        recorder.clone(),
        &now,
    );
    let alice = UserId::new("alice").unwrap();
    let connection = ConnectionId { node, number: 1 };
    store.connect(&alice, connection).await.unwrap();
    let shared = &store.shared;
    let local = &shared.shard_of(alice.as_str()).local;
    let now = shared.time.now();
    local.lock().disconnect(&alice, 1, End::Clean, now);
    assert!(local.lock().forget_if_idle(&alice));

    let loaded = link.counters().scripts_loaded();
    cluster.servers()[0].cli(&["SCRIPT", "FLUSH"]).await;
    settle(shared, &alice, false).await.unwrap();
    // Side by side, both would have found that the server has no scripts, and both would have loaded them.
    assert_eq!(link.counters().scripts_loaded() - loaded, 1);
    let causes: Vec<_> = recorder
        .changes()
        .iter()
        .map(|change| change.cause)
        .collect();
    assert_eq!(causes, [Cause::Connected, Cause::LinkLost]);
    assert!(
        !local.lock().contains(&alice),
        "nothing is left to wait for"
    );
    let users = cluster.servers()[0]
        .cli(&["SMEMBERS", &keys::users_of(node)])
        .await;
    assert_eq!(users, "");
}
