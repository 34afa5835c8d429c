//! Connects clients.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use signalr_protocol::HubProtocol;
use tokio::time::timeout;

use super::http::Http;
use super::hub::{Expected, Hub};
use super::{Client, End, EventStream, Incoming, LongPolling, Outgoing, Posts, Way, websocket};
use crate::target::{Sources, Target};
use crate::tokens::Tokens;

/// Over what clients connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Transport {
    Websockets,
    Sse,
    Longpolling,
}

impl Transport {
    /// How many sockets a client needs.
    pub(crate) fn sockets(self) -> u64 {
        match self {
            Self::Websockets => 1,
            Self::Sse | Self::Longpolling => 2,
        }
    }
}

/// All that clients of one run have in common.
#[derive(Debug, Clone)]
pub(crate) struct Dialer {
    pub(crate) target: Arc<Target>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) transport: Transport,
    pub(crate) protocol: HubProtocol,
    /// The other transports cannot do without.
    pub(crate) negotiates: bool,
    pub(crate) expected: Arc<Expected>,
    /// What the kernel may hold for a client, in bytes; none: as it likes.
    pub(crate) receive_buffer: Option<u32>,
}

/// Where the requests of one connection go.
#[derive(Debug, Clone)]
pub(super) struct Route {
    dialer: Dialer,
    pub(super) target: String,
    pub(super) headers: String,
}

impl Route {
    pub(super) async fn open(&self) -> Result<Http, End> {
        let address = self.dialer.target.address;
        let opened = self
            .dialer
            .sources
            .open(address, self.dialer.receive_buffer)
            .await;
        let stream =
            opened.map_err(|error| End(format!("{address} cannot be connected to: {error}")))?;
        Ok(Http::new(stream))
    }

    pub(super) fn refused(&self, method: &str, status: u16, body: &[u8]) -> End {
        let path = &self.dialer.target.path;
        let body = String::from_utf8_lossy(body.get(..body.len().min(200)).unwrap_or_default());
        End(format!("{method} {path} is answered with {status} {body}"))
    }
}

/// What the answer to a negotiation has to have.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Negotiated {
    connection_id: Option<String>,
    connection_token: Option<String>,
    error: Option<String>,
}

impl Dialer {
    /// Connects a user, and shakes hands.
    pub(crate) async fn connect(&self, user: usize) -> Result<Client, End> {
        timeout(PATIENCE, self.open(user))
            .await
            .unwrap_or_else(|_| {
                Err(End(format!(
                    "no connection within {} s",
                    PATIENCE.as_secs()
                )))
            })
    }

    /// Connects a user, who watches itself, says "online", and hears it.
    pub(crate) async fn connect_until_event(&self, user: usize) -> Result<Client, End> {
        let name = self.tokens.name(user);
        let own = Self {
            expected: expected(&name),
            ..self.clone()
        };
        let mut client = own.connect(user).await?;
        client.ask("SubscribeToUserStatus", &(&name,)).await?;
        client.announce().await?;
        Ok(client)
    }

    async fn open(&self, user: usize) -> Result<Client, End> {
        let authority = &self.target.authority;
        let mut headers = format!("Host: {authority}\r\n");
        if let Some(token) = self.tokens.of(user) {
            headers.push_str("Authorization: Bearer ");
            headers.push_str(token);
            headers.push_str("\r\n");
        }
        let mut route = Route {
            dialer: self.clone(),
            target: self.target.path.clone(),
            headers,
        };
        if self.negotiates || self.transport != Transport::Websockets {
            let token = negotiate(&route).await?;
            route.target = format!("{}?id={token}", self.target.path);
        }
        let hub = Hub::new(self.protocol, Arc::clone(&self.expected));
        let (way, incoming) = match self.transport {
            Transport::Websockets => open_websocket(&route, hub).await?,
            Transport::Sse => {
                let stream = EventStream::open(&route, hub).await?;
                (
                    Way::EventStream(Posts::new(route)),
                    Incoming::EventStream(Box::new(stream)),
                )
            }
            Transport::Longpolling => {
                let polls = LongPolling::open(route.clone(), hub).await?;
                (
                    Way::LongPolling(Posts::new(route)),
                    Incoming::LongPolling(Box::new(polls)),
                )
            }
        };
        let outgoing = Outgoing {
            protocol: self.protocol,
            way,
        };
        let mut client = Client { outgoing, incoming };
        shake_hands(&mut client).await?;
        Ok(client)
    }
}

async fn negotiate(route: &Route) -> Result<String, End> {
    let mut http = route.open().await?;
    let target = format!("{}/negotiate?negotiateVersion=1", route.target);
    http.ask("POST", &target, &route.headers, b"").await?;
    let head = http.head().await?;
    let body = http.body(head).await?;
    if head.status != 200 {
        return Err(route.refused("POST", head.status, &body));
    }
    let answer: Negotiated = serde_json::from_slice(&body).map_err(|error| {
        End(format!(
            "the answer to the negotiation is unreadable: {error}"
        ))
    })?;
    if let Some(error) = answer.error {
        return Err(End(format!("the negotiation is refused: {error}")));
    }
    answer
        .connection_token
        .or(answer.connection_id)
        .ok_or_else(|| End("the answer to the negotiation has no connection token".to_owned()))
}

async fn open_websocket(route: &Route, hub: Hub) -> Result<(Way, Incoming), End> {
    let mut http = route.open().await?;
    // The key of RFC 6455's example: it need not be secret, only different from no key at all.
    let headers = format!(
        "{}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        route.headers
    );
    http.ask("GET", &route.target, &headers, b"").await?;
    let head = http.head().await?;
    if head.status != 101 {
        let body = http.body(head).await?;
        return Err(route.refused("GET", head.status, &body));
    }
    let (stream, early) = http.into_parts();
    let (sender, receiver) = websocket::split(stream, hub, early);
    Ok((Way::WebSocket(sender), Incoming::WebSocket(receiver)))
}

async fn shake_hands(client: &mut Client) -> Result<(), End> {
    let protocol = client.outgoing.protocol;
    let request = format!("{{\"protocol\":\"{}\",\"version\":1}}\x1e", protocol.name());
    match &client.outgoing.way {
        Way::WebSocket(sender) => {
            let mut frame = Vec::new();
            websocket::write_frame(&mut frame, websocket::op_code(protocol), request.as_bytes());
            sender.send(&frame).await?;
        }
        Way::EventStream(posts) | Way::LongPolling(posts) => posts.send(request.as_bytes()).await?,
    }
    let answer = match &mut client.incoming {
        Incoming::WebSocket(receiver) => receiver.first_payload().await?,
        Incoming::EventStream(stream) => stream.first_payload().await?,
        Incoming::LongPolling(polls) => polls.first_payload().await?,
    };
    if answer == b"{}\x1e" {
        Ok(())
    } else {
        let answer = answer.escape_ascii();
        Err(End(format!("the handshake is answered with {answer}")))
    }
}

/// How long a connection may take: the longest storms last some seconds, and SYN packets are repeated after 1, 3 and 7.
const PATIENCE: Duration = Duration::from_secs(30);

/// The event that all wait for: that this user is online.
pub(crate) fn expected(user: &str) -> Arc<Expected> {
    Arc::new(Expected::online(user))
}
