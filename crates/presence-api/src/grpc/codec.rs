//! The two messages of `GetUsersStatus`, read and written without a copy for each user.
//!
//! Back ends ask for hundreds of users at once: a string for each id, and two more for each answer, would cost more than
//! everything else about a call.

use std::ops::Range;

use bytes::{Buf as _, BufMut, Bytes};
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
    fn read(message: Bytes) -> Result<Self, DecodeError> {
        let mut rest = &message[..];
        // Enough for ids of six characters and more; it grows for shorter ones.
        let mut places = Vec::with_capacity(message.len() / 8);
        while !rest.is_empty() {
            let (field, wire_type) = decode_key(&mut rest)?;
            if field != IDS || wire_type != WireType::LengthDelimited {
                skip_field(wire_type, field, &mut rest, DecodeContext::default())?;
                continue;
            }
            let size = decode_varint(&mut rest)?;
            let start = message.len() - rest.len();
            let id = usize::try_from(size)
                .ok()
                .and_then(|size| rest.split_at_checked(size));
            let Some((id, behind)) = id else {
                return Err(invalid("userIds: the message ends within an id"));
            };
            if std::str::from_utf8(id).is_err() {
                return Err(invalid("userIds: an id is not UTF-8"));
            }
            rest = behind;
            // Messages of 4 GiB and more are refused long before.
            places.push(place(start)?..place(start + id.len())?);
        }
        Ok(Self { message, places })
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        // It was checked when the message was read.
        self.bytes()
            .map(|id| std::str::from_utf8(id).unwrap_or_default())
    }

    fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        let places = self.places.iter();
        places.map(|place| &self.message[place.start as usize..place.end as usize])
    }
}

impl Statuses {
    fn write(&self, out: &mut impl BufMut) {
        for (id, status) in self.ids.bytes().zip(&self.statuses) {
            let status = status_field(*status);
            let size = 1 + encoded_len_varint(id.len() as u64) + id.len() + status.len();
            out.put_u8(key(USERS));
            encode_varint(size as u64, out);
            out.put_u8(key(USER_ID));
            encode_varint(id.len() as u64, out);
            out.put_slice(id);
            out.put_slice(status);
        }
    }

    /// About how long the message is: an id stands in it as in the question, with up to 14 bytes about it.
    fn size_hint(&self) -> usize {
        self.ids.message.len() + 14 * self.ids.len()
    }
}

/// The status of a user, as a field of its own.
const fn status_field(status: UserStatus) -> &'static [u8] {
    match status {
        UserStatus::Online => b"\x12\x06online",
        UserStatus::Offline => b"\x12\x07offline",
    }
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
        out.reserve(answer.size_hint());
        answer.write(out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::grpc::pb::{GetUsersStatusRequest, GetUsersStatusResponse};

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

    fn check_written(users: &[(String, bool)]) {
        let user_ids = users.iter().map(|(id, _)| id.clone()).collect();
        let message = GetUsersStatusRequest { user_ids }.encode_to_vec();
        let status = |(_, is_online): &(_, bool)| match is_online {
            true => UserStatus::Online,
            false => UserStatus::Offline,
        };
        let answer = Statuses {
            ids: Ids::read(message.into()).unwrap(),
            statuses: users.iter().map(status).collect(),
        };
        let mut written = Vec::new();
        answer.write(&mut written);
        assert!(written.len() <= answer.size_hint());
        let read = GetUsersStatusResponse::decode(&*written).unwrap();
        assert_eq!(written, read.encode_to_vec(), "as the compiled message");
        assert_eq!(read.users.len(), users.len());
        for (read, user) in read.users.iter().zip(users) {
            assert_eq!(
                (&read.user_id, &*read.status),
                (&user.0, status(user).as_str())
            );
        }
    }

    #[test]
    fn answers_are_written_as_the_compiled_message_writes_them() {
        let ids = [
            1, 114, 115, 116, 117, 118, 119, 126, 127, 128, 129, 256, 300,
        ];
        let users = ids.map(|len| ("x".repeat(len), len % 3 == 0));
        check_written(&users);
        for user in users {
            check_written(&[user]);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_answer_is_written_as_the_compiled_message_writes_it(users in proptest::collection::vec((".{1,140}", proptest::bool::ANY), 0..20)) {
            check_written(&users);
        }

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
