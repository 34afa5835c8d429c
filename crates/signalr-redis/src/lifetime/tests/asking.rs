//! Clients of other servers answer.

use signalr::protocol::framing::Frame as Split;
use signalr::protocol::payload::Value;
use signalr::protocol::{HubMessage, message::Outcome};
use signalr::{Context, Hub, HubEndpoint, HubHandle, Methods};

use super::*;

on_both! {
    a_client_of_another_server_answers
    a_client_that_answers_nothing_answers_null
    an_answer_of_another_type_is_an_error
    an_error_of_the_client_is_the_error_of_the_call
    the_end_of_the_connection_is_the_end_of_the_question
    nobody_is_asked_where_nobody_is
    questions_cross_in_all_directions_at_once
    only_who_was_asked_may_answer
    who_stops_waiting_leaves_nothing_behind
    the_servers_of_a_connection_can_be_counted
}

async fn a_client_of_another_server_answers(under: &Under) {
    for protocol in HubProtocol::ALL {
        let Two {
            handle, b, mut bob, ..
        } = two(under, protocol).await;
        let id = bob.id().to_owned();
        let clients = handle.clients();
        let asking = clients.client(&id).invoke::<i32>("Ask", (3,));
        let answering = async {
            let question = bob.question().await;
            assert_eq!((question.target.as_str(), question.id.len()), ("Ask", 22));
            let answer = match protocol {
                HubProtocol::Json => Value::Json("42"),
                HubProtocol::MessagePack => Value::MessagePack(&[42]),
            };
            assert!(b.handle_answer(bob.0.connection(), &question.id, &Outcome::Result(answer)));
        };
        let (answer, ()) = tokio::join!(asking, answering);
        assert_eq!(answer.unwrap(), 42, "{protocol:?}");
    }
}

async fn a_client_that_answers_nothing_answers_null(under: &Under) {
    let mut two = two(under, HubProtocol::Json).await;
    let answer = two.ask::<Option<i32>>(&Outcome::Void).await;
    assert_eq!(answer.unwrap(), None);
}

async fn an_answer_of_another_type_is_an_error(under: &Under) {
    let mut two = two(under, HubProtocol::Json).await;
    let text = two
        .ask::<i32>(&Outcome::Result(Value::Json("\"seven\"")))
        .await;
    assert_eq!(
        told(text),
        "HubException: Error trying to deserialize result to Int32. The JSON value could not be converted to System.Int32. Path: $ | LineNumber: 0 | BytePositionInLine: 7."
    );
}

async fn an_error_of_the_client_is_the_error_of_the_call(under: &Under) {
    let mut two = two(under, HubProtocol::MessagePack).await;
    let error = two
        .ask::<i32>(&Outcome::Error("I do not know".into()))
        .await;
    assert_eq!(told(error), "HubException: I do not know");
}

async fn the_end_of_the_connection_is_the_end_of_the_question(under: &Under) {
    let Two {
        handle, b, mut bob, ..
    } = two(under, HubProtocol::Json).await;
    let id = bob.id().to_owned();
    let clients = handle.clients();
    let asking = clients.client(&id).invoke::<i32>("Ask", (3,));
    let ending = async {
        bob.question().await;
        bob.0.disconnect(&b).await;
    };
    let (answer, ()) = tokio::join!(asking, ending);
    assert_eq!(told(answer), "HubException: Connection disconnected.");
    let gone = clients.client(&id).invoke::<i32>("Ask", (3,)).await;
    let text = format!("IOException: Connection '{id}' does not exist.");
    assert_eq!(told(gone), text);
}

async fn nobody_is_asked_where_nobody_is(under: &Under) {
    let Two { handle, .. } = two(under, HubProtocol::Json).await;
    let answer = handle
        .clients()
        .client("nobody")
        .invoke::<i32>("Ask", ())
        .await;
    assert_eq!(
        told(answer),
        "IOException: Connection 'nobody' does not exist."
    );
}

async fn questions_cross_in_all_directions_at_once(under: &Under) {
    let mut servers = Vec::new();
    for _ in 0..3 {
        let server = under.server().await;
        let manager: Manager = Arc::clone(&server) as Manager;
        let receiver = Client(Receiver::connect(&manager, None).await);
        servers.push((hub(&manager), manager, receiver));
    }
    let ids: Vec<String> = servers.iter().map(|(_, _, c)| c.id().to_owned()).collect();
    let mut asking = Vec::new();
    for (number, (handle, _, client)) in servers.iter().enumerate() {
        for (of, id) in ids.iter().enumerate().filter(|(_, id)| *id != client.id()) {
            let (handle, id) = (handle.clone(), id.clone());
            let value = number * 10 + of;
            asking.push(tokio::spawn(async move {
                let answer: usize = handle
                    .clients()
                    .client(&id)
                    .invoke("Ask", (value,))
                    .await
                    .unwrap();
                assert_eq!(answer, value);
            }));
        }
    }
    for (_, manager, client) in &mut servers {
        for _ in 0..2 {
            let question = client.question().await;
            let answer = Outcome::Result(Value::Json(&question.arguments));
            assert!(manager.handle_answer(client.0.connection(), &question.id, &answer));
        }
    }
    for asking in asking {
        asking.await.unwrap();
    }
}

async fn only_who_was_asked_may_answer(under: &Under) {
    let Two {
        handle, b, mut bob, ..
    } = two(under, HubProtocol::Json).await;
    let mallory = Receiver::connect(&b, None).await;
    let id = bob.id().to_owned();
    let clients = handle.clients();
    let asking = clients.client(&id).invoke::<i32>("Ask", (3,));
    let answering = async {
        let question = bob.question().await;
        let wrong = Outcome::Result(Value::Json("666"));
        assert!(!b.handle_answer(mallory.connection(), &question.id, &wrong));
        assert!(!b.handle_answer(bob.0.connection(), "another", &wrong));
        let right = Outcome::Result(Value::Json("4"));
        assert!(b.handle_answer(bob.0.connection(), &question.id, &right));
        assert!(!b.handle_answer(bob.0.connection(), &question.id, &wrong));
    };
    let (answer, ()) = tokio::join!(asking, answering);
    assert_eq!(answer.unwrap(), 4);
}

async fn who_stops_waiting_leaves_nothing_behind(under: &Under) {
    let Two {
        server,
        handle,
        b,
        mut bob,
    } = two(under, HubProtocol::Json).await;
    let id = bob.id().to_owned();
    let clients = handle.clients();
    let question = tokio::select! {
        _ = clients.client(&id).invoke::<i32>("Ask", (3,)) => unreachable!("nobody answers"),
        question = bob.question() => question,
    };
    assert_eq!(server.node.questions.count(), 0);
    // Too late, and harmless.
    let answer = Outcome::Result(Value::Json("4"));
    assert!(b.handle_answer(bob.0.connection(), &question.id, &answer));
    bob.0.expect(&b, &[]).await;
}

async fn the_servers_of_a_connection_can_be_counted(under: &Under) {
    let Two { server, b, bob, .. } = two(under, HubProtocol::Json).await;
    let channel = server.node.channels.connection(bob.id());
    let count = || server.node.bus.subscribers(channel.clone());
    assert_eq!(count().await, Ok(Some(1)));
    bob.0.disconnect(&b).await;
    within("its end", async { while count().await != Ok(Some(0)) {} }).await;
}

/// It has no way to know whether the answer was among what it missed.
#[tokio::test]
async fn who_waits_is_told_that_answers_may_be_lost() {
    let exchange = Exchange::new();
    let Two {
        handle,
        b: _b,
        mut bob,
        ..
    } = two(&Under::Memory(Arc::clone(&exchange)), HubProtocol::Json).await;
    let id = bob.id().to_owned();
    let clients = handle.clients();
    let asking = clients.client(&id).invoke::<i32>("Ask", (3,));
    let breaking = async {
        bob.question().await;
        exchange.come_back();
    };
    let (answer, ()) = tokio::join!(asking, breaking);
    assert_eq!(
        told(answer),
        "IOException: The connection to Redis was interrupted, the answer may be lost."
    );
}

/// A server that was killed answers nothing.
#[tokio::test(start_paused = true)]
async fn who_waits_for_a_server_that_is_gone_is_told_so() {
    let exchange = Exchange::new();
    let under = Under::Memory(Arc::clone(&exchange));
    let server = under.server().await;
    let a: Manager = Arc::clone(&server) as Manager;
    let killed = under.server().await;
    let b: Manager = Arc::clone(&killed) as Manager;
    let mut bob = Client(Receiver::connect(&b, None).await);
    let id = bob.id().to_owned();
    let handle = hub(&a);
    let clients = handle.clients();
    let begun = tokio::time::Instant::now();
    let asking = clients.client(&id).invoke::<i32>("Ask", (3,));
    let killing = async {
        bob.question().await;
        // It is there for a while, and slow; that is no reason.
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        killed
            .node
            .bus
            .unsubscribe(&killed.node.channels.connection(&id));
    };
    let (answer, ()) = tokio::join!(asking, killing);
    assert_eq!(
        told(answer),
        format!("IOException: Connection '{id}' disconnected.")
    );
    let after = begun.elapsed().as_secs();
    assert!((65..=70).contains(&after), "{after}");
    assert_eq!(server.node.questions.count(), 0);
}

#[tokio::test]
async fn a_question_without_the_protocol_of_the_client_is_refused() {
    let exchange = Exchange::new();
    let Two { server, bob, b, .. } = two(
        &Under::Memory(Arc::clone(&exchange)),
        HubProtocol::MessagePack,
    )
    .await;
    let waiting = server.node.questions.begin();
    let question = wire::Question {
        invocation_id: &waiting.id,
        return_channel: &server.node.channels.answers_name(),
    };
    let payload = wire::write_invocation(&[], &[("json", b"{}\x1e")], Some(question));
    exchange.inject(&server.node.channels.connection(bob.id()), &payload);
    let error = waiting.answer().await.unwrap_err();
    assert_eq!(
        error.message(),
        "This message was received from another server that did not have the requested protocol available."
    );
    drop(b);
}

#[tokio::test]
async fn answers_that_cannot_be_read_are_counted() {
    let exchange = Exchange::new();
    let server = Under::Memory(Arc::clone(&exchange)).server().await;
    let answer = |protocol: &str, message: &[u8]| {
        let payload = wire::Completion { protocol, message }.write();
        exchange.inject(&server.node.channels.answers(), &payload);
    };
    answer("protobuf", b"{}\x1e");
    answer("json", b"{\"type\":3");
    answer("json", b"{\"type\":6}\x1e");
    answer(
        "json",
        b"{\"type\":3,\"invocationId\":\"nobody waits\"}\x1e",
    );
    eventually("all are read", || server.metrics().received() == 4).await;
    let metrics = server.metrics();
    assert_eq!((metrics.unknown_protocols(), metrics.malformed()), (1, 2));
}

struct Silent;

impl Hub for Silent {
    fn methods(methods: &mut Methods<Self>) {
        methods.call("Nothing", |_: Arc<Self>, _: Context| async {
            Ok::<(), HubError>(())
        });
    }
}

fn hub(manager: &Manager) -> HubHandle {
    HubEndpoint::builder(Silent)
        .lifetime(Arc::clone(manager))
        .build()
        .handle()
}

/// A server that asks, and another with bob.
struct Two {
    server: Arc<RedisLifetime>,
    handle: HubHandle,
    b: Manager,
    bob: Client,
}

async fn two(under: &Under, protocol: HubProtocol) -> Two {
    let server = under.server().await;
    let a: Manager = Arc::clone(&server) as Manager;
    let b: Manager = under.server().await;
    let bob = Client(Receiver::connect_in(&b, Some("bob"), protocol).await);
    Two {
        handle: hub(&a),
        server,
        b,
        bob,
    }
}

impl Two {
    /// Asks bob, who answers so.
    async fn ask<R: serde::de::DeserializeOwned>(
        &mut self,
        outcome: &Outcome<'_>,
    ) -> Result<R, HubError> {
        let id = self.bob.id().to_owned();
        let clients = self.handle.clients();
        let asking = clients.client(&id).invoke::<R>("Ask", (3,));
        let answering = async {
            let question = self.bob.question().await;
            assert!(
                self.b
                    .handle_answer(self.bob.0.connection(), &question.id, outcome)
            );
        };
        let (answer, ()) = tokio::join!(asking, answering);
        answer
    }
}

fn told<R: std::fmt::Debug>(answer: Result<R, HubError>) -> String {
    let error = answer.unwrap_err();
    format!("{}: {}", error.exception(), error.message())
}

/// A receiver that reads questions.
struct Client(Receiver);

struct Asked {
    id: String,
    target: String,
    /// The text of the only argument, in JSON.
    arguments: String,
}

impl Client {
    fn id(&self) -> &str {
        self.0.id()
    }

    async fn question(&mut self) -> Asked {
        let protocol = self.0.connection().protocol().unwrap();
        let bytes = self.0.next_message().await;
        let Ok(Split::Complete { body, .. }) = protocol.split(&bytes, 0, None) else {
            panic!("{bytes:?}");
        };
        let Ok(Some(HubMessage::Invocation(call))) = protocol.read(body) else {
            panic!("{body:?}");
        };
        let arguments = match call.arguments {
            signalr::protocol::payload::Arguments::Json(text) => {
                text.trim_matches(['[', ']']).to_owned()
            }
            _ => String::new(),
        };
        Asked {
            id: call.id.expect("it is a question").into_owned(),
            target: call.target.into_owned(),
            arguments,
        }
    }
}
