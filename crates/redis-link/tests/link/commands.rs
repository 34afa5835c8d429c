//! Commands, pipelines and scripts on one server that stays there.

use std::sync::LazyLock;

use crate::common::{parsed, ready, with_argument};
use redis_link::{Link, LinkError, LinkState, Script, Value, cmd};
use testkit::redis::RedisServer;

static BUMP: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])"));
static LAST: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('SET', KEYS[1], ARGV[1])"));

#[tokio::test]
async fn commands_have_results_and_errors() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let link = Link::start(&parsed(&server.url()));
    assert_eq!(ready(&link).await, 1);
    assert!(!link.is_cluster());
    let key: &[u8] = b"a key\0with {bytes}\xff";
    link.run::<()>(cmd("SET").arg(key).arg("value"))
        .await
        .unwrap();
    let found: Option<String> = link.run(cmd("GET").arg(key)).await.unwrap();
    assert_eq!(found.as_deref(), Some("value"));
    let missing: Option<String> = link.run(cmd("GET").arg("nothing")).await.unwrap();
    assert_eq!(missing, None);

    let error = link.run::<i64>(cmd("INCR").arg(key)).await.unwrap_err();
    let LinkError::Refused(refusal) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(refusal.code, "ERR");
    assert!(!error.is_outage());
    assert_eq!(
        error.to_string(),
        "redis refused: ERR value is not an integer or out of range"
    );
    let error = link.run::<i64>(cmd("GET").arg(key)).await.unwrap_err();
    assert!(matches!(error, LinkError::Unreadable(_)), "{error:?}");

    let counters = link.counters();
    assert_eq!((counters.commands(), counters.in_flight()), (5, 0));
    assert_eq!(counters.latency().iter().sum::<u64>(), 5);
    let failures: Vec<_> = counters
        .failures()
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(failures, [("refused", 1), ("unreadable", 1)]);
}

#[tokio::test]
async fn batches_keep_their_order_and_have_one_result_each() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let link = Link::start(&parsed(&server.url()));
    ready(&link).await;
    let mut cmds = Vec::new();
    for number in 0..1000 {
        let mut append = cmd("RPUSH");
        append.arg("list").arg(number);
        cmds.push(append);
    }
    let mut wrong = cmd("GET");
    wrong.arg("list");
    cmds.insert(500, wrong);
    let results = link.run_in_order(&cmds).await.unwrap();
    assert_eq!(results.len(), 1001);
    assert!(
        matches!(&results[500], Err(LinkError::Refused(refusal)) if refusal.code == "WRONGTYPE")
    );
    let list: Vec<i64> = link
        .run(cmd("LRANGE").arg("list").arg(0).arg(-1))
        .await
        .unwrap();
    assert_eq!(list, (0..1000).collect::<Vec<_>>());

    let results = link.run_all(&cmds[..3]).await;
    assert_eq!(
        results,
        [
            Ok(Value::Int(1001)),
            Ok(Value::Int(1002)),
            Ok(Value::Int(1003))
        ]
    );
    assert_eq!(link.run_in_order(&[]).await, Ok(Vec::new()));
    assert_eq!(link.run_all(&[]).await, Vec::new());
}

#[tokio::test]
async fn scripts_are_loaded_whenever_they_are_lacking() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let (bump, last) = (&*BUMP, &*LAST);
    let link = Link::start(&parsed(&server.url()));
    ready(&link).await;
    let by_two = with_argument(bump, "n", "2");
    let call = || link.run::<i64>(&by_two);
    assert_eq!(call().await, Ok(2));
    assert_eq!(
        link.counters().scripts_loaded(),
        0,
        "a new connection loads them"
    );

    server.cli(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(call().await, Ok(4));
    assert_eq!(link.counters().scripts_loaded(), 1);

    // Within a batch, other commands are answered as they come, and scripts keep their order among themselves.
    server.cli(&["SCRIPT", "FLUSH"]).await;
    let mut get = cmd("GET");
    get.arg("n");
    let batch = [
        with_argument(last, "last", "first"),
        get,
        with_argument(bump, "n", "1"),
        with_argument(last, "last", "second"),
    ];
    let results = link.run_in_order(&batch).await.unwrap();
    assert_eq!(results[1], Ok(Value::BulkString(b"4".to_vec())));
    assert_eq!(results[2], Ok(Value::Int(5)));
    assert_eq!(server.cli(&["GET", "last"]).await, "second");

    server.cli(&["SCRIPT", "FLUSH"]).await;
    let results = link.run_all(&batch).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

#[tokio::test]
async fn more_than_may_wait_is_refused_at_once() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let mut settings = parsed(&server.url());
    settings.in_flight_max = 2;
    let link = Link::start(&settings);
    ready(&link).await;
    server.pause();
    let ping = cmd("PING");
    let (first, second) = (link.run::<()>(&ping), link.run::<()>(&ping));
    let third = async {
        testkit::raw::eventually("two commands to wait", || link.counters().in_flight() == 2).await;
        link.run::<()>(&ping).await
    };
    let (first, second, third) = tokio::join!(first, second, third);
    assert_eq!(third, Err(LinkError::Busy));
    assert!(first.is_err() && second.is_err(), "{first:?} {second:?}");
    assert_eq!(link.counters().in_flight(), 0);
    server.resume();
    ready(&link).await;
    // A batch larger than the bound goes through when nothing else waits.
    let batch: Vec<_> = (0..5).map(|_| ping.clone()).collect();
    testkit::raw::eventually("room", || link.counters().in_flight() == 0).await;
    assert!(link.run_all(&batch).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn user_password_database_and_name() {
    let Some(server) = RedisServer::start_with_password("s3cret").await else {
        return;
    };
    let acl = ["ACL", "SETUSER", "app", "on", ">p,w=1", "~*", "&*", "+@all"];
    // A comma cannot be written in a connection string of StackExchange.Redis, but in a URL.
    assert_eq!(server.cli(&acl).await, "OK");
    let port = server.port();
    let url = format!("redis://app:p%2Cw%3D1@127.0.0.1:{port}/3?name=me");
    let link = Link::start(&parsed(&url));
    ready(&link).await;
    link.run::<()>(cmd("SET").arg("key").arg("value"))
        .await
        .unwrap();
    assert_eq!(server.cli(&["-n", "3", "GET", "key"]).await, "value");
    let clients = server.cli(&["CLIENT", "LIST"]).await;
    assert!(
        clients.contains("name=me") && clients.contains("user=app"),
        "{clients}"
    );
    assert!(!format!("{link:?}").contains("p,w"), "{link:?}");
}

#[tokio::test]
async fn a_wrong_password_is_said_and_the_right_one_taken_up() {
    let Some(server) = RedisServer::start_with_password("right").await else {
        return;
    };
    for (url, said) in [
        (
            format!("127.0.0.1:{},password=wrong", server.port()),
            "WRONGPASS",
        ),
        (format!("127.0.0.1:{}", server.port()), "NOAUTH"),
    ] {
        let link = Link::start(&parsed(&url));
        let mut state = link.state();
        let away = state.wait_for(|state| matches!(state, LinkState::Away { .. }));
        let away = testkit::raw::within("an error", away)
            .await
            .unwrap()
            .clone();
        let LinkState::Away { reason, .. } = away else {
            panic!("{away:?}");
        };
        assert!(reason.contains(said), "{reason}");
        assert!(!reason.contains("wrong"), "{reason}");
        let error = link.run::<()>(&cmd("PING")).await.unwrap_err();
        assert_eq!(error, LinkError::Away(reason));
        server.cli(&["CONFIG", "SET", "requirepass", "wrong"]).await;
        if url.contains("password") {
            ready(&link).await;
        }
    }
}

#[tokio::test]
async fn tls_with_an_own_authority_and_another_name() {
    let Some(server) = RedisServer::start_with_tls().await else {
        return;
    };
    let mut settings = parsed(&server.url());
    let authority = server.authority().map(|pem| pem.as_bytes().to_vec());
    let tls = settings.tls.as_mut().unwrap();
    tls.authorities = authority;
    let link = Link::start(&settings);
    ready(&link).await;
    link.run::<()>(&cmd("PING")).await.unwrap();

    settings.tls.as_mut().unwrap().host_name = Some("localhost".into());
    ready(&Link::start(&settings)).await;

    settings.tls.as_mut().unwrap().host_name = Some("elsewhere".into());
    let refused = Link::start(&settings);
    let mut state = refused.state();
    let away = state.wait_for(|state| matches!(state, LinkState::Away { .. }));
    let away = testkit::raw::within("an error", away)
        .await
        .unwrap()
        .clone();
    assert!(format!("{away:?}").contains("TLS"), "{away:?}");
}

#[tokio::test]
async fn the_first_of_several_servers_that_is_a_master() {
    let Some(master) = RedisServer::start().await else {
        return;
    };
    let port = master.port().to_string();
    let Some(replica) = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]).await else {
        return;
    };
    let text = format!("127.0.0.1:1,127.0.0.1:{},127.0.0.1:{port}", replica.port());
    let link = Link::start(&parsed(&text));
    ready(&link).await;
    link.run::<()>(cmd("SET").arg("key").arg("value"))
        .await
        .unwrap();

    // Roles change: READONLY makes the link look again.
    replica.cli(&["REPLICAOF", "NO", "ONE"]).await;
    let new = replica.port().to_string();
    master.cli(&["REPLICAOF", "127.0.0.1", &new]).await;
    let set = {
        let mut set = cmd("SET");
        set.arg("key").arg("again");
        set
    };
    testkit::raw::within("the new master", async {
        while link.run::<()>(&set).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(replica.cli(&["GET", "key"]).await, "again");
    assert!(ready(&link).await > 1);
}

#[tokio::test]
async fn the_last_handle_ends_the_connection() {
    let Some(server) = RedisServer::start().await else {
        return;
    };
    let link = Link::start(&parsed(&format!("{}?name=ending", server.url())));
    ready(&link).await;
    let clone = link.clone();
    drop(link);
    clone.run::<()>(&cmd("PING")).await.unwrap();
    drop(clone);
    server
        .cli_until("the connection to end", &["CLIENT", "LIST"], |clients| {
            !clients.contains("name=ending")
        })
        .await;
}
