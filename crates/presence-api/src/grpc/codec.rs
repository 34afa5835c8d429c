//! The two messages of `GetUsersStatus`, read and written without a copy for each user.
//!
//! Back ends ask for hundreds of users at once: a string for each id, and two more for each answer, would cost more than
//! everything else about a call.

use bytes::{Buf as _, BufMut, Bytes};
use presence::Status as UserStatus;
use prost::DecodeError;
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_varint, skip_field,
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
    fields: Vec<Field>,
}

/// Where a field with an id stands: its key and its length, and behind them the id.
#[derive(Debug, Clone, Copy)]
struct Field {
    start: u32,
    id: u32,
    end: u32,
}

/// A `GetUsersStatusResponse`: the ids as they were asked for, and as many statuses.
#[derive(Debug)]
pub(super) struct Statuses {
    pub(super) ids: Ids,
    pub(super) statuses: Vec<UserStatus>,
}

impl Ids {
    fn read(message: Bytes) -> Result<Self, DecodeError> {
        // Messages of 4 GiB and more are refused long before.
        let size = u32::try_from(message.len()).map_err(|_| invalid("the message is too long"))?;
        // Enough for ids of six characters and more; it grows for shorter ones.
        let mut fields = Vec::with_capacity(message.len() / 8);
        let mut start = 0;
        while start < size {
            let (id, end) = match message[start as usize..] {
                // Nearly every id has fewer than 128 bytes, and its length one.
                [KEY_OF_ID, len @ ..0x80, ..] => (Some(start + 2), start + 2 + u32::from(len)),
                ref rest => read_field(rest, start)?,
            };
            if end > size {
                return Err(invalid("userIds: the message ends within an id"));
            }
            if let Some(id) = id {
                fields.push(Field { start, id, end });
            }
            start = end;
        }
        Ok(Self { message, fields })
    }

    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// The ids as text.
    ///
    /// # Errors
    /// INTERNAL, as for every message that cannot be read: an id is not UTF-8.
    pub(super) fn texts(&self) -> Result<Vec<&str>, Status> {
        // Keys, and lengths below 128, are ASCII themselves: nearly every message is one text, and checked in one go.
        let text = std::str::from_utf8(&self.message).ok();
        let mut texts = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            let place = field.id as usize..field.end as usize;
            let id = text
                .and_then(|text| text.get(place.clone()))
                .map_or_else(|| std::str::from_utf8(&self.message[place]), Ok)
                .map_err(|_| Status::internal("userIds: an id is not UTF-8"))?;
            texts.push(id);
        }
        Ok(texts)
    }
}

/// Where the id of the field at `start` stands, if it is one, and where the field ends.
fn read_field(mut rest: &[u8], start: u32) -> Result<(Option<u32>, u32), DecodeError> {
    let size = rest.len();
    // No further than the end of the message, which is shorter than 4 GiB.
    let at = |rest: &[u8]| start + (size - rest.len()) as u32;
    let (field, wire_type) = decode_key(&mut rest)?;
    if field != ID || wire_type != WireType::LengthDelimited {
        skip_field(wire_type, field, &mut rest, DecodeContext::default())?;
        return Ok((None, at(rest)));
    }
    let len = decode_varint(&mut rest)?;
    let id = at(rest);
    let behind = usize::try_from(len).ok().and_then(|len| rest.get(len..));
    let behind = behind.ok_or_else(|| invalid("userIds: the message ends within an id"))?;
    Ok((Some(id), at(behind)))
}

impl Statuses {
    fn write(&self, out: &mut impl BufMut) {
        for (field, status) in self.ids.fields.iter().zip(&self.statuses) {
            // Both messages have the id in their first field: it is written as it was read.
            let id = &self.ids.message[field.start as usize..field.end as usize];
            let status = status_field(*status);
            out.put_u8(KEY_OF_USER);
            encode_varint((id.len() + status.len()) as u64, out);
            out.put_slice(id);
            out.put_slice(status);
        }
    }

    /// About how long the message is: an id stands in it as in the question, with up to 12 bytes about it.
    fn size_hint(&self) -> usize {
        self.ids.message.len() + 12 * self.ids.len()
    }
}

const _: () = assert!(ID == USER_ID, "what was read is written again");

/// The status of a user, as a field of its own.
const fn status_field(status: UserStatus) -> &'static [u8] {
    match status {
        UserStatus::Online => b"\x12\x06online",
        UserStatus::Offline => b"\x12\x07offline",
    }
}

/// The byte in front of a length-delimited field.
const fn key(field: u32) -> u8 {
    (field << 3) as u8 | WireType::LengthDelimited as u8
}

#[expect(deprecated, reason = "there is no other way to make one")]
fn invalid(what: &'static str) -> DecodeError {
    DecodeError::new(what)
}

/// Fields of `GetUsersStatusRequest`, `GetUsersStatusResponse` and `UserStatus`.
const ID: u32 = 1;
const USER: u32 = 1;
const USER_ID: u32 = 1;

const KEY_OF_ID: u8 = key(ID);
const KEY_OF_USER: u8 = key(USER);

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

    /// The ids of a message, if it is one.
    fn read(message: &[u8]) -> Option<Vec<String>> {
        let ids = Ids::read(Bytes::copy_from_slice(message)).ok()?;
        let texts = ids.texts().ok()?;
        Some(texts.into_iter().map(str::to_owned).collect())
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
            let user_ids = ids.iter().map(|id| (*id).to_owned()).collect();
            let message = GetUsersStatusRequest { user_ids }.encode_to_vec();
            assert_eq!(read(&message).unwrap(), ids);
        }
    }

    #[test]
    fn fields_of_later_versions_are_skipped() {
        let message = [0x10, 7, 0x0a, 1, b'a', 0x1a, 2, 1, 2, 0x0a, 1, b'b'];
        assert_eq!(read(&message).unwrap(), ["a", "b"]);
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let cut: [&[u8]; 6] = [
            &[0x0a],
            &[0x0a, 2, b'a'],
            &[0x0a, 1, 0xff],
            // One text as a whole, and an id that ends within a character of it: the rest is a field of a later version.
            &[0x0a, 1, 0xc3, 0xa9, 1, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x0f],
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ];
        for message in cut {
            assert_eq!(read(message), None, "{message:x?}");
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
            let ours = read(&message);
            // The compiled one refuses a field of the wrong type; here it is a later version's.
            if let Ok(compiled) = compiled {
                proptest::prop_assert_eq!(ours.unwrap(), compiled);
            }
        }
    }
}
