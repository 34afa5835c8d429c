//! What the server costs over loopback: a call and its answer, and an event to many.
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
use signalr::protocol::HubProtocol;
use signalr::{Context, Hub, HubEndpoint, HubError, Methods};
use testkit::client::{Client, Connector};
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
    let router = HubEndpoint::builder(Bench).build().router("/hub");
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

criterion_group!(server, call, fan_out);
criterion_main!(server);
