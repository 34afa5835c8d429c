//! One connection, on which one question is asked at a time: logging in, finding out, subscribing. What a pipeline does with
//! it then is its own.

use std::{
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::{SinkExt as _, StreamExt as _};
use redis::Value;
use tokio_util::codec::Framed;

use crate::{
    Endpoint, Secret,
    answers::Answers,
    command::{Cmd, cmd},
    error::Refusal,
    socket::{Activity, Dialer, Fault, Socket},
};

/// A connection that speaks RESP2.
pub(crate) struct Wire {
    framed: Framed<Socket, Answers>,
    endpoint: Endpoint,
}

/// As whom to log in.
#[derive(Clone, Copy)]
pub(crate) enum As {
    /// A user of the data.
    Client,
    /// Somebody who asks a sentinel.
    Asker,
}

impl Wire {
    /// Connects and logs in, within the connect time-out.
    pub(crate) async fn open(dialer: &Dialer, endpoint: &Endpoint, who: As) -> Result<Self, Fault> {
        let limit = dialer.settings.connect_timeout;
        let work = async {
            let socket = dialer.dial(endpoint).await?;
            let mut wire = Self {
                framed: Framed::new(socket, Answers::default()),
                endpoint: endpoint.clone(),
            };
            wire.log_in(dialer, who).await?;
            Ok(wire)
        };
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            Err(Fault::new(format!(
                "{endpoint}: no answer within {limit:?}"
            )))
        })
    }

    /// On a stream on which nothing was said, for tests.
    #[cfg(test)]
    pub(crate) fn on(stream: tokio::io::DuplexStream) -> Self {
        Self {
            framed: Framed::new(Socket::on(stream), Answers::default()),
            endpoint: Endpoint::new("test", 1),
        }
    }

    async fn log_in(&mut self, dialer: &Dialer, who: As) -> Result<(), Fault> {
        let settings = &dialer.settings;
        let (user, password) = match who {
            As::Client => (&settings.user, &settings.password),
            As::Asker => (&settings.sentinel_user, &settings.sentinel_password),
        };
        if let Some(password) = password.as_ref().map(Secret::reveal) {
            let mut auth = cmd("AUTH");
            if let Some(user) = user {
                auth.arg(user);
            }
            self.must(auth.arg(password)).await?;
        }
        // Sentinels and proxies may not know it, and nothing depends on it.
        if let Some(name) = &settings.client_name {
            let _ = self.ask(cmd("CLIENT").arg("SETNAME").arg(name)).await?;
        }
        // A server that loads its data, or wants a password, says so here.
        self.must(&cmd("PING")).await?;
        if matches!(who, As::Client) && settings.database != 0 {
            self.must(cmd("SELECT").arg(settings.database)).await?;
        }
        Ok(())
    }

    /// Asks, and takes an error of the server's as an answer.
    pub(crate) async fn ask(&mut self, command: &Cmd) -> Result<Result<Value, Refusal>, Fault> {
        self.send(command.packed()).await?;
        Ok(match self.read().await? {
            Value::ServerError(error) => Err(Refusal::from(&error)),
            value => Ok(value),
        })
    }

    /// Asks, and takes an error of the server's as the end.
    pub(crate) async fn must(&mut self, command: &Cmd) -> Result<Value, Fault> {
        self.ask(command)
            .await?
            .map_err(|refusal| Fault::refused(&self.endpoint, &refusal))
    }

    /// Sends bytes.
    pub(crate) async fn send(&mut self, packed: Vec<u8>) -> Result<(), Fault> {
        self.framed
            .send(packed)
            .await
            .map_err(|error| self.failed(&error))
    }

    /// Reads whatever comes next. May be dropped while it waits.
    pub(crate) async fn read(&mut self) -> Result<Value, Fault> {
        poll_fn(|cx| self.poll_read(cx)).await
    }

    /// Whatever comes next.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Value, Fault>> {
        Poll::Ready(match ready!(self.framed.poll_next_unpin(cx)) {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(self.failed(&error)),
            None => Err(self.failed(&CLOSED)),
        })
    }

    /// What is wrong with this connection.
    pub(crate) fn failed(&self, what: &dyn fmt::Display) -> Fault {
        Fault::new(format!("{}: {what}", self.endpoint))
    }

    /// For whoever writes by itself.
    pub(crate) fn socket(&mut self) -> &mut Socket {
        self.framed.get_mut()
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn activity(&self) -> Arc<Activity> {
        self.framed.get_ref().activity()
    }

    /// The socket, when every question is answered.
    pub(crate) fn into_socket(self) -> Socket {
        self.framed.into_inner()
    }
}

/// A text out of an answer.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}

/// What a connection ends with that the server closed.
pub(crate) const CLOSED: &str = "the server closed the connection";
