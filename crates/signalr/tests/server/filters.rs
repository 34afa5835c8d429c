//! Filters around the hub: their order, what they see, and what they can refuse.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::json;
use signalr::filter::{HubFilter, MethodCall, Next, Passed};
use signalr::{CloseReason, Context, HubError};
use testkit::client::Message;

use crate::common::{Server, WAYS};
use crate::hub::Journal;

/// Writes down what passes.
struct Noting {
    name: &'static str,
    journal: Arc<Journal>,
}

impl Noting {
    fn new(name: &'static str, journal: &Arc<Journal>) -> Self {
        Self {
            name,
            journal: Arc::clone(journal),
        }
    }

    async fn note(&self, what: &str, next: Next<'_>) -> Result<Passed, HubError> {
        self.journal.write(format!("{}: {what}", self.name));
        let ended = next.run().await;
        let end = match &ended {
            Ok(_) => "ok".to_owned(),
            Err(error) => format!("{error:?}"),
        };
        self.journal
            .write(format!("{}: {what} ends: {end}", self.name));
        ended
    }
}

impl HubFilter for Noting {
    async fn invoke_method(&self, call: &MethodCall, next: Next<'_>) -> Result<Passed, HubError> {
        self.note(call.method(), next).await
    }

    async fn on_connected(&self, _: &Context, next: Next<'_>) -> Result<Passed, HubError> {
        self.note("connect", next).await
    }

    async fn on_disconnected(
        &self,
        _: &Context,
        reason: &CloseReason,
        next: Next<'_>,
    ) -> Result<Passed, HubError> {
        self.note(reason.label(), next).await
    }
}

/// Does to calls what their first argument, or its place in the connection's query, asks for.
struct Strict;

impl Strict {
    fn refusal() -> HubError {
        HubError::new("not here")
    }
}

impl HubFilter for Strict {
    async fn invoke_method(&self, call: &MethodCall, next: Next<'_>) -> Result<Passed, HubError> {
        match wish(call.context()) {
            "refuse call" => Err(Self::refusal()),
            "refuse behind" => next.run().await.and_then(|_| Err(Self::refusal())),
            "panic" => panic!("the filter panics"),
            "hide" => next.run().await.map_err(|_| HubError::new("hidden")),
            _ => next.run().await,
        }
    }

    async fn on_connected(&self, context: &Context, next: Next<'_>) -> Result<Passed, HubError> {
        match wish(context) {
            "refuse connect" => Err(HubError::hidden("InvalidOperationException", "no entry")),
            "panic connect" => panic!("the filter panics"),
            _ => next.run().await,
        }
    }

    async fn on_disconnected(
        &self,
        context: &Context,
        _: &CloseReason,
        next: Next<'_>,
    ) -> Result<Passed, HubError> {
        match wish(context) {
            "refuse disconnect" => Err(Self::refusal()),
            _ => next.run().await,
        }
    }
}

/// The user's name says what is to happen.
fn wish(context: &Context) -> &str {
    context.user_id().unwrap_or_default()
}

async fn noted() -> Server {
    Server::filtered(
        |_| {},
        |builder, journal| {
            builder
                .filter(Noting::new("outer", journal))
                .filter(Noting::new("inner", journal))
        },
    )
    .await
}

async fn strict() -> Server {
    Server::filtered(|_| {}, |builder, _| builder.filter(Strict)).await
}

/// What filters wrote about `what`, in its order.
fn about(server: &Server, what: &str) -> Vec<String> {
    let entries = server.journal.entries().into_iter();
    entries
        .filter(|entry| entry.contains(what) && entry.contains("er: "))
        .collect()
}

/// The notes of the two filters around something that ends like this.
fn nested(what: &str, end: &str) -> Vec<String> {
    vec![
        format!("outer: {what}"),
        format!("inner: {what}"),
        format!("inner: {what} ends: {end}"),
        format!("outer: {what} ends: {end}"),
    ]
}

#[tokio::test]
async fn the_first_filter_is_the_outermost_around_everything() {
    let server = noted().await;
    for (number, way) in WAYS.into_iter().enumerate() {
        let label = format!("n{number}");
        let mut client = server.connect_by(way).await;
        let sum = client.invoke("Add", &[json!(1), json!(2)]).await;
        assert_eq!(sum, Ok(json!(3)), "{way:?}");
        client.send("WriteDown", &[json!(label)]).await;
        server.journal.wait_for(&label).await;
        let goodbye = Message::Close {
            error: None,
            allow_reconnect: false,
        };
        client.send_message(&goodbye).await;
        client.read_to_end().await;
        server.wait_until_empty().await;
    }
    let repeated = |what, end| -> Vec<String> {
        std::iter::repeat_n(nested(what, end), WAYS.len())
            .flatten()
            .collect()
    };
    assert_eq!(about(&server, "connect"), repeated("connect", "ok"));
    assert_eq!(about(&server, "Add"), repeated("Add", "ok"));
    assert_eq!(about(&server, "WriteDown"), repeated("WriteDown", "ok"));
    assert_eq!(about(&server, ": client"), repeated("client", "ok"));
    // The hub stands in the middle.
    let entries = server.journal.entries();
    let first: Vec<&str> = entries.iter().take(6).map(String::as_str).collect();
    let around = ["outer: connect", "inner: connect", "connected", "let in"];
    assert_eq!(first[..4], around);
    assert_eq!(first[4], "inner: connect ends: ok");
}

#[tokio::test]
async fn filters_see_what_methods_fail_with() {
    let server = noted().await;
    let mut client = server.connect().await;
    for (method, error) in [
        ("Fail", "InvalidOperationException: BOOM!"),
        ("FailPublicly", "HubException: This is a hub exception"),
        ("Panic", "Panic: the method panics"),
    ] {
        client.invoke(method, &[]).await.unwrap_err();
        assert_eq!(
            about(&server, &format!(": {method}")).last(),
            Some(&format!("outer: {method} ends: {error}"))
        );
    }
    let id = client.stream("FailFirst", &[]).await;
    client.items(&id).await.unwrap_err();
    let expected = nested("FailFirst", "InvalidOperationException: no stream");
    assert_eq!(about(&server, "FailFirst"), expected);
}

#[tokio::test]
async fn calls_that_cannot_begin_reach_no_filter() {
    let server = noted().await;
    let mut client = server.connect().await;
    client.invoke("Unknown", &[]).await.unwrap_err();
    client.invoke("Add", &[json!(1)]).await.unwrap_err();
    client.invoke("Secret", &[json!(1)]).await.unwrap_err();
    client.invoke("Count", &[json!(1)]).await.unwrap_err();
    for method in ["Unknown", "Add", "Secret", "Count"] {
        assert_eq!(about(&server, method), Vec::<String>::new());
    }
}

#[tokio::test]
async fn streams_in_both_directions_pass_filters_once() {
    let server = noted().await;
    let mut client = server.connect().await;
    let id = client.stream("Count", &[json!(2)]).await;
    assert_eq!(client.items(&id).await, Ok(vec![json!(0), json!(1)]));
    assert_eq!(about(&server, "Count"), nested("Count", "ok"));
    let id = client.begin_with_uploads("Sum", &[], &["u"]).await;
    for number in [3, 4] {
        let item = Message::StreamItem {
            id: "u".to_owned(),
            item: json!(number),
        };
        client.send_message(&item).await;
    }
    client.send_message(&Message::end("u")).await;
    assert_eq!(client.completion(&id).await, Ok(json!(7)));
    assert_eq!(about(&server, "Sum"), nested("Sum", "ok"));
    // A stream that is given and fails later is none of theirs.
    let id = client.stream("CountThenFail", &[json!(1)]).await;
    client.items(&id).await.unwrap_err();
    assert_eq!(
        about(&server, "CountThenFail"),
        nested("CountThenFail", "ok")
    );
    // Cancelled as any other.
    let id = client.stream("Forever", &[]).await;
    client
        .wait_for("an item", |message| {
            matches!(message, Message::StreamItem { .. })
        })
        .await;
    client
        .send_message(&Message::CancelInvocation { id: id.clone() })
        .await;
    client
        .wait_for("the end", |message| *message == Message::end(&id))
        .await;
    server.journal.wait_for("stream dropped").await;
}

#[tokio::test]
async fn what_a_filter_refuses_does_not_begin() {
    let server = strict().await;
    let mut client = server.connect_as("refuse call").await;
    let text = |method| {
        format!(
            "An unexpected error occurred invoking '{method}' on the server. HubException: not here"
        )
    };
    let refused = client.invoke("WriteDown", &[json!("written")]).await;
    assert_eq!(refused, Err(text("WriteDown")));
    assert_eq!(client.invoke("eager", &[]).await, Err(text("eager")));
    let id = client.stream("Forever", &[]).await;
    assert_eq!(client.items(&id).await, Err(text("Forever")));
    let id = client.begin_with_uploads("Sum", &[], &["u"]).await;
    assert_eq!(client.completion(&id).await, Err(text("Sum")));
    let entries = server.journal.entries();
    assert_eq!(entries, ["connected", "let in"], "nothing has run");
    // Others may, and what was refused has left nothing behind.
    let mut other = server.connect_as("nobody").await;
    assert_eq!(other.invoke("eager", &[]).await, Ok(json!(null)));
    assert_eq!(server.journal.count("eager"), 1);
}

#[tokio::test]
async fn a_filter_may_refuse_what_a_method_has_given() {
    let server = strict().await;
    let mut client = server.connect_as("refuse behind").await;
    client
        .invoke("WriteDown", &[json!("written")])
        .await
        .unwrap_err();
    assert_eq!(server.journal.count("written"), 1);
    let id = client.stream("CountGated", &[json!(3)]).await;
    client.items(&id).await.unwrap_err();
    server.journal.wait_for("stream dropped").await;
    let mut client = server.connect_as("hide").await;
    assert_eq!(
        client.invoke("Fail", &[]).await,
        Err(
            "An unexpected error occurred invoking 'Fail' on the server. HubException: hidden"
                .to_owned()
        )
    );
}

#[tokio::test]
async fn a_filter_that_panics_fails_its_call_alone() {
    let server = strict().await;
    let mut client = server.connect_as("panic").await;
    for _ in 0..2 {
        assert_eq!(
            client.invoke("Nothing", &[]).await,
            Err("An unexpected error occurred invoking 'Nothing' on the server.".to_owned())
        );
    }
}

#[tokio::test]
async fn a_client_that_a_filter_refuses_is_told_so_and_not_seen_off() {
    const ERROR: &str = "Connection closed with an error.";
    for (user, is_detailed, text) in [
        ("refuse connect", false, ERROR.to_owned()),
        ("panic connect", false, ERROR.to_owned()),
        (
            "refuse connect",
            true,
            format!("{ERROR} InvalidOperationException: no entry"),
        ),
    ] {
        let server = Server::filtered(
            |options| options.detailed_errors = is_detailed,
            |builder, _| builder.filter(Strict),
        )
        .await;
        let mut client = server.connect_as(user).await;
        let (messages, _) = client.read_to_end().await;
        let goodbye = Message::Close {
            error: Some(text),
            allow_reconnect: false,
        };
        assert_eq!(messages, [goodbye]);
        server.wait_until_closed("on_connected", 1).await;
        assert_eq!(server.journal.entries(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_filter_that_keeps_the_hub_from_its_goodbye_ends_the_connection_as_a_fault() {
    let server = strict().await;
    let mut client = server.connect_as("refuse disconnect").await;
    client
        .send_message(&Message::Close {
            error: None,
            allow_reconnect: false,
        })
        .await;
    let (_, end) = client.read_to_end().await;
    assert_eq!(end, testkit::client::End::CloseFrame(Some(1011)));
    server.wait_until_empty().await;
    assert_eq!(server.journal.entries(), ["connected", "let in"]);
}

/// Reads the arguments of every call.
struct Reading(Arc<Journal>);

impl HubFilter for Reading {
    async fn invoke_method(&self, call: &MethodCall, next: Next<'_>) -> Result<Passed, HubError> {
        let first = call.argument::<i32>(0);
        let second = call.argument::<String>(1);
        let third = call.argument::<String>(2);
        self.0.write(format!(
            "{} has {}: {first:?} {second:?} {}",
            call.method(),
            call.argument_count(),
            third.unwrap_err().exception()
        ));
        next.run().await
    }
}

#[tokio::test]
async fn filters_read_arguments_in_both_protocols() {
    let server = Server::filtered(
        |_| {},
        |builder, journal| builder.filter(Reading(Arc::clone(journal))),
    )
    .await;
    for (count, way) in WAYS.into_iter().enumerate() {
        let mut client = server.connect_by(way).await;
        let greeting = client.invoke("greet", &[json!(2), json!("ab")]).await;
        assert_eq!(greeting, Ok(json!("abab")), "{way:?}");
        let entry = r#"greet has 2: Ok(2) Ok("ab") ArgumentOutOfRangeException"#;
        server.journal.wait_for_many(entry, count + 1).await;
    }
}

/// Passes on what it was given in the call before.
#[derive(Default)]
struct Forging(Mutex<Option<Passed>>);

impl HubFilter for Forging {
    async fn invoke_method(&self, _: &MethodCall, next: Next<'_>) -> Result<Passed, HubError> {
        let before = self.0.lock().take();
        match before {
            Some(passed) => Ok(passed),
            None => {
                let passed = next.run().await?;
                *self.0.lock() = Some(passed);
                Err(HubError::new("kept"))
            }
        }
    }
}

#[tokio::test]
async fn a_filter_cannot_answer_in_the_place_of_a_method() {
    let server = Server::filtered(
        |options| options.detailed_errors = true,
        |builder, _| builder.filter(Forging::default()),
    )
    .await;
    let mut client = server.connect().await;
    client.invoke("Nothing", &[]).await.unwrap_err();
    assert_eq!(
        client.invoke("Nothing", &[]).await,
        Err("An unexpected error occurred invoking 'Nothing' on the server. InvalidOperationException: a filter did not go on".to_owned())
    );
}

#[tokio::test]
async fn a_call_that_asks_its_own_client_lends_its_place_behind_filters_too() {
    let server = noted().await;
    let mut client = server.connect().await;
    let asking = client.begin("AskCaller", &[]).await;
    let question = client
        .wait_for("a question", |message| {
            matches!(message, Message::Invocation { .. })
        })
        .await;
    let Message::Invocation { id: Some(id), .. } = question else {
        panic!("no question: {question:?}")
    };
    assert_eq!(client.invoke("Nothing", &[]).await, Ok(json!(null)));
    client.send_message(&Message::result(&id, json!(8))).await;
    assert_eq!(client.completion(&asking).await, Ok(json!(8)));
}
