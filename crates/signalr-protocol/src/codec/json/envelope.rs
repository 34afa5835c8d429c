//! The members of a JSON hub message, in whatever order they come.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr2_iter;
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
    expect_object(body)?;
    if nests_too_deep(body) {
        return Err(unreadable());
    }
    let mut envelope = Envelope::default();
    let mut violation = None;
    let seed = EnvelopeSeed {
        envelope: &mut envelope,
        violation: &mut violation,
    };
    // Text is checked as a whole, at a part of what it costs to check each member by itself. Bytes that are not all text may
    // still hold a message: what is ignored is not checked.
    let read = match std::str::from_utf8(body) {
        Ok(text) => seed.deserialize(&mut serde_json::Deserializer::from_str(text)),
        Err(_) => seed.deserialize(&mut serde_json::Deserializer::from_slice(body)),
    };
    match read {
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
            "type" => self.kind = Some(integer(name, text, NOT_INT32)?),
            "invocationId" => self.invocation_id = Some(string(name, text)?),
            "target" => self.target = Some(string(name, text)?),
            "error" => self.error = Some(string(name, text)?),
            "sequenceId" if text == "null" => self.sequence_id = None,
            "sequenceId" => self.sequence_id = Some(integer(name, text, NOT_INT64)?),
            "arguments" if !text.starts_with('[') => return Err(wrong_type(name, "Array")),
            "arguments" => self.arguments = Some(text),
            "item" => self.item = Some(text),
            "result" => self.result = Some(text),
            "streamIds" if !text.starts_with('[') => return Err(wrong_type(name, "Array")),
            "streamIds" => self.stream_ids = stream_ids(text)?,
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

fn stream_ids(text: &str) -> Result<Vec<Cow<'_, str>>, ProtocolError> {
    let ids: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| unreadable())?;
    ids.into_iter()
        .map(|id| match id.get() {
            "null" => Err(ProtocolError::invalid(
                "Null value for 'streamIds' is not valid.",
            )),
            id => string("streamIds", id),
        })
        .collect()
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

/// Looks at the first token only.
///
/// # Errors
/// The text does not begin with an object.
pub(crate) fn expect_object(text: &[u8]) -> Result<(), ProtocolError> {
    let text = text.trim_ascii_start();
    let found = match text.first() {
        Some(b'{') => return Ok(()),
        Some(b'[') => "Array",
        Some(b'"') => "String",
        Some(b'0'..=b'9' | b'-') => "Number",
        _ if text.starts_with(b"null") => "Null",
        _ if text.starts_with(b"true") => "True",
        _ if text.starts_with(b"false") => "False",
        _ => return Err(unreadable()),
    };
    Err(ProtocolError::invalid(format!(
        "Unexpected JSON Token Type '{found}'. Expected a JSON Object."
    )))
}

/// A whole number; `other_form` says what is wrong with a number that is none or is out of range.
pub(crate) fn integer<T: std::str::FromStr>(
    name: &str,
    text: &str,
    other_form: &'static str,
) -> Result<T, ProtocolError> {
    text.parse().map_err(|_| {
        if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            ProtocolError::Format(other_form)
        } else {
            wrong_type(name, "Number")
        }
    })
}

/// Whether the first value of a text nests deeper than [`DEPTH_MAX`].
///
/// Nothing here recurses, but what reads the arguments later does.
fn nests_too_deep(text: &[u8]) -> bool {
    if memchr2_iter(b'{', b'[', text).nth(DEPTH_MAX).is_none() {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => match depth.checked_sub(1) {
                Some(outer) if outer > 0 => depth = outer,
                _ => return false,
            },
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

pub(crate) fn unreadable() -> ProtocolError {
    ProtocolError::invalid("Error reading JSON.")
}

fn missing(name: &str) -> ProtocolError {
    ProtocolError::invalid(format!("Missing required property '{name}'."))
}

pub(crate) fn wrong_type(name: &str, wanted: &str) -> ProtocolError {
    ProtocolError::invalid(format!("Expected '{name}' to be of type {wanted}."))
}

/// How deep a message may nest, its own object and its arguments included: the default of .NET's reader.
const DEPTH_MAX: usize = 64;

pub(crate) const NOT_INT32: &str =
    "Either the JSON value is not in a supported format, or is out of bounds for an Int32.";
const NOT_INT64: &str =
    "Either the JSON value is not in a supported format, or is out of bounds for an Int64.";
