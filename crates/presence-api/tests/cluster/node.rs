//! A cluster of processes of the test's own.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use presence_api::grpc::pb::GetUsersStatusRequest;
use presence_api::grpc::pb::presence_api_client::PresenceApiClient;
use testkit::issuer::{Issuer, Kind};
use testkit::raw;
use testkit::redis::RedisServer;
use testkit::service::{self, Service};

/// Nodes on one Redis, and who issues tokens for them.
pub(crate) struct Nodes {
    pub(crate) issuer: Issuer,
    /// Where Redis is.
    redis: String,
    settings: Vec<(String, String)>,
    pub(crate) nodes: Vec<Node>,
}

/// Nodes on a Redis of the test's own.
pub(crate) struct Cluster {
    pub(crate) redis: RedisServer,
    service: Nodes,
}

/// A process of the service.
pub(crate) struct Node(Service);

impl Cluster {
    /// `None`, said with a word: there is no Redis on this machine.
    pub(crate) async fn start(nodes: usize, settings: &[(&str, &str)]) -> Option<Self> {
        let redis = RedisServer::start().await?;
        let service = Nodes::start_on(&redis.url(), nodes, settings).await;
        Some(Self { redis, service })
    }
}

impl Deref for Cluster {
    type Target = Nodes;

    fn deref(&self) -> &Nodes {
        &self.service
    }
}

impl DerefMut for Cluster {
    fn deref_mut(&mut self) -> &mut Nodes {
        &mut self.service
    }
}

impl Nodes {
    /// `redis`: a connection string.
    pub(crate) async fn start_on(redis: &str, nodes: usize, settings: &[(&str, &str)]) -> Self {
        let mut service = Self {
            // Thousands of tokens take a tenth of the time that RSA takes for them.
            issuer: Issuer::start_with(Kind::Es256).await,
            redis: redis.to_owned(),
            settings: settings
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            nodes: Vec::new(),
        };
        for _ in 0..nodes {
            service.add().await;
        }
        service
    }

    /// Starts one more node and waits until it is ready.
    pub(crate) async fn add(&mut self) -> usize {
        let node = Node::start(&self.issuer, &self.redis, &self.settings).await;
        node.is_ready().await;
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub(crate) fn token(&self, user: &str) -> String {
        self.issuer.token(user)
    }

    /// What a back end is told by a node, in one call.
    pub(crate) async fn statuses(&self, node: &Node, users: &[String]) -> Vec<String> {
        let client = HttpClient::builder(TokioExecutor::new())
            .http2_only(true)
            .build_http();
        let origin = format!("http://{}", node.grpc()).parse().unwrap();
        let mut request = tonic::Request::new(GetUsersStatusRequest {
            user_ids: users.to_vec(),
        });
        let token = format!("Bearer {}", self.token("a back end"));
        request
            .metadata_mut()
            .insert("authorization", token.parse().unwrap());
        let answer = PresenceApiClient::with_origin(client, origin)
            .get_users_status(request)
            .await
            .unwrap();
        let told = answer.into_inner().users;
        assert!(told.iter().map(|user| &user.user_id).eq(users));
        told.into_iter().map(|user| user.status).collect()
    }
}

impl Node {
    pub(crate) async fn start(issuer: &Issuer, redis: &str, settings: &[(String, String)]) -> Self {
        let mut command = service::serve(env!("CARGO_BIN_EXE_presence-api"), issuer);
        command
            .args(["--urls", service::ANY_PORT])
            .env("Redis__ConnectionString", redis)
            // Clients of these tests do not speak while nobody asks them to.
            .env("SignalR__ClientTimeoutInterval", "00:05:00")
            .envs(settings.iter().map(|(key, value)| (key, value)));
        Self(Service::start(&mut command).await)
    }

    pub(crate) async fn health(&self) -> (u16, String) {
        let answer = raw::request(self.web(), "GET", "/health/ready", &[], b"").await;
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
        let page = raw::request(self.web(), "GET", "/metrics", &[], b"")
            .await
            .text();
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not counted:\n{page}"))
            .parse()
            .unwrap()
    }

    /// The memory of the process that is in use, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
        kilobytes.parse::<u64>().unwrap() * 1_024
    }
}

impl Deref for Node {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
}

impl DerefMut for Node {
    fn deref_mut(&mut self) -> &mut Service {
        &mut self.0
    }
}
