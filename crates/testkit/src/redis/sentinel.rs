//! A master, its replica, and three sentinels that watch them.

use std::fs;

use tempfile::TempDir;

use super::{
    RedisServer,
    process::{Process, cli, free_port, until},
};

/// A service that three sentinels keep alive.
#[derive(Debug)]
pub struct Sentinels {
    servers: Vec<RedisServer>,
    sentinels: Vec<(Process, u16)>,
}

impl Sentinels {
    /// The name of the service.
    pub const SERVICE: &str = "mymaster";

    /// Starts all of them, and waits until each knows the others; none: Redis is not installed.
    pub async fn start() -> Option<Self> {
        let master = RedisServer::start().await?;
        let port = master.port().to_string();
        let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]).await?;
        replica
            .cli_until("replication", &["INFO", "replication"], |info| {
                info.contains("master_link_status:up")
            })
            .await;
        let sentinels: Vec<_> = (0..3).map(|_| sentinel(master.port())).collect();
        for (_, port) in &sentinels {
            let question = ["SENTINEL", "MASTER", Self::SERVICE];
            until("the sentinels to meet", *port, &[], &question, |answer| {
                field(answer, "num-other-sentinels") == Some("2")
                    && field(answer, "num-slaves") == Some("1")
                    && field(answer, "flags") == Some("master")
            })
            .await;
        }
        Some(Self {
            servers: vec![master, replica],
            sentinels,
        })
    }

    /// The connection string of the service, in the form of StackExchange.Redis.
    #[must_use]
    pub fn connection_string(&self) -> String {
        let mut text = String::new();
        for (_, port) in &self.sentinels {
            text.push_str(&format!("127.0.0.1:{port},"));
        }
        text + "serviceName=" + Self::SERVICE
    }

    /// The port of the master that the first sentinel names; others may know better already.
    pub async fn master_port(&self) -> u16 {
        self.master_port_but(0).await
    }

    /// The port of the new master, once the first sentinel, too, names another than the old one.
    pub async fn master_port_but(&self, old: u16) -> u16 {
        let sentinel = self.sentinels.first().map_or(0, |(_, port)| *port);
        let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::SERVICE];
        let port = |answer: &str| answer.lines().nth(1).and_then(|port| port.parse().ok());
        let is_good = |answer: &str| port(answer).is_some_and(|port: u16| port != old);
        let answer = until("the new master", sentinel, &[], &question, is_good).await;
        port(&answer).expect("it was waited for")
    }

    /// The server on a port.
    ///
    /// # Panics
    /// If there is none.
    pub fn server(&mut self, port: u16) -> &mut RedisServer {
        self.servers
            .iter_mut()
            .find(|server| server.port() == port)
            .expect("the port of one of the servers")
    }

    /// Has the replica take over, while all servers live.
    pub async fn fail_over(&self) -> String {
        let port = self.sentinels.first().map_or(0, |(_, port)| *port);
        cli(port, &[], &["SENTINEL", "FAILOVER", Self::SERVICE]).await
    }

    /// Ends one of the sentinels.
    pub fn kill_sentinel(&mut self) {
        self.sentinels.remove(0).0.kill();
    }
}

fn sentinel(master: u16) -> (Process, u16) {
    let directory = TempDir::new().expect("a directory can be made");
    let port = free_port();
    let service = Sentinels::SERVICE;
    let config = format!(
        "port {port}\nbind 127.0.0.1\n\
         sentinel monitor {service} 127.0.0.1 {master} 2\n\
         sentinel down-after-milliseconds {service} 700\n\
         sentinel failover-timeout {service} 4000\n"
    );
    let path = directory.path().join("sentinel.conf");
    fs::write(&path, config).expect("a file can be written");
    let arguments = [path.display().to_string(), "--sentinel".to_owned()];
    (Process::start(&arguments, directory), port)
}

/// A field of an answer in which names and values take turns, a line each.
fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = answer.lines();
    while let Some(line) = lines.next() {
        let value = lines.next()?;
        if line == name {
            return Some(value);
        }
    }
    None
}
