//! What a hub message says, whatever its protocol; written and read independently of the library.

use signalr_protocol::message::{HubMessage, Invocation, Outcome};
use signalr_protocol::payload::{Arguments, Value};

use super::pack::Pack;

/// The members of a hub message; `kind` says which of them count.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Said {
    pub(crate) kind: i128,
    pub(crate) id: Option<String>,
    pub(crate) target: Option<String>,
    pub(crate) arguments: Option<Vec<Pack>>,
    pub(crate) streams: Vec<String>,
    pub(crate) headers: Vec<(String, String)>,
    /// The item or the result.
    pub(crate) value: Option<Pack>,
    pub(crate) error: Option<String>,
    pub(crate) sequence_id: Option<i64>,
}

impl From<&HubMessage<'_>> for Said {
    fn from(message: &HubMessage<'_>) -> Self {
        let of = |kind| Self {
            kind,
            ..Self::default()
        };
        match message {
            HubMessage::Invocation(call) => of_call(1, call),
            HubMessage::StreamInvocation(call) => of_call(4, call),
            HubMessage::StreamItem { id, item } => Self {
                id: Some(id.clone().into_owned()),
                value: Some(value(item)),
                ..of(2)
            },
            HubMessage::Completion { id, outcome } => {
                let (value, error) = match outcome {
                    Outcome::Void => (None, None),
                    Outcome::Result(result) => (Some(value(result)), None),
                    Outcome::Error(text) => (None, Some(text.clone().into_owned())),
                };
                Self {
                    id: Some(id.clone().into_owned()),
                    value,
                    error,
                    ..of(3)
                }
            }
            HubMessage::CancelInvocation { id } => Self {
                id: Some(id.clone().into_owned()),
                ..of(5)
            },
            HubMessage::Ping => of(6),
            HubMessage::Close { error } => Self {
                error: error.clone().map(Into::into),
                ..of(7)
            },
            HubMessage::Ack { sequence_id } => Self {
                sequence_id: Some(*sequence_id),
                ..of(8)
            },
            HubMessage::Sequence { sequence_id } => Self {
                sequence_id: Some(*sequence_id),
                ..of(9)
            },
        }
    }
}

fn of_call(kind: i128, call: &Invocation<'_>) -> Said {
    Said {
        kind,
        id: call.id.clone().map(Into::into),
        target: Some(call.target.clone().into_owned()),
        arguments: Some(arguments(&call.arguments)),
        streams: call
            .stream_ids
            .iter()
            .map(|id| id.clone().into_owned())
            .collect(),
        headers: call
            .headers
            .iter()
            .map(|(name, value)| (name.clone().into_owned(), value.clone().into_owned()))
            .collect(),
        ..Said::default()
    }
}

fn arguments(arguments: &Arguments<'_>) -> Vec<Pack> {
    match arguments {
        Arguments::Json(text) => match serde_json::from_str::<serde_json::Value>(text)
            .unwrap()
            .into()
        {
            Pack::List(items) => items,
            other => panic!("arguments are {other}"),
        },
        Arguments::MessagePack { count, items } => {
            let mut rest = *items;
            let mut all = Vec::new();
            for _ in 0..*count {
                let (item, after) = Pack::decode(rest).unwrap();
                all.push(item);
                rest = after;
            }
            assert!(rest.is_empty(), "bytes behind the arguments: {rest:x?}");
            all
        }
        Arguments::Malformed(text) => panic!("{text}"),
    }
}

pub(crate) fn value(value: &Value<'_>) -> Pack {
    match value {
        Value::Json(text) => serde_json::from_str::<serde_json::Value>(text)
            .unwrap()
            .into(),
        Value::MessagePack(bytes) => Pack::whole(bytes).unwrap(),
    }
}

impl Said {
    /// Reads a JSON message by its members' names.
    pub(crate) fn of_json(message: &serde_json::Value) -> Self {
        let text = |name: &str| {
            message
                .get(name)
                .map(|text| text.as_str().unwrap().to_owned())
        };
        let list = |name: &str| {
            message
                .get(name)
                .map(|list| list.as_array().unwrap().clone())
        };
        Self {
            kind: message["type"].as_i64().unwrap().into(),
            id: text("invocationId"),
            target: text("target"),
            arguments: list("arguments").map(|all| all.into_iter().map(Pack::from).collect()),
            streams: list("streamIds")
                .into_iter()
                .flatten()
                .map(|id| id.as_str().unwrap().to_owned())
                .collect(),
            headers: message.get("headers").map_or_else(Vec::new, |headers| {
                headers
                    .as_object()
                    .unwrap()
                    .iter()
                    .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                    .collect()
            }),
            value: message
                .get("item")
                .or_else(|| message.get("result"))
                .cloned()
                .map(Pack::from),
            error: text("error"),
            sequence_id: message.get("sequenceId").map(|id| id.as_i64().unwrap()),
        }
    }

    /// Reads a `MessagePack` message by its items' places.
    pub(crate) fn of_pack(message: &Pack) -> Self {
        let Pack::List(items) = message else {
            panic!("no message: {message}");
        };
        let text = |at: usize| match items.get(at) {
            None | Some(Pack::Nil) => None,
            Some(Pack::Text(text)) => Some(text.clone()),
            Some(other) => panic!("no text: {other}"),
        };
        let list = |at: usize| match items.get(at) {
            None => Vec::new(),
            Some(Pack::List(items)) => items.clone(),
            Some(other) => panic!("no list: {other}"),
        };
        let number = |at: usize| match items[at] {
            Pack::Int(number) => number,
            ref other => panic!("no number: {other}"),
        };
        let mut said = Self {
            kind: number(0),
            ..Self::default()
        };
        if (1..=5).contains(&said.kind) {
            let Pack::Map(headers) = &items[1] else {
                panic!("no headers: {}", items[1]);
            };
            said.headers = headers
                .iter()
                .map(|(name, value)| match (name, value) {
                    (Pack::Text(name), Pack::Text(value)) => (name.clone(), value.clone()),
                    other => panic!("no header: {other:?}"),
                })
                .collect();
            said.id = text(2);
        }
        match said.kind {
            1 | 4 => {
                said.target = text(3);
                said.arguments = Some(list(4));
                said.streams = list(5)
                    .into_iter()
                    .map(|id| match id {
                        Pack::Text(id) => id,
                        other => panic!("no stream: {other}"),
                    })
                    .collect();
            }
            2 => said.value = Some(items[3].clone()),
            3 => match number(3) {
                1 => said.error = text(4),
                2 => {}
                3 => said.value = Some(items[4].clone()),
                kind => panic!("no kind of result: {kind}"),
            },
            7 => said.error = text(1),
            8 | 9 => said.sequence_id = Some(number(1).try_into().unwrap()),
            _ => {}
        }
        said
    }

    /// The members of the JSON message, each as `"name":value`.
    pub(crate) fn json_members(&self) -> Vec<String> {
        let mut members = vec![format!("\"type\":{}", self.kind)];
        let mut add =
            |name: &str, value: serde_json::Value| members.push(format!("\"{name}\":{value}"));
        if !self.headers.is_empty() {
            add(
                "headers",
                self.headers
                    .iter()
                    .map(|(name, value)| (name.clone(), value.as_str().into()))
                    .collect::<serde_json::Map<_, _>>()
                    .into(),
            );
        }
        for (name, text) in [("invocationId", &self.id), ("target", &self.target)] {
            if let Some(text) = text {
                add(name, text.as_str().into());
            }
        }
        if let Some(arguments) = &self.arguments {
            add("arguments", serde_json::to_value(arguments).unwrap());
        }
        if !self.streams.is_empty() {
            add("streamIds", self.streams.clone().into());
        }
        if let Some(value) = &self.value {
            let name = if self.kind == 2 { "item" } else { "result" };
            add(name, serde_json::to_value(value).unwrap());
        }
        if let Some(error) = &self.error {
            add("error", error.as_str().into());
        }
        if let Some(id) = self.sequence_id {
            add("sequenceId", id.into());
        }
        members
    }

    /// The items of the `MessagePack` message.
    pub(crate) fn items(&self) -> Vec<Pack> {
        let text = |text: &Option<String>| text.as_deref().map_or(Pack::Nil, Pack::text);
        let mut items = vec![Pack::Int(self.kind)];
        if (1..=5).contains(&self.kind) {
            let headers = self.headers.iter();
            items.push(Pack::Map(
                headers
                    .map(|(name, value)| (Pack::text(name), Pack::text(value)))
                    .collect(),
            ));
            items.push(text(&self.id));
        }
        match self.kind {
            1 | 4 => items.extend([
                text(&self.target),
                Pack::List(self.arguments.clone().unwrap_or_default()),
                Pack::List(self.streams.iter().map(|id| Pack::text(id)).collect()),
            ]),
            2 => items.push(self.value.clone().unwrap()),
            3 => match (&self.error, &self.value) {
                (Some(error), _) => items.extend([Pack::Int(1), Pack::text(error)]),
                (None, None) => items.push(Pack::Int(2)),
                (None, Some(value)) => items.extend([Pack::Int(3), value.clone()]),
            },
            7 => items.extend([text(&self.error), Pack::Bool(false)]),
            8 | 9 => items.push(Pack::Int(self.sequence_id.unwrap().into())),
            _ => {}
        }
        items
    }
}

/// Puts the length of a message before it.
pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut len = body.len();
    while len > 0x7f {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(body);
    out
}
