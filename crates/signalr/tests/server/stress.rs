//! Many clients at once: nothing is lost, doubled or out of order, and nothing is left behind.

use std::time::Duration;

use serde_json::json;
use signalr::HubOptions;
use signalr::protocol::negotiate::Transport;
use testkit::client::{Client, Message};
use testkit::raw::within;

use crate::common::{Server, WAYS};
use crate::hub::SHORT;

/// How many clients each test has, over all transports and protocols.
const CLIENTS: usize = 300;

/// Clients are not closed for what a machine with much else to do keeps them from doing in time.
fn patient(options: &mut HubOptions) {
    options.timeouts.handshake = HOUR;
    options.timeouts.client = HOUR;
    options.disconnect_timeout = HOUR;
    options.transport_send_timeout = HOUR;
}

const HOUR: Duration = Duration::from_secs(3_600);

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
    let server = Server::with(patient).await;
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
                    tokio::time::sleep(Duration::from_millis(5)).await;
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
    let server = Server::with(patient).await;
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

/// Goes in one of four ways.
async fn leave(mut client: Client, transport: Transport, way: usize) {
    let goodbye = Message::Close {
        error: None,
        allow_reconnect: false,
    };
    match way % 4 {
        // Polls that break are noticed by nothing but their absence: those clients are not waited for here.
        0 if transport != Transport::LongPolling => client.cut(),
        0 | 1 => client.close().await,
        2 => client.send_message(&goodbye).await,
        _ => {
            client.begin("Abort", &[]).await;
            client.read_to_end().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn comings_and_goings_in_a_storm_leave_nothing_behind() {
    let server = Server::with(|options| {
        patient(options);
        options.close_timeout = SHORT;
    })
    .await;
    let storm = tokio::spawn({
        let handle = server.endpoint.handle();
        async move {
            for number in 0u64.. {
                let clients = handle.clients();
                let item = (number,);
                clients.all().send("Item", item).await.unwrap();
                clients.group("room").send("Item", item).await.unwrap();
                clients.user("user 7").send("Item", item).await.unwrap();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    });
    for round in 0..3 {
        for (i, client) in gather(&server).await.into_iter().enumerate() {
            let (transport, _) = WAYS[i % WAYS.len()];
            tokio::spawn(leave(client, transport, i + round));
        }
        server.wait_until_empty().await;
    }
    storm.abort();
    server.journal.wait_for_many("gone", 3 * CLIENTS).await;
    assert_eq!(server.journal.count("let in"), 3 * CLIENTS);
    assert_eq!(server.closed("slow_receiver"), 0);
}
