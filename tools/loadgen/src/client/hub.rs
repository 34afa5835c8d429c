//! Hub messages from the server.

use std::sync::Arc;

use signalr_protocol::framing::Frame;
use signalr_protocol::message::Outcome;
use signalr_protocol::{HubMessage, HubProtocol};

use super::End;

/// What a client heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The expected event.
    Event,
    /// Another event, or the expected one about somebody else.
    Other,
    /// The answer to a call.
    Answer {
        /// The call's number.
        id: u64,
        /// What went wrong, if anything did.
        error: Option<String>,
    },
    /// The server is there.
    Ping,
}

/// Understands the messages of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    protocol: HubProtocol,
    expected: Arc<Expected>,
}

/// The event that clients wait for.
#[derive(Debug)]
pub(crate) struct Expected {
    user: String,
    /// As most servers write it, in the order of [`HubProtocol::ALL`].
    bytes: [Vec<u8>; 2],
}

impl Expected {
    /// That this user is online.
    pub(crate) fn online(user: &str) -> Self {
        let bytes = HubProtocol::ALL.map(|protocol| {
            let mut bytes = Vec::new();
            protocol
                .write_invocation(&mut bytes, None, EVENT, &(user, ONLINE))
                .expect("texts can be written in every protocol");
            bytes
        });
        Self {
            user: user.to_owned(),
            bytes,
        }
    }

    fn bytes(&self, protocol: HubProtocol) -> &[u8] {
        let [json, messagepack] = &self.bytes;
        match protocol {
            HubProtocol::Json => json,
            HubProtocol::MessagePack => messagepack,
        }
    }
}

impl Hub {
    pub(crate) fn new(protocol: HubProtocol, expected: Arc<Expected>) -> Self {
        Self { protocol, expected }
    }

    /// Hands on every message of what a transport delivered in one piece.
    pub(crate) fn read(&self, mut payload: &[u8], hear: &mut impl FnMut(Heard)) -> Result<(), End> {
        let expected = self.expected.bytes(self.protocol);
        while !payload.is_empty() {
            if let Some(rest) = payload.strip_prefix(expected) {
                hear(Heard::Event);
                payload = rest;
                continue;
            }
            let frame = self.protocol.split(payload, 0, None);
            let Ok(Frame::Complete { body, len }) = frame else {
                return Err(self.unreadable(payload));
            };
            if let Some(heard) = self.understand(body)? {
                hear(heard);
            }
            payload = payload.get(len..).unwrap_or_default();
        }
        Ok(())
    }

    fn understand(&self, body: &[u8]) -> Result<Option<Heard>, End> {
        let message = self
            .protocol
            .read(body)
            .map_err(|_| self.unreadable(body))?;
        Ok(Some(match message {
            Some(HubMessage::Invocation(call)) => {
                let values = call.arguments.split(2);
                let texts: Option<Vec<String>> = values.ok().map(|values| {
                    values
                        .into_iter()
                        .filter_map(|value| value.read().ok())
                        .collect()
                });
                match texts.as_deref() {
                    Some([user, status])
                        if call.target == EVENT
                            && *user == self.expected.user
                            && status == ONLINE =>
                    {
                        Heard::Event
                    }
                    _ => Heard::Other,
                }
            }
            Some(HubMessage::Completion { id, outcome }) => Heard::Answer {
                id: id.parse().map_err(|_| self.unreadable(body))?,
                error: match outcome {
                    Outcome::Error(error) => Some(error.into_owned()),
                    Outcome::Void | Outcome::Result(_) => None,
                },
            },
            Some(HubMessage::Ping) => Heard::Ping,
            Some(HubMessage::Close { error }) => {
                let reason =
                    error.map_or_else(|| "without a reason".to_owned(), |error| error.into_owned());
                return Err(End(format!("the server closed the connection: {reason}")));
            }
            _ => return Ok(None),
        }))
    }

    fn unreadable(&self, bytes: &[u8]) -> End {
        let shown = bytes.get(..bytes.len().min(200)).unwrap_or_default();
        End(format!(
            "the server sent what is no message of {}: {}",
            self.protocol.name(),
            shown.escape_ascii()
        ))
    }
}

const EVENT: &str = "PresenceStatusChanged";
const ONLINE: &str = "online";

#[cfg(test)]
mod tests {
    use signalr_protocol::codec::Answer;

    use super::*;

    fn heard(protocol: HubProtocol, payload: &[u8]) -> Result<Vec<Heard>, End> {
        let mut all = Vec::new();
        let hub = Hub::new(protocol, Arc::new(Expected::online("u0")));
        hub.read(payload, &mut |heard| all.push(heard))
            .map(|()| all)
    }

    fn event(protocol: HubProtocol, user: &str, status: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        protocol
            .write_invocation(&mut bytes, None, EVENT, &(user, status))
            .unwrap();
        bytes
    }

    #[test]
    fn all_messages_of_a_piece_are_heard() {
        for protocol in HubProtocol::ALL {
            let mut payload = event(protocol, "u0", "online");
            payload.extend(event(protocol, "u0", "online"));
            payload.extend_from_slice(&protocol.ping());
            protocol
                .write_completion(&mut payload, "7", Answer::Result(&"online"))
                .unwrap();
            protocol
                .write_completion(&mut payload, "8", Answer::Error("no"))
                .unwrap();
            payload.extend(event(protocol, "u1", "online"));
            payload.extend(event(protocol, "u0", "offline"));
            let answer = |id, error: Option<&str>| Heard::Answer {
                id,
                error: error.map(str::to_owned),
            };
            let wanted = vec![
                Heard::Event,
                Heard::Event,
                Heard::Ping,
                answer(7, None),
                answer(8, Some("no")),
                Heard::Other,
                Heard::Other,
            ];
            assert_eq!(heard(protocol, &payload).unwrap(), wanted, "{protocol:?}");
        }
    }

    #[test]
    fn the_event_is_known_in_another_spelling_too() {
        let payload = b"{ \"target\": \"PresenceStatusChanged\", \"type\": 1, \"arguments\": [\"u0\", \"online\"]}\x1e";
        assert_eq!(heard(HubProtocol::Json, payload).unwrap(), [Heard::Event]);
    }

    #[test]
    fn what_is_no_message_ends_the_connection() {
        let error = heard(HubProtocol::Json, b"hello").unwrap_err().to_string();
        assert!(error.contains("no message of json: hello"), "{error}");
        let close = HubProtocol::MessagePack.close(Some("too slow"), false);
        let error = heard(HubProtocol::MessagePack, &close)
            .unwrap_err()
            .to_string();
        assert!(error.contains("too slow"), "{error}");
    }
}
