//! The two messages of `GetUsersStatus`, read and written without a copy for each user.
//!
//! Back ends ask for hundreds of users at once: a string for each id, and two more for each answer, would cost more than
//! everything else about a call.

use std::ops::Range;

use bytes::{Buf as _, BufMut as _, Bytes};
use presence::Status as UserStatus;
use prost::DecodeError;
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_varint, encoded_len_varint,
    skip_field,
};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Reads [`Ids`], writes [`Statuses`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StatusCodec;

/// The ids of a `GetUsersStatusRequest`, where they stand in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Ids {
    message: Bytes,
    /// Each is UTF-8.
    places: Vec<Range<u32>>,
}

/// A `GetUsersStatusResponse`: the ids as they were asked for, and as many statuses.
#[derive(Debug)]
pub(super) struct Statuses {
    pub(super) ids: Ids,
    pub(super) statuses: Vec<UserStatus>,
}

impl Ids {
    fn read(mut message: Bytes) -> Result<Self, DecodeError> {
        let (whole, length) = (message.clone(), message.len());
        let mut places = Vec::new();
        while message.has_remaining() {
            let (field, wire_type) = decode_key(&mut message)?;
            if field != IDS || wire_type != WireType::LengthDelimited {
                skip_field(wire_type, field, &mut message, DecodeContext::default())?;
                continue;
            }
            let size = decode_varint(&mut message)?;
            let start = length - message.remaining();
            let end = usize::try_from(size)
                .ok()
                .and_then(|size| start.checked_add(size));
            let id = end.and_then(|end| whole.get(start..end));
            let Some(id) = id else {
                return Err(invalid("userIds: the message ends within an id"));
            };
            if std::str::from_utf8(id).is_err() {
                return Err(invalid("userIds: an id is not UTF-8"));
            }
            message.advance(id.len());
            // Messages of 4 GiB and more are refused long before.
            places.push(place(start)?..place(start + id.len())?);
        }
        Ok(Self {
            message: whole,
            places,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(|place| {
            let bytes = &self.message[place.start as usize..place.end as usize];
            // It was checked when the message was read.
            std::str::from_utf8(bytes).unwrap_or_default()
        })
    }
}

impl Statuses {
    fn write(&self, out: &mut EncodeBuf<'_>) {
        let users = || self.ids.iter().zip(&self.statuses);
        let size = |id: &str, status: &UserStatus| text_size(id) + text_size(status.as_str());
        let total: usize = users()
            .map(|(id, status)| size(id, status))
            .map(|size| 1 + encoded_len_varint(size as u64) + size)
            .sum();
        out.reserve(total);
        for (id, status) in users() {
            out.put_u8(key(USERS));
            encode_varint(size(id, status) as u64, out);
            put_text(USER_ID, id, out);
            put_text(STATUS, status.as_str(), out);
        }
    }
}

fn text_size(text: &str) -> usize {
    1 + encoded_len_varint(text.len() as u64) + text.len()
}

fn put_text(field: u8, text: &str, out: &mut EncodeBuf<'_>) {
    out.put_u8(key(field));
    encode_varint(text.len() as u64, out);
    out.put_slice(text.as_bytes());
}

/// The byte in front of a length-delimited field.
const fn key(field: u8) -> u8 {
    field << 3 | WireType::LengthDelimited as u8
}

fn place(at: usize) -> Result<u32, DecodeError> {
    u32::try_from(at).map_err(|_| invalid("the message is too long"))
}

#[expect(deprecated, reason = "there is no other way to make one")]
fn invalid(what: &'static str) -> DecodeError {
    DecodeError::new(what)
}

/// Fields of `GetUsersStatusRequest`, `GetUsersStatusResponse` and `UserStatus`.
const IDS: u32 = 1;
const USERS: u8 = 1;
const USER_ID: u8 = 1;
const STATUS: u8 = 2;

impl Codec for StatusCodec {
    type Encode = Statuses;
    type Decode = Ids;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Decoder for StatusCodec {
    type Item = Ids;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Ids>, Status> {
        let message = message.copy_to_bytes(message.remaining());
        Ids::read(message)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

impl Encoder for StatusCodec {
    type Item = Statuses;
    type Error = Status;

    fn encode(&mut self, answer: Statuses, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        answer.write(out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::grpc::pb::GetUsersStatusRequest;

    fn read(ids: &[&str]) -> Vec<String> {
        let user_ids = ids.iter().map(|id| (*id).to_owned()).collect();
        let message = GetUsersStatusRequest { user_ids }.encode_to_vec();
        let ids = Ids::read(message.into()).unwrap();
        ids.iter().map(str::to_owned).collect()
    }

    #[test]
    fn ids_are_read_as_the_compiled_message_writes_them() {
        let long = "é".repeat(300);
        for ids in [
            &[][..],
            &["a"],
            &["", "b", ""],
            &["a", "a"],
            &[&long, "😀", "\0"],
        ] {
            assert_eq!(read(ids), ids);
        }
    }

    #[test]
    fn fields_of_later_versions_are_skipped() {
        let message = [0x10, 7, 0x0a, 1, b'a', 0x1a, 2, 1, 2, 0x0a, 1, b'b'];
        let ids = Ids::read(Bytes::copy_from_slice(&message)).unwrap();
        assert_eq!(ids.iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let cut: [&[u8]; 5] = [
            &[0x0a],
            &[0x0a, 2, b'a'],
            &[0x0a, 1, 0xff],
            &[0x0f],
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ];
        for message in cut {
            assert!(
                Ids::read(Bytes::copy_from_slice(message)).is_err(),
                "{message:x?}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_it_agrees_with_the_compiled_message(message: Vec<u8>) {
            let compiled = GetUsersStatusRequest::decode(&*message).map(|request| request.user_ids);
            let ours = Ids::read(message.into()).map(|ids| ids.iter().map(str::to_owned).collect::<Vec<_>>());
            // The compiled one refuses a field of the wrong type; here it is a later version's.
            if let Ok(compiled) = compiled {
                proptest::prop_assert_eq!(ours.unwrap(), compiled);
            }
        }
    }
}
