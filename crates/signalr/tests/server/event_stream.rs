//! Server-Sent Events.

use serde_json::json;
use signalr::protocol::HubProtocol;
use signalr::protocol::negotiate::Transport;
use testkit::client::{Client, Connector, End, Message};
use testkit::raw::{Answer, Connection, eventually, request, within};

use crate::common::Server;

fn events(server: &Server) -> Connector {
    server.client().transport(Transport::ServerSentEvents)
}

#[tokio::test]
async fn the_response_opens_at_once_and_carries_events() {
    let server = Server::start().await;
    let body: serde_json::Value =
        serde_json::from_slice(&server.client().negotiate().await.body).unwrap();
    let target = format!("/hub?id={}", body["connectionToken"].as_str().unwrap());
    let mut stream = Connection::open(server.address).await;
    stream
        .ask("GET", &target, &[("Accept", "text/event-stream")], b"")
        .await;
    let head = stream.head().await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache,no-store"),
        ("pragma", "no-cache"),
        ("content-encoding", "identity"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(head.header(name), Some(value));
    }
    assert_eq!(
        within("the opening", stream.chunk()).await.as_deref(),
        Some(&b":\r\n"[..])
    );
    let handshake = b"{\"protocol\":\"json\",\"version\":1}\x1e";
    let answer = request(server.address, "POST", &target, &[], handshake).await;
    assert_eq!(
        (
            answer.status,
            answer.text().as_str(),
            answer.header("content-type")
        ),
        (200, "", Some("text/plain"))
    );
    assert_eq!(
        within("an event", stream.chunk()).await.as_deref(),
        Some(&b"data: {}\x1e\r\n\r\n"[..])
    );
}

#[tokio::test]
async fn calls_are_posted_whole_in_pieces_and_together() {
    let server = Server::start().await;
    let mut client = events(&server).connect().await;
    assert_eq!(
        client.invoke("Add", &[json!(1), json!(2)]).await,
        Ok(json!(3))
    );
    assert_eq!(
        client.invoke("Echo", &[json!("a\nb\r\nc")]).await,
        Ok(json!("a\nb\r\nc"))
    );
    client
        .send_bytes(b"{\"type\":1,\"invocationId\":\"x\",\"target\":\"Echo\",")
        .await;
    client.send_bytes(b"").await;
    client.send_bytes(b"\"arguments\":[1]}\x1e{\"type\":1,\"invocationId\":\"y\",\"target\":\"Echo\",\"arguments\":[2]}\x1e").await;
    assert_eq!(client.completion("x").await, Ok(json!(1)));
    assert_eq!(client.completion("y").await, Ok(json!(2)));
}

#[tokio::test]
async fn a_binary_protocol_is_refused_and_the_stream_ends() {
    let server = Server::start().await;
    let mut client = events(&server)
        .protocol(HubProtocol::MessagePack)
        .open()
        .await;
    assert_eq!(
        client.handshake().await,
        Err("Cannot use the 'messagepack' protocol on the current transport. The transport does not support 'Binary' transfer format.".to_owned())
    );
    assert_eq!(client.read_to_end().await, (Vec::new(), End::StreamEnded));
    server.wait_until_closed("handshake", 1).await;
}

#[tokio::test]
async fn a_second_stream_and_other_transports_are_refused() {
    let server = Server::start().await;
    let client = events(&server).connect().await;
    let reach = async |transport: Transport| -> Answer {
        let token = client.token().map(str::to_owned);
        server
            .client()
            .transport(transport)
            .open_with(String::new(), token)
            .await
            .unwrap_err()
    };
    assert_eq!(reach(Transport::ServerSentEvents).await.status, 409);
    assert_eq!(reach(Transport::LongPolling).await.status, 400);
    let answer = reach(Transport::WebSockets).await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (400, "Cannot change transports mid-connection")
    );
}

#[tokio::test]
async fn a_client_that_goes_is_noticed_at_once_and_cannot_be_posted_to() {
    let server = Server::start().await;
    let mut client = events(&server).connect().await;
    let target = format!("/hub?id={}", client.token().unwrap());
    client.cut();
    server
        .journal
        .wait_for("disconnected: TransportFailed")
        .await;
    server.wait_until_closed("transport_failed", 1).await;
    let answer = request(server.address, "POST", &target, &[], b"{\"type\":6}\x1e").await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (404, "No Connection with that ID")
    );
}

#[tokio::test]
async fn a_client_that_goes_while_calls_wait_is_noticed_at_once() {
    let server = Server::start().await;
    let mut client = events(&server).connect().await;
    client.begin("Pass", &[json!("gate")]).await;
    client.begin("Nothing", &[]).await;
    server.journal.wait_for("at gate").await;
    client.cut();
    server
        .journal
        .wait_for("disconnected: TransportFailed")
        .await;
    server.wait_until_empty().await;
    server.journal.open("gate");
    server.journal.wait_for("through gate").await;
}

#[tokio::test]
async fn the_end_is_told_before_the_stream_ends() {
    let server = Server::start().await;
    let mut client = events(&server).connect().await;
    client.send("Abort", &[]).await;
    let goodbye = Message::Close {
        error: None,
        allow_reconnect: false,
    };
    assert_eq!(
        client.read_to_end().await,
        (vec![goodbye], End::StreamEnded)
    );
    server.wait_until_closed("aborted", 1).await;
}

async fn wait_for_calls(server: &Server, count: u64) {
    eventually("the calls to be read", || {
        server.endpoint.metrics().invocations() == count
    })
    .await;
}

#[tokio::test]
async fn posts_wait_where_a_call_holds_up_those_behind_it() {
    let server = Server::with(|options| options.transport_buffer_size = 4_096).await;
    let mut client = events(&server).connect().await;
    let target = format!("/hub?id={}", client.token().unwrap());
    client.begin("Pass", &[json!("gate")]).await;
    // This one waits for its turn, and stops the reading.
    client.begin("Nothing", &[]).await;
    wait_for_calls(&server, 2).await;
    let call = Message::call("WriteDown", &[json!("x".repeat(1_000))]).encode(HubProtocol::Json);
    let mut posts: Vec<_> = (0..8)
        .map(|_| {
            let (address, target, call) = (server.address, target.clone(), call.clone());
            tokio::spawn(async move { request(address, "POST", &target, &[], &call).await.status })
        })
        .collect();
    // Three of them fit; the others are not answered before there is room.
    let mut done = 0;
    within("the posts that fit", async {
        while done < 3 {
            posts.retain(|post| {
                done += usize::from(post.is_finished());
                !post.is_finished()
            });
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(posts.len(), 5);
    server.journal.open("gate");
    for post in posts {
        assert_eq!(post.await.unwrap(), 200);
    }
    server.journal.wait_for_many(&"x".repeat(1_000), 8).await;
}

#[tokio::test]
async fn posts_that_wait_are_answered_when_the_connection_ends() {
    let server = Server::with(|options| options.transport_buffer_size = 1_000).await;
    let mut client: Client = events(&server).connect().await;
    let target = format!("/hub?id={}", client.token().unwrap());
    client.begin("Pass", &[json!("gate")]).await;
    client.begin("Nothing", &[]).await;
    wait_for_calls(&server, 2).await;
    let call = Message::call("WriteDown", &[json!("x".repeat(900))]).encode(HubProtocol::Json);
    client.send_bytes(&call).await;
    let waiting = tokio::spawn({
        let (address, target) = (server.address, target.clone());
        async move { request(address, "POST", &target, &[], &call).await.status }
    });
    server
        .endpoint
        .handle()
        .clients()
        .client(client.id())
        .send("Said", ("before the end",))
        .await
        .unwrap();
    assert_eq!(client.event("Said").await, [json!("before the end")]);
    client.cut();
    assert_eq!(
        within("the answer to a post that waits", waiting)
            .await
            .unwrap(),
        404
    );
}
