//! Calls that the server makes and clients answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use signalr_protocol::message::Outcome;
use signalr_protocol::payload::{OwnedValue, Value};
use tokio::sync::oneshot;

use super::dotnet;
use crate::error::HubError;
use crate::frame::Question;
use crate::lifetime::{Asking, Connection, LifetimeManager};

/// What a client answered.
pub(crate) type Answer = Result<Option<OwnedValue>, HubError>;

/// The calls that wait for an answer.
#[derive(Debug, Default)]
pub(crate) struct ClientResults {
    next: AtomicU64,
    waiting: Mutex<HashMap<Box<str>, Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    /// Only the connection that was asked may answer.
    connection: u64,
    connection_id: Box<str>,
    answer: oneshot::Sender<Answer>,
}

impl ClientResults {
    /// Sends the call and gives what waits for its answer; nobody waits any more when that is dropped.
    pub(crate) fn ask(
        self: &Arc<Self>,
        lifetime: &dyn LifetimeManager,
        connection_id: &str,
        question: &Question<'_>,
    ) -> impl Future<Output = Answer> + Send + use<> {
        let asked = match lifetime.local(connection_id) {
            Some(connection) => self.send(&connection, question).map(Place::Here),
            None => Ok(Place::Elsewhere(lifetime.ask(connection_id, question))),
        };
        async move {
            match asked? {
                Place::Here(asked) => asked.answer().await,
                Place::Elsewhere(asking) => asking.await,
            }
        }
    }

    fn send(
        self: &Arc<Self>,
        connection: &Connection,
        question: &Question<'_>,
    ) -> Result<Asked, HubError> {
        let connection_id = connection.id();
        let protocol = connection
            .protocol()
            .ok_or_else(|| HubError::no_such_connection(connection_id))?;
        let id: Box<str> =
            format!("s{}", self.next.fetch_add(1, Ordering::Relaxed) + 1).into_boxed_str();
        let frame = question.frame(protocol, &id)?;
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().insert(
            id.clone(),
            Waiting {
                connection: connection.0.number,
                connection_id: connection_id.into(),
                answer: sender,
            },
        );
        let asked = Asked {
            results: Arc::clone(self),
            id,
            receiver,
        };
        connection.send(frame);
        // It may have ended before it was waited for: then its end did not see this call.
        if connection.0.is_closed() {
            return Err(disconnected(connection_id));
        }
        Ok(asked)
    }

    /// A client answers; false: nobody waits for this answer, or not from this connection.
    pub(crate) fn handle_completion(
        &self,
        connection: u64,
        id: &str,
        outcome: &Outcome<'_>,
    ) -> bool {
        let waiting = {
            let mut all = self.waiting.lock();
            if all.get(id).is_none_or(|w| w.connection != connection) {
                return false;
            }
            all.remove(id)
        };
        let answer = match outcome {
            Outcome::Void => Ok(None),
            Outcome::Result(value) => Ok(Some(value.detach())),
            Outcome::Error(text) => Err(HubError::new(text.clone().into_owned())),
        };
        waiting.is_some_and(|waiting| waiting.answer.send(answer).is_ok())
    }

    /// A connection has ended: whoever waits for it learns so.
    pub(crate) fn handle_disconnected(&self, connection: u64) {
        let gone: Vec<Waiting> = self
            .waiting
            .lock()
            .extract_if(|_, waiting| waiting.connection == connection)
            .map(|(_, waiting)| waiting)
            .collect();
        for waiting in gone {
            let _ = waiting
                .answer
                .send(Err(disconnected(&waiting.connection_id)));
        }
    }
}

/// Where the client is that was asked.
enum Place {
    Here(Asked),
    Elsewhere(Asking),
}

/// A call that was sent.
struct Asked {
    results: Arc<ClientResults>,
    id: Box<str>,
    receiver: oneshot::Receiver<Answer>,
}

impl Asked {
    async fn answer(mut self) -> Answer {
        (&mut self.receiver)
            .await
            .unwrap_or_else(|_| Err(HubError::new("Invocation canceled by the server.")))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.results.waiting.lock().remove(&self.id);
    }
}

/// Reads an answer as an `R`; a handler that returns nothing counts as null.
pub(crate) fn read<R: DeserializeOwned>(answer: Option<&OwnedValue>) -> Result<R, HubError> {
    let value = answer.map_or(Value::Json("null"), OwnedValue::borrow);
    value.read().map_err(|reason| {
        let reason = dotnet::conversion_error::<R>(value, reason);
        HubError::new(format!(
            "Error trying to deserialize result to {}. {reason}",
            dotnet::short_name::<R>()
        ))
    })
}

fn disconnected(connection_id: &str) -> HubError {
    HubError::hidden(
        "IOException",
        format!("Connection '{connection_id}' disconnected."),
    )
}
