//! A server on ASP.NET Core on the same Redis. The variable `PEER` names the script that starts one.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command};
use std::time::Duration;

use testkit::issuer::Issuer;
use testkit::redis::RedisServer;
use tokio::net::TcpStream;

use crate::common::{Ours, Server};
use crate::crossing::everything_crosses;

#[tokio::test]
async fn clients_of_a_server_on_asp_net_core_are_in_the_same_hub() {
    let Some(script) = script() else {
        skip();
        return;
    };
    let Some(redis) = RedisServer::start().await else {
        return;
    };
    let peer = Peer::start(&script, redis.port()).await;
    let ours = Ours::start(&redis.url()).await;
    everything_crosses(&ours, &peer).await;
}

#[expect(clippy::print_stderr, reason = "whoever runs the tests is to know")]
fn skip() {
    eprintln!("skipped: PEER does not name a script that starts a server on ASP.NET Core");
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is outside of the project is named by whoever has it"
)]
fn script() -> Option<String> {
    std::env::var("PEER")
        .ok()
        .filter(|script| !script.is_empty())
}

/// The process, which ends with this.
struct Peer {
    process: Child,
    address: SocketAddr,
    issuer: Issuer,
}

impl Peer {
    async fn start(script: &str, redis: u16) -> Self {
        let issuer = Issuer::start().await;
        let (http, grpc) = (free_port(), free_port());
        let process = Command::new(script)
            .env("REF_HTTP", http.to_string())
            .env("REF_GRPC", grpc.to_string())
            .env("REF_AUTHORITY", issuer.url())
            .env("REF_REDIS", format!("127.0.0.1:{redis}"))
            .env("REF_MSGPACK", "1")
            .spawn()
            .expect("the script can be started");
        let mut peer = Self {
            process,
            address: SocketAddr::from(([127, 0, 0, 1], http)),
            issuer,
        };
        // It unpacks itself the first time.
        let started = tokio::time::timeout(Duration::from_secs(50), async {
            while TcpStream::connect(peer.address).await.is_err() {
                let ended = peer.process.try_wait().expect("it is a child");
                assert!(ended.is_none(), "the peer has ended: {ended:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        started.await.expect("the peer listens");
        peer
    }
}

impl Server for Peer {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn token(&self, user: &str) -> String {
        self.issuer.token(user)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}
