//! Who gets a message: everybody, connections, groups, users, and all but some of them.

use serde_json::{Value, json};
use testkit::client::{Client, Message};

use crate::common::{Server, WAYS};
use crate::hub::tally;

/// Two connections of alice's, one of bob's, one of nobody's, in this order: a1, a2, b, n.
struct Crowd {
    server: Server,
    clients: Vec<Client>,
}

const A1: usize = 0;
const A2: usize = 1;
const B: usize = 2;
const N: usize = 3;

impl Crowd {
    async fn gather() -> Self {
        let server = Server::start().await;
        let mut clients = Vec::new();
        for (i, user) in [Some("alice"), Some("alice"), Some("bob"), None]
            .into_iter()
            .enumerate()
        {
            let (transport, protocol) = WAYS[i];
            let mut connector = server.client().transport(transport).protocol(protocol);
            if let Some(user) = user {
                connector = connector.header("x-user", user);
            }
            let mut client = connector.connect().await;
            // Registered before its first call is read.
            client.invoke("Nothing", &[]).await.unwrap();
            clients.push(client);
        }
        Self { server, clients }
    }

    fn id(&self, who: usize) -> String {
        self.clients[who].id().to_owned()
    }

    async fn join(&mut self, who: usize, group: &str) {
        self.clients[who]
            .invoke("Join", &[json!(""), json!(group)])
            .await
            .unwrap();
    }

    async fn leave(&mut self, who: usize, group: &str) {
        self.clients[who]
            .invoke("Leave", &[json!(""), json!(group)])
            .await
            .unwrap();
    }

    /// Sends from `sender`, and tells how often each client has got the message.
    async fn send(
        &mut self,
        sender: usize,
        whom: &str,
        names: &[&str],
        except: &[&str],
    ) -> [usize; 4] {
        let sent = self.try_send(sender, whom, names, except).await;
        assert_eq!(sent, Ok(Value::Null), "{whom} {names:?}");
        let mut got = [0; 4];
        for (client, got) in self.clients.iter_mut().zip(&mut got) {
            client.invoke("Nothing", &[]).await.unwrap();
            for message in client.take_kept() {
                assert_eq!(message, Message::call("Said", &[json!("hi")]));
                *got += 1;
            }
        }
        got
    }

    async fn try_send(
        &mut self,
        sender: usize,
        whom: &str,
        names: &[&str],
        except: &[&str],
    ) -> Result<Value, String> {
        let arguments = [json!(whom), json!(names), json!(except), json!("hi")];
        self.clients[sender].invoke("Send", &arguments).await
    }
}

#[tokio::test]
async fn everybody_or_all_but_some() {
    let mut crowd = Crowd::gather().await;
    assert_eq!(crowd.send(A1, "all", &[], &[]).await, [1, 1, 1, 1]);
    assert_eq!(crowd.send(A1, "others", &[], &[]).await, [0, 1, 1, 1]);
    let (a2, n) = (crowd.id(A2), crowd.id(N));
    assert_eq!(
        crowd
            .send(A1, "all except", &[], &[&a2, &n, "nobody"])
            .await,
        [1, 0, 1, 0]
    );
}

#[tokio::test]
async fn connections() {
    let mut crowd = Crowd::gather().await;
    let (a2, b) = (crowd.id(A2), crowd.id(B));
    assert_eq!(crowd.send(A1, "caller", &[], &[]).await, [1, 0, 0, 0]);
    assert_eq!(crowd.send(A1, "client", &[&b], &[]).await, [0, 0, 1, 0]);
    assert_eq!(
        crowd.send(A1, "clients", &[&b, &a2], &[]).await,
        [0, 1, 1, 0]
    );
    assert_eq!(
        crowd.send(A1, "clients", &[&b, &b, "nobody"], &[]).await,
        [0, 0, 1, 0],
        "once each"
    );
    assert_eq!(crowd.send(A1, "clients", &[], &[]).await, [0; 4]);
    assert_eq!(
        crowd.send(A1, "client", &["nobody"], &[]).await,
        [0; 4],
        "nobody is no error"
    );
    assert_eq!(
        crowd.send(A1, "client", &[&b.to_lowercase()], &[]).await[A1],
        0,
        "ids have a case"
    );
}

#[tokio::test]
async fn users() {
    let mut crowd = Crowd::gather().await;
    assert_eq!(crowd.send(N, "user", &["alice"], &[]).await, [1, 1, 0, 0]);
    assert_eq!(
        crowd.send(N, "users", &["alice", "bob"], &[]).await,
        [1, 1, 1, 0]
    );
    assert_eq!(
        crowd.send(N, "users", &["bob", "bob", "carol"], &[]).await,
        [0, 0, 1, 0],
        "once each"
    );
    assert_eq!(
        crowd.send(N, "user", &["Alice"], &[]).await,
        [0; 4],
        "users have a case"
    );
    assert_eq!(
        crowd.send(N, "user", &[""], &[]).await,
        [0; 4],
        "nobody is not the user without a name"
    );
    crowd.clients[A2].close().await;
    crowd.server.journal.wait_for("gone").await;
    crowd.clients.swap(A2, N);
    let gone = crowd.clients.pop().unwrap();
    assert_eq!(gone.id().len(), 22);
    crowd.clients.push(crowd.server.connect().await);
    assert_eq!(crowd.send(B, "user", &["alice"], &[]).await, [1, 0, 0, 0]);
}

#[tokio::test]
async fn groups() {
    let mut crowd = Crowd::gather().await;
    for who in [A1, B, N] {
        crowd.join(who, "room").await;
    }
    crowd.join(A1, "room").await;
    crowd.join(A1, "hall").await;
    crowd.join(A2, "hall").await;
    assert_eq!(
        crowd.send(A2, "group", &["room"], &[]).await,
        [1, 0, 1, 1],
        "joined twice, told once"
    );
    assert_eq!(
        crowd.send(A1, "others in group", &["room"], &[]).await,
        [0, 0, 1, 1]
    );
    let (b, a2) = (crowd.id(B), crowd.id(A2));
    assert_eq!(
        crowd.send(A1, "group except", &["room"], &[&b, &a2]).await,
        [1, 0, 0, 1]
    );
    assert_eq!(
        crowd.send(A1, "groups", &["room", "hall"], &[]).await,
        [2, 1, 1, 1],
        "once a group"
    );
    assert_eq!(
        crowd.send(A1, "group", &["Room"], &[]).await,
        [0; 4],
        "groups have a case"
    );
    assert_eq!(crowd.send(A1, "group", &["nowhere"], &[]).await, [0; 4]);
}

#[tokio::test]
async fn who_leaves_is_no_member_any_more() {
    let mut crowd = Crowd::gather().await;
    crowd.join(A1, "room").await;
    crowd.join(B, "room").await;
    crowd.leave(A1, "room").await;
    crowd.leave(A1, "room").await;
    crowd.leave(N, "room").await;
    crowd.leave(N, "nowhere").await;
    assert_eq!(crowd.send(N, "group", &["room"], &[]).await, [0, 0, 1, 0]);
    crowd.leave(B, "room").await;
    assert_eq!(crowd.send(N, "group", &["room"], &[]).await, [0; 4]);
    crowd.join(A2, "room").await;
    assert_eq!(
        crowd.send(N, "group", &["room"], &[]).await,
        [0, 1, 0, 0],
        "a group can be founded again"
    );
    assert_eq!(
        crowd.clients[A2].invoke("GroupCount", &[]).await,
        Ok(json!(1))
    );
    assert_eq!(
        crowd.clients[A1].invoke("GroupCount", &[]).await,
        Ok(json!(0))
    );
}

#[tokio::test]
async fn others_can_be_made_members() {
    let mut crowd = Crowd::gather().await;
    let b = json!(crowd.id(B));
    crowd.clients[A1]
        .invoke("Join", &[b.clone(), json!("room")])
        .await
        .unwrap();
    assert_eq!(crowd.send(A1, "group", &["room"], &[]).await, [0, 0, 1, 0]);
    crowd.clients[A1]
        .invoke("Leave", &[b, json!("room")])
        .await
        .unwrap();
    assert_eq!(crowd.send(A1, "group", &["room"], &[]).await, [0; 4]);
    for method in ["Join", "Leave"] {
        let unknown = [json!("nobody"), json!("room")];
        assert_eq!(
            crowd.clients[A1].invoke(method, &unknown).await,
            Ok(Value::Null)
        );
    }
}

#[tokio::test]
async fn a_group_without_a_name_is_an_error() {
    let server = Server::with(|options| options.detailed_errors = true).await;
    let mut client = server.connect().await;
    for whom in ["group", "groups", "group except", "others in group"] {
        let arguments = [json!(whom), json!([""]), json!([]), json!("hi")];
        let error = client.invoke("Send", &arguments).await.unwrap_err();
        assert!(
            error.ends_with("Cannot send to an empty group name."),
            "{error}"
        );
    }
}

#[tokio::test]
async fn membership_ends_with_the_connection_and_not_before_the_hub_knows() {
    let server = Server::start().await;
    let mut staying = server.connect().await;
    let mut going = server.client().query("disconnect=send").connect().await;
    for client in [&mut staying, &mut going] {
        client
            .invoke("Join", &[json!(""), json!("room")])
            .await
            .unwrap();
    }
    going.close().await;
    // Sent by on_disconnected of the one that goes: it is still a member of one group.
    assert_eq!(staying.event("Left").await, [json!(1)]);
    server.journal.wait_for("gone").await;
    assert_eq!(going.read_to_end().await.0, [], "who has gone gets nothing");
    let handle = server.endpoint.handle();
    handle
        .clients()
        .group("room")
        .send("Said", ("after",))
        .await
        .unwrap();
    assert_eq!(staying.event("Said").await, [json!("after")]);
}

#[tokio::test]
async fn a_member_from_on_connected_gets_what_follows_the_handshake() {
    let server = Server::start().await;
    for way in WAYS {
        let (transport, protocol) = way;
        let mut client = server
            .client()
            .transport(transport)
            .protocol(protocol)
            .query("connect=join")
            .connect()
            .await;
        assert_eq!(client.event("Joined").await, [json!("early")], "{way:?}");
        client.close().await;
        server.wait_until_empty().await;
    }
}

#[tokio::test]
async fn clients_are_reached_from_outside_the_hub() {
    let server = Server::start().await;
    let mut clients = Vec::new();
    for way in WAYS {
        let mut client = server.connect_by(way).await;
        client.invoke("Nothing", &[]).await.unwrap();
        clients.push(client);
    }
    let handle = server.endpoint.handle();
    let before = server.endpoint.metrics().deliveries();
    handle
        .clients()
        .all()
        .send("Said", (1, "two", json!({"three": [3.5]})))
        .await
        .unwrap();
    assert_eq!(server.endpoint.metrics().deliveries() - before, 5);
    for client in &mut clients {
        assert_eq!(
            client.event("Said").await,
            [json!(1), json!("two"), json!({"three": [3.5]})]
        );
    }
    handle.groups().add(clients[0].id(), "room").await.unwrap();
    handle
        .clients()
        .group("room")
        .send("Said", ())
        .await
        .unwrap();
    assert_eq!(clients[0].event("Said").await, [] as [Value; 0]);
    let id = clients[1].id().to_owned();
    let answer = handle.clients().client(&id);
    let (answer, ()) = tokio::join!(answer.invoke::<i32>("Number", ()), async {
        let Message::Invocation { id: Some(id), .. } = clients[1].next_message().await else {
            panic!("a question has an id");
        };
        clients[1]
            .send_message(&Message::result(&id, json!(12)))
            .await;
    });
    assert_eq!(answer.unwrap(), 12);
}

#[tokio::test]
async fn messages_of_one_sender_keep_their_order_whatever_they_are_addressed_to() {
    let mut crowd = Crowd::gather().await;
    for who in [A1, A2, B, N] {
        crowd.join(who, "room").await;
    }
    let ids: Vec<String> = (0..4).map(|who| crowd.id(who)).collect();
    let handle = crowd.server.endpoint.handle();
    let clients = handle.clients();
    for round in 0..100 {
        clients
            .group("room")
            .send("Item", (3 * round,))
            .await
            .unwrap();
        clients.all().send("Item", (3 * round + 1,)).await.unwrap();
        clients
            .clients(ids.iter().map(String::as_str))
            .send("Item", (3 * round + 2,))
            .await
            .unwrap();
    }
    for client in &mut crowd.clients {
        for number in 0..300 {
            assert_eq!(
                client.next_message().await,
                Message::call("Item", &[json!(number)])
            );
        }
    }
}

#[tokio::test]
async fn a_receiver_that_is_gone_does_not_keep_the_others_from_theirs() {
    let mut crowd = Crowd::gather().await;
    for who in [A1, A2, B, N] {
        crowd.join(who, "room").await;
    }
    crowd.clients[A1].cut();
    let handle = crowd.server.endpoint.handle();
    for number in 0..50 {
        handle
            .clients()
            .group("room")
            .send("Item", (number,))
            .await
            .unwrap();
    }
    for client in &mut crowd.clients[A2..] {
        let mut numbers = Vec::new();
        for _ in 0..50 {
            numbers.extend(client.event("Item").await.iter().filter_map(Value::as_u64));
        }
        assert_eq!(tally(numbers), tally(0..50));
    }
}
