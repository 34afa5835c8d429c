//! Subscriptions, and that none is lost.

use redis_link::{Link, LinkError, LinkState, Subscriber, cmd};
use testkit::{
    raw::{eventually, within},
    redis::{Proxy, RedisServer},
};

use crate::common::{Notes, SEEN_WITHIN, away, parsed, ready, ready_after, subscribed};

#[tokio::test]
async fn messages_come_in_order_with_all_their_bytes() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let settings = parsed(&server.url());
    let notes = Notes::new();
    let subscriber = Subscriber::start(&settings, notes.clone());
    let link = Link::start(&settings);
    ready(&link).await;
    assert_eq!(subscribed(&subscriber).await, 1);
    let channel = b"a\0b\xff";
    subscriber.subscribe(channel).await.unwrap();
    let payload = vec![0xC1; 100_000];
    publish(&link, channel, &payload).await;
    for number in 0..1000 {
        publish(&link, channel, number.to_string().as_bytes()).await;
    }
    publish(&link, b"another", b"not for us").await;
    eventually("all messages", || notes.count() == 1001).await;
    assert!(notes.has(channel, &payload));
    let wanted: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    assert_eq!(notes.payloads()[1..], wanted);
    assert_eq!(notes.resumed(), [] as [u64; 0], "nothing was missed");
    assert_eq!(subscriber.counters().messages(), 1001);
    assert_eq!(subscriber.counters().channels(), 1);

    subscriber.unsubscribe(channel);
    let nobody = within("the end of the subscription", async {
        loop {
            let heard: i64 = link
                .run(cmd("PUBLISH").arg(channel).arg("x"))
                .await
                .unwrap();
            if heard == 0 {
                return true;
            }
        }
    });
    assert!(nobody.await);
}

#[tokio::test]
async fn a_killed_server_gives_all_subscriptions_back() {
    let Some(mut server) = RedisServer::start().await else {
        return;
    };
    let settings = parsed(&server.url());
    let notes = Notes::new();
    let subscriber = Subscriber::start(&settings, notes.clone());
    let mut state = subscriber.state();
    ready_after(&mut state, 0).await;
    let channels: Vec<Vec<u8>> = (0..5000).map(|at| format!("c{at}").into_bytes()).collect();
    subscriber.subscribe_all(&channels).await.unwrap();
    subscriber.unsubscribe(b"c7");

    server.kill();
    away(&mut state).await;
    let error = subscriber.subscribe(b"meanwhile").await.unwrap_err();
    assert!(matches!(error, LinkError::Away(_)), "{error:?}");
    subscriber.unsubscribe(b"c8");
    server.restart_empty().await;
    let generation = ready_after(&mut state, 1).await;
    assert_eq!(notes.resumed(), [generation]);
    let count = server.cli(&["PUBSUB", "CHANNELS", "c*"]).await;
    assert_eq!(count.lines().count(), 4998);
    let numbers = server
        .cli(&["PUBSUB", "NUMSUB", "meanwhile", "c7", "c8"])
        .await;
    assert_eq!(numbers, "meanwhile\n1\nc7\n0\nc8\n0");
}

#[tokio::test]
async fn wishes_from_before_the_first_connection_are_resumed() {
    let Some(mut server) = RedisServer::start().await else {
        return;
    };
    server.kill();
    let notes = Notes::new();
    let subscriber = Subscriber::start(&parsed(&server.url()), notes.clone());
    let error = subscriber.subscribe(b"early").await.unwrap_err();
    assert!(matches!(error, LinkError::Away(_)), "{error:?}");
    server.restart_empty().await;
    subscribed(&subscriber).await;
    assert_eq!(notes.resumed(), [1]);
    assert_eq!(server.cli(&["PUBLISH", "early", "x"]).await, "1");
}

#[tokio::test]
async fn the_subscriber_alone_is_cut_and_stalled() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let proxy = Proxy::start(server.port()).await;
    let notes = Notes::new();
    let subscriber = Subscriber::start(&parsed(&proxy.url()), notes.clone());
    let mut state = subscriber.state();
    let mut generation = ready_after(&mut state, 0).await;
    subscriber.subscribe(b"c").await.unwrap();

    for round in 0..3 {
        proxy.cut();
        generation = ready_after(&mut state, generation).await;
        assert_eq!(notes.resumed().last(), Some(&generation), "round {round}");
        assert_eq!(server.cli(&["PUBLISH", "c", "x"]).await, "1");
    }

    proxy.stall();
    let begun = tokio::time::Instant::now();
    away(&mut state).await;
    assert!(begun.elapsed() < SEEN_WITHIN, "{:?}", begun.elapsed());
    proxy.pass();
    ready_after(&mut state, generation).await;
    server
        .cli_until(
            "the dead connection to be gone",
            &["PUBLISH", "c", "last"],
            |heard| heard == "1",
        )
        .await;
    eventually("the message", || notes.has(b"c", b"last")).await;
}

#[tokio::test]
async fn idle_subscribers_stay_connected() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let subscriber = Subscriber::start(&parsed(&server.url()), Notes::new());
    subscribed(&subscriber).await;
    let monitor = server.monitor().await;
    // Before anything is subscribed to and afterwards, PING is answered differently.
    eventually("heartbeats", || monitor.count("PING") >= 2).await;
    subscriber.subscribe(b"c").await.unwrap();
    monitor.clear();
    eventually("heartbeats", || monitor.count("PING") >= 2).await;
    assert_eq!(subscriber.counters().losses(), 0);
    assert!(matches!(
        *subscriber.state().borrow(),
        LinkState::Ready { generation: 1 }
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_interleaving_the_last_wish_holds() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let settings = parsed(&server.url());
    let subscriber = Subscriber::start(&settings, Notes::new());
    subscribed(&subscriber).await;
    for round in 0..200 {
        let tasks: Vec<_> = (0..8u8)
            .map(|task| {
                let subscriber = subscriber.clone();
                tokio::spawn(async move {
                    let channel = [b'c', task];
                    for step in 0..5 {
                        if (step + task) % 2 == 0 {
                            let _ = subscriber.subscribe(&channel).await;
                        }
                        subscriber.unsubscribe(&channel);
                    }
                    subscriber.subscribe(&channel).await
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Ok(()), "round {round}");
        }
        let heard = server.cli(&["PUBSUB", "CHANNELS"]).await;
        assert_eq!(heard.lines().count(), 8, "round {round}: {heard:?}");
    }
}

#[tokio::test]
async fn a_channel_that_is_forbidden_is_told() {
    let Some(server) = RedisServer::start_with_password("p").await else {
        return;
    };
    let acl = [
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">p",
        "~*",
        "resetchannels",
        "&good*",
        "+@all",
    ];
    assert_eq!(server.cli(&acl).await, "OK");
    let url = format!("127.0.0.1:{},user=app,password=p", server.port());
    let subscriber = Subscriber::start(&parsed(&url), Notes::new());
    subscribed(&subscriber).await;
    subscriber.subscribe(b"good").await.unwrap();
    let error = subscriber.subscribe(b"bad").await.unwrap_err();
    assert!(
        matches!(&error, LinkError::Refused(refusal) if refusal.code == "NOPERM"),
        "{error:?}"
    );
    subscriber.subscribe(b"good too").await.unwrap();
}

async fn publish(link: &Link, channel: &[u8], payload: &[u8]) {
    let heard: i64 = link
        .run(cmd("PUBLISH").arg(channel).arg(payload))
        .await
        .expect("redis takes it");
    assert!(heard <= 1);
}
