//! Length prefixes and record separators.

use signalr_protocol::ProtocolError;
use signalr_protocol::framing::{Frame, split_binary, split_text};

use super::bytes;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Found {
    Body(usize),
    Incomplete,
    TooLong,
}
use Found::{Body, Incomplete, TooLong};

fn check(buffer: &[u8], expected: Found) {
    let found = match split_binary(buffer, None) {
        Ok(Frame::Incomplete) => Incomplete,
        Ok(Frame::Complete { body, len }) => {
            assert_eq!(&buffer[len - body.len()..len], body);
            Body(body.len())
        }
        Err(error) => {
            assert_eq!(
                error.to_string(),
                "Messages over 2GB in size are not supported."
            );
            assert_eq!(error.exception(), "FormatException");
            TooLong
        }
    };
    assert_eq!(found, expected, "{:x?}", &buffer[..buffer.len().min(6)]);
}

#[test]
fn length_prefixes() {
    check(&bytes("00"), Body(0));
    check(&bytes("03 41 42 43"), Body(3));
    check(&[&[11], &[7; 11][..]].concat(), Body(11));
    check(&[&bytes("80 01"), &[0; 128][..]].concat(), Body(128));
    check(
        &[&bytes("80 80 01"), &[0; 16_384][..]].concat(),
        Body(16_384),
    );
    check(&[], Incomplete);
    check(&bytes("ff ff ff ff 07"), Incomplete);
    check(&bytes("80"), Incomplete);
    check(&bytes("09 00 00"), Incomplete);
    check(&bytes("05 01"), Incomplete);
    check(&bytes("80 80 80 80 08"), TooLong);
    check(&bytes("ff ff ff ff ff"), TooLong);
    check(&bytes("ff ff ff ff ff ff"), TooLong);
    // Longer than it need be, as .NET reads it.
    check(&bytes("82 00 91 06"), Body(2));
    check(&bytes("82 80 80 80 00 91 06"), Body(2));
}

#[test]
fn two_messages_come_in_order() {
    let buffer = bytes("02 91 06 03 92 08 2a");
    let Ok(Frame::Complete { body, len }) = split_binary(&buffer, None) else {
        panic!("no message");
    };
    assert_eq!((body, len), (&buffer[1..3], 3));
    let Ok(Frame::Complete { body, len }) = split_binary(&buffer[3..], None) else {
        panic!("no second message");
    };
    assert_eq!((body, len), (&buffer[4..], 4));
}

/// ASP.NET Core waits for such a message for ever.
#[test]
fn a_length_over_the_limit_is_refused_before_the_message_comes() {
    let limit = 32_768;
    let too_large = Err(ProtocolError::TooLarge { limit });
    assert_eq!(
        split_binary(&bytes("ff ff ff ff 07"), Some(limit)),
        too_large
    );
    // The prefix counts: 32,765 bytes and three of prefix are the most.
    assert_eq!(
        split_binary(&bytes("fd ff 01"), Some(limit)),
        Ok(Frame::Incomplete)
    );
    assert_eq!(split_binary(&bytes("fe ff 01"), Some(limit)), too_large);
}

#[test]
fn record_separators() {
    assert_eq!(split_text(b"", 0), Frame::Incomplete);
    assert_eq!(split_text(b"abc", 0), Frame::Incomplete);
    assert_eq!(
        split_text(b"\x1e", 0),
        Frame::Complete { body: b"", len: 1 }
    );
    assert_eq!(
        split_text(b"ab\x1ecd\x1e", 0),
        Frame::Complete {
            body: b"ab",
            len: 3
        }
    );
    assert_eq!(
        split_text(b"ab\x1e", 2),
        Frame::Complete {
            body: b"ab",
            len: 3
        }
    );
}
