//! The MessagePack hub protocol.

mod reader;

use rmp::encode as write;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::reader::Reader;
use super::{Answer, HubProtocol};
use crate::error::ProtocolError;
use crate::framing::prefix_with_length;
use crate::message::{Headers, HubMessage, Invocation, Outcome};
use crate::payload::{Arguments, EncodeArguments, EncodeError, EncodeValue, Value};

/// How deep application values may nest; .NET's reader for untrusted data allows 500.
///
/// 64 is what the JSON protocol allows, and deeper values would cost stack.
const DEPTH_MAX: usize = 64;

/// Result kinds of a Completion.
const KIND_ERROR: i32 = 1;
const KIND_VOID: i32 = 2;
const KIND_RESULT: i32 = 3;

/// Reads a message without its length prefix; items beyond those it knows are ignored.
pub(super) fn read(body: &[u8]) -> Result<Option<HubMessage<'_>>, ProtocolError> {
    let mut reader = Reader::new(body);
    let items = reader
        .array_len()
        .ok_or_else(|| ProtocolError::invalid("Reading array length for 'itemCount' failed."))?;
    let kind = reader.int32("messageType")?;
    Ok(Some(match kind {
        1 => {
            let headers = read_headers(&mut reader)?;
            let id = reader.nil_or_string("invocationId")?;
            // An empty id is none: the call is not answered.
            let id = id.filter(|id| !id.is_empty());
            HubMessage::Invocation(read_invocation(
                &mut reader,
                items,
                id,
                headers,
                "Invocation",
            )?)
        }
        2 => {
            read_headers(&mut reader)?;
            HubMessage::StreamItem {
                id: required_id(&mut reader, "StreamItem")?.into(),
                item: Value::MessagePack(reader.value().unwrap_or_default()),
            }
        }
        3 => read_completion(&mut reader)?,
        4 => {
            let headers = read_headers(&mut reader)?;
            let id = required_id(&mut reader, "StreamInvocation")?;
            HubMessage::StreamInvocation(read_invocation(
                &mut reader,
                items,
                Some(id),
                headers,
                "StreamInvocation",
            )?)
        }
        5 => {
            read_headers(&mut reader)?;
            HubMessage::CancelInvocation {
                id: required_id(&mut reader, "CancelInvocation")?.into(),
            }
        }
        6 => HubMessage::Ping,
        7 => {
            let error = reader.nil_or_string("error")?.map(Into::into);
            // Whether it wants to come back is the client's own affair; it only has to be well said.
            if items > 2 {
                reader.boolean("allowReconnect")?;
            }
            HubMessage::Close { error }
        }
        8 => HubMessage::Ack {
            sequence_id: reader.int64("sequenceId")?,
        },
        9 => HubMessage::Sequence {
            sequence_id: reader.int64("sequenceId")?,
        },
        _ => return Ok(None),
    }))
}

fn read_invocation<'a>(
    reader: &mut Reader<'a>,
    items: usize,
    id: Option<&'a str>,
    headers: Headers<'a>,
    what: &str,
) -> Result<Invocation<'a>, ProtocolError> {
    let target = reader.string("target")?;
    if target.is_empty() {
        return Err(ProtocolError::invalid(format!(
            "Null or empty target for {what} message."
        )));
    }
    let (arguments, stream_ids) = match reader.array_len() {
        None => (
            Arguments::Malformed("Reading array length for 'arguments' failed."),
            Vec::new(),
        ),
        Some(count) => match reader.values(count) {
            None => (Arguments::MessagePack { count, items: &[] }, Vec::new()),
            Some(values) => (
                Arguments::MessagePack {
                    count,
                    items: values,
                },
                // Streams are the sixth item; clients without any may leave it out.
                if items > 5 {
                    read_stream_ids(reader)?
                } else {
                    Vec::new()
                },
            ),
        },
    };
    Ok(Invocation {
        id: id.map(Into::into),
        target: target.into(),
        arguments,
        stream_ids,
        headers,
    })
}

fn read_stream_ids<'a>(
    reader: &mut Reader<'a>,
) -> Result<Vec<std::borrow::Cow<'a, str>>, ProtocolError> {
    let count = reader
        .array_len()
        .ok_or_else(|| ProtocolError::invalid("Reading array length for 'streamIds' failed."))?;
    let mut ids = Vec::new();
    for _ in 0..count {
        let id = reader.string("streamIds")?;
        if id.is_empty() {
            return Err(ProtocolError::invalid(
                "Null or empty value in streamIds received.",
            ));
        }
        ids.push(id.into());
    }
    Ok(ids)
}

fn read_completion<'a>(reader: &mut Reader<'a>) -> Result<HubMessage<'a>, ProtocolError> {
    read_headers(reader)?;
    let id = required_id(reader, "Completion")?.into();
    let outcome = match reader.int32("resultKind")? {
        KIND_ERROR => Outcome::Error(reader.string("error")?.into()),
        KIND_VOID => Outcome::Void,
        KIND_RESULT => Outcome::Result(Value::MessagePack(reader.value().unwrap_or_default())),
        _ => return Err(ProtocolError::invalid("Invalid invocation result kind.")),
    };
    Ok(HubMessage::Completion { id, outcome })
}

fn read_headers<'a>(reader: &mut Reader<'a>) -> Result<Headers<'a>, ProtocolError> {
    let count = reader
        .map_len()
        .ok_or_else(|| ProtocolError::invalid("Reading map length for 'headers' failed."))?;
    let mut headers = Vec::new();
    for i in 0..count {
        let name = reader.string(format_args!("headers[{i}].Key"))?;
        if name.is_empty() {
            return Err(ProtocolError::invalid("Null or empty key in header."));
        }
        let value = reader.string(format_args!("headers[{i}].Value"))?;
        if value.is_empty() {
            return Err(ProtocolError::invalid("Null or empty value in header."));
        }
        headers.push((name.into(), value.into()));
    }
    Ok(headers)
}

fn required_id<'a>(reader: &mut Reader<'a>, what: &str) -> Result<&'a str, ProtocolError> {
    match reader.nil_or_string("invocationId")? {
        Some(id) if !id.is_empty() => Ok(id),
        _ => Err(ProtocolError::invalid(format!(
            "Null or empty invocation ID for {what} message."
        ))),
    }
}

/// `count` values, each with its own bytes; none where the bytes are not that many values.
pub(crate) fn split_values(bytes: &[u8], count: usize) -> Option<Vec<Value<'_>>> {
    let mut reader = Reader::new(bytes);
    // Each value has a byte at least, which bounds what a false count can reserve.
    let mut values = Vec::with_capacity(count.min(bytes.len()));
    for _ in 0..count {
        values.push(Value::MessagePack(reader.value()?));
    }
    Some(values)
}

pub(crate) fn read_value<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    deserializer.set_max_depth(DEPTH_MAX);
    T::deserialize(&mut deserializer).map_err(|e| e.to_string())
}

pub(crate) fn write_value<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    value: &T,
) -> Result<(), EncodeError> {
    value
        .serialize(&mut rmp_serde::Serializer::new(out).with_struct_map())
        .map_err(|e| EncodeError {
            protocol: HubProtocol::MessagePack.name(),
            reason: e.to_string(),
        })
}

pub(super) fn write_invocation(
    out: &mut Vec<u8>,
    id: Option<&str>,
    target: &str,
    arguments: &dyn EncodeArguments,
) -> Result<(), EncodeError> {
    let start = begin(out, 6, 1);
    match id {
        Some(id) => write_str(out, id),
        None => out.push(0xc0),
    }
    write_str(out, target);
    write_array_len(out, arguments.count());
    arguments.try_for_each(&mut |argument| argument.encode(HubProtocol::MessagePack, out))?;
    write_array_len(out, 0);
    prefix_with_length(out, start);
    Ok(())
}

pub(super) fn write_stream_item(
    out: &mut Vec<u8>,
    id: &str,
    item: &dyn EncodeValue,
) -> Result<(), EncodeError> {
    let start = begin(out, 4, 2);
    write_str(out, id);
    item.encode(HubProtocol::MessagePack, out)?;
    prefix_with_length(out, start);
    Ok(())
}

pub(super) fn write_completion(
    out: &mut Vec<u8>,
    id: &str,
    answer: Answer<'_>,
) -> Result<(), EncodeError> {
    let (items, kind) = match answer {
        Answer::Void => (4, KIND_VOID),
        Answer::Result(_) => (5, KIND_RESULT),
        Answer::Error(_) => (5, KIND_ERROR),
    };
    let start = begin(out, items, 3);
    write_str(out, id);
    write_int(out, i64::from(kind));
    match answer {
        Answer::Void => {}
        Answer::Result(value) => value.encode(HubProtocol::MessagePack, out)?,
        Answer::Error(text) => write_str(out, text),
    }
    prefix_with_length(out, start);
    Ok(())
}

pub(super) fn write_close(out: &mut Vec<u8>, error: Option<&str>, allow_reconnect: bool) {
    let start = out.len();
    write_array_len(out, 3);
    write_int(out, 7);
    match error {
        Some(error) => write_str(out, error),
        None => out.push(0xc0),
    }
    out.push(if allow_reconnect { 0xc3 } else { 0xc2 });
    prefix_with_length(out, start);
}

pub(super) fn write_numbered(out: &mut Vec<u8>, kind: u8, sequence_id: i64) {
    let start = out.len();
    write_array_len(out, 2);
    write_int(out, i64::from(kind));
    write_int(out, sequence_id);
    prefix_with_length(out, start);
}

/// Begins a message with its type and no headers; returns where its body begins.
fn begin(out: &mut Vec<u8>, items: usize, kind: i64) -> usize {
    let start = out.len();
    write_array_len(out, items);
    write_int(out, kind);
    out.push(0x80);
    start
}

// Writing into memory does not fail, so the results of the three writers below say nothing.

fn write_array_len(out: &mut Vec<u8>, len: usize) {
    let _ = write::write_array_len(out, u32::try_from(len).unwrap_or(u32::MAX));
}

fn write_int(out: &mut Vec<u8>, value: i64) {
    let _ = write::write_sint(out, value);
}

fn write_str(out: &mut Vec<u8>, text: &str) {
    let _ = write::write_str(out, text);
}
