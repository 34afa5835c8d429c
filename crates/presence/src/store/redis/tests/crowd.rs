//! Many who have something to say at once.

use std::sync::Arc;

use redis_link::LinkState;
use testkit::redis::Proxy;
use tokio::task::JoinSet;

use super::nodes::{Server, idle, link_to};
use crate::ids::{ConnectionId, UserId};
use crate::settings::ValidSettings;
use crate::state::End;
use crate::store::Store;
use crate::store::conformance::Recorder;

#[tokio::test]
async fn who_waits_takes_little_and_keeps_no_users_of_other_parts_waiting() {
    let Some(server) = Server::start().await else {
        return;
    };
    let proxy = Proxy::start(server.process.port()).await;
    let link = link_to(&proxy.url());
    link.state().wait_for(LinkState::is_ready).await.unwrap();
    let settings = ValidSettings::default();
    let recorder = Arc::<Recorder>::default();
    let (node, store) = idle(&settings, link.clone(), recorder, &Arc::default());
    let store = Arc::new(store);
    let shard_of = |user: &UserId| std::ptr::from_ref(store.shared.shard_of(user.as_str()));
    let alice = UserId::new("alice").unwrap();
    let mut others = (0..).map(|number| UserId::new(&format!("user {number}")).unwrap());
    let other = others
        .find(|user| shard_of(user) != shard_of(&alice))
        .unwrap();
    let tab = ConnectionId { node, number: 0 };

    let waiting = [
        size_of_val(&store.connect(&alice, tab)),
        size_of_val(&store.touch(&alice, tab)),
        size_of_val(&store.disconnect(&alice, tab, End::Clean)),
    ];
    assert!(waiting.iter().all(|size| *size <= 256), "{waiting:?} bytes");

    store.connect(&alice, tab).await.unwrap();
    proxy.stall();
    let mut crowd = JoinSet::new();
    for _ in 0..1000 {
        let (store, alice) = (Arc::clone(&store), alice.clone());
        crowd.spawn(async move { store.touch(&alice, tab).await.map(drop) });
    }
    while link.counters().in_flight() < 1 {
        tokio::task::yield_now().await;
    }
    crowd.spawn({
        let (store, tab) = (Arc::clone(&store), ConnectionId { node, number: 1 });
        async move { store.connect(&other, tab).await.map(drop) }
    });
    // One of Alice's, and of the other that somebody is here and who.
    while link.counters().in_flight() < 3 {
        tokio::task::yield_now().await;
    }
    proxy.pass();
    while let Some(told) = crowd.join_next().await {
        told.unwrap().unwrap();
    }
}
