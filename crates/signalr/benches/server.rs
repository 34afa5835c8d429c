//! What the server costs: calls and answers through memory, without a kernel; over loopback a call and its answer, and an
//! event to many.
//!
//! Client and server share a thread, so the figures are those of both; what changes between two builds is the server.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]
#![allow(missing_docs, reason = "criterion's macros make functions without any")]

use std::net::SocketAddr;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use signalr::protocol::HubProtocol;
use signalr::protocol::codec::Answer;
use signalr::{Context, Hub, HubEndpoint, HubError, Methods};
use testkit::client::websocket::masked;
use testkit::client::{Client, Connector};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A hub with what is measured.
struct Bench;

impl Hub for Bench {
    fn methods(methods: &mut Methods<Self>) {
        methods.call("GetUserStatus", Self::status);
        methods.call("Watch", Self::watch);
        methods.call("Announce", Self::announce);
    }
}

impl Bench {
    async fn status(self: Arc<Self>, _: Context, _user: String) -> Result<&'static str, HubError> {
        Ok("online")
    }

    async fn watch(self: Arc<Self>, context: Context) -> Result<(), HubError> {
        context.groups().add(context.connection_id(), "all").await?;
        Ok(())
    }

    async fn announce(self: Arc<Self>, context: Context) -> Result<(), HubError> {
        let event = ("4f1c2d8e-user", "online");
        context
            .clients()
            .group("all")
            .send("PresenceStatusChanged", event)
            .await?;
        Ok(())
    }
}

/// A server on a thread that it shares with its clients.
fn serve() -> (Runtime, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let router = {
        let _entered = runtime.enter();
        HubEndpoint::builder(Bench).build().router("/hub")
    };
    runtime.spawn(async move { axum::serve(listener, router).await });
    (runtime, address)
}

fn connector(address: SocketAddr, protocol: HubProtocol) -> Connector {
    Client::to(address, "/hub").protocol(protocol)
}

/// A call as clients write it; one without a name is not answered.
fn invocation(
    protocol: HubProtocol,
    id: Option<&str>,
    target: &str,
    arguments: &[&str],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    protocol
        .write_invocation(&mut bytes, id, target, &arguments)
        .unwrap();
    bytes
}

/// Sends a message, and waits for so many frames on every client.
async fn exchange(sender: &mut Client, message: &[u8], receivers: &mut [Client], frames: usize) {
    sender.websocket().send(message).await;
    for receiver in receivers {
        for _ in 0..frames {
            receiver.websocket().frame().await.unwrap();
        }
    }
}

fn call(c: &mut Criterion) {
    let mut group = c.benchmark_group("call");
    for protocol in HubProtocol::ALL {
        let (runtime, address) = serve();
        let mut client = runtime.block_on(connector(address, protocol).connect());
        let message = invocation(protocol, Some("7"), "GetUserStatus", &["4f1c2d8e-user"]);
        group.bench_function(protocol.name(), |b| {
            b.iter(|| {
                runtime.block_on(async {
                    client.websocket().send(&message).await;
                    client.websocket().frame().await.unwrap()
                })
            });
        });
    }
    group.finish();
}

/// A WebSocket through memory, after the handshake of the hub protocol.
async fn connect_in_memory(protocol: HubProtocol) -> DuplexStream {
    let router = HubEndpoint::builder(Bench).build().router("/hub");
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    let serving = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(server), TowerToHyperService::new(router))
        .with_upgrades();
    tokio::spawn(serving);
    let request = "GET /hub HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    let name = protocol.name();
    let handshake = format!("{{\"protocol\":\"{name}\",\"version\":1}}\u{1e}");
    let frame = masked(0x82, handshake.as_bytes());
    client.write_all(&frame).await.unwrap();
    let mut answer = [0; 5];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer[2..], b"{}\x1e");
    client
}

/// Frames, messages, calls and answers, without a socket: one at a time, and as many as one read may bring.
fn dispatch(c: &mut Criterion) {
    let mut group = c.benchmark_group("dispatch");
    for protocol in HubProtocol::ALL {
        for calls in [1, 100] {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let mut client = runtime.block_on(connect_in_memory(protocol));
            let message = invocation(protocol, Some("7"), "GetUserStatus", &["4f1c2d8e-user"]);
            let frames = masked(0x82, &message).repeat(calls);
            let mut answers = Vec::new();
            protocol
                .write_completion(&mut answers, "7", Answer::Result(&"online"))
                .unwrap();
            // Each in a frame of its own, with a header of two bytes.
            let mut answers = vec![0; (2 + answers.len()) * calls];
            group.throughput(Throughput::Elements(calls as u64));
            group.bench_function(format!("{}/{calls}_in_one_piece", protocol.name()), |b| {
                b.iter(|| {
                    runtime.block_on(async {
                        client.write_all(&frames).await.unwrap();
                        client.read_exact(&mut answers).await.unwrap();
                    });
                });
            });
        }
    }
    group.finish();
}

fn fan_out(c: &mut Criterion) {
    let mut group = c.benchmark_group("fan_out_to_100");
    for events in [1, 16] {
        let (runtime, address) = serve();
        let connector = connector(address, HubProtocol::Json);
        let mut announcer = runtime.block_on(connector.connect());
        let mut watchers: Vec<Client> = (0..WATCHERS)
            .map(|_| {
                runtime.block_on(async {
                    let mut watcher = connector.connect().await;
                    watcher.invoke("Watch", &[]).await.unwrap();
                    watcher
                })
            })
            .collect();
        // Several messages in one piece are worked through together, and their events leave together.
        let message = invocation(HubProtocol::Json, None, "Announce", &[]).repeat(events);
        group.throughput(Throughput::Elements((WATCHERS * events) as u64));
        group.bench_function(format!("{events}_at_a_time"), |b| {
            b.iter(|| {
                runtime.block_on(exchange(&mut announcer, &message, &mut watchers, events));
            });
        });
    }
    group.finish();
}

/// Enough that what each costs outweighs the call itself.
const WATCHERS: usize = 100;

criterion_group!(server, dispatch, call, fan_out);
criterion_main!(server);
