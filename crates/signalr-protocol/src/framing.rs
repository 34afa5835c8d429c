//! Where one hub message ends and the next begins.
//!
//! Text protocols end each message with a record separator; binary ones begin it with its length. A transport may
//! cut the byte stream anywhere.

use memchr::memchr;

use crate::error::ProtocolError;

/// Ends every message of a text protocol, and the handshake of every protocol.
pub const RECORD_SEPARATOR: u8 = 0x1e;

/// The most bytes that a length prefix may have.
const VAR_INT_LEN_MAX: usize = 5;

/// The next message at the beginning of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Not complete yet.
    Incomplete,
    /// A whole message.
    Complete {
        /// The message without its framing.
        body: &'a [u8],
        /// How many bytes of the buffer it takes, framing included.
        len: usize,
    },
}

/// Finds a message that ends in a record separator.
///
/// The first `scanned` bytes are known to hold no separator, so that a message that arrives in many pieces is
/// searched once.
#[must_use]
pub fn split_text(buffer: &[u8], scanned: usize) -> Frame<'_> {
    let unseen = buffer.get(scanned..).unwrap_or_default();
    let Some(at) = memchr(RECORD_SEPARATOR, unseen) else {
        return Frame::Incomplete;
    };
    let (body, _) = buffer.split_at(scanned + at);
    Frame::Complete {
        body,
        len: body.len() + 1,
    }
}

/// Finds a message behind a length prefix.
///
/// # Errors
/// A prefix of more than five bytes or above 2^31 - 1, and one that announces more than `limit` bytes, framing
/// included. ASP.NET Core waits for such a message for ever; here it is refused before anything is kept of it.
pub fn split_binary(buffer: &[u8], limit: Option<usize>) -> Result<Frame<'_>, ProtocolError> {
    let mut len = 0u64;
    let mut prefix_len = 0;
    for (i, byte) in buffer.iter().enumerate().take(VAR_INT_LEN_MAX) {
        len |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            prefix_len = i + 1;
            break;
        }
    }
    if prefix_len == 0 {
        return if buffer.len() < VAR_INT_LEN_MAX {
            Ok(Frame::Incomplete)
        } else {
            Err(over_two_gigabytes())
        };
    }
    let len = i32::try_from(len)
        .ok()
        .and_then(|len| usize::try_from(len).ok())
        .ok_or_else(over_two_gigabytes)?;
    let total = len.saturating_add(prefix_len);
    if let Some(limit) = limit
        && total > limit
    {
        return Err(ProtocolError::TooLarge { limit });
    }
    Ok(match buffer.get(prefix_len..total) {
        Some(body) => Frame::Complete { body, len: total },
        None => Frame::Incomplete,
    })
}

/// Writes the length prefix of a message before its body, which begins at `start`.
pub(crate) fn prefix_with_length(out: &mut Vec<u8>, start: usize) {
    let mut len = out.len() - start;
    let mut prefix = [0u8; 10];
    let mut used = 0;
    for slot in &mut prefix {
        used += 1;
        *slot = (len & 0x7f) as u8;
        len >>= 7;
        if len == 0 {
            break;
        }
        *slot |= 0x80;
    }
    out.splice(start..start, prefix.into_iter().take(used));
}

fn over_two_gigabytes() -> ProtocolError {
    ProtocolError::Format("Messages over 2GB in size are not supported.")
}
