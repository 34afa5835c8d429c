//! Frames that a client sends, taken apart as they arrive.
//!
//! SignalR treats the payloads of all data frames as one byte stream, so nothing is put together here: each piece is
//! unmasked where it lies and handed on. Only a header or a control frame that arrives in pieces is kept.

use smallvec::SmallVec;

use super::frame::{CONTROL_LEN_MAX, OpCode, close_code, is_valid_close_code};
use super::utf8::Utf8Check;

/// What the next bytes of a client are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Bytes of the stream.
    Data(&'a [u8]),
    /// To be answered with the same bytes.
    Ping(SmallVec<[u8; 16]>),
    /// The answer to a ping.
    Pong,
    /// The client closes; with its code, if it gave one.
    Close(Option<u16>),
}

/// A violation of the protocol, by the code that the client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) u16);

/// The state between two reads.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// A header that arrived in part.
    header: SmallVec<[u8; HEADER_LEN_MAX]>,
    /// The frame whose payload is arriving.
    current: Option<Current>,
    /// The payload of a control frame, as far as it has arrived.
    control: SmallVec<[u8; 16]>,
    /// Whether a data message is open, and if it is text, its check.
    message: Message,
}

/// The longest header of a masked frame.
const HEADER_LEN_MAX: usize = 14;

#[derive(Debug, Default)]
enum Message {
    #[default]
    None,
    Binary,
    Text(Utf8Check),
}

#[derive(Debug, Clone, Copy)]
struct Current {
    op_code: OpCode,
    is_final: bool,
    left: u64,
    mask: [u8; 4],
    /// How far the mask is rotated.
    offset: usize,
}

impl Decoder {
    /// Takes the next piece off the front of `input`; none: all of `input` was used up.
    pub(crate) fn poll_piece<'a>(
        &mut self,
        input: &mut &'a mut [u8],
    ) -> Result<Option<Piece<'a>>, Violation> {
        loop {
            let Some(current) = self.current else {
                match self.read_header(input)? {
                    Some(current) => self.current = Some(current),
                    None => return Ok(None),
                }
                continue;
            };
            if current.left > 0 && input.is_empty() {
                return Ok(None);
            }
            let payload = self.take_payload(current, input);
            if current.op_code.is_control() {
                self.control.extend_from_slice(payload);
                if self.current.is_none() {
                    let payload = std::mem::take(&mut self.control);
                    return control_piece(current.op_code, payload).map(Some);
                }
                continue;
            }
            self.check_data(payload, current)?;
            if !payload.is_empty() {
                return Ok(Some(Piece::Data(payload)));
            }
        }
    }

    /// Unmasks what has arrived of the payload and steps over it.
    fn take_payload<'a>(&mut self, mut current: Current, input: &mut &'a mut [u8]) -> &'a [u8] {
        let len = usize::try_from(current.left)
            .unwrap_or(usize::MAX)
            .min(input.len());
        let (payload, rest) = std::mem::take(input).split_at_mut(len);
        *input = rest;
        unmask(payload, current.mask, current.offset);
        current.offset = (current.offset + len) % 4;
        current.left -= len as u64;
        self.current = (current.left > 0).then_some(current);
        payload
    }

    fn check_data(&mut self, payload: &[u8], current: Current) -> Result<(), Violation> {
        let ends = self.current.is_none() && current.is_final;
        if let Message::Text(check) = &mut self.message {
            let verdict = check.handle_piece(payload);
            verdict
                .and_then(|()| if ends { check.handle_end() } else { Ok(()) })
                .map_err(|_| Violation(close_code::INVALID_PAYLOAD))?;
        }
        if ends {
            self.message = Message::None;
        }
        Ok(())
    }

    /// Reads a header, which may have begun in an earlier read.
    fn read_header(&mut self, input: &mut &mut [u8]) -> Result<Option<Current>, Violation> {
        loop {
            let wanted = match self.header.as_slice() {
                [] | [_] => 2,
                [first, second, ..] => {
                    check_start(*first, *second)?;
                    header_len(*second)
                }
            };
            let missing = wanted - self.header.len();
            if missing == 0 {
                return self.finish_header().map(Some);
            }
            let len = missing.min(input.len());
            let (bytes, rest) = std::mem::take(input).split_at_mut(len);
            self.header.extend_from_slice(bytes);
            *input = rest;
            if len < missing {
                return Ok(None);
            }
        }
    }

    fn finish_header(&mut self) -> Result<Current, Violation> {
        const PROTOCOL_ERROR: Violation = Violation(close_code::PROTOCOL_ERROR);
        let header = std::mem::take(&mut self.header);
        let (length, mask) = header[1..].split_at(header.len() - 5);
        let left = match length {
            [short] => u64::from(short & 0x7f),
            [_, digits @ ..] => digits
                .iter()
                .fold(0, |len, &byte| (len << 8) | u64::from(byte)),
            [] => return Err(PROTOCOL_ERROR),
        };
        let op_code = OpCode::from_bits(header[0] & 0x0f).ok_or(PROTOCOL_ERROR)?;
        let is_final = header[0] & 0x80 != 0;
        if op_code.is_control() && (!is_final || left > CONTROL_LEN_MAX as u64)
            || left > i64::MAX as u64
        {
            return Err(PROTOCOL_ERROR);
        }
        match (op_code, &self.message) {
            (OpCode::Text, Message::None) => self.message = Message::Text(Utf8Check::default()),
            (OpCode::Binary, Message::None) => self.message = Message::Binary,
            (OpCode::Continuation, Message::Text(_) | Message::Binary) => {}
            (op_code, _) if op_code.is_control() => {}
            _ => return Err(PROTOCOL_ERROR),
        }
        Ok(Current {
            op_code,
            is_final,
            left,
            mask: mask.try_into().map_err(|_| PROTOCOL_ERROR)?,
            offset: 0,
        })
    }
}

/// Refuses a frame as soon as its first two bytes are wrong: reserved bits, unknown codes, no mask.
fn check_start(first: u8, second: u8) -> Result<(), Violation> {
    let is_reserved = first & 0x70 != 0;
    let is_masked = second & 0x80 != 0;
    if is_reserved || !is_masked || OpCode::from_bits(first & 0x0f).is_none() {
        return Err(Violation(close_code::PROTOCOL_ERROR));
    }
    Ok(())
}

fn header_len(second: u8) -> usize {
    match second & 0x7f {
        126 => 2 + 2 + 4,
        127 => 2 + 8 + 4,
        _ => 2 + 4,
    }
}

fn control_piece(
    op_code: OpCode,
    payload: SmallVec<[u8; 16]>,
) -> Result<Piece<'static>, Violation> {
    match op_code {
        OpCode::Ping => Ok(Piece::Ping(payload)),
        OpCode::Pong => Ok(Piece::Pong),
        _ => match payload.as_slice() {
            [] => Ok(Piece::Close(None)),
            [_] => Err(Violation(close_code::PROTOCOL_ERROR)),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                if !is_valid_close_code(code) {
                    return Err(Violation(close_code::PROTOCOL_ERROR));
                }
                if std::str::from_utf8(reason).is_err() {
                    return Err(Violation(close_code::INVALID_PAYLOAD));
                }
                Ok(Piece::Close(Some(code)))
            }
        },
    }
}

/// Takes the mask off, eight bytes at a time.
fn unmask(payload: &mut [u8], mask: [u8; 4], offset: usize) {
    let rotated: [u8; 4] = std::array::from_fn(|i| mask[(i + offset) % 4]);
    let wide = u64::from_ne_bytes(std::array::from_fn(|i| rotated[i % 4]));
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (i, byte) in rest.iter_mut().enumerate() {
        *byte ^= rotated[i % 4];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x12, 0x34, 0x56, 0x78];
        let mut frame = vec![first];
        match payload.len() {
            len @ 0..=125 => frame.push(0x80 | u8::try_from(len).unwrap()),
            len => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(len).unwrap().to_be_bytes());
            }
        }
        frame.extend(mask);
        frame.extend(
            payload
                .iter()
                .enumerate()
                .map(|(i, byte)| byte ^ mask[i % 4]),
        );
        frame
    }

    /// Everything that comes out of `bytes` when they arrive `at_once` bytes at a time, data pieces joined.
    fn decode(bytes: &[u8], at_once: usize) -> (Vec<u8>, Vec<String>, Option<u16>) {
        let mut decoder = Decoder::default();
        let (mut data, mut others) = (Vec::new(), Vec::new());
        for chunk in bytes.chunks(at_once) {
            let mut chunk = chunk.to_vec();
            let mut input = chunk.as_mut_slice();
            loop {
                match decoder.poll_piece(&mut input) {
                    Ok(Some(Piece::Data(piece))) => data.extend_from_slice(piece),
                    Ok(Some(other)) => others.push(format!("{other:?}")),
                    Ok(None) => break,
                    Err(Violation(code)) => return (data, others, Some(code)),
                }
            }
        }
        (data, others, None)
    }

    fn check(bytes: &[u8], data: &[u8], others: &[&str], violation: Option<u16>) {
        for at_once in [1, 2, 3, 5, 7, 64, usize::MAX] {
            let found = decode(bytes, at_once.min(bytes.len().max(1)));
            assert_eq!(found.0, data, "{at_once} at once");
            assert_eq!(found.1, others, "{at_once} at once");
            assert_eq!(found.2, violation, "{at_once} at once");
        }
    }

    #[test]
    fn frames_of_every_length_are_one_stream() {
        let long: Vec<u8> = (0..300u16)
            .map(|i| u8::try_from(i % 100).unwrap())
            .collect();
        let bytes = [
            masked(0x81, b"hello"),
            masked(0x82, &long),
            masked(0x81, b""),
        ]
        .concat();
        check(&bytes, &[b"hello".as_slice(), &long].concat(), &[], None);
    }

    #[test]
    fn control_frames_may_come_between_fragments() {
        let bytes = [
            masked(0x01, "grü".as_bytes().split_last().unwrap().1),
            masked(0x89, b"hi"),
            masked(0x80, &"grü".as_bytes()[3..]),
            masked(0x8a, b""),
            masked(0x88, &[0x03, 0xe8]),
        ]
        .concat();
        check(
            &bytes,
            "grü".as_bytes(),
            &["Ping([104, 105])", "Pong", "Close(Some(1000))"],
            None,
        );
    }

    #[test]
    fn violations_have_their_codes() {
        for (bytes, code) in [
            (vec![0x81, 0x00], 1002),                                  // no mask
            (masked(0x83, b"x"), 1002),                                // unknown code
            (masked(0xc1, b"x"), 1002),                                // reserved bit
            (masked(0x80, b"x"), 1002),                                // continues nothing
            (masked(0x09, b"x"), 1002),                                // control frame in fragments
            (masked(0x89, &[0; 126]), 1002),                           // control frame too long
            ([masked(0x01, b"x"), masked(0x81, b"y")].concat(), 1002), // message within a message
            (masked(0x88, b"x"), 1002),                                // close code cut off
            (masked(0x88, &[0x03, 0xec]), 1002),                       // close code 1004
            (masked(0x88, &[0x03, 0xe8, 0xff]), 1007),                 // reason is no text
            (masked(0x81, &[0xff]), 1007),                             // text is no text
            (masked(0x81, &[0xc3]), 1007),                             // text is cut off
            (
                vec![
                    0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
                ],
                1002,
            ),
        ] {
            for at_once in [1, usize::MAX] {
                let found = decode(&bytes, at_once.min(bytes.len())).2;
                assert_eq!(found, Some(code), "{bytes:x?}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 1..200), at_once in 1usize..20) {
            decode(&bytes, at_once);
        }
    }
}
