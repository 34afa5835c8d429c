//! Several servers, on a bus within the process and on a real Redis.

use std::sync::Arc;

use signalr::lifetime::conformance::{Factory, Receiver};
use signalr::{LifetimeManager, SendError};
use testkit::raw::{eventually, within};
use testkit::redis::RedisServer;

use super::*;
use crate::bus::memory::Exchange;

mod addressing;
mod asking;
mod observing;
mod outage;
mod recorded;
mod scale_out;

/// The name of the hub in these tests.
const HUB: &str = "Ns.ChatHub";

type Manager = Arc<dyn LifetimeManager>;

/// What connects the servers of a test.
enum Under {
    Memory(Arc<Exchange>),
    Redis(RedisServer),
}

impl Under {
    fn memory() -> Self {
        Self::Memory(Exchange::new())
    }

    /// None, and a line on standard error, where Redis is not installed.
    async fn redis() -> Option<Self> {
        RedisServer::start().await.map(Self::Redis)
    }

    async fn server(&self) -> Arc<RedisLifetime> {
        self.server_with(|builder| builder).await
    }

    /// One more server, which listens.
    async fn server_with(&self, change: impl FnOnce(Builder) -> Builder) -> Arc<RedisLifetime> {
        let builder = change(RedisLifetime::builder(HUB));
        let server = match self {
            Self::Memory(exchange) => builder.start_on(exchange),
            Self::Redis(redis) => builder.start(&settings(redis)),
        };
        ready(&server).await;
        server
    }
}

fn settings(redis: &RedisServer) -> redis_link::Settings {
    redis_link::Settings::parse(&redis.url()).unwrap().settings
}

/// Waits until a server can publish and listens.
async fn ready(server: &RedisLifetime) {
    let node = &server.node;
    eventually("a server that listens", || {
        let is_ready = |state: &redis_link::LinkState| state.is_ready();
        let link = server
            .link()
            .is_none_or(|link| is_ready(&link.state().borrow()));
        let subscriber = server.subscriber();
        link && subscriber.is_none_or(|s| is_ready(&s.state().borrow()))
    })
    .await;
    node.listen(Vec::new()).await;
    assert!(node.is_listening.load(std::sync::atomic::Ordering::SeqCst));
}

/// Makes two tests of each case: on a bus within the process, and on a Redis.
macro_rules! on_both {
    ($($case:ident)*) => {
        mod on_memory {
            use super::*;
            $(#[tokio::test] async fn $case() { super::$case(&Under::memory()).await; })*
        }
        mod on_redis {
            use super::*;
            $(#[tokio::test] async fn $case() {
                if let Some(under) = Under::redis().await {
                    super::$case(&under).await;
                }
            })*
        }
    };
}
use on_both;

async fn send(manager: &Manager, target: &Target<'_>, name: &str) {
    let sent = manager.send(target, &Broadcast::new(name, &()));
    sent.await.expect("a message can be sent");
}

async fn join(manager: &Manager, receiver: &Receiver, name: &str) {
    let joined = manager.add_to_group(receiver.id(), name);
    joined.await.expect("groups can be joined");
}

async fn leave(manager: &Manager, receiver: &Receiver, name: &str) {
    let left = manager.remove_from_group(receiver.id(), name);
    left.await.expect("groups can be left");
}

fn group(name: &str) -> Target<'_> {
    Target::Group { name, except: &[] }
}

const ALL: Target<'static> = Target::All { except: &[] };

mod conformance {
    mod on_memory {
        use super::super::*;

        struct Memory;

        impl Factory for Memory {
            async fn make(&self) -> Manager {
                Under::memory().server().await
            }
        }

        signalr::lifetime_conformance!(#[tokio::test] for Memory);
    }

    mod on_redis {
        use super::super::*;

        /// Keeps its server for as long as the case runs.
        struct Redis(RedisServer);

        impl Factory for Redis {
            async fn make(&self) -> Manager {
                let server = RedisLifetime::builder(HUB).start(&settings(&self.0));
                ready(&server).await;
                server
            }
        }

        signalr::lifetime_conformance!(#[tokio::test] if RedisServer::start().await.map(Redis));
    }
}
