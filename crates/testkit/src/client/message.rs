//! Hub messages as a client sees them, written and read independently of the server's codec.

use serde_json::{Map, Value, json};

use super::messagepack;
use signalr_protocol::HubProtocol;

/// A hub message.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A call; with an id, the other side is to answer.
    Invocation {
        /// Names the call.
        id: Option<String>,
        /// What is called.
        target: String,
        /// The arguments.
        arguments: Vec<Value>,
        /// The ids of the upload streams.
        streams: Vec<String>,
    },
    /// A call of a streaming method.
    StreamInvocation {
        /// Names the call.
        id: String,
        /// What is called.
        target: String,
        /// The arguments.
        arguments: Vec<Value>,
        /// The ids of the upload streams.
        streams: Vec<String>,
    },
    /// An item of a stream.
    StreamItem {
        /// The id of the stream.
        id: String,
        /// The item.
        item: Value,
    },
    /// The end of a call or of a stream.
    Completion {
        /// The id of the call or of the stream.
        id: String,
        /// The value; none is not null.
        result: Option<Value>,
        /// The error text.
        error: Option<String>,
    },
    /// The end of a stream is no longer wanted.
    CancelInvocation {
        /// The id of the call.
        id: String,
    },
    /// The other side is there.
    Ping,
    /// The other side ends the connection.
    Close {
        /// Why.
        error: Option<String>,
        /// Whether the client is asked to come back.
        allow_reconnect: bool,
    },
    /// Everything up to this number has come.
    Ack(i64),
    /// The next message has this number.
    Sequence(i64),
}

impl Message {
    /// A call without an answer.
    #[must_use]
    pub fn call(target: &str, arguments: &[Value]) -> Self {
        Self::Invocation {
            id: None,
            target: target.to_owned(),
            arguments: arguments.to_vec(),
            streams: Vec::new(),
        }
    }

    /// The good end of a call.
    #[must_use]
    pub fn result(id: &str, result: Value) -> Self {
        Self::Completion {
            id: id.to_owned(),
            result: Some(result),
            error: None,
        }
    }

    /// The bad end of a call.
    #[must_use]
    pub fn error(id: &str, error: &str) -> Self {
        Self::Completion {
            id: id.to_owned(),
            result: None,
            error: Some(error.to_owned()),
        }
    }

    /// The end of a stream.
    #[must_use]
    pub fn end(id: &str) -> Self {
        Self::Completion {
            id: id.to_owned(),
            result: None,
            error: None,
        }
    }

    /// Whether stateful reconnect counts it.
    #[must_use]
    pub fn is_numbered(&self) -> bool {
        !matches!(
            self,
            Self::Ping | Self::Close { .. } | Self::Ack(_) | Self::Sequence(_)
        )
    }

    /// The message as bytes, framing included.
    #[must_use]
    pub fn encode(&self, protocol: HubProtocol) -> Vec<u8> {
        match protocol {
            HubProtocol::Json => {
                let mut text = self.to_json().to_string().into_bytes();
                text.push(0x1e);
                text
            }
            HubProtocol::MessagePack => {
                let mut body = Vec::new();
                messagepack::write(&mut body, &self.to_array());
                let mut bytes = length_prefix(body.len());
                bytes.append(&mut body);
                bytes
            }
        }
    }

    /// Takes the first whole message off the front of `bytes`.
    ///
    /// # Panics
    /// If the bytes are no hub message of a server's.
    pub fn take(protocol: HubProtocol, bytes: &mut &[u8]) -> Option<Self> {
        let (from, to, len) = match protocol {
            HubProtocol::Json => {
                let end = bytes.iter().position(|&byte| byte == 0x1e)?;
                (0, end, end + 1)
            }
            HubProtocol::MessagePack => {
                let (body_len, prefix_len) = read_length_prefix(bytes)?;
                if bytes.len() < prefix_len + body_len {
                    return None;
                }
                (prefix_len, prefix_len + body_len, prefix_len + body_len)
            }
        };
        let message = match protocol {
            HubProtocol::Json => {
                let value: Value = serde_json::from_slice(&bytes[from..to]).unwrap_or_else(|e| {
                    panic!("{e}: {}", String::from_utf8_lossy(&bytes[from..to]))
                });
                Self::from_json(&value)
            }
            HubProtocol::MessagePack => {
                let mut body = &bytes[from..to];
                let value = messagepack::read(&mut body);
                assert!(body.is_empty(), "bytes behind a message: {body:x?}");
                Self::from_array(&value)
            }
        };
        *bytes = &bytes[len..];
        Some(message)
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Invocation {
                id,
                target,
                arguments,
                streams,
            } => {
                // As the JavaScript client orders them: the type comes last.
                let mut message = Map::new();
                message.insert("arguments".to_owned(), json!(arguments));
                if let Some(id) = id {
                    message.insert("invocationId".to_owned(), json!(id));
                }
                if !streams.is_empty() {
                    message.insert("streamIds".to_owned(), json!(streams));
                }
                message.insert("target".to_owned(), json!(target));
                message.insert("type".to_owned(), json!(1));
                Value::Object(message)
            }
            Self::StreamInvocation {
                id,
                target,
                arguments,
                streams,
            } => {
                json!({"type": 4, "invocationId": id, "target": target, "arguments": arguments, "streamIds": streams})
            }
            Self::StreamItem { id, item } => json!({"type": 2, "invocationId": id, "item": item}),
            Self::Completion { id, result, error } => {
                let mut message = json!({"type": 3, "invocationId": id});
                if let Some(result) = result {
                    message["result"] = result.clone();
                }
                if let Some(error) = error {
                    message["error"] = json!(error);
                }
                message
            }
            Self::CancelInvocation { id } => json!({"type": 5, "invocationId": id}),
            Self::Ping => json!({"type": 6}),
            Self::Close { error: None, .. } => json!({"type": 7}),
            Self::Close {
                error: Some(error), ..
            } => json!({"type": 7, "error": error}),
            Self::Ack(id) => json!({"type": 8, "sequenceId": id}),
            Self::Sequence(id) => json!({"type": 9, "sequenceId": id}),
        }
    }

    fn to_array(&self) -> Value {
        match self {
            Self::Invocation {
                id,
                target,
                arguments,
                streams,
            } => json!([1, {}, id, target, arguments, streams]),
            Self::StreamInvocation {
                id,
                target,
                arguments,
                streams,
            } => json!([4, {}, id, target, arguments, streams]),
            Self::StreamItem { id, item } => json!([2, {}, id, item]),
            Self::Completion {
                id,
                error: Some(error),
                ..
            } => json!([3, {}, id, 1, error]),
            Self::Completion {
                id,
                result: Some(result),
                ..
            } => json!([3, {}, id, 3, result]),
            Self::Completion { id, .. } => json!([3, {}, id, 2]),
            Self::CancelInvocation { id } => json!([5, {}, id]),
            Self::Ping => json!([6]),
            // The JavaScript client leaves the third item out.
            Self::Close { error, .. } => json!([7, error]),
            Self::Ack(id) => json!([8, id]),
            Self::Sequence(id) => json!([9, id]),
        }
    }

    fn from_json(value: &Value) -> Self {
        let text = |name: &str| {
            value
                .get(name)
                .map(|text| text.as_str().expect("text").to_owned())
        };
        let id = || text("invocationId").expect("an invocation id");
        match value["type"].as_i64().expect("a type") {
            1 => Self::Invocation {
                id: text("invocationId"),
                target: text("target").expect("a target"),
                arguments: value["arguments"].as_array().expect("arguments").clone(),
                streams: Vec::new(),
            },
            2 => Self::StreamItem {
                id: id(),
                item: value.get("item").expect("an item").clone(),
            },
            3 => Self::Completion {
                id: id(),
                result: value.get("result").cloned(),
                error: text("error"),
            },
            6 => Self::Ping,
            7 => Self::Close {
                error: text("error"),
                allow_reconnect: value.get("allowReconnect") == Some(&Value::Bool(true)),
            },
            8 => Self::Ack(value["sequenceId"].as_i64().expect("a sequence id")),
            9 => Self::Sequence(value["sequenceId"].as_i64().expect("a sequence id")),
            other => panic!("a server does not send type {other}: {value}"),
        }
    }

    fn from_array(value: &Value) -> Self {
        let items = value.as_array().expect("a message is an array");
        let text = |at: usize| items[at].as_str().expect("text").to_owned();
        let nil_or_text = |at: usize| items[at].as_str().map(str::to_owned);
        match items[0].as_i64().expect("a type") {
            1 => Self::Invocation {
                id: nil_or_text(2),
                target: text(3),
                arguments: items[4].as_array().expect("arguments").clone(),
                streams: Vec::new(),
            },
            2 => Self::StreamItem {
                id: text(2),
                item: items[3].clone(),
            },
            3 => {
                let kind = items[3].as_i64().expect("a kind of result");
                assert_eq!(items.len(), if kind == 2 { 4 } else { 5 }, "{value}");
                Self::Completion {
                    id: text(2),
                    result: (kind == 3).then(|| items[4].clone()),
                    error: (kind == 1).then(|| text(4)),
                }
            }
            6 => Self::Ping,
            7 => Self::Close {
                error: nil_or_text(1),
                allow_reconnect: items[2].as_bool().expect("a flag"),
            },
            8 => Self::Ack(items[1].as_i64().expect("a sequence id")),
            9 => Self::Sequence(items[1].as_i64().expect("a sequence id")),
            other => panic!("a server does not send type {other}: {value}"),
        }
    }
}

/// The length as little-endian groups of seven bits.
fn length_prefix(mut len: usize) -> Vec<u8> {
    let mut prefix = Vec::new();
    loop {
        let group = u8::try_from(len % 128).unwrap_or_default();
        len /= 128;
        if len == 0 {
            prefix.push(group);
            return prefix;
        }
        prefix.push(group | 0x80);
    }
}

fn read_length_prefix(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut len = 0;
    for (i, byte) in bytes.iter().enumerate() {
        len |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((len, i + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_off_the_front() {
        let written: [&[u8]; 2] = [
            b"{\"type\":3,\"invocationId\":\"xyz\",\"result\":42}\x1e{\"type\":6}\x1e{\"ty",
            &[
                9, 0x95, 3, 0x80, 0xa3, b'x', b'y', b'z', 3, 42, 2, 0x91, 6, 9, 0x95,
            ],
        ];
        for (protocol, bytes) in HubProtocol::ALL.into_iter().zip(written) {
            let mut bytes = bytes;
            assert_eq!(
                Message::take(protocol, &mut bytes),
                Some(Message::result("xyz", json!(42)))
            );
            assert_eq!(Message::take(protocol, &mut bytes), Some(Message::Ping));
            assert_eq!(Message::take(protocol, &mut bytes), None);
            assert!(!bytes.is_empty());
        }
    }

    #[test]
    fn a_call_is_written_as_microsoft_writes_it() {
        let call = Message::Invocation {
            id: Some("xyz".to_owned()),
            target: "method".to_owned(),
            arguments: vec![json!(42)],
            streams: Vec::new(),
        };
        assert_eq!(
            call.encode(HubProtocol::MessagePack)[1..],
            [
                0x96, 1, 0x80, 0xa3, b'x', b'y', b'z', 0xa6, b'm', b'e', b't', b'h', b'o', b'd',
                0x91, 0x2a, 0x90
            ]
        );
    }
}
