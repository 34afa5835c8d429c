//! SignalR clients that a test holds in its hand: it decides what is read and when, and how to misbehave.
//!
//! ```no_run
//! # async fn example(address: std::net::SocketAddr) {
//! use serde_json::json;
//! use signalr_protocol::HubProtocol;
//! use testkit::client::Client;
//!
//! let mut client = Client::to(address, "/chat").protocol(HubProtocol::MessagePack).connect().await;
//! assert_eq!(client.invoke("Add", &[json!(1), json!(2)]).await, Ok(json!(3)));
//! client.send("Say", &[json!("hello")]).await;
//! assert_eq!(client.event("Said").await, [json!("hello")]);
//! client.cut(); // no word of goodbye
//! # }
//! ```
//!
//! Nothing runs in the background: a client that is not asked for messages does not read. Nothing waits for longer
//! than [`PATIENCE`](crate::raw::PATIENCE).

mod connector;
mod message;
mod messagepack;
mod replay;
mod requests;
pub mod websocket;

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde_json::Value;
use signalr_protocol::HubProtocol;

pub use self::connector::{Connector, Negotiation};
pub use self::message::Message;
use self::replay::Replay;
use self::requests::{EventStream, LongPolling, Posts};
use self::websocket::WebSocket;
use crate::raw::{Answer, within};

/// A connected client.
#[derive(Debug)]
pub struct Client {
    connector: Connector,
    id: String,
    token: Option<String>,
    wire: Wire,
    /// Of a message that has not come in full.
    inbox: Vec<u8>,
    /// Messages that came and were not looked at.
    arrived: VecDeque<Message>,
    /// Messages that came while another was waited for.
    backlog: VecDeque<Message>,
    end: Option<End>,
    next_id: u64,
    pings: usize,
    replay: Option<Replay>,
}

#[derive(Debug)]
enum Wire {
    WebSocket(WebSocket),
    EventStream(EventStream, Posts),
    LongPolling(LongPolling, Posts),
    /// The client has cut it.
    None,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By a WebSocket close frame, with its code.
    CloseFrame(Option<u16>),
    /// By the end of the event stream.
    StreamEnded,
    /// By the answer to a poll: 204 where the connection is over, 404 where it is forgotten.
    Poll(u16),
    /// Without a word.
    Cut,
}

impl Client {
    /// A client of the hub at `path`.
    #[must_use]
    pub fn to(address: SocketAddr, path: &str) -> Connector {
        Connector::new(address, path)
    }

    fn new(
        connector: Connector,
        id: String,
        token: Option<String>,
        wire: Wire,
        replay: Option<Replay>,
    ) -> Self {
        Self {
            connector,
            id,
            token,
            wire,
            inbox: Vec::new(),
            arrived: VecDeque::new(),
            backlog: VecDeque::new(),
            end: None,
            next_id: 0,
            pings: 0,
            replay,
        }
    }

    /// The public id; empty without negotiation.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The secret by which requests name the connection; none without negotiation.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Sends the handshake and waits for its answer.
    ///
    /// # Errors
    /// The error text of the answer.
    ///
    /// # Panics
    /// If the connection ends before.
    pub async fn handshake(&mut self) -> Result<(), String> {
        let version = if self.replay.is_some() { 2 } else { 1 };
        let name = self.protocol().name();
        let request = format!("{{\"protocol\":\"{name}\",\"version\":{version}}}\u{1e}");
        self.send_bytes(request.as_bytes()).await;
        self.handshake_answer().await
    }

    /// Waits for the answer to a handshake that was sent.
    ///
    /// # Errors
    /// The error text of the answer.
    ///
    /// # Panics
    /// If the connection ends before.
    pub async fn handshake_answer(&mut self) -> Result<(), String> {
        let answer = within("the answer to a handshake", async {
            loop {
                if let Some(end) = self.inbox.iter().position(|&byte| byte == 0x1e) {
                    return self.inbox.drain(..=end).collect::<Vec<u8>>();
                }
                match self.receive_bytes().await {
                    Ok(bytes) => self.inbox.extend(bytes),
                    Err(end) => panic!("the connection ended before the handshake: {end:?}"),
                }
            }
        })
        .await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if answer == "{}\u{1e}" {
            return Ok(());
        }
        let answer: Value = serde_json::from_str(answer.trim_end_matches('\u{1e}'))
            .unwrap_or_else(|e| panic!("{e}: {answer}"));
        Err(answer["error"].as_str().expect("an error").to_owned())
    }

    /// Calls a method and waits for the answer; what else comes meanwhile is kept for later.
    ///
    /// # Errors
    /// The error text of the answer.
    pub async fn invoke(&mut self, target: &str, arguments: &[Value]) -> Result<Value, String> {
        let id = self.begin(target, arguments).await;
        self.completion(&id).await
    }

    /// Calls a method without waiting; gives the id of the call.
    pub async fn begin(&mut self, target: &str, arguments: &[Value]) -> String {
        self.begin_with_uploads(target, arguments, &[]).await
    }

    /// Calls a method that reads upload streams; gives the id of the call.
    pub async fn begin_with_uploads(
        &mut self,
        target: &str,
        arguments: &[Value],
        streams: &[&str],
    ) -> String {
        let id = self.new_id();
        let call = Message::Invocation {
            id: Some(id.clone()),
            target: target.to_owned(),
            arguments: arguments.to_vec(),
            streams: streams.iter().map(|&id| id.to_owned()).collect(),
        };
        self.send_message(&call).await;
        id
    }

    /// Calls a streaming method; gives the id of the call.
    pub async fn stream(&mut self, target: &str, arguments: &[Value]) -> String {
        let id = self.new_id();
        let call = Message::StreamInvocation {
            id: id.clone(),
            target: target.to_owned(),
            arguments: arguments.to_vec(),
            streams: Vec::new(),
        };
        self.send_message(&call).await;
        id
    }

    /// Calls a method whose answer is not wanted.
    pub async fn send(&mut self, target: &str, arguments: &[Value]) {
        self.send_message(&Message::call(target, arguments)).await;
    }

    /// Sends any message.
    pub async fn send_message(&mut self, message: &Message) {
        if let Some(replay) = &mut self.replay {
            replay.note_sent(message);
        }
        let bytes = message.encode(self.protocol());
        self.send_bytes(&bytes).await;
    }

    /// Sends bytes as they are, in one frame or one request.
    ///
    /// # Panics
    /// If a request is not answered by 200.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        if let Some(answer) = self.try_send_bytes(bytes).await {
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }

    /// Sends bytes as they are; the answer, where the transport is made of requests.
    pub async fn try_send_bytes(&mut self, bytes: &[u8]) -> Option<Answer> {
        match &mut self.wire {
            Wire::WebSocket(socket) => {
                socket.send(bytes).await;
                None
            }
            Wire::EventStream(_, posts) | Wire::LongPolling(_, posts) => {
                Some(posts.send("POST", bytes).await)
            }
            Wire::None => panic!("the client has cut its connection"),
        }
    }

    /// Ends a long-polling connection.
    ///
    /// # Panics
    /// On a WebSocket.
    pub async fn delete(&mut self) -> Answer {
        match &mut self.wire {
            Wire::EventStream(_, posts) | Wire::LongPolling(_, posts) => {
                posts.send("DELETE", b"").await
            }
            Wire::WebSocket(_) | Wire::None => panic!("only requests can ask for the end"),
        }
    }

    /// Has a poll wait for an answer that is not read yet.
    ///
    /// # Panics
    /// On another transport.
    pub async fn poll(&mut self) {
        match &mut self.wire {
            Wire::LongPolling(polls, _) => polls.ask().await,
            _ => panic!("only long polling polls"),
        }
    }

    /// The WebSocket itself.
    ///
    /// # Panics
    /// On another transport.
    pub fn websocket(&mut self) -> &mut WebSocket {
        match &mut self.wire {
            Wire::WebSocket(socket) => socket,
            _ => panic!("not on a WebSocket"),
        }
    }

    /// The next message that is no ping, among those that were kept and those that come.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn try_next(&mut self) -> Result<Message, End> {
        match self.backlog.pop_front() {
            Some(message) => Ok(message),
            None => within("a message", self.read_message()).await,
        }
    }

    /// The next message that is no ping.
    ///
    /// # Panics
    /// If the connection has ended.
    pub async fn next_message(&mut self) -> Message {
        self.try_next()
            .await
            .unwrap_or_else(|end| panic!("the connection has ended: {end:?}"))
    }

    /// Waits for the first message that `is_wanted`; the others are kept for later.
    ///
    /// # Panics
    /// If the connection ends before.
    pub async fn wait_for(&mut self, what: &str, is_wanted: impl Fn(&Message) -> bool) -> Message {
        if let Some(at) = self.backlog.iter().position(&is_wanted) {
            return self.backlog.remove(at).expect("it was found there");
        }
        within(what, async {
            loop {
                match self.read_message().await {
                    Ok(message) if is_wanted(&message) => return message,
                    Ok(other) => self.backlog.push_back(other),
                    Err(end) => panic!(
                        "the connection ended ({end:?}) before {what}; kept: {:?}",
                        self.backlog
                    ),
                }
            }
        })
        .await
    }

    /// Waits for the answer to a call.
    ///
    /// # Errors
    /// Its error text.
    pub async fn completion(&mut self, id: &str) -> Result<Value, String> {
        let what = format!("the answer to call {id}");
        let answer = self
            .wait_for(
                &what,
                |message| matches!(message, Message::Completion { id: found, .. } if found == id),
            )
            .await;
        match answer {
            Message::Completion {
                error: Some(error), ..
            } => Err(error),
            Message::Completion { result, .. } => Ok(result.unwrap_or_default()),
            other => unreachable!("not waited for: {other:?}"),
        }
    }

    /// Waits for a call of the server's; gives its arguments.
    pub async fn event(&mut self, target: &str) -> Vec<Value> {
        let what = format!("a call of {target}");
        let call = self
            .wait_for(
                &what,
                |message| matches!(message, Message::Invocation { target: found, .. } if found == target),
            )
            .await;
        match call {
            Message::Invocation { arguments, .. } => arguments,
            other => unreachable!("not waited for: {other:?}"),
        }
    }

    /// Waits for the end of a stream; gives its items.
    ///
    /// # Errors
    /// The error text with which the stream ended.
    pub async fn items(&mut self, id: &str) -> Result<Vec<Value>, String> {
        let mut items = Vec::new();
        loop {
            let what = format!("an item of stream {id}, or its end");
            let message = self
                .wait_for(&what, |message| match message {
                    Message::StreamItem { id: found, .. }
                    | Message::Completion { id: found, .. } => found == id,
                    _ => false,
                })
                .await;
            match message {
                Message::StreamItem { item, .. } => items.push(item),
                Message::Completion {
                    error: Some(error), ..
                } => return Err(error),
                Message::Completion { result, .. } => {
                    assert_eq!(result, None, "the end of a stream has no result");
                    return Ok(items);
                }
                other => unreachable!("not waited for: {other:?}"),
            }
        }
    }

    /// Takes all messages that came while others were waited for.
    pub fn take_kept(&mut self) -> Vec<Message> {
        self.backlog.drain(..).collect()
    }

    /// Reads to the end: all messages that are left, and how it ends.
    pub async fn read_to_end(&mut self) -> (Vec<Message>, End) {
        within("the end of a connection", async {
            loop {
                match self.read_message().await {
                    Ok(message) => self.backlog.push_back(message),
                    Err(end) => return (self.take_kept(), end),
                }
            }
        })
        .await
    }

    /// How many pings have come among what was read.
    #[must_use]
    pub fn pings(&self) -> usize {
        self.pings
    }

    /// Says goodbye as its transport does: a close frame, a DELETE, or the end of the event stream.
    pub async fn close(&mut self) {
        match &mut self.wire {
            Wire::WebSocket(socket) => socket.send_close(Some(1000)).await,
            Wire::LongPolling(_, posts) => {
                posts.send("DELETE", b"").await;
            }
            Wire::EventStream(..) => self.wire = Wire::None,
            Wire::None => {}
        }
    }

    /// Breaks the connection without a word.
    pub fn cut(&mut self) {
        match std::mem::replace(&mut self.wire, Wire::None) {
            Wire::WebSocket(socket) => socket.cut(),
            Wire::EventStream(stream, _) => stream.cut(),
            Wire::LongPolling(mut polls, _) => polls.cut(),
            Wire::None => {}
        }
    }

    /// Sends what acknowledges all numbered messages that came so far.
    ///
    /// # Panics
    /// Without stateful reconnect.
    pub async fn acknowledge(&mut self) {
        let received = self.replay.as_ref().expect("stateful reconnect").received();
        self.send_message(&Message::Ack(received)).await;
    }

    /// How many numbered messages the server has not acknowledged.
    ///
    /// # Panics
    /// Without stateful reconnect.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.replay
            .as_ref()
            .expect("stateful reconnect")
            .unacknowledged()
    }

    /// Takes a message for sent, to be repeated over the next transport; it was cut off, or lost on its way.
    ///
    /// # Panics
    /// Without stateful reconnect.
    pub fn count_as_sent(&mut self, message: &Message) {
        self.replay
            .as_mut()
            .expect("stateful reconnect")
            .note_sent(message);
    }

    /// Comes back over a new WebSocket, the old one being cut or not, and repeats what was not acknowledged.
    ///
    /// # Errors
    /// The answer by which the server refuses.
    ///
    /// # Panics
    /// Without stateful reconnect.
    pub async fn resume(&mut self) -> Result<(), Answer> {
        let token = self.token.clone().expect("a token to come back with");
        let target = self.connector.target("", &[format!("id={token}")]);
        let socket = self.connector.open_websocket(&target).await?;
        self.wire = Wire::WebSocket(socket);
        self.inbox.clear();
        self.arrived.clear();
        self.end = None;
        let first = self.replay.as_mut().expect("stateful reconnect").resume();
        for message in first {
            let bytes = message.encode(self.protocol());
            self.send_bytes(&bytes).await;
        }
        Ok(())
    }

    fn protocol(&self) -> HubProtocol {
        self.connector.hub_protocol()
    }

    fn new_id(&mut self) -> String {
        self.next_id += 1;
        self.next_id.to_string()
    }

    /// Reads until there is a message that is neither a ping nor a repetition. May be dropped while it waits.
    async fn read_message(&mut self) -> Result<Message, End> {
        loop {
            while let Some(message) = self.arrived.pop_front() {
                if message == Message::Ping {
                    self.pings += 1;
                } else if self
                    .replay
                    .as_mut()
                    .is_none_or(|replay| replay.admit(&message))
                {
                    return Ok(message);
                }
            }
            if self.inbox.is_empty() || !self.take_arrived() {
                let bytes = self.receive_bytes().await?;
                self.inbox.extend(bytes);
            }
        }
    }

    /// Takes whole messages out of what has come; false: there are none.
    fn take_arrived(&mut self) -> bool {
        let protocol = self.protocol();
        let mut rest = &self.inbox[..];
        while let Some(message) = Message::take(protocol, &mut rest) {
            self.arrived.push_back(message);
        }
        let taken = self.inbox.len() - rest.len();
        self.inbox.drain(..taken);
        taken > 0
    }

    async fn receive_bytes(&mut self) -> Result<Vec<u8>, End> {
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        let received = match &mut self.wire {
            Wire::WebSocket(socket) => socket.receive().await,
            Wire::EventStream(stream, _) => stream.receive().await,
            Wire::LongPolling(polls, _) => polls.receive().await,
            Wire::None => Err(End::Cut),
        };
        if let Err(end) = &received {
            self.end = Some(end.clone());
        }
        received
    }
}
