//! Many clients at once: nothing is lost, doubled or out of order, and nothing is left behind.

use serde_json::json;
use signalr::protocol::negotiate::Transport;
use testkit::client::{Client, Message};
use testkit::raw::within;

use crate::common::{Server, WAYS};

/// How many clients each test has, over all transports and protocols.
const CLIENTS: usize = 300;

async fn gather(server: &Server) -> Vec<Client> {
    let connecting: Vec<_> = (0..CLIENTS)
        .map(|i| {
            let (transport, protocol) = WAYS[i % WAYS.len()];
            let connector = server.client().transport(transport).protocol(protocol);
            tokio::spawn(async move {
                let mut client = connector
                    .header("x-user", &format!("user {}", i % 30))
                    .connect()
                    .await;
                client
                    .invoke("Join", &[json!(""), json!("room")])
                    .await
                    .unwrap();
                client
            })
        })
        .collect();
    let mut clients = Vec::new();
    for client in connecting {
        clients.push(client.await.unwrap());
    }
    clients
}

async fn all_gone(server: &Server, clients: Vec<Client>) {
    for mut client in clients {
        tokio::spawn(async move { client.close().await });
    }
    server.wait_until_empty().await;
    server.journal.wait_for_many("gone", CLIENTS).await;
    assert_eq!(server.journal.count("let in"), CLIENTS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storms_of_broadcasts_reach_everybody_in_order() {
    const SENDERS: usize = 3;
    const MESSAGES: usize = 100;
    let server = Server::start().await;
    let clients = gather(&server).await;
    let reading: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            tokio::spawn(async move {
                let mut next = [0; SENDERS];
                while next != [MESSAGES; SENDERS] {
                    let arguments = client.event("Item").await;
                    let sender = usize::try_from(arguments[0].as_u64().unwrap()).unwrap();
                    assert_eq!(arguments[1], json!(next[sender]), "of sender {sender}");
                    next[sender] += 1;
                }
                client
            })
        })
        .collect();
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let handle = server.endpoint.handle();
            tokio::spawn(async move {
                for number in 0..MESSAGES {
                    handle
                        .clients()
                        .group("room")
                        .send("Item", (sender, number))
                        .await
                        .unwrap();
                    // Three hundred clients on two cores read no faster than this.
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    let mut clients = Vec::new();
    for client in reading {
        clients.push(within("a client to get all", client).await.unwrap());
    }
    assert_eq!(server.closed("slow_receiver"), 0);
    all_gone(&server, clients).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_call_at_once_and_each_is_answered_in_order() {
    let server = Server::start().await;
    let clients = gather(&server).await;
    let calling: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(i, mut client)| {
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for number in 0..20 {
                    ids.push(client.begin("Echo", &[json!([i, number])]).await);
                }
                for (number, id) in ids.iter().enumerate() {
                    assert_eq!(
                        client.next_message().await,
                        Message::result(id, json!([i, number]))
                    );
                }
                let stream = client.stream("Count", &[json!(50)]).await;
                assert_eq!(client.items(&stream).await.map(|items| items.len()), Ok(50));
                client
            })
        })
        .collect();
    let mut clients = Vec::new();
    for client in calling {
        clients.push(client.await.unwrap());
    }
    all_gone(&server, clients).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn comings_and_goings_in_a_storm_leave_nothing_behind() {
    let server =
        Server::with(|options| options.disconnect_timeout = std::time::Duration::from_secs(5))
            .await;
    let storm = tokio::spawn({
        let handle = server.endpoint.handle();
        async move {
            for number in 0u64.. {
                handle
                    .clients()
                    .all()
                    .send("Item", (number,))
                    .await
                    .unwrap();
                handle
                    .clients()
                    .group("room")
                    .send("Item", (number,))
                    .await
                    .unwrap();
                handle
                    .clients()
                    .user("user 7")
                    .send("Item", (number,))
                    .await
                    .unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        }
    });
    for round in 0..3 {
        let clients = gather(&server).await;
        for (i, mut client) in clients.into_iter().enumerate() {
            match (i + round) % 4 {
                0 => client.cut(),
                1 => {
                    client
                        .send_message(&Message::Close {
                            error: None,
                            allow_reconnect: false,
                        })
                        .await
                }
                2 => client.close().await,
                _ => {
                    client.begin("Abort", &[]).await;
                    // Who polls has to hear of it, or the server keeps it for a while.
                    client.read_to_end().await;
                }
            }
            let _ = (i % 5 == 0).then(|| drop(client));
        }
        // Broken polls are given up after some seconds, all others at once.
        for transport in [Transport::WebSockets, Transport::ServerSentEvents] {
            testkit::raw::eventually(
                format!("the end of round {round} over {transport:?}"),
                || server.endpoint.metrics().open(transport) == 0,
            )
            .await;
        }
    }
    server.wait_until_empty().await;
    storm.abort();
    server.journal.wait_for_many("gone", 3 * CLIENTS).await;
    assert_eq!(server.journal.count("gone"), server.journal.count("let in"));
}
