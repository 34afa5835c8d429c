//! Calls: their order, their answers, and the texts of their errors.

use serde_json::{Value, json};
use signalr::protocol::HubProtocol;
use testkit::client::{Client, Message};
use testkit::raw::eventually;

use crate::common::{Server, WAYS};

#[tokio::test]
async fn every_way_to_connect_answers_calls() {
    let server = Server::start().await;
    for way in WAYS {
        let mut client = server.connect_by(way).await;
        assert_eq!(
            client.invoke("Add", &[json!(20), json!(22)]).await,
            Ok(json!(42)),
            "{way:?}"
        );
        assert_eq!(
            client.invoke("Nothing", &[]).await,
            Ok(Value::Null),
            "{way:?}"
        );
        client.send("WriteDown", &[json!(format!("{way:?}"))]).await;
        server.journal.wait_for(&format!("{way:?}")).await;
        let fail = client.invoke("FailPublicly", &[]).await;
        assert_eq!(fail, Err("An unexpected error occurred invoking 'FailPublicly' on the server. HubException: This is a hub exception".to_owned()));
    }
}

/// Calls and the errors that they end in, without and with details.
const ERRORS: [(&str, &[i32], &str, &str); 6] = [
    (
        "Unknown",
        &[],
        "Failed to invoke 'Unknown' due to an error on the server. HubException: Method does not exist.",
        "",
    ),
    (
        "add",
        &[1],
        "Failed to invoke 'add' due to an error on the server.",
        " InvalidDataException: Invocation provides 1 argument(s) but target expects 2.",
    ),
    (
        "Greet",
        &[1, 2],
        "Failed to invoke 'Greet' due to an error on the server.",
        " InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.",
    ),
    (
        "FAIL",
        &[],
        "An unexpected error occurred invoking 'FAIL' on the server.",
        " InvalidOperationException: BOOM!",
    ),
    (
        "FailPublicly",
        &[],
        "An unexpected error occurred invoking 'FailPublicly' on the server. HubException: This is a hub exception",
        "",
    ),
    (
        "Secret",
        &[1],
        "Failed to invoke 'Secret' because user is unauthorized",
        "",
    ),
];

#[tokio::test]
async fn errors_have_aspnet_cores_words() {
    for is_detailed in [false, true] {
        let server = Server::with(|options| options.detailed_errors = is_detailed).await;
        for protocol in HubProtocol::ALL {
            let mut client = server.client().protocol(protocol).connect().await;
            for (target, arguments, text, detail) in ERRORS {
                let arguments: Vec<Value> = arguments.iter().map(|&number| json!(number)).collect();
                let expected = if is_detailed {
                    format!("{text}{detail}")
                } else {
                    text.to_owned()
                };
                assert_eq!(client.invoke(target, &arguments).await, Err(expected));
            }
            // None of them has ended the connection.
            assert_eq!(client.invoke("Nothing", &[]).await, Ok(Value::Null));
        }
    }
}

#[tokio::test]
async fn streaming_and_other_methods_are_not_confused() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let error = client.invoke("Count", &[json!(3)]).await;
    assert_eq!(error, Err("The client attempted to invoke the streaming 'Count' method with a non-streaming invocation.".to_owned()));
    let id = client.stream("Nothing", &[]).await;
    assert_eq!(client.items(&id).await, Err("The client attempted to invoke the non-streaming 'Nothing' method with a streaming invocation.".to_owned()));
    let id = client.begin_with_uploads("Sum", &[], &["u1", "u2"]).await;
    assert_eq!(client.completion(&id).await, Err("An unexpected error occurred invoking 'Sum' on the server. HubException: Client sent 2 stream(s), Hub method expects 1.".to_owned()));
    let id = client.begin("Sum", &[]).await;
    assert_eq!(client.completion(&id).await, Err("An unexpected error occurred invoking 'Sum' on the server. HubException: Client sent 0 stream(s), Hub method expects 1.".to_owned()));
}

#[tokio::test]
async fn what_binds_badly_is_found_before_who_may_not_call() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    assert_eq!(
        client.invoke("Secret", &[json!("text")]).await,
        Err("Failed to invoke 'Secret' due to an error on the server.".to_owned())
    );
    let mut admin = server.connect_as("admin").await;
    assert_eq!(admin.invoke("Secret", &[json!(5)]).await, Ok(json!(5)));
}

#[tokio::test]
async fn a_call_without_id_is_never_answered() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for target in ["Nothing", "Unknown", "Fail", "Add", "Count"] {
        client.send(target, &[]).await;
    }
    client
        .send_bytes(b"{\"type\":1,\"invocationId\":\"\",\"target\":\"Fail\",\"arguments\":[]}\x1e")
        .await;
    client.invoke("Nothing", &[]).await.unwrap();
    assert_eq!(client.take_kept(), []);
}

#[tokio::test]
async fn messages_of_unknown_types_are_skipped() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.send_bytes(b"{\"type\":99,\"invocationId\":\"1\"}\x1e{\"type\":5,\"invocationId\":\"nothing\"}\x1e{\"type\":3,\"invocationId\":\"nobody asked\",\"result\":1}\x1e{\"type\":2,\"invocationId\":\"no stream\",\"item\":1}\x1e").await;
    assert_eq!(client.invoke("Nothing", &[]).await, Ok(Value::Null));
}

#[tokio::test]
async fn calls_run_one_after_the_other_in_their_order() {
    let server = Server::start().await;
    for way in WAYS {
        let mut client = server.connect_by(way).await;
        let gate = format!("gate {way:?}");
        let first = client.begin("Pass", &[json!(gate)]).await;
        let others: Vec<String> = {
            let mut ids = Vec::new();
            for number in 0..20 {
                ids.push(client.begin("Echo", &[json!(number)]).await);
            }
            ids
        };
        server.journal.wait_for(&format!("at {gate}")).await;
        server.journal.open(&gate);
        assert_eq!(
            client.next_message().await,
            Message::result(&first, json!(gate))
        );
        for (number, id) in others.iter().enumerate() {
            assert_eq!(
                client.next_message().await,
                Message::result(id, json!(number)),
                "{way:?}"
            );
        }
    }
}

#[tokio::test]
async fn as_many_calls_run_at_once_as_may() {
    for first in ["a", "b", "c"] {
        check_calls_at_once(first).await;
    }
}

/// Three calls of four run; `first` ends, and the fourth takes its place.
async fn check_calls_at_once(first: &str) {
    let server = Server::with(|options| options.maximum_parallel_invocations = 3).await;
    let mut client = server.connect().await;
    for gate in ["a", "b", "c", "d"] {
        client.begin("Pass", &[json!(gate)]).await;
    }
    for gate in ["a", "b", "c"] {
        server.journal.wait_for(&format!("at {gate}")).await;
    }
    // The fourth has been read, and waits; the others are answered in the order in which they end.
    eventually("the fourth call to be read", || {
        server.endpoint.metrics().invocations() == 4
    })
    .await;
    assert_eq!(server.journal.count("at d"), 0);
    server.journal.open(first);
    let answer = |gate| {
        let before = ["a", "b", "c", "d"].iter().position(|of| *of == gate);
        let id = before.expect("a gate") + 1;
        Message::result(&id.to_string(), json!(gate))
    };
    assert_eq!(client.next_message().await, answer(first));
    server.journal.wait_for("at d").await;
    for gate in ["d", "a", "b", "c"] {
        if gate != first {
            server.journal.open(gate);
            assert_eq!(client.next_message().await, answer(gate));
        }
    }
}

#[tokio::test]
async fn the_calls_of_one_client_do_not_hold_up_another() {
    let server = Server::start().await;
    let mut waiting = server.connect().await;
    waiting.begin("Pass", &[json!("gate")]).await;
    waiting.begin("Nothing", &[]).await;
    let mut other = server.connect().await;
    assert_eq!(other.invoke("Nothing", &[]).await, Ok(Value::Null));
}

#[tokio::test]
async fn a_method_that_panics_fails_alone() {
    let server = Server::with(|options| options.detailed_errors = true).await;
    let mut client = server.connect().await;
    assert_eq!(
        client.invoke("Panic", &[]).await,
        Err(
            "An unexpected error occurred invoking 'Panic' on the server. Panic: the method panics"
                .to_owned()
        )
    );
    assert_eq!(client.invoke("Nothing", &[]).await, Ok(Value::Null));
}

#[tokio::test]
async fn a_result_that_cannot_be_written_ends_the_connection() {
    let server = Server::start().await;
    for target in ["Unwritable", "PanicWhenWritten"] {
        let mut client = server.connect().await;
        client.begin(target, &[]).await;
        let (messages, _) = client.read_to_end().await;
        assert!(
            messages
                .iter()
                .all(|message| matches!(message, Message::Close { .. })),
            "{messages:?}"
        );
        server.wait_until_empty().await;
    }
    assert_eq!(server.journal.count("gone"), 2);
}

#[tokio::test]
async fn a_call_that_panics_late_takes_no_other_along() {
    let server = Server::with(|options| options.maximum_parallel_invocations = 3).await;
    for order in [["PassAndPanic", "Pass"], ["Pass", "PassAndPanic"]] {
        let mut client = server.connect().await;
        let gates = order.map(|target| format!("{target} of {order:?}"));
        for (target, gate) in order.iter().zip(&gates) {
            client.begin(target, &[json!(gate)]).await;
            server.journal.wait_for(&format!("at {gate}")).await;
        }
        let panics = usize::from(order[1] == "PassAndPanic");
        server.journal.open(&gates[panics]);
        client.read_to_end().await;
        server.journal.open(&gates[1 - panics]);
        server
            .journal
            .wait_for(&format!("through {}", gates[1 - panics]))
            .await;
        server.wait_until_empty().await;
    }
}

#[tokio::test]
async fn messages_to_the_caller_come_before_the_answer() {
    let server = Server::start().await;
    for way in WAYS {
        let mut client = server.connect_by(way).await;
        let id = client
            .begin(
                "Send",
                &[json!("caller"), json!([]), json!([]), json!("first")],
            )
            .await;
        assert_eq!(
            client.next_message().await,
            Message::call("Said", &[json!("first")])
        );
        assert_eq!(
            client.next_message().await,
            Message::result(&id, Value::Null)
        );
    }
}

/// What a client does that is asked for a number.
async fn answer(client: &mut Client, how: impl FnOnce(&str) -> Message) {
    let call = client
        .wait_for("a question", |message| {
            matches!(message, Message::Invocation { id: Some(_), .. })
        })
        .await;
    let Message::Invocation {
        id: Some(id),
        target,
        ..
    } = call
    else {
        unreachable!("only that was waited for");
    };
    assert_eq!(target, "Number");
    client.send_message(&how(&id)).await;
}

#[tokio::test]
async fn clients_can_be_asked() {
    let server = Server::with(|options| options.detailed_errors = true).await;
    for way in WAYS {
        let mut asked = server.connect_by(way).await;
        let mut asking = server.connect().await;
        let mut ask = async |how: &dyn Fn(&str) -> Message| {
            let id = asking
                .begin("Ask", &[json!(asked.id()), json!("how many")])
                .await;
            answer(&mut asked, how).await;
            asking.completion(&id).await
        };
        let base = "An unexpected error occurred invoking 'Ask' on the server.";
        assert_eq!(
            ask(&|id| Message::result(id, json!(7))).await,
            Ok(json!(7)),
            "{way:?}"
        );
        assert_eq!(
            ask(&|id| Message::error(id, "I will not")).await,
            Err(format!("{base} HubException: I will not"))
        );
        let wrong = ask(&|id| Message::result(id, json!("seven")))
            .await
            .unwrap_err();
        assert!(
            wrong.starts_with(&format!(
                "{base} HubException: Error trying to deserialize result to Int32. "
            )),
            "{wrong}"
        );
        let nothing = ask(&Message::end).await.unwrap_err();
        assert!(
            nothing.starts_with(&format!(
                "{base} HubException: Error trying to deserialize result to Int32. "
            )),
            "{nothing}"
        );
        assert_eq!(
            asking.invoke("Ask", &[json!("nobody"), json!("?")]).await,
            Err(format!(
                "{base} IOException: Connection 'nobody' does not exist."
            ))
        );
    }
}

#[tokio::test]
async fn only_who_was_asked_can_answer() {
    let server = Server::start().await;
    let mut asked = server.connect().await;
    let mut asking = server.connect().await;
    let call = asking.begin("Ask", &[json!(asked.id()), json!("?")]).await;
    let question = asked.next_message().await;
    let Message::Invocation { id: Some(id), .. } = question else {
        panic!("{question:?}");
    };
    let mut stranger = server.connect().await;
    stranger
        .send_message(&Message::result(&id, json!(666)))
        .await;
    stranger.invoke("Nothing", &[]).await.unwrap();
    asked.send_message(&Message::result(&id, json!(1))).await;
    assert_eq!(asking.completion(&call).await, Ok(json!(1)));
}

#[tokio::test]
async fn who_asks_a_client_that_goes_learns_of_it() {
    let server = Server::with(|options| options.detailed_errors = true).await;
    for is_cut in [true, false] {
        let mut asked = server.connect().await;
        let mut asking = server.connect().await;
        let call = asking.begin("Ask", &[json!(asked.id()), json!("?")]).await;
        asked.event("Number").await;
        if is_cut {
            asked.cut();
        } else {
            asked.close().await;
        }
        assert_eq!(
            asking.completion(&call).await,
            Err(format!(
                "An unexpected error occurred invoking 'Ask' on the server. IOException: Connection '{}' disconnected.",
                asked.id()
            ))
        );
    }
}

#[tokio::test]
async fn who_asks_a_client_that_is_being_seen_off_learns_of_it() {
    let server = Server::with(|options| options.detailed_errors = true).await;
    let mut asked = server.client().query("disconnect=wait").connect().await;
    asked.close().await;
    server
        .journal
        .wait_for("disconnected: TransportEnded")
        .await;
    let mut asking = server.connect().await;
    let error = asking
        .invoke("Ask", &[json!(asked.id()), json!("?")])
        .await
        .unwrap_err();
    assert!(
        error.ends_with(&format!(
            "IOException: Connection '{}' disconnected.",
            asked.id()
        )),
        "{error}"
    );
    server.journal.open("disconnect");
}

#[tokio::test]
async fn a_caller_can_be_asked_while_it_calls() {
    let server = Server::start().await;
    for way in WAYS {
        let mut client = server.connect_by(way).await;
        let call = client.begin("AskCaller", &[]).await;
        // Its place is free meanwhile: another call of the same client runs.
        assert_eq!(
            client.invoke("Add", &[json!(1), json!(1)]).await,
            Ok(json!(2)),
            "{way:?}"
        );
        answer(&mut client, |id| Message::result(id, json!(5))).await;
        assert_eq!(client.completion(&call).await, Ok(json!(5)));
    }
}

#[tokio::test]
async fn a_stream_that_asks_lends_no_place_as_it_takes_none() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let stream = client.stream("AskInStream", &[]).await;
    let question = client
        .wait_for("a question", |message| {
            matches!(message, Message::Invocation { .. })
        })
        .await;
    client.begin("Pass", &[json!("one")]).await;
    client.begin("Pass", &[json!("two")]).await;
    server.journal.wait_for("at one").await;
    eventually("the second call to be read", || {
        server.endpoint.metrics().invocations() == 3
    })
    .await;
    // Nothing more is read before the first has ended; this is what the second one waits for.
    assert_eq!(server.journal.count("at two"), 0);
    server.journal.open("one");
    server.journal.open("two");
    let Message::Invocation { id: Some(id), .. } = question else {
        panic!("{question:?}");
    };
    client.send_message(&Message::result(&id, json!(9))).await;
    assert_eq!(client.items(&stream).await, Ok(vec![json!(9)]));
}

/// What a set of futures does more than this, each call to another server pays for.
#[tokio::test]
async fn a_call_that_waits_is_polled_when_it_begins_and_when_it_can_go_on() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let mut opened = Vec::new();
    for gate in ["1", "2"] {
        let asked = client.begin("CountPolls", &[json!(gate)]).await;
        server.journal.wait_for(&format!("at {gate}")).await;
        server.journal.open(gate);
        opened.push(client.completion(&asked).await);
    }
    assert_eq!(opened, [Ok(json!(2)), Ok(json!(2))]);
}
