//! Many who come at once.

use std::sync::Arc;

use redis_link::{Link, LinkState};
use testkit::redis::Proxy;
use tokio::task::JoinSet;

use super::nodes::{Server, idle};
use crate::ids::{ConnectionId, UserId};
use crate::settings::ValidSettings;
use crate::state::End;
use crate::store::Store;
use crate::store::conformance::Recorder;
use crate::store::redis::keys;
use crate::store::redis::shared::PLACES;

#[tokio::test]
async fn a_crowd_waits_for_places_and_takes_little_until_then() {
    let Some(server) = Server::start().await else {
        return;
    };
    let proxy = Proxy::start(server.process.port()).await;
    let parsed = redis_link::Settings::parse(&proxy.url()).unwrap();
    let link = Link::start(&parsed.settings);
    link.state().wait_for(LinkState::is_ready).await.unwrap();
    let settings = ValidSettings::default();
    let (node, store) = idle(&settings, link, Arc::<Recorder>::default(), &Arc::default());
    let store = Arc::new(store);

    let (user, connection) = (
        UserId::new("anybody").unwrap(),
        ConnectionId { node, number: 0 },
    );
    let waiting = [
        size_of_val(&store.connect(&user, connection)),
        size_of_val(&store.touch(&user, connection)),
        size_of_val(&store.disconnect(&user, connection, End::Clean)),
    ];
    assert!(waiting.iter().all(|size| *size <= 256), "{waiting:?} bytes");

    proxy.stall();
    let mut crowd = JoinSet::new();
    for number in 0..3 * PLACES as u64 {
        let store = Arc::clone(&store);
        crowd.spawn(async move {
            let user = UserId::new(&format!("user {number}")).unwrap();
            store.connect(&user, ConnectionId { node, number }).await
        });
    }
    while store.shared.places.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    proxy.pass();
    while let Some(connected) = crowd.join_next().await {
        assert!(connected.unwrap().unwrap().is_some());
    }
    assert_eq!(store.shared.places.available_permits(), PLACES);
    let users = server.process.cli(&["SCARD", &keys::users_of(node)]).await;
    assert_eq!(users, (3 * PLACES).to_string());
}
