//! Frame headers that the server writes, and close codes.

use signalr_protocol::TransferFormat;
use smallvec::SmallVec;

/// The longest header of an unmasked frame: two bytes and a length of eight.
pub(crate) const HEADER_LEN_MAX: usize = 10;

/// The most bytes that a control frame may carry.
pub(crate) const CONTROL_LEN_MAX: usize = 125;

/// Codes of close frames.
pub(crate) mod close_code {
    /// The end that was meant.
    pub(crate) const NORMAL: u16 = 1000;
    /// The peer broke the protocol.
    pub(crate) const PROTOCOL_ERROR: u16 = 1002;
    /// Text that is not UTF-8.
    pub(crate) const INVALID_PAYLOAD: u16 = 1007;
    /// The server is at fault.
    pub(crate) const INTERNAL_ERROR: u16 = 1011;
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpCode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl OpCode {
    pub(crate) fn of(format: TransferFormat) -> Self {
        match format {
            TransferFormat::Text => Self::Text,
            TransferFormat::Binary => Self::Binary,
        }
    }

    pub(crate) fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    pub(crate) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The header of a whole, unmasked frame.
pub(crate) fn write_header(op_code: OpCode, len: usize) -> SmallVec<[u8; HEADER_LEN_MAX]> {
    let mut header = SmallVec::new();
    header.push(0x80 | op_code as u8);
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ 0..=125), _) => header.push(short),
        (_, Ok(medium)) => {
            header.push(126);
            header.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            header.push(127);
            header.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    header
}

/// Whether a peer may send a close frame with this code.
pub(crate) fn is_valid_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_shortest_form() {
        let check = |len, expected: &[u8]| {
            assert_eq!(write_header(OpCode::Text, len).as_slice(), expected);
        };
        check(0, &[0x81, 0]);
        check(125, &[0x81, 125]);
        check(126, &[0x81, 126, 0, 126]);
        check(65_535, &[0x81, 126, 0xff, 0xff]);
        check(65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
