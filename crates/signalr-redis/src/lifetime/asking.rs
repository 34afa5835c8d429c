//! Questions to clients of other servers, and of other servers to clients of this one.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;
use signalr::HubError;
use signalr::protocol::codec::Answer;
use signalr::protocol::framing::Frame;
use signalr::protocol::message::Outcome;
use signalr::protocol::payload::OwnedValue;
use signalr::protocol::{HubMessage, HubProtocol};
use tokio::sync::oneshot;

use super::random;
use crate::bus::Bus;
use crate::wire::Completion;

type Answered = Result<Option<OwnedValue>, HubError>;

/// Questions of this server to clients of others.
///
/// Each is waited for by a call that runs here, which bounds them.
#[derive(Debug, Default)]
pub(super) struct Questions {
    waiting: Mutex<HashMap<Box<str>, oneshot::Sender<Answered>>>,
}

/// One question that waits for its answer; forgotten when dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: Box<str>,
    questions: Arc<Questions>,
    answer: oneshot::Receiver<Answered>,
}

impl Questions {
    pub(super) fn begin(self: &Arc<Self>) -> Waiting {
        let id: Box<str> = random::base64().into();
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().insert(id.clone(), sender);
        Waiting {
            id,
            questions: Arc::clone(self),
            answer,
        }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.waiting.lock().len()
    }

    /// A client of another server has answered; one that nobody waits for any more is dropped.
    pub(super) fn answer(&self, completion: &Completion<'_>) -> Result<(), Unreadable> {
        let protocol =
            HubProtocol::from_name(completion.protocol).ok_or(Unreadable::UnknownProtocol)?;
        let frame = protocol.split(completion.message, 0, None);
        let Ok(Frame::Complete { body, .. }) = frame else {
            return Err(Unreadable::Malformed);
        };
        let Ok(Some(HubMessage::Completion { id, outcome })) = protocol.read(body) else {
            return Err(Unreadable::Malformed);
        };
        let waiting = self.waiting.lock().remove(&*id);
        if let Some(waiting) = waiting {
            let _ = waiting.send(match outcome {
                Outcome::Void => Ok(None),
                Outcome::Result(value) => Ok(Some(value.detach())),
                Outcome::Error(text) => Err(HubError::new(text.into_owned())),
            });
        }
        Ok(())
    }

    /// Answers may have been missed: nobody waits for ever for one of those.
    pub(super) fn fail_all(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        for waiting in waiting.into_values() {
            let _ = waiting.send(Err(HubError::hidden(
                "IOException",
                "The connection to Redis was interrupted, the answer may be lost.",
            )));
        }
    }
}

impl Waiting {
    pub(super) async fn answer(mut self) -> Answered {
        (&mut self.answer)
            .await
            .unwrap_or_else(|_| Err(HubError::new("Invocation canceled by the server.")))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.questions.waiting.lock().remove(&self.id);
    }
}

/// Done when no server has had a channel's connection for a while.
///
/// A server that is killed answers nothing, and one on ASP.NET Core has no answer to what comes just as its connection
/// ends: there, the caller waits for ever. Here it waits for as long as subscribers cannot be counted.
pub(super) async fn gone(bus: &dyn Bus, channel: &[u8]) {
    let mut absent = 0;
    while absent < ABSENCES {
        tokio::time::sleep(LOOK_INTERVAL).await;
        match bus.subscribers(channel.to_vec()).await {
            Ok(Some(0)) => absent += 1,
            Ok(_) | Err(_) => absent = 0,
        }
    }
}

/// One command per question that is waited for, in a cluster to each server; few clients need so long to answer.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// An answer that was given right before the end is here long before the second look.
const ABSENCES: u32 = 2;

/// Why an answer was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    UnknownProtocol,
    Malformed,
}

/// Questions of other servers to clients of this one.
#[derive(Debug, Default)]
pub(super) struct Answers {
    asked: Mutex<HashMap<Box<str>, Asked>>,
}

/// A question that a client of this server has yet to answer.
#[derive(Debug)]
pub(super) struct Asked {
    connection_id: Box<str>,
    /// Where the answer goes, without the prefix of connection strings.
    pub(super) return_channel: Box<str>,
}

/// Whoever stopped waiting cannot say so, and clients need not answer: at 200 B each this is 13 MB.
const ASKED_MAX: usize = 65_536;

impl Answers {
    /// Keeps where an answer goes; false: too many are kept.
    pub(super) fn expect(&self, id: &str, connection_id: &str, return_channel: &str) -> bool {
        let mut asked = self.asked.lock();
        if asked.len() >= ASKED_MAX {
            return false;
        }
        asked.insert(
            id.into(),
            Asked {
                connection_id: connection_id.into(),
                return_channel: return_channel.into(),
            },
        );
        true
    }

    /// Takes out the question that a connection was asked.
    pub(super) fn take(&self, id: &str, connection_id: &str) -> Option<Asked> {
        let mut asked = self.asked.lock();
        if *asked.get(id)?.connection_id != *connection_id {
            return None;
        }
        asked.remove(id)
    }

    /// Takes out all that a connection was asked, with their ids.
    pub(super) fn take_all(&self, connection_id: &str) -> Vec<(Box<str>, Asked)> {
        let mut asked = self.asked.lock();
        asked
            .extract_if(|_, asked| *asked.connection_id == *connection_id)
            .collect()
    }
}

/// Writes an answer as a payload.
pub(super) fn completion(protocol: HubProtocol, id: &str, outcome: &Outcome<'_>) -> Vec<u8> {
    let mut message = Vec::new();
    let answer = match outcome {
        Outcome::Void => Answer::Void,
        Outcome::Result(value) => Answer::Result(value),
        Outcome::Error(text) => Answer::Error(text),
    };
    if let Err(error) = protocol.write_completion(&mut message, id, answer) {
        // Nothing of it was written.
        let error = error.to_string();
        let _ = protocol.write_completion(&mut message, id, Answer::Error(&error));
    }
    let completion = Completion {
        protocol: protocol.name(),
        message: &message,
    };
    completion.write()
}
