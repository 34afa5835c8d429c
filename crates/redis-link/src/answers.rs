//! Answers out of the bytes of a connection.

use redis::{RedisError, Value, ValueCodec};
use tokio_util::{
    bytes::{Buf as _, BytesMut},
    codec::{Decoder, Encoder},
};

/// Reads what servers answer, as the client library does.
///
/// What a script answers is mostly a whole number, and in one piece: that is read at once. The library's parser, which can
/// stop anywhere, takes a thousand instructions for it.
#[derive(Default)]
pub(crate) struct Answers {
    library: ValueCodec,
    /// The library has begun with an answer that has not all come.
    is_within: bool,
}

impl Answers {
    /// What has come at once, without the library; none: that is for the library to see.
    fn read_at_once(&self, bytes: &mut BytesMut) -> Option<Value> {
        if self.is_within {
            return None;
        }
        let (number, len) = whole_number(bytes)?;
        bytes.advance(len);
        Some(Value::Int(number))
    }
}

impl Decoder for Answers {
    type Item = Value;
    type Error = RedisError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Value>, RedisError> {
        if let Some(value) = self.read_at_once(bytes) {
            return Ok(Some(value));
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let value = self.library.decode(bytes)?;
        self.is_within = value.is_none();
        Ok(value)
    }

    fn decode_eof(&mut self, bytes: &mut BytesMut) -> Result<Option<Value>, RedisError> {
        match self.read_at_once(bytes) {
            Some(value) => Ok(Some(value)),
            None => self.library.decode_eof(bytes),
        }
    }
}

impl Encoder<Vec<u8>> for Answers {
    type Error = RedisError;

    fn encode(&mut self, packed: Vec<u8>, bytes: &mut BytesMut) -> Result<(), RedisError> {
        self.library.encode(packed, bytes)
    }
}

/// The number that stands first, if that is what does and it is complete, and how many bytes it takes.
fn whole_number(bytes: &[u8]) -> Option<(i64, usize)> {
    let line = bytes.strip_prefix(b":")?;
    let end = line
        .iter()
        .take(DIGITS_MAX)
        .position(|byte| *byte == b'\r')?;
    let (digits, rest) = line.split_at(end);
    if !rest.starts_with(b"\r\n") {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((number, 1 + end + 2))
}

/// More than any number has with its sign.
const DIGITS_MAX: usize = 24;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes out of bytes that arrive in pieces; the last word is whether there was an error.
    fn read<D: Decoder<Item = Value, Error = RedisError>>(
        mut codec: D,
        bytes: &[u8],
        pieces: &[usize],
    ) -> (Vec<Value>, bool) {
        let (mut values, mut buffer, mut at) = (Vec::new(), BytesMut::new(), 0);
        for end in pieces.iter().copied().chain([bytes.len()]) {
            let end = end.clamp(at, bytes.len());
            buffer.extend_from_slice(&bytes[at..end]);
            at = end;
            loop {
                match codec.decode(&mut buffer) {
                    Ok(Some(value)) => values.push(value),
                    Ok(None) => break,
                    Err(_) => return (values, true),
                }
            }
        }
        loop {
            match codec.decode_eof(&mut buffer) {
                Ok(Some(value)) => values.push(value),
                Ok(None) => return (values, false),
                Err(_) => return (values, true),
            }
        }
    }

    proptest! {
        #[test]
        fn answers_are_read_as_the_library_does(
            parts in prop::collection::vec(
                prop_oneof![
                    4 => any::<i64>().prop_map(|number| format!(":{number}\r\n")),
                    1 => prop::sample::select(vec![
                        ":+7\r\n", ":-0\r\n", ":\r\n", ": 7\r\n", ":7\n", ":7\r:8\r\n", ":7a\r\n", ":99999999999999999999\r\n",
                        ":0000000000000000000000000000001\r\n", "+OK\r\n", "$5\r\nhello\r\n", "$-1\r\n", "-ERR no\r\n",
                        "*3\r\n:1\r\n$2\r\n:2\r\n:3\r\n", "*0\r\n", ":", ":1", "\r\n", "",
                    ])
                    .prop_map(str::to_owned),
                ],
                0..8,
            ),
            mut pieces in prop::collection::vec(0..120_usize, 0..12),
        ) {
            let bytes = parts.concat().into_bytes();
            pieces.sort_unstable();
            let expected = read(ValueCodec::default(), &bytes, &pieces);
            prop_assert_eq!(read(Answers::default(), &bytes, &pieces), expected);
        }
    }
}
