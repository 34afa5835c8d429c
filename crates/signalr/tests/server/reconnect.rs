//! Stateful reconnect: a new WebSocket in the place of a lost one, and nothing lost or doubled.

use serde_json::{Value, json};
use signalr::HubOptions;
use signalr::protocol::HubProtocol;
use signalr::protocol::negotiate::Transport;
use testkit::client::{Client, Connector, End, Message};
use testkit::raw::{eventually, within};

use crate::common::{Server, Sockets};
use crate::hub::SHORT;

fn allowed(options: &mut HubOptions) {
    options.allow_stateful_reconnects = true;
}

async fn server() -> Server {
    Server::with(allowed).await
}

fn stateful(server: &Server) -> Connector {
    server.client().stateful()
}

async fn come_back(client: &mut Client) {
    client
        .resume()
        .await
        .unwrap_or_else(|answer| panic!("the server does not take it back: {answer:?}"));
}

#[tokio::test]
async fn it_is_granted_to_who_asks_where_it_is_allowed() {
    for (is_allowed, is_asked, is_granted) in [
        (true, true, true),
        (true, false, false),
        (false, true, false),
    ] {
        let server = Server::with(|options| options.allow_stateful_reconnects = is_allowed).await;
        let connector = if is_asked {
            stateful(&server)
        } else {
            server.client()
        };
        let body = connector.negotiate().await.text();
        assert_eq!(
            body.starts_with("{\"useStatefulReconnect\":true,\"negotiateVersion\":1,"),
            is_granted,
            "{body}"
        );
        assert_eq!(body.contains("useStatefulReconnect"), is_granted, "{body}");
    }
}

#[tokio::test]
async fn a_lost_transport_is_replaced_and_nobody_notices() {
    for sockets in [
        Sockets::default(),
        Sockets {
            are_hidden: true,
            send_buffer: None,
        },
    ] {
        let server = Server::on(sockets, allowed).await;
        for protocol in HubProtocol::ALL {
            let mut client = stateful(&server).protocol(protocol).connect().await;
            let who = client.invoke("WhoAmI", &[]).await.unwrap();
            client
                .invoke("Join", &[json!(""), json!("room")])
                .await
                .unwrap();
            for round in 0..3 {
                client.cut();
                come_back(&mut client).await;
                assert_eq!(client.invoke("WhoAmI", &[]).await.as_ref(), Ok(&who));
                assert!(matches!(client.take_kept()[0], Message::Sequence(_)));
                server
                    .endpoint
                    .handle()
                    .clients()
                    .group("room")
                    .send("Said", (round,))
                    .await
                    .unwrap();
                assert_eq!(client.event("Said").await, [json!(round)], "still a member");
            }
        }
        assert_eq!(server.journal.count("connected"), 2);
        assert_eq!(
            server.journal.entries().len(),
            4,
            "{:?}",
            server.journal.entries()
        );
    }
}

#[tokio::test]
async fn what_is_sent_meanwhile_comes_afterwards_and_in_order() {
    let server = server().await;
    let mut client = stateful(&server).connect().await;
    client
        .invoke("Join", &[json!(""), json!("room")])
        .await
        .unwrap();
    let handle = server.endpoint.handle();
    for number in 0..50 {
        if number == 10 {
            client.cut();
        }
        handle
            .clients()
            .group("room")
            .send("Item", (number,))
            .await
            .unwrap();
    }
    come_back(&mut client).await;
    for number in 0..50 {
        assert_eq!(client.event("Item").await, [json!(number)]);
    }
    client.invoke("Nothing", &[]).await.unwrap();
    let kept = client.take_kept();
    assert_eq!(
        kept,
        [Message::Sequence(1)],
        "nothing was acknowledged, so all came again"
    );
}

#[tokio::test]
async fn what_was_acknowledged_does_not_come_again() {
    let server = server().await;
    let mut client = stateful(&server).connect().await;
    for _ in 0..5 {
        client.invoke("Nothing", &[]).await.unwrap();
    }
    client.acknowledge().await;
    client.invoke("Nothing", &[]).await.unwrap();
    client.cut();
    come_back(&mut client).await;
    assert_eq!(client.next_message().await, Message::Sequence(6));
    assert_eq!(client.invoke("Nothing", &[]).await, Ok(Value::Null));
}

#[tokio::test]
async fn a_call_that_is_repeated_is_not_run_again() {
    let server = server().await;
    let mut client = stateful(&server).connect().await;
    let first = client.begin("WriteDown", &[json!("once")]).await;
    server.journal.wait_for("once").await;
    client.cut();
    // Says it again, as it does not know that it arrived.
    come_back(&mut client).await;
    assert_eq!(client.completion(&first).await, Ok(Value::Null));
    assert_eq!(client.invoke("Nothing", &[]).await, Ok(Value::Null));
    assert_eq!(server.journal.count("once"), 1);
}

#[tokio::test]
async fn a_message_that_was_cut_off_is_taken_when_it_comes_whole() {
    for protocol in HubProtocol::ALL {
        let server = server().await;
        let mut client = stateful(&server).protocol(protocol).connect().await;
        client.invoke("Nothing", &[]).await.unwrap();
        // Half of it arrives: the client keeps all of it for the next transport.
        let call = Message::call("WriteDown", &[json!("whole")]);
        let bytes = call.encode(protocol);
        client.send_bytes(&bytes[..bytes.len() / 2]).await;
        client.count_as_sent(&call);
        client.cut();
        come_back(&mut client).await;
        client.invoke("Nothing", &[]).await.unwrap();
        assert_eq!(server.journal.count("whole"), 1);
    }
}

#[tokio::test]
async fn messages_of_the_client_are_acknowledged_within_a_second_or_so() {
    let server = server().await;
    let mut client = stateful(&server).connect().await;
    for _ in 0..3 {
        client.invoke("Nothing", &[]).await.unwrap();
    }
    assert_eq!(client.next_message().await, Message::Ack(3));
    assert_eq!(client.unacknowledged(), 0);
}

#[tokio::test]
async fn an_acknowledgement_that_was_lost_is_said_again() {
    let server = server().await;
    let mut client = stateful(&server).connect().await;
    client.invoke("Nothing", &[]).await.unwrap();
    // The acknowledgement is on its way, and never read.
    tokio::time::sleep(3 * SHORT).await;
    client.cut();
    come_back(&mut client).await;
    assert!(matches!(client.next_message().await, Message::Sequence(1)));
    assert_eq!(client.unacknowledged(), 1);
    assert_eq!(client.next_message().await, Message::Ack(1));
    assert_eq!(client.unacknowledged(), 0);
}

#[tokio::test]
async fn an_old_transport_that_looks_alive_is_replaced_too() {
    let server = server().await;
    let mut client = stateful(&server).connect().await;
    client.invoke("Nothing", &[]).await.unwrap();
    // A second transport while the first is there: the first one is closed without a word.
    come_back(&mut client).await;
    assert_eq!(client.invoke("Nothing", &[]).await, Ok(Value::Null));
    assert_eq!(server.journal.count("connected"), 1);
    assert_eq!(server.journal.entries().len(), 2);
}

#[tokio::test]
async fn streams_and_uploads_go_on() {
    let server = server().await;
    let mut client = stateful(&server).connect().await;
    let stream = client.stream("CountGated", &[json!(4)]).await;
    let sum = client.begin_with_uploads("Sum", &[], &["u"]).await;
    let number = |item: i32| Message::StreamItem {
        id: "u".to_owned(),
        item: json!(item),
    };
    server.journal.open("item 0");
    client.send_message(&number(1)).await;
    client
        .wait_for("an item", |message| {
            matches!(message, Message::StreamItem { .. })
        })
        .await;
    client.cut();
    server.journal.open("item 1");
    come_back(&mut client).await;
    client.send_message(&number(2)).await;
    client.cut();
    come_back(&mut client).await;
    server.journal.open("item 2");
    server.journal.open("item 3");
    client.send_message(&number(3)).await;
    client.send_message(&Message::end("u")).await;
    assert_eq!(
        client.items(&stream).await,
        Ok(vec![json!(1), json!(2), json!(3)])
    );
    assert_eq!(client.completion(&sum).await, Ok(json!(6)));
}

#[tokio::test]
async fn a_question_is_answered_over_another_transport() {
    let server = server().await;
    let mut client = stateful(&server).connect().await;
    let call = client.begin("AskCaller", &[]).await;
    let question = client
        .wait_for("a question", |message| {
            matches!(message, Message::Invocation { .. })
        })
        .await;
    client.cut();
    come_back(&mut client).await;
    let Message::Invocation { id: Some(id), .. } = question else {
        panic!("{question:?}");
    };
    client.send_message(&Message::result(&id, json!(3))).await;
    assert_eq!(client.completion(&call).await, Ok(json!(3)));
}

#[tokio::test]
async fn who_does_not_come_back_in_time_is_gone() {
    let server = Server::with(|options| {
        allowed(options);
        options.disconnect_timeout = SHORT;
        // Shorter: it is not what ends a connection without a transport.
        options.timeouts.client = SHORT / 2;
    })
    .await;
    let mut client = stateful(&server).connect().await;
    client.send_message(&Message::Ping).await;
    client.invoke("Nothing", &[]).await.unwrap();
    client.cut();
    server.journal.wait_for("disconnected: Abandoned").await;
    server.wait_until_empty().await;
    let refusal = client.resume().await.unwrap_err();
    assert_eq!(
        (refusal.status, refusal.text().as_str()),
        (404, "No Connection with that ID")
    );
}

#[tokio::test]
async fn who_says_goodbye_does_not_come_back() {
    for is_message in [true, false] {
        let server = server().await;
        let mut client = stateful(&server).query("disconnect=wait").connect().await;
        client.invoke("Nothing", &[]).await.unwrap();
        let label = if is_message {
            let goodbye = Message::Close {
                error: None,
                allow_reconnect: false,
            };
            client.send_message(&goodbye).await;
            server.journal.wait_for("disconnected: Client(None)").await;
            "client"
        } else {
            client.close().await;
            server
                .journal
                .wait_for("disconnected: TransportEnded")
                .await;
            "transport_ended"
        };
        // It is being seen off, and afterwards forgotten.
        assert_eq!(client.resume().await.unwrap_err().status, 204);
        server.journal.open("disconnect");
        client.read_to_end().await;
        server.wait_until_closed(label, 1).await;
        assert_eq!(client.resume().await.unwrap_err().status, 404);
    }
}

#[tokio::test]
async fn without_it_a_second_transport_is_refused() {
    let server = server().await;
    let plain = server.connect().await;
    let token = plain.token().map(str::to_owned);
    let refusal = server
        .client()
        .open_with(String::new(), token)
        .await
        .unwrap_err();
    assert_eq!((refusal.status, refusal.text().as_str()), (409, ""));
    // Negotiated, but then the handshake does not speak of it.
    let body: Value = serde_json::from_slice(&stateful(&server).negotiate().await.body).unwrap();
    let token = body["connectionToken"].as_str().map(str::to_owned);
    let mut client = server
        .client()
        .open_with(String::new(), token.clone())
        .await
        .unwrap();
    client.handshake().await.unwrap();
    let refusal = server
        .client()
        .open_with(String::new(), token)
        .await
        .unwrap_err();
    assert_eq!(refusal.status, 409);
    client.cut();
    server
        .journal
        .wait_for("disconnected: TransportFailed")
        .await;
}

#[tokio::test]
async fn other_transports_do_without() {
    let server = server().await;
    let body: Value = serde_json::from_slice(&stateful(&server).negotiate().await.body).unwrap();
    let token = body["connectionToken"].as_str().map(str::to_owned);
    let mut client = server
        .client()
        .transport(Transport::ServerSentEvents)
        .open_with(String::new(), token)
        .await
        .unwrap();
    client.handshake().await.unwrap();
    client.invoke("Nothing", &[]).await.unwrap();
    client.cut();
    server
        .journal
        .wait_for("disconnected: TransportFailed")
        .await;
}

#[tokio::test]
async fn a_sequence_that_leaves_messages_out_is_a_violation() {
    let server = Server::with(|options| {
        allowed(options);
        options.detailed_errors = true;
    })
    .await;
    let mut client = stateful(&server).connect().await;
    client.invoke("Nothing", &[]).await.unwrap();
    client.send_message(&Message::Sequence(3)).await;
    let text = "Connection closed with an error. InvalidOperationException: Sequence ID greater than amount of messages we've received.".to_owned();
    let goodbye = Message::Close {
        error: Some(text),
        allow_reconnect: true,
    };
    assert_eq!(
        client.read_to_end().await,
        (vec![goodbye], End::CloseFrame(Some(1000)))
    );
}

#[tokio::test]
async fn a_full_buffer_holds_up_answers_until_they_are_acknowledged() {
    let server = Server::with(|options| {
        allowed(options);
        options.stateful_reconnect_buffer_size = 10_000;
    })
    .await;
    let mut client = stateful(&server).connect().await;
    // Each answer is a fifth of the buffer; nothing is acknowledged before all calls are sent.
    let mut ids = Vec::new();
    for _ in 0..40 {
        ids.push(client.begin("Text", &[json!(2_000)]).await);
    }
    let stream = client.stream("Texts", &[json!(40), json!(2_000)]).await;
    for id in &ids {
        let answer = client.completion(id).await.unwrap();
        assert_eq!(answer.as_str().map(str::len), Some(2_000));
        // Now and then, as a client does it once a second.
        if id.parse::<u32>().unwrap() % 3 == 0 {
            client.acknowledge().await;
        }
    }
    let mut count = 0;
    while count < 40 {
        let item = client
            .wait_for("an item", |message| {
                matches!(message, Message::StreamItem { .. })
            })
            .await;
        let Message::StreamItem { item, .. } = item else {
            unreachable!("only that was waited for")
        };
        assert_eq!(item[0], json!(count));
        count += 1;
        client.acknowledge().await;
    }
    assert_eq!(client.completion(&stream).await, Ok(Value::Null));
    assert_eq!(server.closed("slow_receiver"), 0);
}

#[tokio::test]
async fn calls_are_held_up_while_the_buffer_is_full() {
    let server = Server::with(|options| {
        allowed(options);
        options.stateful_reconnect_buffer_size = 10_000;
    })
    .await;
    let mut client = stateful(&server).connect().await;
    for _ in 0..100 {
        client.begin("Text", &[json!(2_000)]).await;
    }
    for id in 1..=5 {
        client.completion(&id.to_string()).await.unwrap();
    }
    let mut other = server.connect().await;
    for _ in 0..20 {
        other.invoke("Nothing", &[]).await.unwrap();
    }
    let calls = server.endpoint.metrics().invocations() - 20;
    assert!((5..10).contains(&calls), "{calls} calls were run");
}

#[tokio::test]
async fn who_never_acknowledges_is_closed_in_time() {
    let server = Server::with(|options| {
        allowed(options);
        options.stateful_reconnect_buffer_size = 10_000;
        options.transport_send_timeout = SHORT;
    })
    .await;
    let mut client = stateful(&server).connect().await;
    for _ in 0..10 {
        client.begin("Text", &[json!(2_000)]).await;
    }
    let (messages, _) = client.read_to_end().await;
    assert!(
        matches!(
            messages.last(),
            Some(Message::Close {
                allow_reconnect: true,
                ..
            })
        ),
        "{:?}",
        messages.last()
    );
    server.wait_until_closed("slow_receiver", 1).await;
}

#[tokio::test]
async fn what_waits_for_a_lost_client_has_a_bound() {
    let server = Server::with(|options| {
        allowed(options);
        options.stateful_reconnect_buffer_size = 10_000;
        options.transport_buffer_size = 10_000;
    })
    .await;
    let mut client = stateful(&server).connect().await;
    client
        .invoke("Join", &[json!(""), json!("room")])
        .await
        .unwrap();
    client.cut();
    let handle = server.endpoint.handle();
    let text = "x".repeat(1_000);
    for _ in 0..1_000 {
        handle
            .clients()
            .group("room")
            .send("Said", (&text,))
            .await
            .unwrap();
    }
    server.wait_until_closed("slow_receiver", 1).await;
}

#[tokio::test]
async fn a_full_replay_is_no_reason_to_close() {
    let server = Server::with(|options| {
        allowed(options);
        options.stateful_reconnect_buffer_size = 200_000;
    })
    .await;
    let mut client = stateful(&server).connect().await;
    client
        .invoke("Join", &[json!(""), json!("room")])
        .await
        .unwrap();
    client.cut();
    // More than may wait for a client that does not read, less than is kept for one that is lost.
    let handle = server.endpoint.handle();
    let text = "x".repeat(1_000);
    for number in 0..150 {
        handle
            .clients()
            .group("room")
            .send("Item", (number, &text))
            .await
            .unwrap();
    }
    come_back(&mut client).await;
    for number in 150..160 {
        handle
            .clients()
            .group("room")
            .send("Item", (number, &text))
            .await
            .unwrap();
    }
    for number in 0..160 {
        assert_eq!(client.event("Item").await[0], json!(number));
    }
    assert_eq!(server.closed("slow_receiver"), 0);
}

/// Cut again and again in the midst of everything, nothing is lost, doubled or out of order.
async fn survive(protocol: HubProtocol, are_hidden: bool) {
    let server = Server::on(
        Sockets {
            are_hidden,
            send_buffer: None,
        },
        |options| {
            allowed(options);
            options.stateful_reconnect_buffer_size = 1_000_000;
        },
    )
    .await;
    let mut client = stateful(&server).protocol(protocol).connect().await;
    client
        .invoke("Join", &[json!(""), json!("room")])
        .await
        .unwrap();
    let handle = server.endpoint.handle();
    let storm = tokio::spawn(async move {
        for number in 0..3_000 {
            handle
                .clients()
                .group("room")
                .send("Item", (number,))
                .await
                .unwrap();
            if number % 10 == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        }
    });
    let (mut next_item, mut next_answer, mut next_call) = (0, 0, 0);
    let mut steps = 0;
    within("all messages", async {
        while next_item < 3_000 || next_answer < next_call {
            steps += 1;
            if steps % 97 == 0 {
                client.cut();
                come_back(&mut client).await;
            }
            if steps % 41 == 0 {
                client.acknowledge().await;
            }
            if steps % 7 == 0 && next_call < 300 {
                let bytes = client.begin("Echo", &[json!(next_call)]).await;
                drop(bytes);
                next_call += 1;
            }
            match client.next_message().await {
                Message::Invocation {
                    target, arguments, ..
                } if target == "Item" => {
                    assert_eq!(arguments, [json!(next_item)]);
                    next_item += 1;
                }
                Message::Completion { result, .. } => {
                    assert_eq!(result, Some(json!(next_answer)));
                    next_answer += 1;
                }
                Message::Sequence(_) | Message::Ack(_) => {}
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
    storm.await.unwrap();
    assert_eq!(next_call, 300);
    eventually("one connection to be left", || server.open() == 1).await;
    assert_eq!(server.journal.count("connected"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_cuts_in_json() {
    survive(HubProtocol::Json, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_cuts_in_messagepack() {
    survive(HubProtocol::MessagePack, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_cuts_behind_another_stream() {
    survive(HubProtocol::Json, true).await;
}
