//! Pings, and clients that fall silent. Time-outs are short here, and given as options.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use signalr::protocol::HubProtocol;
use signalr::protocol::negotiate::Transport;
use testkit::client::{Client, End, Message};
use testkit::raw::{eventually, within};

use crate::common::{Server, WAYS};
use crate::hub::SHORT;

fn silence() -> Message {
    Message::Close {
        error: Some("Connection closed with an error. OperationCanceledException: Client hasn't sent a message/ping within the configured ClientTimeoutInterval.".to_owned()),
        allow_reconnect: true,
    }
}

/// Waits for a message that never comes, and counts the pings meanwhile.
async fn see_pings(client: &mut Client, count: usize) {
    within("pings", async {
        while client.pings() < count {
            let _ = tokio::time::timeout(Duration::from_millis(50), client.try_next()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_server_pings_by_itself_but_not_where_polls_show_life() {
    let server = Server::with(|options| {
        options.timeouts.keep_alive = Duration::from_millis(300);
        options.poll_timeout = SHORT;
    })
    .await;
    let check = async |way: (Transport, HubProtocol)| {
        let mut client = server.connect_by(way).await;
        if way.0 == Transport::LongPolling {
            let nothing = tokio::time::timeout(3 * SHORT, client.try_next()).await;
            assert!(nothing.is_err(), "{nothing:?}");
            assert_eq!(client.pings(), 0);
        } else {
            see_pings(&mut client, 3).await;
            assert_eq!(client.take_kept(), []);
        }
    };
    join_all(WAYS.map(check)).await;
}

#[tokio::test]
async fn a_client_that_pinged_and_falls_silent_is_closed() {
    let server = Server::with(|options| {
        options.timeouts.client = SHORT;
        options.detailed_errors = true;
    })
    .await;
    let check = async |way: (Transport, HubProtocol)| {
        let mut client = server.connect_by(way).await;
        client.send_message(&Message::Ping).await;
        if way.0 == Transport::WebSockets {
            // It answers no WebSocket ping either.
            client.websocket().be_rude();
        }
        let (messages, _) = client.read_to_end().await;
        assert_eq!(messages, [silence()], "{way:?}");
    };
    join_all(WAYS.map(check)).await;
    server.wait_until_closed("protocol", 5).await;
}

#[tokio::test]
async fn a_connection_lives_by_keep_alives_alone() {
    // Long enough for a busy machine to be late with a ping, and with the next one.
    let silence_max = 5 * SHORT;
    let server = Server::with(|options| {
        options.timeouts.client = silence_max;
        options.timeouts.keep_alive = silence_max / 10;
        // Shorter than the silence, too: polls that end without a message are no end.
        options.poll_timeout = silence_max / 5;
        options.disconnect_timeout = silence_max;
    })
    .await;
    let check = async |way: (Transport, HubProtocol)| {
        let mut client = server.connect_by(way).await;
        // Twice as long as either end would wait for the other.
        for _ in 0..20 {
            client.send_message(&Message::Ping).await;
            let nothing = tokio::time::timeout(silence_max / 10, client.try_next()).await;
            assert!(nothing.is_err(), "{way:?}: {nothing:?}");
        }
        assert_eq!(client.invoke("Nothing", &[]).await, Ok(json!(null)));
        assert_eq!(client.take_kept(), [], "{way:?}");
        client
    };
    let _clients = join_all(WAYS.map(check)).await;
    assert_eq!(server.open(), WAYS.len() as u64);
}

#[tokio::test]
async fn a_client_that_sends_anything_is_not_silent() {
    // Long enough for a busy machine to be late with a sign of life, and with the next one.
    let silence_max = 5 * SHORT;
    let server = Server::with(|options| options.timeouts.client = silence_max).await;
    let mut client = server.connect().await;
    client.send_message(&Message::Ping).await;
    for round in 0..15 {
        tokio::time::sleep(silence_max / 10).await;
        match round % 3 {
            0 => client.send_message(&Message::Ping).await,
            // Half a message is a sign of life, too.
            1 => client.send_bytes(b"{\"type\"").await,
            _ => client.send_bytes(b":6}\x1e").await,
        }
    }
    assert_eq!(client.invoke("Nothing", &[]).await, Ok(json!(null)));
}

#[tokio::test]
async fn a_client_that_never_pinged_is_asked_and_stays_if_it_answers() {
    let server = Server::with(|options| options.timeouts.client = 2 * SHORT).await;
    let mut client = server.connect().await;
    // It does nothing but answer WebSocket pings.
    for _ in 0..3 {
        let frame = within("a WebSocket ping", async {
            loop {
                let frame = client.websocket().frame().await.unwrap();
                if frame.op_code == 9 {
                    return frame;
                }
            }
        })
        .await;
        client.websocket().send_frame(0x8a, &frame.payload).await;
    }
    assert_eq!(client.invoke("Nothing", &[]).await, Ok(json!(null)));
    client.websocket().be_rude();
    let (messages, end) = client.read_to_end().await;
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(end, End::CloseFrame(Some(1000)));
}

#[tokio::test]
async fn a_busy_server_does_not_blame_its_client() {
    let server = Server::with(|options| options.timeouts.client = SHORT).await;
    let mut client = server.connect().await;
    client.send_message(&Message::Ping).await;
    client.begin("Pass", &[json!("gate")]).await;
    // Behind this one nothing is taken, and behind so much not even looked at: the client cannot show that it is there.
    let id = client.begin("Nothing", &[]).await;
    for _ in 0..200 {
        client.send("Echo", &[json!("x".repeat(1_000))]).await;
    }
    wait_for_calls(&server, 2).await;
    tokio::time::sleep(2 * SHORT).await;
    server.journal.open("gate");
    assert_eq!(client.completion(&id).await, Ok(json!(null)));
}

async fn wait_for_calls(server: &Server, count: u64) {
    eventually("calls to be read", || {
        server.endpoint.metrics().invocations() >= count
    })
    .await;
}

/// A client whose calls hold up those behind them.
async fn held_up(server: &Server, way: (Transport, HubProtocol), before: u64) -> Client {
    let mut client = server.connect_by(way).await;
    client.send_message(&Message::Ping).await;
    client.begin("Pass", &[json!("gate")]).await;
    client.begin("Nothing", &[]).await;
    wait_for_calls(server, before + 2).await;
    client
}

#[tokio::test]
async fn a_client_that_pings_behind_a_call_that_blocks_is_not_silent() {
    // Long enough for a busy machine to be late with a ping, and with the next one.
    let silence_max = 5 * SHORT;
    let server = Server::with(|options| options.timeouts.client = silence_max).await;
    let mut clients = Vec::new();
    for (number, way) in (0..).zip(WAYS) {
        clients.push(held_up(&server, way, 2 * number).await);
    }
    for _ in 0..8 {
        tokio::time::sleep(silence_max / 4).await;
        for client in &mut clients {
            client.send_message(&Message::Ping).await;
        }
    }
    assert_eq!(server.closed("protocol"), 0);
    server.journal.open("gate");
}

#[tokio::test]
async fn a_client_that_vanishes_behind_a_call_that_blocks_is_noticed() {
    let server = Server::with(|options| {
        options.timeouts.client = SHORT;
        options.close_timeout = SHORT / 6;
    })
    .await;
    let mut clients = Vec::new();
    for (number, way) in (0..).zip(WAYS) {
        let mut client = held_up(&server, way, 2 * number).await;
        if way.0 == Transport::WebSockets {
            client.websocket().be_rude();
        }
        // Its sockets stay open, and nothing comes over them any more.
        clients.push(client);
        server.wait_until_closed("protocol", number + 1).await;
    }
    assert_eq!(server.journal.count("gone"), WAYS.len());
    server.journal.open("gate");
}

#[tokio::test]
async fn a_client_that_is_cut_off_behind_a_call_that_blocks_is_noticed_at_once() {
    let server = Server::start().await;
    let way = WAYS[0];
    held_up(&server, way, 0).await.cut();
    server.wait_until_closed("transport_failed", 1).await;
    // A goodbye is heard there, too, when the calls before it are done.
    let mut client = held_up(&server, way, 2).await;
    client.close().await;
    server.journal.open("gate");
    server.wait_until_closed("transport_ended", 1).await;
}

#[tokio::test]
async fn a_hub_that_takes_its_time_to_let_in_does_not_blame_its_client() {
    let server = Server::with(|options| {
        options.timeouts.client = SHORT;
        options.timeouts.keep_alive = Duration::from_millis(200);
    })
    .await;
    let mut client = server.client().query("connect=wait").connect().await;
    client.send_message(&Message::Ping).await;
    // Pings go out meanwhile, or the client would give up.
    see_pings(&mut client, 3).await;
    tokio::time::sleep(SHORT).await;
    server.journal.open("connect");
    assert_eq!(client.invoke("Nothing", &[]).await, Ok(json!(null)));
}
