//! Servers that die, stall, come back empty, or are cut off.

use std::time::Duration;

use futures_util::FutureExt as _;
use redis_link::{Link, LinkError, LinkState, cmd};
use testkit::{
    raw::eventually,
    redis::{Proxy, RedisServer},
};
use tokio::time::Instant;

use crate::common::{SEEN_WITHIN, away, parsed, ready, ready_after};

/// The error of a command that is not waited for.
fn at_once(link: &Link) -> LinkError {
    let answer = link.run::<()>(&cmd("PING")).now_or_never();
    let answer = answer.expect("an answer at once");
    answer.expect_err("nobody is there")
}

#[tokio::test]
async fn nobody_there_yet() {
    let Some(mut server) = RedisServer::start().await else {
        return;
    };
    server.kill();
    let link = Link::start(&parsed(&server.url()));
    let mut state = link.state();
    let LinkState::Away { reason, .. } = away(&mut state).await else {
        unreachable!();
    };
    assert!(reason.contains(&server.port().to_string()), "{reason}");
    let error = at_once(&link);
    assert!(matches!(error, LinkError::Away(_)), "{error:?}");
    assert!(error.is_unsent() && error.is_outage());
    server.restart_empty().await;
    assert_eq!(ready(&link).await, 1);
}

#[tokio::test]
async fn killed_and_restarted_empty() {
    let Some(mut server) = RedisServer::start().await else {
        return;
    };
    let link = Link::start(&parsed(&server.url()));
    let mut state = link.state();
    for generation in 1..=3 {
        assert_eq!(ready_after(&mut state, generation - 1).await, generation);
        link.run::<()>(cmd("SET").arg("key").arg("value"))
            .await
            .unwrap();
        server.kill();
        away(&mut state).await;
        server.restart_empty().await;
        ready_after(&mut state, generation).await;
        let found: Option<String> = link.run(cmd("GET").arg("key")).await.unwrap();
        assert_eq!(found, None);
    }
    assert_eq!(link.counters().connections(), 4);
    assert_eq!(link.counters().losses(), 3);
}

#[tokio::test]
async fn a_stalled_server_is_noticed_and_nothing_queues() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let link = Link::start(&parsed(&format!("{}?asyncTimeout=500", server.url())));
    ready(&link).await;
    let mut state = link.state();
    server.pause();
    let begun = Instant::now();
    let error = link.run::<()>(&cmd("PING")).await.unwrap_err();
    assert_eq!(error, LinkError::TimedOut(Duration::from_millis(500)));
    away(&mut state).await;
    assert!(begun.elapsed() < SEEN_WITHIN, "{:?}", begun.elapsed());
    for _ in 0..1000 {
        let error = at_once(&link);
        assert!(matches!(error, LinkError::Away(_)), "{error:?}");
    }
    assert_eq!(link.counters().in_flight(), 0);
    server.resume();
    assert_eq!(ready_after(&mut state, 1).await, 2);
    link.run::<()>(&cmd("PING")).await.unwrap();
}

#[tokio::test]
async fn what_waits_fails_when_the_connection_breaks() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let proxy = Proxy::start(server.port()).await;
    let link = Link::start(&parsed(&format!("{}?asyncTimeout=20000", proxy.url())));
    ready(&link).await;
    proxy.stall();
    let batch = vec![cmd("PING"); 10];
    let cut = async {
        eventually("commands to wait", || link.counters().in_flight() == 11).await;
        proxy.cut();
    };
    let ping = cmd("PING");
    let (one, many, ()) = tokio::join!(link.run::<()>(&ping), link.run_all(&batch), cut);
    assert!(matches!(one, Err(LinkError::Lost(_))), "{one:?}");
    for result in many {
        assert!(matches!(result, Err(LinkError::Lost(_))), "{result:?}");
    }
    proxy.pass();
    ready_after(&mut link.state(), 1).await;
}

#[tokio::test]
async fn an_idle_connection_is_kept_and_a_busy_server_is_not_given_up() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let link = Link::start(&parsed(&server.url()));
    ready(&link).await;
    let monitor = server.monitor().await;
    eventually("heartbeats", || monitor.count("PING") >= 3).await;
    assert!(matches!(
        *link.state().borrow(),
        LinkState::Ready { generation: 1 }
    ));
    assert_eq!(link.counters().losses(), 0);
}

#[tokio::test]
async fn a_server_that_loads_its_data_is_waited_for() {
    let Some(mut server) = RedisServer::start_with(&["--appendonly", "yes"]).await else {
        return;
    };
    let link = Link::start(&parsed(&server.url()));
    ready(&link).await;
    server.cli(&["DEBUG", "POPULATE", "20000"]).await;
    link.run::<()>(cmd("SET").arg("key").arg("kept"))
        .await
        .unwrap();
    server.restart().await;
    ready_after(&mut link.state(), 1).await;
    let found: Option<String> = link.run(cmd("GET").arg("key")).await.unwrap();
    assert_eq!(found.as_deref(), Some("kept"));
}
