//! Text frames: what is UTF-8 passes however it is cut, and what is not ends the connection where it stops to be.

use super::{BINARY, CLOSE, CONTINUATION, Case, TEXT, call, call_with, masked, unfinished};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for text in VALID {
        cases.extend(valid(text));
    }
    for (bytes, valid_up_to) in INVALID {
        cases.extend(invalid(bytes, *valid_up_to));
    }
    for len in 1..4 {
        // The end of a message is no place for half a character.
        let cut = &"\u{1f600}".as_bytes()[..len];
        let before = masked(TEXT, &call("before"));
        let name = format!("{len} of 4 bytes at the end");
        let bytes = [before.clone(), masked(TEXT, cut)].concat();
        cases.push(Case::ends(name, bytes, 1007).result("before"));
        let bytes = [
            before,
            masked(unfinished(TEXT), cut),
            masked(CONTINUATION, b""),
        ]
        .concat();
        let name = format!("{len} of 4 bytes before an empty last fragment");
        cases.push(Case::ends(name, bytes, 1007).result("before"));
    }
    // Bytes that are no text may be in binary frames; the hub's protocol is another matter.
    let message = [&b"\xff\xfe"[..], &call("never")].concat();
    cases.push(Case::ends(
        "no text in a binary frame",
        [masked(BINARY, &message), masked(CLOSE, b"")].concat(),
        1000,
    ));
    cases
}

/// In one frame, cut within every character, and with frames of other kinds in between.
fn valid(text: &str) -> Vec<Case> {
    let name = text.escape_unicode();
    let message = call(text);
    let start = message.len() - text.len() - 4;
    let mut cases = vec![Case::lives(format!("{name}"), masked(TEXT, &message)).result(text)];
    let mut bytes = masked(unfinished(TEXT), &message[..start]);
    for byte in text.as_bytes() {
        bytes.extend(masked(unfinished(CONTINUATION), &[*byte]));
    }
    bytes.extend(masked(CONTINUATION, &message[start + text.len()..]));
    cases.push(Case::lives(format!("{name}, a fragment each byte"), bytes).result(text));
    cases
}

/// Whole; in a message that never ends; and with its end in another frame.
fn invalid(bytes: &[u8], valid_up_to: usize) -> Vec<Case> {
    let name = format!("{bytes:02x?}");
    let message = call_with(bytes);
    let whole = [masked(TEXT, &call("before")), masked(TEXT, &message)].concat();
    let fail_at = message.len() - bytes.len() - 4 + valid_up_to + 1;
    // The byte that is wrong is the last that is sent: who waits for more waits for ever.
    let unended = masked(unfinished(TEXT), &message[..fail_at]);
    let split = [
        masked(unfinished(TEXT), &message[..fail_at - 1]),
        masked(unfinished(CONTINUATION), &message[fail_at - 1..fail_at]),
    ];
    vec![
        Case::ends(name.clone(), whole, 1007).result("before"),
        Case::ends(format!("{name}, at once"), unended, 1007),
        Case::ends(
            format!("{name}, at once behind a cut"),
            split.concat(),
            1007,
        ),
    ]
}

/// The first and the last of every length and range, what is no character and may be sent, and words.
const VALID: &[&str] = &[
    "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!",
    "κόσμε",
    "\u{65e5}\u{672c}\u{8a9e}",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "a\u{308}\u{323}",
    " ",
    "~",
    "\u{7f}",
    "\u{80}",
    "\u{7ff}",
    "\u{800}",
    "\u{fff}",
    "\u{1000}",
    "\u{cfff}",
    "\u{d000}",
    "\u{d7ff}",
    "\u{e000}",
    "\u{fdd0}",
    "\u{fdef}",
    "\u{feff}",
    "\u{fffd}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{10000}",
    "\u{1fffe}",
    "\u{1ffff}",
    "\u{2fffe}",
    "\u{2ffff}",
    "\u{3fffe}",
    "\u{3ffff}",
    "\u{40000}",
    "\u{4fffe}",
    "\u{7ffff}",
    "\u{8fffe}",
    "\u{bffff}",
    "\u{efffe}",
    "\u{fffff}",
    "\u{100000}",
    "\u{10fffe}",
    "\u{10ffff}",
];

/// What is no UTF-8, with how many of its bytes could still have become some.
const INVALID: &[(&[u8], usize)] = &[
    // A continuation of nothing.
    (b"\x80", 0),
    (b"\xbf", 0),
    (b"\x80\xbf", 0),
    (b"\x80\xbf\x80\xbf\x80\xbf", 0),
    (b"a\x80", 1),
    (b"\xc3\xa4\x80", 2),
    // Beginnings without their continuation.
    (b"\xc2 ", 1),
    (b"\xdf ", 1),
    (b"\xe0\xa0 ", 2),
    (b"\xef\xbf ", 2),
    (b"\xf0\x90\x80 ", 3),
    (b"\xf4\x8f\xbf ", 3),
    (b"\xc2\xc2\x80", 1),
    (b"\xe1 \x80", 1),
    (b"\xf1 \x80\x80", 1),
    (b"\xe1\x80\xe1", 2),
    (b"\xf1\x80\x80\xf1", 3),
    // Bytes that are in no text.
    (b"\xc0", 0),
    (b"\xc1", 0),
    (b"\xf5", 0),
    (b"\xf8", 0),
    (b"\xfc", 0),
    (b"\xfe", 0),
    (b"\xff", 0),
    (b"\xfe\xfe\xff\xff", 0),
    (b"\xf8\x88\x80\x80\x80", 0),
    (b"\xfc\x84\x80\x80\x80\x80", 0),
    (b"\xf7\xbf\xbf\xbf", 0),
    // Longer than need be.
    (b"\xc0\xaf", 0),
    (b"\xe0\x80\xaf", 1),
    (b"\xf0\x80\x80\xaf", 1),
    (b"\xf8\x80\x80\x80\xaf", 0),
    (b"\xc1\xbf", 0),
    (b"\xe0\x9f\xbf", 1),
    (b"\xf0\x8f\xbf\xbf", 1),
    (b"\xc0\x80", 0),
    (b"\xe0\x80\x80", 1),
    (b"\xf0\x80\x80\x80", 1),
    // Halves of pairs, and pairs of halves.
    (b"\xed\xa0\x80", 1),
    (b"\xed\xad\xbf", 1),
    (b"\xed\xae\x80", 1),
    (b"\xed\xaf\xbf", 1),
    (b"\xed\xb0\x80", 1),
    (b"\xed\xbe\x80", 1),
    (b"\xed\xbf\xbf", 1),
    (b"\xed\xa0\x80\xed\xb0\x80", 1),
    (b"\xed\xaf\xbf\xed\xbf\xbf", 1),
    // Above the last.
    (b"\xf4\x90\x80\x80", 1),
    (b"\xf4\xbf\xbf\xbf", 1),
    (b"\xf5\x80\x80\x80", 0),
    // Good text before it.
    (
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        12,
    ),
    (
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited",
        12,
    ),
];
