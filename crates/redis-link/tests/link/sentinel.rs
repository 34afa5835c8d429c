//! Services that sentinels keep alive.

use redis_link::{Link, LinkState, Subscriber, cmd};
use testkit::{
    raw::within,
    redis::{RedisServer, Sentinels},
};

use crate::common::{Notes, away, parsed, ready, ready_after, subscribed};

#[tokio::test]
async fn a_dead_master_is_replaced_under_commands() {
    let Some(mut sentinels) = Sentinels::start().await else {
        return;
    };
    let settings = parsed(&sentinels.connection_string());
    let link = Link::start(&settings);
    let notes = Notes::new();
    let subscriber = Subscriber::start(&settings, notes.clone());
    ready(&link).await;
    subscribed(&subscriber).await;
    subscriber.subscribe(b"c").await.unwrap();
    let old = sentinels.master_port().await;
    sentinels.server(old).kill();

    let mut errors = 0;
    within("the new master", async {
        while let Err(error) = link.run::<()>(cmd("SET").arg("key").arg("value")).await {
            assert!(error.is_outage(), "{error:?}");
            errors += 1;
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(errors > 0);
    assert!(ready(&link).await >= 2);
    let new = sentinels.master_port_but(old).await;
    let server = sentinels.server(new);
    assert_eq!(server.cli(&["GET", "key"]).await, "value");
    ready_after(&mut subscriber.state(), 1).await;
    // On a busy machine the new master may be lost once more before it is kept.
    assert!(!notes.resumed().is_empty());
    let publish = ["PUBLISH", "c", "x"];
    let server = sentinels.server(new);
    server
        .cli_until("the channel is subscribed to", &publish, |heard| {
            heard == "1"
        })
        .await;
}

#[tokio::test]
async fn a_failover_while_all_live_is_followed() {
    let Some(mut sentinels) = Sentinels::start().await else {
        return;
    };
    let settings = parsed(&sentinels.connection_string());
    let link = Link::start(&settings);
    let subscriber = Subscriber::start(&settings, Notes::new());
    ready(&link).await;
    subscribed(&subscriber).await;
    subscriber.subscribe(b"c").await.unwrap();
    let old = sentinels.master_port().await;
    sentinels.kill_sentinel();
    assert_eq!(sentinels.fail_over().await, "OK");
    ready_after(&mut link.state(), 1).await;
    ready_after(&mut subscriber.state(), 1).await;
    link.run::<()>(cmd("SET").arg("key").arg("value"))
        .await
        .unwrap();
    let new = sentinels.master_port_but(old).await;
    let server = sentinels.server(new);
    assert_eq!(server.cli(&["GET", "key"]).await, "value");
    assert_eq!(server.cli(&["PUBLISH", "c", "x"]).await, "1");
}

#[tokio::test]
async fn a_service_that_is_unknown_is_said() {
    let Some(sentinels) = Sentinels::start().await else {
        return;
    };
    let text = sentinels.connection_string().replace("=mymaster", "=other");
    let link = Link::start(&parsed(&text));
    let LinkState::Away { reason, .. } = away(&mut link.state()).await else {
        unreachable!();
    };
    assert!(reason.contains("knows no service \"other\""), "{reason}");
    // And a server that is no sentinel does not know what is asked.
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let link = Link::start(&parsed(&format!(
        "127.0.0.1:{},serviceName=m",
        server.port()
    )));
    let LinkState::Away { reason, .. } = away(&mut link.state()).await else {
        unreachable!();
    };
    assert!(reason.contains("unknown command"), "{reason}");
}
