//! Cables that swallow everything, and cables that are cut where it hurts.

use serde_json::json;
use signalr::protocol::HubProtocol;
use signalr::protocol::negotiate::Transport;
use testkit::client::{Client, Message};
use testkit::raw::{Connection, eventually, request};
use testkit::redis::Proxy;

use crate::common::{Server, WAYS};
use crate::hub::SHORT;

/// A server with short times, and somebody in the room who is told when another goes.
async fn watched() -> (Server, Client) {
    let server = Server::with(|options| {
        options.timeouts.client = SHORT;
        options.timeouts.keep_alive = SHORT / 4;
        options.close_timeout = SHORT / 6;
        options.disconnect_timeout = SHORT;
    })
    .await;
    let mut watcher = server.connect().await;
    watcher
        .invoke("Join", &[json!(""), json!("room")])
        .await
        .unwrap();
    (server, watcher)
}

#[tokio::test]
async fn a_client_behind_a_cable_that_swallows_all_is_noticed_and_others_are_told() {
    for (transport, protocol) in WAYS {
        let (server, mut watcher) = watched().await;
        let cable = Proxy::start(server.address.port()).await;
        let address = ([127, 0, 0, 1], cable.port()).into();
        let mut client = Client::to(address, "/hub")
            .transport(transport)
            .protocol(protocol)
            .query("disconnect=send")
            .connect()
            .await;
        client.send_message(&Message::Ping).await;
        client.invoke("Nothing", &[]).await.unwrap();
        // From here on its sockets are as good as ever, and nothing comes through, in either direction.
        cable.stall();
        watcher.event("Left").await;
        server.wait_until_closed("protocol", 1).await;
        drop(client);
    }
}

#[tokio::test]
async fn a_websocket_that_never_pinged_is_noticed_behind_such_a_cable_too() {
    let (server, mut watcher) = watched().await;
    let cable = Proxy::start(server.address.port()).await;
    let address = ([127, 0, 0, 1], cable.port()).into();
    let client = Client::to(address, "/hub")
        .query("disconnect=send")
        .connect()
        .await;
    cable.stall();
    watcher.event("Left").await;
    drop(client);
}

#[tokio::test]
async fn a_cable_that_holds_back_for_less_than_the_time_out_does_no_harm() {
    for (transport, protocol) in WAYS {
        let server = Server::start().await;
        let cable = Proxy::start(server.address.port()).await;
        let address = ([127, 0, 0, 1], cable.port()).into();
        let connector = Client::to(address, "/hub")
            .transport(transport)
            .protocol(protocol);
        let mut client = connector.connect().await;
        let (id, group) = (client.id().to_owned(), format!("{transport:?}"));
        client
            .invoke("Join", &[json!(id), json!(group)])
            .await
            .unwrap();
        cable.stall();
        for number in 0..100 {
            server
                .endpoint
                .handle()
                .clients()
                .group(&group)
                .send("Said", (number,))
                .await
                .unwrap();
        }
        cable.pass();
        for number in 0..100 {
            assert_eq!(client.event("Said").await, [json!(number)]);
        }
    }
}

#[tokio::test]
async fn a_post_that_is_cut_in_the_middle_ends_no_connection() {
    for transport in [Transport::ServerSentEvents, Transport::LongPolling] {
        let server = Server::start().await;
        let mut client = server.client().transport(transport).connect().await;
        let target = format!("/hub?id={}", client.token().unwrap());
        // The head, and not one byte of what it announces.
        for cut_behind in ["", "\r\n"] {
            let mut post = Connection::open(server.address).await;
            let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n");
            post.write(format!("{head}{cut_behind}").as_bytes()).await;
            post.cut();
        }
        // What was whole before the cut counts.
        let call = Message::call("WriteDown", &[json!("whole")]).encode(HubProtocol::Json);
        let mut post = Connection::open(server.address).await;
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
            call.len() + 50
        );
        post.write(&[head.as_bytes(), &call].concat()).await;
        server.journal.wait_for("whole").await;
        post.cut();
        assert_eq!(client.invoke("Nothing", &[]).await, Ok(json!(null)));
        assert_eq!(server.journal.count("whole"), 1);
    }
}

#[tokio::test]
async fn a_post_whose_bytes_never_come_ends_with_its_connection() {
    for transport in [Transport::ServerSentEvents, Transport::LongPolling] {
        let server = Server::start().await;
        let mut client = server.client().transport(transport).connect().await;
        let target = format!("/hub?id={}", client.token().unwrap());
        let call = Message::call("Abort", &[]).encode(HubProtocol::Json);
        let mut post = Connection::open(server.address).await;
        let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
        post.write(&[head.as_bytes(), &call].concat()).await;
        assert_eq!(post.answer().await.status, 404, "{transport:?}");
        client.read_to_end().await;
    }
}

#[tokio::test]
async fn half_a_message_of_a_post_that_is_cut_is_completed_by_the_next() {
    let server = Server::start().await;
    let mut client = server
        .client()
        .transport(Transport::ServerSentEvents)
        .connect()
        .await;
    let target = format!("/hub?id={}", client.token().unwrap());
    let call = Message::call("WriteDown", &[json!("in two posts")]).encode(HubProtocol::Json);
    let (head, rest) = call.split_at(20);
    let sent = request(server.address, "POST", &target, &[], head).await;
    assert_eq!(sent.status, 200);
    let sent = request(server.address, "POST", &target, &[], rest).await;
    assert_eq!(sent.status, 200);
    server.journal.wait_for("in two posts").await;
    assert_eq!(client.invoke("Nothing", &[]).await, Ok(json!(null)));
}

#[tokio::test]
async fn a_poll_that_is_cut_while_it_waits_is_followed_by_another() {
    let server = Server::start().await;
    let mut client = server
        .client()
        .transport(Transport::LongPolling)
        .connect()
        .await;
    let target = format!("/hub?id={}", client.token().unwrap());
    for round in 0..20 {
        let mut poll = Connection::open(server.address).await;
        poll.ask("GET", &target, &[], b"").await;
        if round % 2 == 0 {
            // It waits at the server by now, or is on its way.
            tokio::task::yield_now().await;
        }
        poll.cut();
    }
    assert_eq!(
        client.invoke("Add", &[json!(1), json!(2)]).await,
        Ok(json!(3))
    );
    eventually("nobody has gone", || server.open() == 1).await;
}
