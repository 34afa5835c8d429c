//! The members of a JSON hub message, in whatever order they come.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::error::ProtocolError;
use crate::message::{Headers, HubMessage, Invocation, Outcome};
use crate::payload::{Arguments, Value};

/// What was found of a message; which members it needs depends on its type.
#[derive(Default)]
pub(super) struct Envelope<'a> {
    kind: Option<i32>,
    headers: Headers<'a>,
    invocation_id: Option<Cow<'a, str>>,
    target: Option<Cow<'a, str>>,
    arguments: Option<&'a str>,
    stream_ids: Vec<Cow<'a, str>>,
    item: Option<&'a str>,
    result: Option<&'a str>,
    error: Option<Cow<'a, str>>,
    sequence_id: Option<i64>,
}

/// Reads the first JSON object of `body`; what stands behind it is ignored, as ASP.NET Core does.
///
/// Type errors are reported in the order of the text, missing members only after all of it was read.
pub(super) fn read(body: &[u8]) -> Result<Envelope<'_>, ProtocolError> {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => {}
        Some(b'[') => return Err(unexpected_token("Array")),
        Some(b'"') => return Err(unexpected_token("String")),
        Some(b'0'..=b'9' | b'-') => return Err(unexpected_token("Number")),
        _ => {
            return Err(match body.trim_ascii() {
                b"null" => unexpected_token("Null"),
                b"true" => unexpected_token("True"),
                b"false" => unexpected_token("False"),
                _ => unreadable(),
            });
        }
    }
    let mut envelope = Envelope::default();
    let mut violation = None;
    let seed = EnvelopeSeed {
        envelope: &mut envelope,
        violation: &mut violation,
    };
    match seed.deserialize(&mut serde_json::Deserializer::from_slice(body)) {
        Ok(()) => Ok(envelope),
        Err(_) => Err(violation.unwrap_or_else(unreadable)),
    }
}

impl<'a> Envelope<'a> {
    pub(super) fn into_message(mut self) -> Result<Option<HubMessage<'a>>, ProtocolError> {
        let kind = self.kind.ok_or_else(|| missing("type"))?;
        Ok(Some(match kind {
            1 => {
                // An empty id is none: the call is not answered.
                let id = self.invocation_id.take().filter(|id| !id.is_empty());
                HubMessage::Invocation(self.into_invocation(id)?)
            }
            2 => HubMessage::StreamItem {
                id: self.required_id()?,
                item: Value::Json(self.item.ok_or_else(|| missing("item"))?),
            },
            3 => HubMessage::Completion {
                id: self.required_id()?,
                outcome: match (self.error, self.result) {
                    (Some(_), Some(_)) => {
                        return Err(ProtocolError::invalid(
                            "The 'error' and 'result' properties are mutually exclusive.",
                        ));
                    }
                    (Some(error), None) => Outcome::Error(error),
                    (None, Some(result)) => Outcome::Result(Value::Json(result)),
                    (None, None) => Outcome::Void,
                },
            },
            4 => {
                let id = self.required_id()?;
                HubMessage::StreamInvocation(self.into_invocation(Some(id))?)
            }
            5 => HubMessage::CancelInvocation {
                id: self.required_id()?,
            },
            6 => HubMessage::Ping,
            7 => HubMessage::Close { error: self.error },
            8 => HubMessage::Ack {
                sequence_id: self.required_sequence_id()?,
            },
            9 => HubMessage::Sequence {
                sequence_id: self.required_sequence_id()?,
            },
            _ => return Ok(None),
        }))
    }

    fn into_invocation(self, id: Option<Cow<'a, str>>) -> Result<Invocation<'a>, ProtocolError> {
        Ok(Invocation {
            id,
            target: self.target.ok_or_else(|| missing("target"))?,
            arguments: Arguments::Json(self.arguments.ok_or_else(|| missing("arguments"))?),
            stream_ids: self.stream_ids,
            headers: self.headers,
        })
    }

    fn required_id(&mut self) -> Result<Cow<'a, str>, ProtocolError> {
        self.invocation_id
            .take()
            .filter(|id| !id.is_empty())
            .ok_or_else(|| missing("invocationId"))
    }

    fn required_sequence_id(&self) -> Result<i64, ProtocolError> {
        self.sequence_id.ok_or_else(|| missing("sequenceId"))
    }

    /// Takes one member; later ones of the same name replace earlier ones.
    fn set(&mut self, name: &str, raw: &'a RawValue) -> Result<(), ProtocolError> {
        let text = raw.get();
        match name {
            "type" => self.kind = Some(number(name, text)?),
            "invocationId" => self.invocation_id = Some(string(name, text)?),
            "target" => self.target = Some(string(name, text)?),
            "error" => self.error = Some(string(name, text)?),
            "sequenceId" => self.sequence_id = Some(number(name, text)?),
            "arguments" if !text.starts_with('[') => return Err(wrong_type(name, "Array")),
            "arguments" => self.arguments = Some(text),
            "item" => self.item = Some(text),
            "result" => self.result = Some(text),
            "streamIds" => {
                self.stream_ids = if text.starts_with('[') {
                    let ids: Vec<&RawValue> =
                        serde_json::from_str(text).map_err(|_| unreadable())?;
                    ids.into_iter()
                        .map(|id| string(name, id.get()))
                        .collect::<Result<_, _>>()?
                } else {
                    return Err(wrong_type(name, "Array"));
                }
            }
            "headers" if !text.starts_with('{') => return Err(wrong_type(name, "StartObject")),
            "headers" => self.headers = headers(text)?,
            "allowReconnect" if !matches!(text, "true" | "false") => {
                return Err(ProtocolError::invalid(
                    "Expected 'allowReconnect' to be true or false.",
                ));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Reads a map member by member and stops at the first that violates the protocol.
struct EnvelopeSeed<'s, 'a> {
    envelope: &'s mut Envelope<'a>,
    violation: &'s mut Option<ProtocolError>,
}

impl<'a> DeserializeSeed<'a> for EnvelopeSeed<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for EnvelopeSeed<'_, 'a> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a hub message")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = map.next_key::<Text<'a>>()? {
            if !is_member(&name) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let raw = map.next_value::<&'a RawValue>()?;
            if let Err(violation) = self.envelope.set(&name, raw) {
                *self.violation = Some(violation);
                return Err(A::Error::custom("protocol violation"));
            }
        }
        Ok(())
    }
}

fn is_member(name: &str) -> bool {
    matches!(
        name,
        "type"
            | "headers"
            | "invocationId"
            | "target"
            | "arguments"
            | "streamIds"
            | "item"
            | "result"
            | "error"
            | "allowReconnect"
            | "sequenceId"
    )
}

/// Text that borrows from the message where it holds no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn string<'a>(name: &str, text: &'a str) -> Result<Cow<'a, str>, ProtocolError> {
    match text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        None => Err(wrong_type(name, "String")),
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        Some(_) => serde_json::from_str::<Text<'a>>(text)
            .map(|Text(text)| text)
            .map_err(|_| unreadable()),
    }
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, ProtocolError> {
    text.parse().map_err(|_| wrong_type(name, "Number"))
}

fn headers(text: &str) -> Result<Headers<'_>, ProtocolError> {
    struct HeaderVisitor;
    impl<'a> Visitor<'a> for HeaderVisitor {
        type Value = Vec<(Cow<'a, str>, &'a RawValue)>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("headers")
        }

        fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some((Text(name), value)) = map.next_entry::<Text<'a>, &'a RawValue>()? {
                all.push((name, value));
            }
            Ok(all)
        }
    }
    serde_json::Deserializer::from_str(text)
        .deserialize_map(HeaderVisitor)
        .map_err(|_| unreadable())?
        .into_iter()
        .map(|(name, raw)| match string("", raw.get()) {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(ProtocolError::invalid(format!(
                "Expected header '{name}' to be of type String."
            ))),
        })
        .collect()
}

fn unreadable() -> ProtocolError {
    ProtocolError::invalid("Error reading JSON.")
}

fn unexpected_token(found: &str) -> ProtocolError {
    ProtocolError::invalid(format!(
        "Unexpected JSON Token Type '{found}'. Expected a JSON Object."
    ))
}

fn missing(name: &str) -> ProtocolError {
    ProtocolError::invalid(format!("Missing required property '{name}'."))
}

fn wrong_type(name: &str, wanted: &str) -> ProtocolError {
    ProtocolError::invalid(format!("Expected '{name}' to be of type {wanted}."))
}
