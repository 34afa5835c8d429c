//! The JSON hub protocol.

pub(crate) mod envelope;
mod format;

use std::io::Write as _;

use serde::Serialize;
use serde::ser::Serializer as _;
use serde_json::value::RawValue;

use super::{Answer, HubProtocol};
use crate::error::ProtocolError;
use crate::framing::RECORD_SEPARATOR;
use crate::message::HubMessage;
use crate::payload::{EncodeArguments, EncodeError, EncodeValue};

/// Reads a message without its record separator.
pub(super) fn read(body: &[u8]) -> Result<Option<HubMessage<'_>>, ProtocolError> {
    envelope::read(body)?.into_message()
}

/// The elements of a JSON array; none where the text is no array.
pub(crate) fn split_array(text: &str) -> Option<Vec<crate::payload::Value<'_>>> {
    let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(
        items
            .into_iter()
            .map(|item| crate::payload::Value::Json(item.get()))
            .collect(),
    )
}

/// Writes any value as .NET's serializer writes it for SignalR.
pub(crate) fn write_value<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    value: &T,
) -> Result<(), EncodeError> {
    value
        .serialize(&mut serde_json::Serializer::with_formatter(
            out,
            format::DotNet,
        ))
        .map_err(|e| EncodeError {
            protocol: HubProtocol::Json.name(),
            reason: e.to_string(),
        })
}

pub(super) fn write_invocation(
    out: &mut Vec<u8>,
    id: Option<&str>,
    target: &str,
    arguments: &dyn EncodeArguments,
) -> Result<(), EncodeError> {
    out.extend_from_slice(b"{\"type\":1");
    if let Some(id) = id {
        write_text_member(out, "invocationId", id);
    }
    write_text_member(out, "target", target);
    out.extend_from_slice(b",\"arguments\":[");
    let mut first = true;
    arguments.try_for_each(&mut |argument| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        argument.encode(HubProtocol::Json, out)
    })?;
    out.push(b']');
    end(out);
    Ok(())
}

pub(super) fn write_stream_item(
    out: &mut Vec<u8>,
    id: &str,
    item: &dyn EncodeValue,
) -> Result<(), EncodeError> {
    out.extend_from_slice(b"{\"type\":2");
    write_text_member(out, "invocationId", id);
    out.extend_from_slice(b",\"item\":");
    item.encode(HubProtocol::Json, out)?;
    end(out);
    Ok(())
}

pub(super) fn write_completion(
    out: &mut Vec<u8>,
    id: &str,
    answer: Answer<'_>,
) -> Result<(), EncodeError> {
    out.extend_from_slice(b"{\"type\":3");
    write_text_member(out, "invocationId", id);
    match answer {
        Answer::Void => {}
        Answer::Result(value) => {
            out.extend_from_slice(b",\"result\":");
            value.encode(HubProtocol::Json, out)?;
        }
        Answer::Error(text) => write_text_member(out, "error", text),
    }
    end(out);
    Ok(())
}

pub(super) fn write_close(out: &mut Vec<u8>, error: Option<&str>, allow_reconnect: bool) {
    out.extend_from_slice(b"{\"type\":7");
    if let Some(error) = error {
        write_text_member(out, "error", error);
    }
    if allow_reconnect {
        out.extend_from_slice(b",\"allowReconnect\":true");
    }
    end(out);
}

pub(super) fn write_numbered(out: &mut Vec<u8>, kind: u8, sequence_id: i64) {
    // Writing into memory does not fail.
    let _ = write!(out, "{{\"type\":{kind},\"sequenceId\":{sequence_id}");
    end(out);
}

fn write_text_member(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    write_text(out, value);
}

/// Writes a JSON string.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    if !text.bytes().all(stands_for_itself) {
        return escape_text(out, text);
    }
    // As nearly all names and ids are: a third of what it takes to look for escapes.
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Whether a byte is a character that stands in a JSON string as it is, whatever stands beside it.
fn stands_for_itself(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// Writing text into memory does not fail.
fn escape_text(out: &mut Vec<u8>, text: &str) {
    let _ = serde_json::Serializer::with_formatter(out, format::DotNet).serialize_str(text);
}

fn end(out: &mut Vec<u8>) {
    out.push(b'}');
    out.push(RECORD_SEPARATOR);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: fn(&mut Vec<u8>, &str), text: &str) -> String {
        let mut out = Vec::new();
        write(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_plain_byte_is_one() {
        let all: String = (0..=0x7f).map(char::from).collect();
        for text in all.split("").filter(|text| !text.is_empty()) {
            assert_eq!(written(write_text, text), written(escape_text, text));
        }
    }

    proptest! {
        #[test]
        fn texts_without_escapes_are_no_exception(text in prop_oneof![any::<String>(), "[ -~]{0,40}"]) {
            prop_assert_eq!(written(write_text, &text), written(escape_text, &text));
        }
    }
}
