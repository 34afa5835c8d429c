//! A cluster of processes of the test's own.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use testkit::issuer::Issuer;
use testkit::raw;
use testkit::redis::RedisServer;

/// Redis, an issuer, and nodes.
pub(crate) struct Cluster {
    pub(crate) issuer: Issuer,
    pub(crate) redis: RedisServer,
    settings: Vec<(String, String)>,
    pub(crate) nodes: Vec<Node>,
}

/// A process of the service.
pub(crate) struct Node {
    child: Child,
    log: tempfile::NamedTempFile,
    pub(crate) web: SocketAddr,
}

impl Cluster {
    /// `None`, said with a word: there is no Redis on this machine.
    pub(crate) async fn start(nodes: usize, settings: &[(&str, &str)]) -> Option<Self> {
        let redis = RedisServer::start().await?;
        let mut cluster = Self {
            issuer: Issuer::start().await,
            redis,
            settings: settings
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            nodes: Vec::new(),
        };
        for _ in 0..nodes {
            cluster.add().await;
        }
        Some(cluster)
    }

    /// Starts one more node and waits until it is ready.
    pub(crate) async fn add(&mut self) -> usize {
        let node = Node::start(&self.issuer, &self.redis.url(), &self.settings).await;
        node.is_ready().await;
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub(crate) fn token(&self, user: &str) -> String {
        self.issuer.token(user)
    }
}

impl Node {
    pub(crate) async fn start(issuer: &Issuer, redis: &str, settings: &[(String, String)]) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_presence-api"))
            .args(["serve", "--urls", "http://127.0.0.1:0"])
            // Neither a settings file nor a variable of the caller's.
            .current_dir(std::env::temp_dir())
            .env_clear()
            .env("ApiAuth__Authority", issuer.url())
            .env("ApiAuth__RequireHttpsMetadata", "false")
            .env("Kestrel__Grpc__Url", "http://127.0.0.1:0")
            .env("Redis__ConnectionString", redis)
            // Clients of these tests do not speak while nobody asks them to.
            .env("SignalR__ClientTimeoutInterval", "00:05:00")
            .envs(settings.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(log.reopen().unwrap())
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        let text = || std::fs::read_to_string(log.path()).unwrap();
        raw::eventually("the node starts", || {
            assert_eq!(child.try_wait().unwrap(), None, "{}", text());
            text().contains("Application started")
        })
        .await;
        let log_text = text();
        let web = log_text
            .lines()
            .find_map(|line| line.split("Now listening on: http://").nth(1))
            .unwrap();
        Self {
            child,
            web: web.trim().parse().unwrap(),
            log,
        }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    pub(crate) async fn health(&self) -> (u16, String) {
        let answer = raw::request(self.web, "GET", "/health/ready", &[], b"").await;
        (answer.status, answer.text())
    }

    /// Waits until the node wants traffic.
    pub(crate) async fn is_ready(&self) {
        self.reports(200, "Healthy").await;
    }

    /// Waits until the node says so of itself.
    pub(crate) async fn reports(&self, status: u16, word: &str) {
        raw::within(&format!("the node reports {word}"), async {
            while self.health().await != (status, word.to_owned()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// A number that the node counts.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let page = raw::request(self.web, "GET", "/metrics", &[], b"")
            .await
            .text();
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not counted:\n{page}"))
            .parse()
            .unwrap()
    }

    /// The end of the process without a word.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// The orderly end, for which the caller has asked.
    pub(crate) async fn has_ended(&mut self) {
        let mut code = None;
        raw::eventually("the node ends", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        })
        .await;
        assert_eq!(code.unwrap().code(), Some(0), "{}", self.log());
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a test that fails shows what the node said"
)]
impl Drop for Node {
    fn drop(&mut self) {
        // Frozen processes die, too; nothing happens to one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(4_000);
            eprintln!("--- {}\n{}", self.web, log.get(from..).unwrap_or(&log));
        } else {
            assert!(!self.log().contains("panicked"), "{}", self.log());
        }
    }
}
