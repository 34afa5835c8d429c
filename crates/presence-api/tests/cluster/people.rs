//! Those who are here, and those who watch them.

use std::time::Duration;

use serde_json::json;
use testkit::client::{Client, Message};
use testkit::http2::{Connection, WebSocket};
use testkit::raw::within;

use crate::node::{Node, Nodes};

const HUB: &str = "/_hubs/presence";
/// As many as a node takes on one connection, unless told otherwise.
const STREAMS_MAX: usize = 100;

/// Connects somebody; when it is done, the node has taken note.
pub(crate) async fn person(service: &Nodes, node: &Node, name: &str) -> Client {
    let mut client = Client::to(node.web(), HUB)
        .bearer(&service.token(name))
        .connect()
        .await;
    // Calls are answered after the hub has seen the client.
    let answer = client.invoke("GetUserStatus", &[json!(name)]).await;
    assert!(answer.is_ok(), "{answer:?}");
    client
}

/// Connects many at once, a few at a time.
pub(crate) async fn crowd(service: &Nodes, node: &Node, names: &[String]) -> Vec<Client> {
    let mut people = Vec::with_capacity(names.len());
    for names in names.chunks(50) {
        let some = names.iter().map(|name| person(service, node, name));
        people.extend(futures_util::future::join_all(some).await);
    }
    people
}

/// Connects many at once, each in a stream of a connection that it shares with others: a process holds more of them than
/// it may open files. The node must offer it.
pub(crate) async fn multiplexed_crowd(
    service: &Nodes,
    node: &Node,
    names: &[String],
) -> Vec<WebSocket> {
    let mut people = Vec::with_capacity(names.len());
    for names in names.chunks(STREAMS_MAX) {
        let connection = Connection::open(node.web()).await;
        let some = names.iter().map(async |name| {
            let mut socket = connection
                .websocket(HUB, &service.token(name))
                .await
                .unwrap();
            socket.shake_hands().await;
            // Calls are answered after the hub has seen the client.
            let answer = socket.call("1", "GetUserStatus", name).await;
            assert_eq!(answer["result"], json!("online"), "{answer}");
            socket
        });
        people.extend(futures_util::future::join_all(some).await);
    }
    people
}

/// Says goodbye, and waits until the node has heard it.
pub(crate) async fn close(client: &mut Client) {
    client.close().await;
    client.read_to_end().await;
}

pub(crate) fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{prefix} {number}"))
        .collect()
}

/// What a watcher was told: a user, and `online` or `offline`.
pub(crate) type Event = (String, String);

/// Somebody who watches, and remembers everything.
pub(crate) struct Watcher {
    pub(crate) client: Client,
    pub(crate) events: Vec<Event>,
}

impl Watcher {
    /// Connects to a node and watches.
    pub(crate) async fn start(service: &Nodes, node: &Node, users: &[String]) -> Self {
        let client = person(service, node, &format!("watcher of {}", users.len())).await;
        let mut watcher = Self {
            client,
            events: Vec::new(),
        };
        for user in users {
            watcher.watch(user).await;
        }
        watcher
    }

    pub(crate) async fn watch(&mut self, user: &str) {
        let answer = self
            .client
            .invoke("SubscribeToUserStatus", &[json!(user)])
            .await;
        assert_eq!(answer, Ok(json!(null)), "{user}");
    }

    pub(crate) async fn leave(&mut self, user: &str) {
        let answer = self
            .client
            .invoke("UnsubscribeFromUserStatus", &[json!(user)])
            .await;
        assert_eq!(answer, Ok(json!(null)), "{user}");
    }

    /// Asks for a status, and takes in what was told before the answer came.
    pub(crate) async fn ask(&mut self, user: &str) -> String {
        let answer = self.client.invoke("GetUserStatus", &[json!(user)]).await;
        self.take_in();
        answer.unwrap().as_str().unwrap().to_owned()
    }

    fn take_in(&mut self) {
        for message in self.client.take_kept() {
            if let Message::Invocation {
                target, arguments, ..
            } = message
            {
                assert_eq!(target, "PresenceStatusChanged");
                let text = |index: usize| arguments[index].as_str().unwrap().to_owned();
                self.events.push((text(0), text(1)));
            }
        }
    }

    /// Waits until so many events have come.
    pub(crate) async fn hears(&mut self, count: usize) {
        let what = format!("{count} events");
        let told = within(&what, async {
            while self.events.len() < count {
                self.ask("nobody").await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        told.await;
    }

    /// Waits for so long, and takes in what comes.
    pub(crate) async fn listen(&mut self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while tokio::time::Instant::now() < end {
            self.ask("nobody").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What was told of a user, in order.
    pub(crate) fn told_of(&self, user: &str) -> Vec<&str> {
        let of_user = self.events.iter().filter(|(told, _)| told == user);
        of_user.map(|(_, status)| status.as_str()).collect()
    }

    /// Waits until what was told last of a user is what it should be.
    pub(crate) async fn believes(&mut self, user: &str, status: &str) {
        let what = format!("it is told that {user} is {status}");
        within(&what, async {
            while self.told_of(user).last() != Some(&status) {
                self.ask("nobody").await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// Waits until the status of a user is what it should be.
    pub(crate) async fn sees(&mut self, user: &str, status: &str) {
        let what = format!("{user} is {status}");
        within(&what, async {
            while self.ask(user).await != status {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
}
