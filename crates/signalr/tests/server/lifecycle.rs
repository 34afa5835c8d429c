//! How connections begin and end, and in which order the hub learns of it.

use std::time::Duration;

use serde_json::json;
use signalr::HubOptions;
use signalr::protocol::HubProtocol;
use signalr::protocol::negotiate::Transport;
use testkit::client::{End, Message};
use testkit::raw::{request, within};
use tokio::time::Instant;

use crate::common::{Server, WAYS};
use crate::hub::SHORT;

fn goodbye(error: Option<&str>, allow_reconnect: bool) -> Message {
    Message::Close {
        error: error.map(str::to_owned),
        allow_reconnect,
    }
}

const ERROR: &str = "Connection closed with an error.";

/// The end of a transport that the server ends.
fn end_of(transport: Transport) -> End {
    match transport {
        Transport::WebSockets => End::CloseFrame(Some(1000)),
        Transport::ServerSentEvents => End::StreamEnded,
        Transport::LongPolling => End::Poll(204),
    }
}

#[tokio::test]
async fn nothing_is_read_before_the_hub_has_let_the_client_in() {
    let server = Server::start().await;
    for way in WAYS {
        let (transport, protocol) = way;
        let server = if way == WAYS[0] {
            &server
        } else {
            &Server::start().await
        };
        let mut client = server
            .client()
            .transport(transport)
            .protocol(protocol)
            .query("connect=wait")
            .connect()
            .await;
        let id = client.begin("WriteDown", &[json!("called")]).await;
        server.journal.wait_for("connected").await;
        // It can be sent to already, and gets it.
        server
            .endpoint
            .handle()
            .clients()
            .all()
            .send("Said", ("early",))
            .await
            .unwrap();
        assert_eq!(
            client.next_message().await,
            Message::call("Said", &[json!("early")]),
            "{way:?}"
        );
        assert_eq!(server.journal.entries(), ["connected"]);
        server.journal.open("connect");
        assert_eq!(client.completion(&id).await, Ok(json!(null)));
        assert_eq!(server.journal.entries(), ["connected", "let in", "called"]);
    }
}

#[tokio::test]
async fn a_client_that_the_hub_refuses_is_told_so_and_not_seen_off() {
    for (wish, is_detailed, text) in [
        ("connect=refuse", false, ERROR.to_owned()),
        (
            "connect=refuse",
            true,
            format!("{ERROR} InvalidOperationException: Hub OnConnected failed."),
        ),
        ("connect=panic", false, ERROR.to_owned()),
    ] {
        let server = Server::with(|options| options.detailed_errors = is_detailed).await;
        for (i, (transport, protocol)) in WAYS.into_iter().enumerate() {
            let mut client = server
                .client()
                .transport(transport)
                .protocol(protocol)
                .query(wish)
                .connect()
                .await;
            let (messages, end) = client.read_to_end().await;
            assert_eq!(messages, [goodbye(Some(&text), false)]);
            assert_eq!(end, end_of(transport));
            server.wait_until_closed("on_connected", i as u64 + 1).await;
        }
        assert_eq!(server.journal.count("connected"), 5);
        assert_eq!(
            server.journal.entries().len(),
            5,
            "{:?}",
            server.journal.entries()
        );
    }
}

#[tokio::test]
async fn the_hub_may_abort_while_it_lets_in() {
    let server = Server::start().await;
    let mut client = server.client().query("connect=abort").connect().await;
    assert_eq!(
        client.read_to_end().await,
        (vec![goodbye(None, false)], End::CloseFrame(Some(1000)))
    );
    server.journal.wait_for("gone").await;
    assert_eq!(
        server.journal.entries(),
        ["connected", "let in", "disconnected: Aborted", "gone"]
    );
}

#[tokio::test]
async fn a_hub_that_lets_in_learns_that_the_server_shuts_down() {
    let server = Server::with(|options| options.close_timeout = SHORT).await;
    let mut client = server
        .client()
        .query("connect=wait_for_end")
        .connect()
        .await;
    server.journal.wait_for("connected").await;
    within("the end of the server", server.endpoint.shut_down()).await;
    server.journal.wait_for("aborted while connecting").await;
    assert_eq!(client.read_to_end().await.0, [goodbye(None, true)]);
}

#[tokio::test]
async fn the_hub_that_lets_in_cannot_ask() {
    let server = Server::start().await;
    let mut client = server.client().query("connect=ask").connect().await;
    client.invoke("Nothing", &[]).await.unwrap();
    let entry = "asked: Err(InvalidOperationException: Client results inside OnConnectedAsync Hub methods are not allowed.)";
    assert_eq!(server.journal.entries(), ["connected", entry, "let in"]);
}

#[tokio::test]
async fn a_client_that_says_goodbye_is_answered() {
    let server = Server::start().await;
    for (error, reason) in [
        (None, "Client(None)"),
        (Some("I am tired"), "Client(Some(\"I am tired\"))"),
    ] {
        for way in WAYS {
            let mut client = server.connect_by(way).await;
            client.send_message(&goodbye(error, false)).await;
            assert_eq!(
                client.read_to_end().await,
                (vec![goodbye(None, false)], end_of(way.0)),
                "{way:?}"
            );
        }
        server
            .journal
            .wait_for_many(&format!("disconnected: {reason}"), 5)
            .await;
    }
    server.wait_until_closed("client", 10).await;
}

#[tokio::test]
async fn a_client_may_be_aborted_by_a_method() {
    let server = Server::start().await;
    for way in WAYS {
        let mut client = server.connect_by(way).await;
        // What the method would answer is not sent any more.
        client.begin("Abort", &[]).await;
        assert_eq!(
            client.read_to_end().await,
            (vec![goodbye(None, false)], end_of(way.0)),
            "{way:?}"
        );
    }
    server.wait_until_closed("aborted", 5).await;
}

#[tokio::test]
async fn a_violation_of_the_protocol_is_told_and_may_come_back() {
    for is_detailed in [false, true] {
        let server = Server::with(|options| options.detailed_errors = is_detailed).await;
        for (bytes, detail) in [
            (
                &b"{\"type\":1}\x1e"[..],
                "InvalidDataException: Missing required property 'target'.",
            ),
            (
                b"{\"type\":\"call\"}\x1e",
                "InvalidDataException: Expected 'type' to be of type Number.",
            ),
        ] {
            for way in [WAYS[0], WAYS[2], WAYS[3]] {
                let mut client = server.connect_by(way).await;
                client.send_bytes(bytes).await;
                let text = if is_detailed {
                    format!("{ERROR} {detail}")
                } else {
                    ERROR.to_owned()
                };
                assert_eq!(
                    client.read_to_end().await,
                    (vec![goodbye(Some(&text), true)], end_of(way.0))
                );
            }
        }
        server.wait_until_closed("protocol", 6).await;
    }
}

#[tokio::test]
async fn a_message_cut_off_by_the_end_is_a_violation() {
    let server = Server::with(|options| options.detailed_errors = true).await;
    let mut client = server.connect().await;
    client.send_bytes(b"{\"type\":6").await;
    client.close().await;
    let text =
        format!("{ERROR} InvalidDataException: Connection terminated while reading a message.");
    assert_eq!(
        client.read_to_end().await,
        (
            vec![goodbye(Some(&text), true)],
            End::CloseFrame(Some(1000))
        )
    );
}

#[tokio::test]
async fn a_handshake_that_fails_is_answered_and_reaches_no_hub() {
    for is_detailed in [false, true] {
        let server = Server::with(|options| options.detailed_errors = is_detailed).await;
        let mut count = 0;
        for (request, text, detail) in [
            (
                "{\"protocol\":\"xml\",\"version\":1}",
                "The protocol 'xml' is not supported.",
                "",
            ),
            (
                "{\"protocol\":\"json\",\"version\":9001}",
                "The server does not support version 9001 of the 'json' protocol.",
                "",
            ),
            (
                "42",
                "An unexpected error occurred during connection handshake.",
                " InvalidDataException: Unexpected JSON Token Type 'Number'. Expected a JSON Object.",
            ),
        ] {
            for way in [WAYS[0], WAYS[2], WAYS[3]] {
                let mut client = server.client().transport(way.0).open().await;
                client
                    .send_bytes(format!("{request}\u{1e}").as_bytes())
                    .await;
                let expected = if is_detailed {
                    format!("{text}{detail}")
                } else {
                    text.to_owned()
                };
                assert_eq!(client.handshake_answer().await, Err(expected));
                assert_eq!(client.read_to_end().await, (Vec::new(), end_of(way.0)));
                count += 1;
                server.wait_until_closed("handshake", count).await;
            }
        }
        assert_eq!(server.journal.entries().len(), 0);
    }
}

#[tokio::test]
async fn a_handshake_that_is_too_long_or_never_comes_is_cancelled() {
    let server = Server::with(|options| options.timeouts.handshake = SHORT).await;
    let mut clients = Vec::new();
    for way in [WAYS[0], WAYS[2], WAYS[3]] {
        clients.push((way.0, server.client().transport(way.0).open().await));
    }
    let mut talker = server.client().open().await;
    talker.send_bytes(&[b' '; 32 * 1024]).await;
    clients.push((Transport::WebSockets, talker));
    for (transport, mut client) in clients {
        assert_eq!(
            client.handshake_answer().await,
            Err("Handshake was canceled.".to_owned())
        );
        assert_eq!(client.read_to_end().await, (Vec::new(), end_of(transport)));
    }
    server.wait_until_closed("handshake", 4).await;
}

#[tokio::test]
async fn a_transport_that_ends_before_the_handshake_ends_in_silence() {
    let server = Server::start().await;
    let mut client = server.client().open().await;
    client.close().await;
    assert_eq!(
        client.read_to_end().await,
        (Vec::new(), End::CloseFrame(Some(1000)))
    );
    server.wait_until_closed("transport_ended", 1).await;
    assert_eq!(server.journal.entries().len(), 0);
}

#[tokio::test]
async fn methods_learn_that_their_client_has_gone_and_run_to_their_end() {
    let server = Server::start().await;
    for (round, way) in WAYS.into_iter().enumerate() {
        let mut client = server.connect_by(way).await;
        client.begin("WaitForEnd", &[]).await;
        server
            .journal
            .wait_for_many("waiting for the end", round + 1)
            .await;
        client.cut();
        if way.0 == Transport::LongPolling {
            // Nothing but the lack of polls shows that it has gone.
            client = server.connect_by(way).await;
            client.begin("WaitForEnd", &[]).await;
            server
                .journal
                .wait_for_many("waiting for the end", round + 2)
                .await;
            client.close().await;
            server.journal.wait_for("aborted").await;
            return;
        }
        server.journal.wait_for_many("aborted", round + 1).await;
    }
}

#[tokio::test]
async fn the_hub_is_told_after_its_methods_and_before_the_groups() {
    let server = Server::start().await;
    let mut client = server.client().query("disconnect=wait").connect().await;
    client.close().await;
    server
        .journal
        .wait_for("disconnected: TransportEnded")
        .await;
    assert_eq!(
        server.journal.count("disconnected before it was aborted"),
        0
    );
    // It still counts as a connection, so that nobody takes its place too early.
    assert_eq!(server.open(), 1);
    server.journal.open("disconnect");
    server.wait_until_empty().await;
}

#[tokio::test]
async fn a_hub_that_fails_to_see_off_is_the_servers_fault() {
    let server = Server::start().await;
    for wish in ["disconnect=fail", "disconnect=panic"] {
        let mut client = server.client().query(wish).connect().await;
        client.close().await;
        assert_eq!(
            client.read_to_end().await,
            (Vec::new(), End::CloseFrame(Some(1011)))
        );
    }
    server.wait_until_closed("transport_ended", 2).await;
}

#[tokio::test]
async fn a_server_that_shuts_down_asks_all_to_come_back() {
    // The last poll has a tenth of this: much, for a machine with much else to do.
    let close_timeout = Duration::from_secs(50);
    let server = Server::with(|options| options.close_timeout = close_timeout).await;
    let mut clients = Vec::new();
    for way in WAYS {
        let mut client = server.connect_by(way).await;
        client.invoke("Nothing", &[]).await.unwrap();
        clients.push((way, client));
    }
    // One that has negotiated and done nothing more, and one that has not shaken hands.
    assert_eq!(server.client().negotiate().await.status, 200);
    let mut mute = server.client().open().await;
    assert!(server.endpoint.is_running());
    let ending = tokio::spawn({
        let endpoint = server.endpoint.clone();
        async move { endpoint.shut_down().await }
    });
    for (way, client) in &mut clients {
        assert_eq!(
            client.read_to_end().await,
            (vec![goodbye(None, true)], end_of(way.0)),
            "{way:?}"
        );
    }
    assert_eq!(
        mute.read_to_end().await,
        (Vec::new(), End::CloseFrame(Some(1000)))
    );
    within("the end of the server", ending).await.unwrap();
    assert!(!server.endpoint.is_running());
    server
        .journal
        .wait_for_many("disconnected: ServerShutdown", 5)
        .await;
}

#[tokio::test]
async fn a_server_that_has_shut_down_takes_nobody() {
    let server = Server::start().await;
    let client = server.client();
    let early: serde_json::Value = serde_json::from_slice(&client.negotiate().await.body).unwrap();
    within("the end of the server", server.endpoint.shut_down()).await;
    assert_eq!(client.negotiate().await.status, 503);
    let skipping = client
        .clone()
        .negotiation(testkit::client::Negotiation::Skipped);
    assert_eq!(skipping.try_open().await.unwrap_err().status, 503);
    let token = early["connectionToken"].as_str().map(str::to_owned);
    assert_eq!(
        client
            .open_with(String::new(), token)
            .await
            .unwrap_err()
            .status,
        404
    );
    within("an end that is there", server.endpoint.shut_down()).await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_those_who_do_not_read() {
    let server = Server::with(|options| options.close_timeout = SHORT).await;
    let mut rude = server.connect().await;
    rude.websocket().be_rude();
    let mut silent = server
        .client()
        .transport(Transport::LongPolling)
        .connect()
        .await;
    silent.invoke("Nothing", &[]).await.unwrap();
    within("the end of the server", server.endpoint.shut_down()).await;
    assert_eq!(silent.read_to_end().await.1, End::Poll(404));
}

/// Where the listeners have stopped, whoever was told by a poll cannot make another.
#[tokio::test]
async fn a_shutdown_does_not_wait_long_for_another_poll() {
    let server = Server::start().await;
    let mut client = server
        .client()
        .transport(Transport::LongPolling)
        .connect()
        .await;
    client.invoke("Nothing", &[]).await.unwrap();
    client.poll().await;
    let begun = Instant::now();
    let ending = server.endpoint.shut_down();
    let (goodbye_heard, ()) = tokio::join!(client.next_message(), within("the end", ending));
    assert_eq!(goodbye_heard, goodbye(None, true));
    let whole = HubOptions::default().close_timeout;
    assert!(begun.elapsed() < whole / 2, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn another_users_connection_cannot_be_used() {
    let server = Server::start().await;
    for transport in [Transport::ServerSentEvents, Transport::LongPolling] {
        let mut alice = server
            .client()
            .transport(transport)
            .header("x-user", "alice")
            .connect()
            .await;
        let target = format!("/hub?id={}", alice.token().unwrap());
        for method in ["POST", "GET", "DELETE"] {
            for headers in [&[("x-user", "mallory")][..], &[]] {
                let answer = request(
                    server.address,
                    method,
                    &target,
                    headers,
                    b"{\"type\":7}\x1e",
                )
                .await;
                assert_eq!(answer.status, 403, "{method}");
            }
        }
        assert_eq!(alice.invoke("Nothing", &[]).await, Ok(json!(null)));
    }
    let reserved: serde_json::Value = serde_json::from_slice(
        &server
            .client()
            .header("x-user", "alice")
            .negotiate()
            .await
            .body,
    )
    .unwrap();
    let token = reserved["connectionToken"].as_str().map(str::to_owned);
    let refusal = server
        .client()
        .open_with(String::new(), token)
        .await
        .unwrap_err();
    assert_eq!(refusal.status, 403);
}

#[tokio::test]
async fn the_public_id_opens_nothing() {
    let server = Server::start().await;
    let client = server
        .client()
        .protocol(HubProtocol::MessagePack)
        .connect()
        .await;
    let refusal = server
        .client()
        .open_with(String::new(), Some(client.id().to_owned()))
        .await
        .unwrap_err();
    assert_eq!(
        (refusal.status, refusal.text().as_str()),
        (404, "No Connection with that ID")
    );
}
