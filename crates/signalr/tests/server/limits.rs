//! What is too large, too much, too often or too slow.

use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use signalr::protocol::HubProtocol;
use signalr::protocol::negotiate::Transport;
use testkit::client::{Client, End, Message};
use testkit::raw::{eventually, within};

use crate::common::{SMALL, Server, Sockets};
use crate::hub::SHORT;

/// Longer than a handshake, which is within the limit, too.
const TEXT_LEN: usize = 100;

fn call(id: &str, text_len: usize) -> Message {
    Message::Invocation {
        id: Some(id.to_owned()),
        target: "Echo".to_owned(),
        arguments: vec![json!("x".repeat(text_len))],
        streams: Vec::new(),
    }
}

#[tokio::test]
async fn the_size_limit_is_that_of_one_message_and_not_of_a_payload() {
    for protocol in HubProtocol::ALL {
        let small = call("1", TEXT_LEN).encode(protocol);
        let large = call("2", TEXT_LEN + 2).encode(protocol);
        let payload = [&small[..], &small, &large].concat();
        for (limit, is_over) in [(small.len() + 1, true), (large.len(), false)] {
            let server = Server::with(|options| {
                options.maximum_receive_message_size = Some(limit);
                options.detailed_errors = true;
            })
            .await;
            let mut client = server.client().protocol(protocol).connect().await;
            client.send_bytes(&payload).await;
            for _ in 0..2 {
                assert_eq!(
                    client.next_message().await,
                    Message::result("1", json!("x".repeat(TEXT_LEN)))
                );
            }
            if is_over {
                let text = format!(
                    "Connection closed with an error. InvalidDataException: The maximum message size of {limit}B was exceeded. The message size can be configured in AddHubOptions."
                );
                let goodbye = Message::Close {
                    error: Some(text),
                    allow_reconnect: true,
                };
                assert_eq!(
                    client.read_to_end().await,
                    (vec![goodbye], End::CloseFrame(Some(1000)))
                );
            } else {
                assert_eq!(
                    client.next_message().await,
                    Message::result("2", json!("x".repeat(TEXT_LEN + 2)))
                );
            }
        }
    }
}

#[tokio::test]
async fn a_message_without_end_is_cut_off_at_the_limit() {
    let server = Server::start().await;
    for transport in Transport::ALL {
        let mut client = server.client().transport(transport).connect().await;
        // Much more than the limit: the end is told although most of it is never read.
        let flood = vec![b' '; 1_000_000];
        if transport == Transport::WebSockets {
            let _ = client.websocket().try_send(&flood).await;
        } else {
            let status = client
                .try_send_bytes(&flood)
                .await
                .map(|answer| answer.status);
            assert!(matches!(status, Some(200 | 404)), "{status:?}");
        }
        let (messages, _) = client.read_to_end().await;
        let goodbye = Message::Close {
            error: Some("Connection closed with an error.".to_owned()),
            allow_reconnect: true,
        };
        assert_eq!(messages, [goodbye], "{transport:?}");
    }
    server.wait_until_closed("protocol", 3).await;
}

/// Sends so much to a group that whoever does not read it is closed.
async fn flood(server: &Server, label: &str) {
    let handle = server.endpoint.handle();
    let text = "x".repeat(1_000);
    within("a slow receiver to be closed", async {
        while server.closed(label) == 0 {
            handle
                .clients()
                .group("room")
                .send("Said", (&text,))
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    })
    .await;
}

async fn join(client: &mut Client) {
    client
        .invoke("Join", &[json!(""), json!("room")])
        .await
        .unwrap();
}

async fn check_that_only_the_slow_one_is_closed(transport: Transport, are_hidden: bool) {
    let sockets = Sockets {
        are_hidden,
        ..SMALL
    };
    let server = Server::on(sockets, |options| options.close_timeout = SHORT).await;
    let slow = server.client().transport(transport).receive_buffer(4_096);
    let mut slow = slow.connect().await;
    let mut quick = server.connect().await;
    join(&mut slow).await;
    join(&mut quick).await;
    // Ends, by a panic, if its connection does.
    let reading = tokio::spawn(async move {
        loop {
            quick.event("Said").await;
        }
    });
    flood(&server, "slow_receiver").await;
    let seen_off = server.journal.count("disconnected: SlowReceiver");
    assert_eq!(seen_off, 1, "{transport:?}");
    assert_eq!(server.open(), 1, "{transport:?}");
    assert!(!reading.is_finished(), "{transport:?}");
    reading.abort();
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_while_the_others_go_on() {
    let cases = [false, true].into_iter().flat_map(|are_hidden| {
        Transport::ALL
            .into_iter()
            .map(move |transport| check_that_only_the_slow_one_is_closed(transport, are_hidden))
    });
    join_all(cases).await;
}

#[tokio::test]
async fn a_client_that_was_too_slow_can_read_why() {
    let server = Server::on(SMALL, |_| {}).await;
    let mut slow = server.client().receive_buffer(4_096).connect().await;
    join(&mut slow).await;
    let flooding = async {
        let handle = server.endpoint.handle();
        let text = "x".repeat(1_000);
        within("the hub to see it off", async {
            while server.journal.count("disconnected: SlowReceiver") == 0 {
                handle
                    .clients()
                    .group("room")
                    .send("Said", (&text,))
                    .await
                    .unwrap();
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        })
        .await;
    };
    flooding.await;
    let (messages, end) = slow.read_to_end().await;
    let reason = "Connection closed with an error. The client reads too slowly.".to_owned();
    assert_eq!(
        messages.last(),
        Some(&Message::Close {
            error: Some(reason),
            allow_reconnect: true
        })
    );
    assert_eq!(end, End::CloseFrame(Some(1000)));
    server.wait_until_closed("slow_receiver", 1).await;
}

#[tokio::test]
async fn a_client_that_leaves_little_unread_for_long_is_closed() {
    for are_hidden in [false, true] {
        let server = Server::on(
            Sockets {
                are_hidden,
                ..SMALL
            },
            |options| {
                options.transport_buffer_size = 1_000_000;
                options.transport_send_timeout = SHORT;
                options.close_timeout = SHORT;
            },
        )
        .await;
        for transport in [Transport::WebSockets, Transport::ServerSentEvents] {
            let before = server.closed("slow_receiver");
            let mut slow = server
                .client()
                .transport(transport)
                .receive_buffer(4_096)
                .connect()
                .await;
            // Far below the limit, and more than the kernel and HTTP take.
            slow.begin("Text", &[json!(900_000)]).await;
            slow.begin("Text", &[json!(10)]).await;
            server.wait_until_closed("slow_receiver", before + 1).await;
        }
    }
}

#[tokio::test]
async fn a_client_that_was_slow_for_a_moment_stays() {
    // Long enough for a busy machine to be late with reading, too.
    let unread_max = 5 * SHORT;
    let check = async |are_hidden| {
        let server = Server::on(
            Sockets {
                are_hidden,
                ..SMALL
            },
            |options| options.transport_send_timeout = unread_max,
        )
        .await;
        let mut client = server.client().receive_buffer(4_096).connect().await;
        let id = client.begin("Text", &[json!(500_000)]).await;
        tokio::time::sleep(unread_max / 10).await;
        assert_eq!(
            client.completion(&id).await.unwrap().as_str().map(str::len),
            Some(500_000)
        );
        // When its time would have been over, it still is a good client.
        tokio::time::sleep(unread_max + SHORT).await;
        assert_eq!(client.invoke("Nothing", &[]).await, Ok(Value::Null));
    };
    join_all([false, true].map(check)).await;
}

#[tokio::test]
async fn a_burst_for_a_client_that_reads_is_no_reason_to_close_it() {
    for are_hidden in [false, true] {
        let server = Server::on(
            Sockets {
                send_buffer: None,
                are_hidden,
            },
            |_| {},
        )
        .await;
        for transport in Transport::ALL {
            let mut client = server.client().transport(transport).connect().await;
            join(&mut client).await;
            // Half a megabyte at once, much more than may wait for a slow client.
            let id = client
                .begin("Burst", &[json!("room"), json!(500), json!(1_000)])
                .await;
            for number in 0..500 {
                let arguments = client.event("Item").await;
                assert_eq!(arguments[0], json!(number), "{transport:?}");
            }
            assert_eq!(client.completion(&id).await, Ok(json!(500)));
        }
        assert_eq!(server.closed("slow_receiver"), 0);
    }
}

#[tokio::test]
async fn an_answer_of_any_size_can_be_followed_by_others() {
    for are_hidden in [false, true] {
        let server = Server::on(
            Sockets {
                send_buffer: None,
                are_hidden,
            },
            |_| {},
        )
        .await;
        for transport in Transport::ALL {
            let mut client = server.client().transport(transport).connect().await;
            let mut ids = Vec::new();
            for _ in 0..5 {
                ids.push(client.begin("Text", &[json!(200_000)]).await);
            }
            for id in ids {
                let text = client.completion(&id).await.unwrap();
                assert_eq!(text.as_str().map(str::len), Some(200_000), "{transport:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_calls_without_reading_is_not_read_from() {
    let server = Server::on(SMALL, |options| {
        options.transport_send_timeout = Duration::from_secs(60)
    })
    .await;
    let mut client = server.client().receive_buffer(4_096).connect().await;
    // A thousand answers of a thousand bytes: only so many calls are read as there is room for answers.
    for _ in 0..1_000 {
        client.begin("Text", &[json!(1_000)]).await;
    }
    let mut other = server.connect().await;
    for _ in 0..50 {
        other.invoke("Nothing", &[]).await.unwrap();
    }
    let calls = server.endpoint.metrics().invocations() - 50;
    assert!(calls < 500, "{calls} calls were run");
    for id in 1..=1_000 {
        let text = client.completion(&id.to_string()).await.unwrap();
        assert_eq!(text.as_str().map(str::len), Some(1_000));
    }
    assert_eq!(server.closed("slow_receiver"), 0);
}

#[tokio::test]
async fn connections_that_are_negotiated_and_not_used_are_few_and_short_lived() {
    let server = Server::with(|options| {
        options.unclaimed_connections_max = 3;
        options.disconnect_timeout = SHORT;
    })
    .await;
    let mut used = server.connect().await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let body: Value = serde_json::from_slice(&server.client().negotiate().await.body).unwrap();
        tokens.push(body["connectionToken"].as_str().map(str::to_owned));
    }
    let refusal = server.client().negotiate().await;
    assert_eq!(
        (refusal.status, refusal.text().as_str()),
        (503, "Too many connections are being negotiated")
    );
    // One that is used makes room for another.
    let mut claimed = server
        .client()
        .open_with(String::new(), tokens.pop().unwrap())
        .await
        .unwrap();
    assert_eq!(server.client().negotiate().await.status, 200);
    server.wait_until_closed("abandoned", 3).await;
    let refusal = server
        .client()
        .open_with(String::new(), tokens.pop().unwrap())
        .await
        .unwrap_err();
    assert_eq!(refusal.status, 404);
    assert_eq!(used.invoke("Nothing", &[]).await, Ok(Value::Null));
    claimed.handshake().await.unwrap();
    assert_eq!(claimed.invoke("Nothing", &[]).await, Ok(Value::Null));
    let (_, refused) = server
        .endpoint
        .metrics()
        .refused()
        .find(|(label, _)| *label == "unclaimed")
        .unwrap();
    assert_eq!(refused, 1);
}

#[tokio::test]
async fn a_post_to_a_connection_that_nobody_uses_ends_with_it() {
    let server = Server::with(|options| {
        options.disconnect_timeout = SHORT;
        options.transport_buffer_size = 100;
    })
    .await;
    let body: Value = serde_json::from_slice(&server.client().negotiate().await.body).unwrap();
    let target = format!("/hub?id={}", body["connectionToken"].as_str().unwrap());
    let post = async || {
        testkit::raw::request(server.address, "POST", &target, &[], &[b' '; 90])
            .await
            .status
    };
    assert_eq!(post().await, 200);
    assert_eq!(
        post().await,
        404,
        "it waited for room, and then for the end"
    );
}

#[tokio::test]
async fn users_and_addresses_have_but_so_many_connections() {
    let server = Server::with(|options| {
        options.connections_per_user_max = Some(2);
        options.connections_per_address_max = Some(4);
    })
    .await;
    let open = async |user: &str, transport: Transport| {
        let connector = server.client().transport(transport).header("x-user", user);
        match connector.try_open().await {
            Ok(mut client) => {
                client.handshake().await.unwrap();
                client.invoke("Nothing", &[]).await.unwrap();
                Ok(client)
            }
            Err(refusal) => Err(refusal.status),
        }
    };
    let mut clients = Vec::new();
    for transport in [Transport::LongPolling, Transport::ServerSentEvents] {
        clients.push(open("alice", transport).await.unwrap());
    }
    for transport in Transport::ALL {
        assert_eq!(
            open("alice", transport).await.unwrap_err(),
            429,
            "{transport:?}"
        );
        if clients.len() < 4 {
            clients.push(open("bob", Transport::WebSockets).await.unwrap());
        }
    }
    for transport in Transport::ALL {
        assert_eq!(
            open("carol", transport).await.unwrap_err(),
            429,
            "{transport:?}"
        );
    }
    clients[0].close().await;
    server.wait_until_closed("transport_ended", 1).await;
    assert!(open("alice", Transport::WebSockets).await.is_ok());
    let refused: Vec<_> = server.endpoint.metrics().refused().collect();
    assert!(
        refused.contains(&("user", 3)) && refused.contains(&("address", 3)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_client_that_calls_too_often_is_closed_and_told_why() {
    let server =
        Server::with(|options| options.invocations_per_second_max = NonZeroU32::new(5)).await;
    let mut client = server.connect().await;
    for _ in 0..200 {
        client.send("Nothing", &[]).await;
    }
    let reason = "Connection closed with an error. The client calls too often.".to_owned();
    let (messages, _) = client.read_to_end().await;
    assert_eq!(
        messages,
        [Message::Close {
            error: Some(reason),
            allow_reconnect: true
        }]
    );
    server.wait_until_closed("rate_limit", 1).await;
    let calls = server.endpoint.metrics().invocations();
    assert!((10..=15).contains(&calls), "{calls} calls were admitted");
}

#[tokio::test]
async fn a_flood_of_pings_is_answered_within_bounds() {
    let server = Server::on(SMALL, |options| {
        options.transport_send_timeout = SHORT;
        options.close_timeout = SHORT;
    })
    .await;
    let mut client = server.client().receive_buffer(4_096).connect().await;
    let pings = testkit::client::websocket::masked(0x89, &[b'?'; 100]).repeat(1_000);
    // It is not read from any more when too many answers wait; then it is closed for not reading them.
    within("the server to end it", async {
        while client
            .websocket()
            .connection()
            .try_write(&pings)
            .await
            .is_ok()
        {
            if server.closed("slow_receiver") == 1 {
                break;
            }
        }
    })
    .await;
    eventually("its end", || server.closed("slow_receiver") == 1).await;
}
