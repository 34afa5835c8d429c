//! How a client gets to its connection.

use std::net::SocketAddr;

use serde_json::Value;
use signalr_protocol::HubProtocol;
use signalr_protocol::negotiate::Transport;

use super::replay::Replay;
use super::requests::{EventStream, LongPolling, Posts, Route};
use super::websocket::WebSocket;
use super::{Client, Wire};
use crate::raw::{self, Answer};

/// How a client negotiates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Negotiation {
    /// With version 1: a public id and a secret token.
    Version1,
    /// Without a version, as old clients do: one id for both.
    Version0,
    /// Not at all, which only WebSockets can do.
    Skipped,
}

/// A client that is yet to connect.
#[derive(Debug, Clone)]
pub struct Connector {
    address: SocketAddr,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    transport: Transport,
    protocol: HubProtocol,
    negotiation: Negotiation,
    is_stateful: bool,
    receive_buffer: Option<u32>,
}

impl Connector {
    pub(super) fn new(address: SocketAddr, path: &str) -> Self {
        Self {
            address,
            path: path.to_owned(),
            query: String::new(),
            headers: Vec::new(),
            transport: Transport::WebSockets,
            protocol: HubProtocol::Json,
            negotiation: Negotiation::Version1,
            is_stateful: false,
            receive_buffer: None,
        }
    }

    /// Over which transport. Default: WebSockets.
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// In which hub protocol. Default: JSON.
    #[must_use]
    pub fn protocol(mut self, protocol: HubProtocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// How it negotiates. Default: with version 1.
    #[must_use]
    pub fn negotiation(mut self, negotiation: Negotiation) -> Self {
        self.negotiation = negotiation;
        self
    }

    /// Asks for stateful reconnect.
    #[must_use]
    pub fn stateful(mut self) -> Self {
        self.is_stateful = true;
        self
    }

    /// Sends a header with every request.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends a token in the header.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Adds `name=value`, which must need no escapes, to the query of every request.
    #[must_use]
    pub fn query(mut self, pair: &str) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.push_str(pair);
        self
    }

    /// Has the kernel hold but this many bytes for the client (it doubles the number).
    #[must_use]
    pub fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Asks how to connect.
    pub async fn negotiate(&self) -> Answer {
        let mut parameters = Vec::new();
        if self.negotiation == Negotiation::Version1 {
            parameters.push("negotiateVersion=1".to_owned());
        }
        if self.is_stateful {
            parameters.push("useStatefulReconnect=true".to_owned());
        }
        let target = self.target("/negotiate", &parameters);
        raw::request(self.address, "POST", &target, &self.header_refs(), b"").await
    }

    /// Connects and shakes hands.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn connect(&self) -> Client {
        let mut client = self.open().await;
        client
            .handshake()
            .await
            .unwrap_or_else(|error| panic!("the handshake failed: {error}"));
        client
    }

    /// Opens the transport, and says nothing yet.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn open(&self) -> Client {
        self.try_open()
            .await
            .unwrap_or_else(|answer| panic!("the server refuses: {answer:?}"))
    }

    /// Opens the transport, and says nothing yet.
    ///
    /// # Errors
    /// The answer by which the server refuses, to the negotiation or to the transport.
    pub async fn try_open(&self) -> Result<Client, Answer> {
        let mut id = String::new();
        let mut token = None;
        if self.negotiation != Negotiation::Skipped {
            let answer = self.negotiate().await;
            if answer.status != 200 {
                return Err(answer);
            }
            let body: Value = serde_json::from_slice(&answer.body).expect("an answer of JSON");
            let text = |name: &str| body[name].as_str().map(str::to_owned);
            id = text("connectionId").unwrap_or_default();
            token = text("connectionToken").or_else(|| text("connectionId"));
            assert_eq!(
                body["useStatefulReconnect"].as_bool().unwrap_or_default(),
                self.is_stateful,
                "{body}"
            );
        }
        self.open_with(id, token).await
    }

    /// Opens the transport of a connection that was negotiated before.
    ///
    /// # Errors
    /// The answer by which the server refuses.
    pub async fn open_with(&self, id: String, token: Option<String>) -> Result<Client, Answer> {
        let id_parameter: Vec<String> = token.iter().map(|token| format!("id={token}")).collect();
        let route = Route {
            address: self.address,
            target: self.target("", &id_parameter),
            headers: self.headers.clone(),
        };
        let wire = match self.transport {
            Transport::WebSockets => Wire::WebSocket(self.open_websocket(&route.target).await?),
            Transport::ServerSentEvents => Wire::EventStream(
                EventStream::open(&route, self.receive_buffer).await?,
                Posts::new(route),
            ),
            Transport::LongPolling => {
                Wire::LongPolling(LongPolling::open(route.clone()).await?, Posts::new(route))
            }
        };
        let replay = self.is_stateful.then(Replay::default);
        Ok(Client::new(self.clone(), id, token, wire, replay))
    }

    pub(super) async fn open_websocket(&self, target: &str) -> Result<WebSocket, Answer> {
        WebSocket::open(
            self.address,
            target,
            &self.header_refs(),
            self.receive_buffer,
        )
        .await
    }

    pub(super) fn target(&self, rest: &str, parameters: &[String]) -> String {
        let query: Vec<&str> = std::iter::once(self.query.as_str())
            .chain(parameters.iter().map(String::as_str))
            .filter(|part| !part.is_empty())
            .collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{rest}{mark}{}", self.path, query.join("&"))
    }

    fn header_refs(&self) -> Vec<(&str, &str)> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    pub(super) fn hub_protocol(&self) -> HubProtocol {
        self.protocol
    }
}
