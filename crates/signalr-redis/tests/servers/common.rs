//! Servers and their clients.

use std::net::SocketAddr;

use hub_fixture::TestHub;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use redis_link::{PubSub, Settings};
use serde_json::{Value, json};
use signalr::protocol::HubProtocol;
use signalr::{Caller, HubEndpoint};
use signalr_redis::RedisLifetime;
use testkit::client::{Client, Message};
use testkit::raw::eventually;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// Where clients connect to, and with which token.
pub(crate) trait Server {
    fn address(&self) -> SocketAddr;

    /// What a client of this user needs beside the header `x-user`.
    fn token(&self, _user: &str) -> String {
        "none".to_owned()
    }

    async fn client(&self, user: &str, protocol: HubProtocol) -> Client {
        Client::to(self.address(), "/_hubs/test")
            .protocol(protocol)
            .header("x-user", user)
            .bearer(&self.token(user))
            .connect()
            .await
    }
}

/// A server with this library; it stops when it is dropped.
pub(crate) struct Ours {
    address: SocketAddr,
    accepting: AbortHandle,
}

impl Ours {
    pub(crate) async fn start(redis: &str) -> Self {
        let settings = Settings::parse(redis).expect("it can be read").settings;
        Self::start_with(&settings).await
    }

    pub(crate) async fn start_sharded(redis: &str) -> Self {
        let mut settings = Settings::parse(redis).expect("it can be read").settings;
        settings.pub_sub = PubSub::Sharded;
        Self::start_with(&settings).await
    }

    async fn start_with(settings: &Settings) -> Self {
        let lifetime = RedisLifetime::builder("TestHub")
            // Some groups have tags, others have none.
            .group_tags(|group| group.strip_prefix("tagged ").map(str::to_owned))
            .start(settings);
        let subscriber = lifetime.subscriber().expect("it uses Redis").clone();
        let link = lifetime.link().expect("it uses Redis").clone();
        eventually("a server that listens", || {
            subscriber.state().borrow().is_ready() && link.state().borrow().is_ready()
        })
        .await;
        let endpoint = HubEndpoint::builder(TestHub)
            .lifetime(lifetime)
            .caller(|parts| {
                let user = parts.headers.get("x-user");
                let user = user.and_then(|user| user.to_str().ok());
                user.map_or_else(Caller::anonymous, Caller::user)
            })
            .build();
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let router = endpoint.router("/_hubs/test");
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(router.clone());
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    // How a client breaks its connection is no failure.
                    let io = TokioIo::new(stream);
                    let _ = server.serve_connection_with_upgrades(io, service).await;
                });
            }
        });
        Self {
            address,
            accepting: accepting.abort_handle(),
        }
    }
}

impl Server for Ours {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Checks that each of these clients gets this message next, and no other before it.
pub(crate) async fn all_get<const N: usize>(clients: [&mut Client; N], text: &str) {
    for client in clients {
        assert_eq!(client.event("Receive").await, [json!(text)]);
    }
}

/// Calls a method that must succeed.
pub(crate) async fn call(client: &mut Client, method: &str, arguments: &[&str]) {
    let arguments: Vec<Value> = arguments.iter().map(|text| json!(text)).collect();
    let answer = client.invoke(method, &arguments).await;
    assert_eq!(answer, Ok(Value::Null), "{method} {arguments:?}");
}

/// Waits for the question, and gives its id and the number that was asked.
pub(crate) async fn question(client: &mut Client) -> (String, i64) {
    let asked = client
        .wait_for("a question", |message| {
            matches!(message, Message::Invocation { id: Some(_), target, .. } if target == "Ask")
        })
        .await;
    match asked {
        Message::Invocation {
            id: Some(id),
            arguments,
            ..
        } => (id, arguments[0].as_i64().expect("a number was asked")),
        other => unreachable!("not waited for: {other:?}"),
    }
}

/// Answers a question.
pub(crate) async fn answer(client: &mut Client, id: String, answer: Result<Value, &str>) {
    let error = answer.as_ref().err().map(|&text| text.to_owned());
    let result = answer.ok();
    client
        .send_message(&Message::Completion { id, result, error })
        .await;
}
