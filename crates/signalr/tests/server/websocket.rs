//! WebSockets: how they are opened, framed and closed, over sockets and over what hides one.

use serde_json::json;
use signalr::protocol::HubProtocol;
use signalr::protocol::negotiate::Transport;
use testkit::client::websocket::{Frame, WebSocket, masked};
use testkit::client::{End, Message, Negotiation};
use testkit::raw::{Connection, request, within};

use crate::common::{Server, Sockets};

const HIDDEN: Sockets = Sockets {
    send_buffer: None,
    are_hidden: true,
};

#[tokio::test]
async fn calls_are_answered_in_both_protocols() {
    for sockets in [Sockets::default(), HIDDEN] {
        let server = Server::on(sockets, |_| {}).await;
        for protocol in HubProtocol::ALL {
            let mut client = server.client().protocol(protocol).connect().await;
            assert_eq!(
                client.invoke("Add", &[json!(1), json!(2)]).await,
                Ok(json!(3))
            );
            let value = json!({"a": [1, "zwei", null, true, -5]});
            assert_eq!(
                client.invoke("echo", std::slice::from_ref(&value)).await,
                Ok(value)
            );
        }
    }
}

#[tokio::test]
async fn clients_may_negotiate_in_an_old_way_or_not_at_all() {
    let server = Server::start().await;
    for negotiation in [
        Negotiation::Version1,
        Negotiation::Version0,
        Negotiation::Skipped,
    ] {
        let mut client = server.client().negotiation(negotiation).connect().await;
        let who = client.invoke("WhoAmI", &[]).await.unwrap();
        match negotiation {
            Negotiation::Skipped => assert_eq!(who[0].as_str().map(str::len), Some(22)),
            _ => assert_eq!(who[0], client.id()),
        }
        let is_id_secret = negotiation == Negotiation::Version1;
        assert_eq!(
            client.token() != Some(client.id()),
            is_id_secret || client.token().is_none()
        );
    }
}

#[tokio::test]
async fn messages_may_share_a_frame_and_span_frames() {
    for sockets in [Sockets::default(), HIDDEN] {
        let server = Server::on(sockets, |_| {}).await;
        for protocol in HubProtocol::ALL {
            let mut client = server.client().protocol(protocol).open().await;
            let call = |id: &str, number: i32| {
                Message::Invocation {
                    id: Some(id.to_owned()),
                    target: "Echo".to_owned(),
                    arguments: vec![json!(number)],
                    streams: Vec::new(),
                }
                .encode(protocol)
            };
            let handshake = format!(
                "{{\"protocol\":\"{}\",\"version\":1}}\u{1e}",
                protocol.name()
            );
            let bytes = [
                handshake.as_bytes(),
                &call("1", 7),
                &call("2", 8),
                &Message::Ping.encode(protocol),
                &call("3", 9),
            ]
            .concat();
            // The handshake and the calls in frames of five bytes, some of them in fragments.
            let socket = client.websocket();
            for (i, piece) in bytes.chunks(5).enumerate() {
                let (half, rest) = piece.split_at(piece.len() / 2);
                match i % 3 {
                    0 => socket.send_frame(0x82, piece).await,
                    1 => {
                        socket.send_frame(0x02, half).await;
                        socket.send_frame(0x80, rest).await;
                    }
                    _ => {
                        socket
                            .connection()
                            .write(
                                &[masked(0x82, half), masked(0x89, b"?"), masked(0x82, rest)]
                                    .concat(),
                            )
                            .await
                    }
                }
            }
            client.handshake_answer().await.unwrap();
            for (id, number) in [("1", 7), ("2", 8), ("3", 9)] {
                assert_eq!(
                    client.next_message().await,
                    Message::result(id, json!(number))
                );
            }
        }
    }
}

#[tokio::test]
async fn bytes_that_come_with_the_opening_handshake_are_not_lost() {
    let server = Server::start().await;
    let mut connection = Connection::open(server.address).await;
    let opening = "GET /hub HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let handshake = masked(0x81, b"{\"protocol\":\"json\",\"version\":1}\x1e{\"type\":1,\"invocationId\":\"a\",\"target\":\"Nothing\",\"arguments\":[]}\x1e");
    connection
        .write(&[opening.as_bytes(), &handshake].concat())
        .await;
    assert_eq!(connection.head().await.status, 101);
    let expected = [
        &b"\x81\x03{}\x1e"[..],
        b"\x81\x2c{\"type\":3,\"invocationId\":\"a\",\"result\":null}\x1e",
    ]
    .concat();
    within("the answers", async {
        while connection.unused().len() < expected.len() {
            assert_ne!(connection.fill().await, 0);
        }
    })
    .await;
    assert_eq!(connection.unused(), expected);
}

#[tokio::test]
async fn the_op_code_is_that_of_the_hub_protocol() {
    let server = Server::start().await;
    for (protocol, op_code, answer) in [
        (HubProtocol::Json, 1, &b"{}\x1e"[..]),
        (HubProtocol::MessagePack, 2, b"{}\x1e"),
    ] {
        let mut client = server.client().protocol(protocol).open().await;
        let handshake = format!(
            "{{\"protocol\":\"{}\",\"version\":1}}\u{1e}",
            protocol.name()
        );
        client.send_bytes(handshake.as_bytes()).await;
        let frame = within("a frame", client.websocket().frame()).await;
        assert_eq!(
            frame,
            Some(Frame {
                op_code,
                payload: answer.to_vec()
            })
        );
    }
    let mut client = server.client().open().await;
    client
        .send_bytes(b"{\"protocol\":\"xml\",\"version\":1}\x1e")
        .await;
    let frame = within("a frame", client.websocket().frame()).await.unwrap();
    assert_eq!(frame.op_code, 1);
    assert_eq!(
        frame.payload,
        b"{\"error\":\"The protocol 'xml' is not supported.\"}\x1e"
    );
}

#[tokio::test]
async fn pings_are_answered_with_what_is_in_them() {
    for sockets in [Sockets::default(), HIDDEN] {
        let server = Server::on(sockets, |_| {}).await;
        let mut client = server.connect().await;
        client.websocket().send_frame(0x89, b"are you there").await;
        client.websocket().send_frame(0x8a, b"unasked").await;
        let frame = within("a frame", client.websocket().frame()).await;
        assert_eq!(
            frame,
            Some(Frame {
                op_code: 10,
                payload: b"are you there".to_vec()
            })
        );
        assert_eq!(client.invoke("Nothing", &[]).await, Ok(json!(null)));
    }
}

#[tokio::test]
async fn a_client_that_closes_gets_a_close_frame_back() {
    for sockets in [Sockets::default(), HIDDEN] {
        let server = Server::on(sockets, |_| {}).await;
        for (code, label) in [
            (Some(1000), "transport_ended"),
            (None, "transport_ended"),
            (Some(1001), "going_away"),
            (Some(4999), "going_away"),
        ] {
            let before = server.closed(label);
            let mut client = server.connect().await;
            client.websocket().send_close(code).await;
            assert_eq!(
                client.read_to_end().await,
                (Vec::new(), End::CloseFrame(Some(1000)))
            );
            client.websocket().wait_for_end().await;
            server.wait_until_closed(label, before + 1).await;
        }
        server.wait_until_empty().await;
    }
}

#[tokio::test]
async fn violations_of_the_websocket_protocol_are_told_by_code() {
    for sockets in [Sockets::default(), HIDDEN] {
        let server = Server::on(sockets, |_| {}).await;
        // Bytes behind it that are never read do not have the socket reset before the code has come through.
        let ballast = [0xff; 8_000];
        for (i, (bytes, code)) in [
            (vec![0x81, 0x01, b'x'], 1002),      // no mask
            (masked(0xc1, b"x"), 1002),          // reserved bit
            (masked(0x83, b"x"), 1002),          // unknown code
            (masked(0x80, b"x"), 1002),          // continues nothing
            (masked(0x89, &[0; 126]), 1002),     // control frame too long
            (masked(0x88, &[0x03, 0xec]), 1002), // code 1004
            (masked(0x81, &[0xff, 0xfe]), 1007), // no UTF-8
        ]
        .into_iter()
        .enumerate()
        {
            let mut client = server.connect().await;
            let socket = client.websocket();
            socket
                .connection()
                .write(&[&bytes[..], &ballast].concat())
                .await;
            assert_eq!(
                client.read_to_end().await,
                (Vec::new(), End::CloseFrame(Some(code))),
                "{bytes:x?}"
            );
            server.wait_until_closed("websocket", i as u64 + 1).await;
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_noticed_at_once() {
    for sockets in [Sockets::default(), HIDDEN] {
        let server = Server::on(sockets, |_| {}).await;
        let mut client = server.connect().await;
        client.cut();
        server
            .journal
            .wait_for("disconnected: TransportFailed")
            .await;
        server.wait_until_closed("transport_failed", 1).await;
        // In the middle of a frame, and before the handshake.
        let mut client = server.connect().await;
        client
            .websocket()
            .connection()
            .write(&masked(0x82, b"hello")[..7])
            .await;
        client.cut();
        server.client().open().await.cut();
        server.wait_until_closed("transport_failed", 3).await;
    }
}

#[tokio::test]
async fn a_peer_that_does_not_close_is_dropped_in_time() {
    let server = Server::with(|options| options.close_timeout = crate::hub::SHORT).await;
    let mut client = server.connect().await;
    client.websocket().be_rude();
    client.send_bytes(b"{\"type\":7}\x1e").await;
    let (messages, end) = client.read_to_end().await;
    assert_eq!(
        messages,
        [Message::Close {
            error: None,
            allow_reconnect: false
        }]
    );
    assert_eq!(end, End::CloseFrame(Some(1000)));
    client.websocket().wait_for_end().await;
    server.wait_until_empty().await;
}

const UPGRADE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// A request to the hub with a query, and what it is answered with.
async fn check_refused(
    server: &Server,
    (method, query, headers): (&str, &str, &[(&str, &str)]),
    (status, text, content_type): (u16, &str, Option<&str>),
) {
    let target = format!("/hub{query}");
    let answer = request(server.address, method, &target, headers, b"").await;
    assert_eq!(answer.status, status, "{method} {target}");
    assert_eq!(answer.text(), text, "{method} {target}");
    assert_eq!(
        answer.header("content-type"),
        content_type,
        "{method} {target}"
    );
}

#[tokio::test]
async fn requests_on_an_open_websocket_are_refused_in_aspnet_cores_words() {
    let server = Server::start().await;
    let client = server.connect().await;
    let own = format!("?id={}", client.token().unwrap());
    let events = [("Accept", "text/event-stream")];
    for (method, headers, status, text) in [
        ("GET", &UPGRADE[..], 409, ""),
        (
            "POST",
            &[],
            405,
            "POST requests are not allowed for WebSocket connections.",
        ),
        (
            "DELETE",
            &[],
            400,
            "Cannot terminate this connection using the DELETE endpoint.",
        ),
        ("GET", &[], 400, "Cannot change transports mid-connection"),
        (
            "GET",
            &events,
            400,
            "Cannot change transports mid-connection",
        ),
    ] {
        check_refused(
            &server,
            (method, &own, headers),
            (status, text, Some("text/plain")),
        )
        .await;
    }
}

#[tokio::test]
async fn requests_that_open_nothing_are_refused_in_aspnet_cores_words() {
    let server = Server::start().await;
    let plain = Some("text/plain");
    for (method, query, headers, status, text, content_type) in [
        (
            "GET",
            "?id=nobody",
            &UPGRADE[..],
            404,
            "No Connection with that ID",
            None,
        ),
        ("GET", "", &[], 400, "Connection ID required", plain),
        ("POST", "", &[], 400, "Connection ID required", plain),
        ("PUT", "", &[], 405, "", plain),
        ("GET", "/negotiate", &[], 405, "", plain),
    ] {
        check_refused(
            &server,
            (method, query, headers),
            (status, text, content_type),
        )
        .await;
    }
}

#[tokio::test]
async fn a_foreign_origin_opens_nothing() {
    let server = Server::start().await;
    let foreign = [&UPGRADE[..], &[("Origin", "https://evil.example")]].concat();
    check_refused(&server, ("GET", "", &foreign), (403, "", None)).await;
    let ours = [("Origin", "https://good.example")];
    assert!(
        WebSocket::open(server.address, "/hub", &ours, None)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_transport_that_is_switched_off_is_not_offered_nor_opened() {
    let server = Server::with(|options| options.transports = vec![Transport::LongPolling]).await;
    let offer = server.client().negotiate().await.text();
    assert!(offer.ends_with(r#""availableTransports":[{"transport":"LongPolling","transferFormats":["Text","Binary"]}]}"#), "{offer}");
    for (transport, text) in [
        (
            Transport::WebSockets,
            "WebSockets transport not supported by this end point type",
        ),
        (
            Transport::ServerSentEvents,
            "ServerSentEvents transport not supported by this end point type",
        ),
    ] {
        let refusal = server
            .client()
            .transport(transport)
            .try_open()
            .await
            .unwrap_err();
        assert_eq!(refusal.status, 404);
        // The event stream's refusal is read without its body.
        assert!(
            refusal.text().is_empty() || refusal.text() == text,
            "{refusal:?}"
        );
    }
    let server = Server::with(|options| options.transports = vec![Transport::WebSockets]).await;
    let refusal = server
        .client()
        .transport(Transport::LongPolling)
        .try_open()
        .await
        .unwrap_err();
    assert_eq!(
        (refusal.status, refusal.text().as_str()),
        (
            404,
            "LongPolling transport not supported by this end point type"
        )
    );
}

#[tokio::test]
async fn large_messages_pass_in_both_directions() {
    for sockets in [Sockets::default(), HIDDEN] {
        let server = Server::on(sockets, |options| {
            options.maximum_receive_message_size = None
        })
        .await;
        for protocol in HubProtocol::ALL {
            let mut client = server.client().protocol(protocol).connect().await;
            let text = json!("y".repeat(3_000_000));
            assert_eq!(
                client.invoke("Echo", std::slice::from_ref(&text)).await,
                Ok(text)
            );
        }
    }
}
