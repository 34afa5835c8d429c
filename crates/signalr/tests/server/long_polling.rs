//! Long polling, and the races of polls.

use serde_json::json;
use signalr::protocol::HubProtocol;
use signalr::protocol::negotiate::Transport;
use testkit::client::{Client, Connector, End, Message};
use testkit::raw::{Answer, Connection, request, within};

use crate::common::Server;
use crate::hub::SHORT;

fn polling(server: &Server) -> Connector {
    server.client().transport(Transport::LongPolling)
}

fn target(client: &Client) -> String {
    format!("/hub?id={}", client.token().unwrap())
}

fn check_uncached(answer: &Answer) {
    for (name, value) in [
        ("cache-control", "no-cache, no-store"),
        ("pragma", "no-cache"),
        ("expires", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{answer:?}");
    }
}

#[tokio::test]
async fn a_whole_session() {
    let server = Server::start().await;
    for protocol in HubProtocol::ALL {
        let mut client = polling(&server).protocol(protocol).connect().await;
        assert_eq!(
            client.invoke("Add", &[json!(1), json!(2)]).await,
            Ok(json!(3))
        );
        // What has come when a poll is made comes with its answer.
        let first = client.begin("Echo", &[json!(1)]).await;
        let second = client.begin("Echo", &[json!(2)]).await;
        assert_eq!(client.completion(&second).await, Ok(json!(2)));
        assert_eq!(client.completion(&first).await, Ok(json!(1)));
        let answer = client.delete().await;
        assert_eq!(
            (
                answer.status,
                answer.text().as_str(),
                answer.header("content-type")
            ),
            (202, "", Some("text/plain"))
        );
    }
    server.wait_until_closed("transport_ended", 2).await;
}

#[tokio::test]
async fn answers_have_their_types_and_are_not_to_be_kept() {
    let server = Server::start().await;
    let mut client = polling(&server).connect().await;
    client
        .send(
            "Send",
            &[json!("caller"), json!([]), json!([]), json!("hi")],
        )
        .await;
    let answer = request(server.address, "GET", &target(&client), &[], b"").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/octet-stream"))
    );
    assert_eq!(
        answer.text(),
        "{\"type\":1,\"target\":\"Said\",\"arguments\":[\"hi\"]}\u{1e}"
    );
    check_uncached(&answer);
    let answer = request(server.address, "GET", "/hub?id=nobody", &[], b"").await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (404, "No Connection with that ID")
    );
    check_uncached(&answer);
}

#[tokio::test]
async fn an_open_poll_at_delete_gets_the_close_message_and_later_ones_404() {
    let server = Server::start().await;
    let mut client = polling(&server).connect().await;
    client.poll().await;
    assert_eq!(client.delete().await.status, 202);
    let goodbye = Message::Close {
        error: None,
        allow_reconnect: true,
    };
    assert_eq!(client.read_to_end().await, (vec![goodbye], End::Poll(404)));
    for method in ["POST", "DELETE"] {
        assert_eq!(
            request(server.address, method, &target(&client), &[], b"")
                .await
                .status,
            404
        );
    }
    // Between polls it ends as well, and without waiting for one.
    let mut client = polling(&server).connect().await;
    client.invoke("Nothing", &[]).await.unwrap();
    assert_eq!(client.delete().await.status, 202);
    server.wait_until_empty().await;
    assert_eq!(client.read_to_end().await.1, End::Poll(404));
}

#[tokio::test]
async fn a_delete_is_noticed_while_calls_wait() {
    let server = Server::with(|options| options.close_timeout = SHORT).await;
    let mut client = polling(&server).connect().await;
    client.begin("Pass", &[json!("gate")]).await;
    client.begin("Nothing", &[]).await;
    server.journal.wait_for("at gate").await;
    client.delete().await;
    server
        .journal
        .wait_for("disconnected: TransportEnded")
        .await;
    server.wait_until_empty().await;
}

#[tokio::test]
async fn a_connection_that_the_server_ends_is_told_and_then_204() {
    let server = Server::start().await;
    let mut client = polling(&server).connect().await;
    client.send("Abort", &[]).await;
    let goodbye = Message::Close {
        error: None,
        allow_reconnect: false,
    };
    assert_eq!(client.read_to_end().await, (vec![goodbye], End::Poll(204)));
    server.wait_until_closed("aborted", 1).await;
    assert_eq!(
        request(server.address, "GET", &target(&client), &[], b"")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_refused_handshake_is_told_and_then_204() {
    let server = Server::start().await;
    let mut client = polling(&server).open().await;
    client
        .send_bytes(b"{\"protocol\":\"xml\",\"version\":1}\x1e")
        .await;
    assert_eq!(
        client.handshake_answer().await,
        Err("The protocol 'xml' is not supported.".to_owned())
    );
    assert_eq!(client.read_to_end().await, (Vec::new(), End::Poll(204)));
    server.wait_until_closed("handshake", 1).await;
}

#[tokio::test]
async fn the_last_messages_are_kept_only_for_a_while() {
    let server = Server::with(|options| options.close_timeout = SHORT).await;
    let mut client = polling(&server).connect().await;
    client.send("Abort", &[]).await;
    server.wait_until_closed("aborted", 1).await;
    assert_eq!(client.read_to_end().await, (Vec::new(), End::Poll(404)));
}

#[tokio::test]
async fn a_poll_with_nothing_to_say_is_answered_in_time() {
    let server = Server::with(|options| options.poll_timeout = SHORT).await;
    let mut client = polling(&server).connect().await;
    let answer = request(server.address, "GET", &target(&client), &[], b"").await;
    assert_eq!(
        (
            answer.status,
            answer.text().as_str(),
            answer.header("content-type")
        ),
        (200, "", Some("text/plain"))
    );
    check_uncached(&answer);
    assert_eq!(client.invoke("Nothing", &[]).await, Ok(json!(null)));
}

/// Of two polls that are made at once, one is answered at once: the older by 204, or the newer by 409.
async fn race_polls(rounds: u32) {
    let server = Server::start().await;
    let mut client = polling(&server).connect().await;
    let mut polls = [
        Connection::open(server.address).await,
        Connection::open(server.address).await,
    ];
    for round in 0..rounds {
        for poll in &mut polls {
            poll.ask("GET", &target(&client), &[], b"").await;
        }
        let [one, other] = &mut polls;
        let (refused, waiting) = within("one of two polls to be answered", async {
            tokio::select! {
                answer = one.try_answer() => (answer, other),
                answer = other.try_answer() => (answer, one),
            }
        })
        .await;
        let refused = refused.unwrap();
        assert!(matches!(refused.status, 204 | 409), "{refused:?}");
        assert_eq!(refused.text(), "");
        check_uncached(&refused);
        client
            .send(
                "Send",
                &[
                    json!("caller"),
                    json!([]),
                    json!([]),
                    json!(round.to_string()),
                ],
            )
            .await;
        let answer = waiting.answer().await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.text(),
            format!("{{\"type\":1,\"target\":\"Said\",\"arguments\":[\"{round}\"]}}\u{1e}")
        );
    }
}

#[tokio::test]
async fn a_newer_poll_takes_the_place_of_the_one_that_waits() {
    race_polls(50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_that_race_never_strand_one_another() {
    race_polls(1_000).await;
}

#[tokio::test]
async fn a_client_that_stops_polling_is_given_up_in_time() {
    let server = Server::with(|options| options.disconnect_timeout = SHORT).await;
    let mut client = polling(&server).connect().await;
    client.poll().await;
    client.cut();
    server.journal.wait_for("disconnected: Abandoned").await;
    server.wait_until_empty().await;
    assert_eq!(client.read_to_end().await.1, End::Cut);
    assert_eq!(
        request(server.address, "GET", &target(&client), &[], b"")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn messages_between_polls_wait_and_keep_their_order() {
    let server = Server::start().await;
    let mut client = polling(&server).connect().await;
    client
        .invoke("Join", &[json!(""), json!("room")])
        .await
        .unwrap();
    let handle = server.endpoint.handle();
    for number in 0..2_000 {
        handle
            .clients()
            .group("room")
            .send("Said", (number,))
            .await
            .unwrap();
    }
    for number in 0..2_000 {
        assert_eq!(
            client.next_message().await,
            Message::call("Said", &[json!(number)])
        );
    }
}
