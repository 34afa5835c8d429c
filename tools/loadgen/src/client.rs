//! A lean SignalR client: ten thousand of them must not be what is measured.
//!
//! Messages are handed on straight out of a read buffer that all clients share, and an event that is expected is known
//! by its bytes. The rest is read by the codec.

pub(crate) mod dialer;
mod event_stream;
pub(crate) mod http;
mod hub;
mod long_polling;
mod posts;
mod websocket;

use std::fmt;
use std::time::Duration;

use signalr_protocol::HubProtocol;
use signalr_protocol::payload::EncodeArguments;
use tokio::time::timeout;

pub(crate) use dialer::Dialer;
pub(crate) use hub::Heard;

use event_stream::EventStream;
use long_polling::LongPolling;
use posts::Posts;

/// One connection after its handshake.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) outgoing: Outgoing,
    pub(crate) incoming: Incoming,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End(pub(crate) String);

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for End {}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        Self(format!("the connection broke: {error}"))
    }
}

/// The client's way to the server.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    protocol: HubProtocol,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    WebSocket(websocket::Sender),
    EventStream(Posts),
    LongPolling(Posts),
}

/// Messages that leave together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    message: Vec<u8>,
}

impl Outgoing {
    /// Adds a call that is to be answered.
    pub(crate) fn call(
        &self,
        batch: &mut Batch,
        id: u64,
        method: &str,
        arguments: &dyn EncodeArguments,
    ) {
        batch.message.clear();
        self.protocol
            .write_invocation(&mut batch.message, Some(&id.to_string()), method, arguments)
            .expect("texts can be written in every protocol");
        self.add(batch);
    }

    /// Adds the client's sign of life.
    pub(crate) fn ping(&self, batch: &mut Batch) {
        batch.message.clear();
        batch.message.extend_from_slice(&self.protocol.ping());
        self.add(batch);
    }

    fn add(&self, batch: &mut Batch) {
        match &self.way {
            Way::WebSocket(_) => {
                let op_code = websocket::op_code(self.protocol);
                websocket::write_frame(&mut batch.bytes, op_code, &batch.message);
            }
            Way::EventStream(_) | Way::LongPolling(_) => {
                batch.bytes.extend_from_slice(&batch.message)
            }
        }
    }

    /// Sends all that was added, in one write or one request. One at a time for each connection.
    pub(crate) async fn send(&self, batch: &mut Batch) -> Result<(), End> {
        let sent = match &self.way {
            Way::WebSocket(sender) => sender.send(&batch.bytes).await,
            Way::EventStream(posts) | Way::LongPolling(posts) => posts.send(&batch.bytes).await,
        };
        batch.bytes.clear();
        sent
    }

    /// Says goodbye, so that the server ends the connection.
    ///
    /// An event stream has no word for it: whoever reads it goes away.
    pub(crate) async fn close(&self) -> Result<Goodbye, End> {
        match &self.way {
            Way::WebSocket(sender) => {
                let mut frame = Vec::new();
                websocket::write_frame(&mut frame, websocket::CLOSE, &1000u16.to_be_bytes());
                sender.send(&frame).await?;
            }
            Way::EventStream(_) => return Ok(Goodbye::Unsaid),
            Way::LongPolling(posts) => posts.delete().await?,
        }
        Ok(Goodbye::Said)
    }
}

/// Whether the server knows that a client goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goodbye {
    Said,
    Unsaid,
}

/// The server's way to the client.
#[derive(Debug)]
pub(crate) enum Incoming {
    WebSocket(websocket::Receiver),
    EventStream(Box<EventStream>),
    LongPolling(Box<LongPolling>),
}

impl Incoming {
    /// Waits until something comes, and hands on all messages of it.
    ///
    /// # Errors
    /// The connection has ended, or the server says what no client understands.
    pub(crate) async fn hear(&mut self, hear: &mut impl FnMut(Heard)) -> Result<(), End> {
        match self {
            Self::WebSocket(receiver) => receiver.hear(hear).await,
            Self::EventStream(stream) => stream.hear(hear).await,
            Self::LongPolling(polls) => polls.hear(hear).await,
        }
    }
}

impl Client {
    /// Calls one method and waits for its answer, which must not be an error.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        arguments: &(dyn EncodeArguments + Sync),
    ) -> Result<(), End> {
        let mut batch = Batch::default();
        self.outgoing.call(&mut batch, 0, method, arguments);
        self.outgoing.send(&mut batch).await?;
        let mut answer = None;
        while answer.is_none() {
            self.incoming
                .hear(&mut |heard| {
                    if let Heard::Answer { error, .. } = heard {
                        answer = Some(error);
                    }
                })
                .await?;
        }
        match answer.flatten() {
            Some(error) => Err(End(format!("{method} is answered with an error: {error}"))),
            None => Ok(()),
        }
    }

    /// Calls one method for each of these users, many calls at a time; no answer may be an error.
    pub(crate) async fn ask_for_each(&mut self, method: &str, users: &[String]) -> Result<(), End> {
        let mut batch = Batch::default();
        for users in users.chunks(CALLS_AT_A_TIME) {
            for (user, id) in users.iter().zip(0..) {
                self.outgoing.call(&mut batch, id, method, &(user,));
            }
            self.outgoing.send(&mut batch).await?;
            let (mut answered, mut failed) = (0, None);
            while answered < users.len() {
                self.incoming
                    .hear(&mut |heard| {
                        if let Heard::Answer { error, .. } = heard {
                            answered += 1;
                            failed = failed.take().or(error);
                        }
                    })
                    .await?;
            }
            if let Some(error) = failed {
                return Err(End(format!("{method} is answered with an error: {error}")));
            }
        }
        Ok(())
    }

    /// Says "online" and waits for the answer and the event.
    pub(crate) async fn announce(&mut self) -> Result<(), End> {
        let mut batch = Batch::default();
        self.outgoing
            .call(&mut batch, 1, "BroadcastOnlineStatus", &());
        self.outgoing.send(&mut batch).await?;
        let mut is_answered = false;
        let mut is_heard = false;
        while !(is_answered && is_heard) {
            self.incoming
                .hear(&mut |heard| match heard {
                    Heard::Event => is_heard = true,
                    Heard::Answer { .. } => is_answered = true,
                    Heard::Other | Heard::Ping => {}
                })
                .await?;
        }
        Ok(())
    }

    /// Says goodbye and waits for the server to end the connection.
    pub(crate) async fn part(mut self) -> Result<(), End> {
        if self.outgoing.close().await? == Goodbye::Said {
            let ended = async { while self.incoming.hear(&mut |_| ()).await.is_ok() {} };
            timeout(PARTING, ended)
                .await
                .map_err(|_| End("the server does not end a closed connection".to_owned()))?;
        }
        Ok(())
    }
}

/// As many as fit into what servers take from one connection before they answer: some 10 KB.
const CALLS_AT_A_TIME: usize = 100;

/// How long a server may take to end a connection whose client has said goodbye: twice ASP.NET Core's 5 s.
const PARTING: Duration = Duration::from_secs(10);
