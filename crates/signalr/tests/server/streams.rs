//! Streams in both directions.

use serde_json::json;
use signalr::protocol::HubProtocol;
use signalr::protocol::negotiate::Transport;
use testkit::client::{Client, Message};
use testkit::raw::eventually;

use crate::common::{SMALL, Server, WAYS};

fn item(id: &str, item: impl Into<serde_json::Value>) -> Message {
    Message::StreamItem {
        id: id.to_owned(),
        item: item.into(),
    }
}

async fn cancel(client: &mut Client, id: &str) {
    client
        .send_message(&Message::CancelInvocation { id: id.to_owned() })
        .await;
}

/// A client for a stream without end: what is on its way when that is over has to be read, too, and is little.
async fn connect_narrowly(
    server: &Server,
    (transport, protocol): (Transport, HubProtocol),
) -> Client {
    let connector = server.client().transport(transport).protocol(protocol);
    connector.receive_buffer(4_096).connect().await
}

#[tokio::test]
async fn a_stream_gives_its_items_and_ends() {
    let server = Server::start().await;
    for way in WAYS {
        let mut client = server.connect_by(way).await;
        for count in [0, 1, 3, 5_000] {
            let id = client.stream("Count", &[json!(count)]).await;
            let expected: Vec<_> = (0..count).map(|number| json!(number)).collect();
            assert_eq!(client.items(&id).await, Ok(expected), "{way:?}");
        }
    }
}

#[tokio::test]
async fn items_come_as_they_arise() {
    let server = Server::start().await;
    for way in WAYS {
        let server = if way == WAYS[0] {
            &server
        } else {
            &Server::start().await
        };
        let mut client = server.connect_by(way).await;
        let id = client.stream("CountGated", &[json!(3)]).await;
        for number in 0..3 {
            server.journal.open(&format!("item {number}"));
            assert_eq!(client.next_message().await, item(&id, number), "{way:?}");
        }
        assert_eq!(client.next_message().await, Message::end(&id));
        server.journal.wait_for("stream dropped").await;
    }
}

#[tokio::test]
async fn a_stream_that_fails_tells_so_behind_its_items() {
    for (is_detailed, detail) in [(false, ""), (true, " InvalidOperationException: no more")] {
        let server = Server::with(|options| options.detailed_errors = is_detailed).await;
        let mut client = server.connect().await;
        let id = client.stream("CountThenFail", &[json!(2)]).await;
        assert_eq!(client.next_message().await, item(&id, 0));
        assert_eq!(client.next_message().await, item(&id, 1));
        let text = format!("An error occurred on the server while streaming results.{detail}");
        assert_eq!(client.next_message().await, Message::error(&id, &text));
        let id = client.stream("FailFirst", &[]).await;
        let detail = detail.replace("no more", "no stream");
        let text =
            format!("An unexpected error occurred invoking 'FailFirst' on the server.{detail}");
        assert_eq!(client.next_message().await, Message::error(&id, &text));
    }
}

#[tokio::test]
async fn a_stream_that_panics_fails_alone() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let id = client.stream("PanicInStream", &[]).await;
    assert_eq!(
        client.items(&id).await,
        Err("An error occurred on the server while streaming results.".to_owned())
    );
    assert_eq!(client.invoke("Nothing", &[]).await, Ok(json!(null)));
}

#[tokio::test]
async fn a_cancelled_stream_ends_without_an_error() {
    let server = Server::on(SMALL, |_| {}).await;
    for (round, way) in WAYS.into_iter().enumerate() {
        let mut client = connect_narrowly(&server, way).await;
        let id = client.stream("Forever", &[]).await;
        assert_eq!(client.next_message().await, item(&id, 0), "{way:?}");
        cancel(&mut client, &id).await;
        let items = client.items(&id).await.unwrap();
        // What had been sent before comes first, and nothing is left out.
        let expected: Vec<_> = (1..=items.len()).map(|number| json!(number)).collect();
        assert_eq!(items, expected, "{way:?}");
        server
            .journal
            .wait_for_many("stream dropped", round + 1)
            .await;
        assert_eq!(client.invoke("Nothing", &[]).await, Ok(json!(null)));
    }
}

#[tokio::test]
async fn a_stream_is_cancelled_before_it_has_given_anything() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let call = Message::StreamInvocation {
        id: "s".to_owned(),
        target: "CountGated".to_owned(),
        arguments: vec![json!(1)],
        streams: Vec::new(),
    };
    let cancel = Message::CancelInvocation { id: "s".to_owned() };
    // Both in one frame, so that the stream has not been begun when it is cancelled.
    let json = HubProtocol::Json;
    client
        .send_bytes(&[call.encode(json), cancel.encode(json)].concat())
        .await;
    assert_eq!(client.next_message().await, Message::end("s"));
}

#[tokio::test]
async fn streams_hold_up_nobody_and_nobody_holds_them_up() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let stream = client.stream("CountGated", &[json!(1)]).await;
    assert_eq!(client.invoke("Nothing", &[]).await, Ok(json!(null)));
    client.begin("Pass", &[json!("gate")]).await;
    let second = client.stream("Count", &[json!(2)]).await;
    assert_eq!(client.items(&second).await, Ok(vec![json!(0), json!(1)]));
    server.journal.open("item 0");
    assert_eq!(client.items(&stream).await, Ok(vec![json!(0)]));
}

#[tokio::test]
async fn the_id_of_a_running_stream_is_not_given_twice() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let call = Message::StreamInvocation {
        id: "same".to_owned(),
        target: "CountGated".to_owned(),
        arguments: vec![json!(1)],
        streams: Vec::new(),
    };
    client.send_message(&call).await;
    client.send_message(&call).await;
    assert_eq!(
        client.next_message().await,
        Message::error("same", "Invocation ID 'same' is already in use.")
    );
    server.journal.open("item 0");
    assert_eq!(client.items("same").await, Ok(vec![json!(0)]));
    client.send_message(&call).await;
    assert_eq!(client.items("same").await, Ok(vec![json!(0)]));
}

#[tokio::test]
async fn streams_end_with_their_connection() {
    let server = Server::on(SMALL, |_| {}).await;
    for (round, way) in WAYS.into_iter().enumerate() {
        let mut client = connect_narrowly(&server, way).await;
        client.stream("CountGated", &[json!(1)]).await;
        client.stream("Forever", &[]).await;
        client
            .wait_for("an item", |message| {
                matches!(message, Message::StreamItem { .. })
            })
            .await;
        client.close().await;
        server
            .journal
            .wait_for_many("stream dropped", 2 * (round + 1))
            .await;
    }
    server.wait_until_empty().await;
}

#[tokio::test]
async fn a_stream_waits_for_a_client_that_does_not_read() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    // Some ten megabytes: more than the kernel takes, and far more than the server may keep.
    let id = client.stream("Texts", &[json!(1_000), json!(10_000)]).await;
    // Meanwhile the connection is congested, and reads no more calls before it is not.
    let items = client.items(&id).await.unwrap();
    let numbers: Vec<u64> = items.iter().map(|item| item[0].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..1_000).collect::<Vec<u64>>());
    assert_eq!(server.closed("slow_receiver"), 0);
}

#[tokio::test]
async fn uploads_are_read_to_their_end() {
    let server = Server::start().await;
    for way in WAYS {
        let mut client = server.connect_by(way).await;
        let id = client.begin_with_uploads("Concat", &[], &["u"]).await;
        for part in ["B", "E", "A", "N", "E", "D"] {
            client.send_message(&item("u", part)).await;
        }
        client.send_message(&Message::end("u")).await;
        assert_eq!(client.completion(&id).await, Ok(json!("BEANED")), "{way:?}");
    }
}

#[tokio::test]
async fn uploads_may_be_interleaved_and_stand_between_arguments() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let ids = [
        client.begin_with_uploads("Sum", &[], &["a"]).await,
        client
            .begin_with_uploads("Zip", &[json!(10)], &["b", "c"])
            .await,
    ];
    for number in 1..=3 {
        for stream in ["a", "b", "c"] {
            client.send_message(&item(stream, number)).await;
        }
    }
    for stream in ["b", "a", "c"] {
        client.send_message(&Message::end(stream)).await;
    }
    assert_eq!(client.completion(&ids[0]).await, Ok(json!(6)));
    assert_eq!(client.completion(&ids[1]).await, Ok(json!([20, 40, 60])));
}

#[tokio::test]
async fn an_upload_becomes_a_stream() {
    let server = Server::start().await;
    for way in WAYS {
        let mut client = server.connect_by(way).await;
        client
            .send_message(&Message::StreamInvocation {
                id: "d".to_owned(),
                target: "Double".to_owned(),
                arguments: Vec::new(),
                streams: vec!["u".to_owned()],
            })
            .await;
        for number in 0..100 {
            client.send_message(&item("u", number)).await;
            assert_eq!(
                client.next_message().await,
                item("d", 2 * number),
                "{way:?}"
            );
        }
        client.send_message(&Message::end("u")).await;
        assert_eq!(client.next_message().await, Message::end("d"));
    }
}

#[tokio::test]
async fn an_upload_may_end_in_an_error_of_the_clients() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let id = client.begin_with_uploads("Sum", &[], &["u"]).await;
    client.send_message(&item("u", 1)).await;
    client
        .send_message(&Message::error("u", "I ran out of numbers"))
        .await;
    assert_eq!(
        client.completion(&id).await,
        Err("An unexpected error occurred invoking 'Sum' on the server. HubException: I ran out of numbers".to_owned())
    );
}

#[tokio::test]
async fn an_item_of_another_type_ends_its_upload_alone() {
    let server = Server::start().await;
    for protocol in HubProtocol::ALL {
        let mut client = server.client().protocol(protocol).connect().await;
        let id = client.begin_with_uploads("Sum", &[], &["u"]).await;
        client.send_message(&item("u", "one")).await;
        client.send_message(&item("u", 2)).await;
        client.send_message(&Message::end("u")).await;
        assert_eq!(
            client.completion(&id).await,
            Err("An unexpected error occurred invoking 'Sum' on the server. HubException: Failed to bind Stream message.".to_owned())
        );
        assert_eq!(client.invoke("Nothing", &[]).await, Ok(json!(null)));
    }
}

#[tokio::test]
async fn a_full_upload_stops_the_reading_until_the_method_reads() {
    let server = Server::with(|options| options.stream_buffer_capacity = 1).await;
    let mut client = server.connect().await;
    let id = client
        .begin_with_uploads("Hold", &[json!("gate")], &["u"])
        .await;
    server.journal.wait_for("at gate").await;
    for number in 1..=5 {
        client.send_message(&item("u", number)).await;
    }
    client.send_message(&Message::end("u")).await;
    let echo = client
        .begin("WriteDown", &[json!("behind the items")])
        .await;
    // Calls and answers of another client go on, long enough for this one's to have been read if it could be.
    let mut other = server.connect().await;
    for _ in 0..20 {
        other.invoke("Nothing", &[]).await.unwrap();
    }
    assert_eq!(server.journal.count("behind the items"), 0);
    server.journal.open("gate");
    assert_eq!(client.completion(&id).await, Ok(json!(15)));
    assert_eq!(client.completion(&echo).await, Ok(json!(null)));
}

#[tokio::test]
async fn a_method_need_not_read_its_upload() {
    let server = Server::with(|options| options.stream_buffer_capacity = 1).await;
    let mut client = server.connect().await;
    let id = client.begin_with_uploads("ReadOne", &[], &["u"]).await;
    for number in 1..=50 {
        client.send_message(&item("u", number)).await;
    }
    client.send_message(&Message::end("u")).await;
    assert_eq!(client.completion(&id).await, Ok(json!(1)));
    assert_eq!(client.invoke("Nothing", &[]).await, Ok(json!(null)));
}

#[tokio::test]
async fn uploads_end_with_their_connection() {
    let server = Server::start().await;
    for (round, way) in WAYS.into_iter().enumerate() {
        let mut client = server.connect_by(way).await;
        client.begin_with_uploads("Sum", &[], &["u"]).await;
        client.send_message(&item("u", 1)).await;
        client.close().await;
        server
            .journal
            .wait_for_many(
                "upload: OperationCanceledException: The underlying connection was closed.",
                round + 1,
            )
            .await;
    }
}

#[tokio::test]
async fn more_streams_than_may_run_are_refused() {
    let server = Server::with(|options| options.streams_max = 3).await;
    let mut client = server.connect().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(client.stream("CountGated", &[json!(1)]).await);
    }
    let upload = client.begin_with_uploads("Sum", &[], &["u"]).await;
    let refused = client.stream("CountGated", &[json!(1)]).await;
    assert_eq!(
        client.items(&refused).await,
        Err("Failed to invoke 'CountGated' due to an error on the server. HubException: Too many streams are open.".to_owned())
    );
    client.send_message(&Message::end("u")).await;
    assert_eq!(client.completion(&upload).await, Ok(json!(0)));
    ids.push(client.stream("CountGated", &[json!(1)]).await);
    server.journal.open("item 0");
    for id in ids {
        assert_eq!(client.items(&id).await, Ok(vec![json!(0)]));
    }
    eventually("all streams to be dropped", || {
        server.journal.count("stream dropped") == 3
    })
    .await;
}
