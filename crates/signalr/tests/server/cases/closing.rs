//! The closing handshake: who begins it, with what, and what is said behind it.

use super::{BINARY, CLOSE, CONTINUATION, Case, PING, PONG, TEXT, call, masked, unfinished};

pub(super) fn cases() -> Vec<Case> {
    [codes(), reasons(), order()]
        .into_iter()
        .flatten()
        .collect()
}

/// The payload of a close frame.
fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    masked(CLOSE, &[&code.to_be_bytes()[..], reason].concat())
}

fn codes() -> Vec<Case> {
    let mut cases = Vec::new();
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3001, 3999,
        4000, 4001, 4999,
    ] {
        cases.push(Case::ends(
            format!("code {code} may be given"),
            close(code, b""),
            1000,
        ));
    }
    // Those of the RFC that are never sent, those that nobody has defined, and those that are out of range.
    for code in [
        0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 9999, 65_535,
    ] {
        cases.push(Case::ends(
            format!("code {code} may not be given"),
            close(code, b""),
            1002,
        ));
    }
    cases.push(Case::ends("no code", masked(CLOSE, b""), 1000));
    for byte in [0x03, 0x00, b'x'] {
        cases.push(Case::ends(
            format!("half a code, {byte:#x}"),
            masked(CLOSE, &[byte]),
            1002,
        ));
    }
    cases
}

fn reasons() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, reason) in [
        ("short", "goodbye".to_owned()),
        ("of 122 bytes", "x".repeat(122)),
        ("of 123 bytes", "x".repeat(123)),
        ("of other letters", "κόσμε \u{1f44b}".to_owned()),
        ("of characters of 4 bytes", "\u{10ffff}".repeat(30)),
    ] {
        cases.push(Case::ends(
            format!("a reason {name}"),
            close(1000, reason.as_bytes()),
            1000,
        ));
    }
    for len in [124, 125, 1_000] {
        let bytes = close(1000, &vec![b'x'; len]);
        cases.push(Case::ends(format!("a reason of {len} bytes"), bytes, 1002));
    }
    for reason in [
        &b"\xff"[..],
        b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80edited",
        b"cut off \xf0\x9f\x98",
        b"\xc0\x80",
    ] {
        let name = format!("a reason that is no text, {reason:02x?}");
        cases.push(Case::ends(name, close(1000, reason), 1007));
    }
    cases
}

/// What comes before the close frame counts; what comes behind it does not.
fn order() -> Vec<Case> {
    let bye = close(1000, b"");
    let served = masked(TEXT, &call("before"));
    let behind = |name: &str, more: Vec<u8>| {
        let bytes = [served.clone(), bye.clone(), more].concat();
        Case::ends(format!("a call, a close frame, and {name}"), bytes, 1000).result("before")
    };
    let within = [
        masked(unfinished(TEXT), b" "),
        bye.clone(),
        masked(CONTINUATION, b" "),
    ];
    let pinged = [masked(PING, b"p"), masked(PONG, b""), bye.clone()].concat();
    let large = masked(BINARY, &vec![b' '; 256 * 1024]);
    vec![
        behind("nothing", Vec::new()),
        behind("a second one", bye.clone()),
        behind("a ping", masked(PING, b"late")),
        behind("a pong", masked(PONG, b"late")),
        behind("a call", masked(TEXT, &call("late"))),
        behind("what breaks the rules", masked(0xf3, b"late")),
        behind("what is no text", masked(TEXT, b"\xff")),
        behind("what is no frame", vec![0xff; 100]),
        behind("a lot", large),
        Case::ends("a close frame within a message", within.concat(), 1000),
        Case::ends("a ping before a close frame", pinged, 1000).pong(b"p"),
        Case::ends(
            "a call's beginning before a close frame",
            [masked(TEXT, b"{\"type\":"), bye.clone()].concat(),
            1000,
        ),
        Case::ends(
            "half a code within a message",
            [masked(unfinished(TEXT), b" "), masked(CLOSE, b"\x03")].concat(),
            1002,
        ),
        Case::ends(
            "a code that may not be given behind a call",
            [served, close(1005, b"")].concat(),
            1002,
        )
        .result("before"),
    ]
}
