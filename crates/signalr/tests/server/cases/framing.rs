//! Lengths, pings, reserved bits and codes, fragments, masks.

use super::{
    BINARY, CONTINUATION, Case, KINDS, PING, PONG, TEXT, call, call_of, masked, unfinished,
};

pub(super) fn cases() -> Vec<Case> {
    [
        lengths(),
        pings(),
        reserved(),
        fragments(),
        broken_fragments(),
        masks(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Around every change of the length's form.
fn lengths() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, first) in KINDS {
        for len in [0, 1, 2, 60] {
            // Shorter than a call: the rest of it comes in a frame of its own.
            let message = call("in two frames");
            let (head, rest) = message.split_at(len);
            let bytes = [masked(first, head), masked(first, rest)].concat();
            let name = format!("a {kind} frame of {len} bytes");
            cases.push(Case::lives(name, bytes).result("in two frames"));
        }
        for len in [
            124, 125, 126, 127, 128, 255, 256, 65_534, 65_535, 65_536, 65_537,
        ] {
            let (message, text) = call_of(len);
            let name = format!("a {kind} frame of {len} bytes");
            cases.push(Case::lives(name, masked(first, &message)).result(text));
        }
        let (message, text) = call_of(65_536);
        let case = Case::lives(
            format!("a {kind} frame of 65536 bytes in pieces of 997"),
            masked(first, &message),
        );
        cases.push(case.result(text).at_once(997));
    }
    cases.push(Case::lives("an empty binary frame", masked(BINARY, b"")));
    for (name, len) in [("2^63", 0x80), ("2^64 - 1", 0xff)] {
        let mut bytes = vec![BINARY, 0xff, len];
        bytes.resize(14, 0);
        cases.push(Case::ends(format!("a length of {name}"), bytes, 1002));
    }
    cases
}

fn pings() -> Vec<Case> {
    let mut cases = Vec::new();
    let all: Vec<u8> = (0..=255).collect();
    for (name, payload) in [
        ("without a payload", &b""[..]),
        ("of one byte", b"x"),
        ("with text", b"Hello, world!"),
        (
            "with bytes that are no text",
            b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff",
        ),
        ("of 124 bytes", &all[..124]),
        ("of 125 bytes", &all[131..]),
    ] {
        cases.push(Case::lives(format!("a ping {name}"), masked(PING, payload)).pong(payload));
        let unasked = Case::lives(
            format!("a pong {name} that nobody asked for"),
            masked(PONG, payload),
        );
        cases.push(unasked);
        let bytes = [masked(PONG, payload), masked(PING, payload)].concat();
        cases.push(Case::lives(format!("a pong and a ping {name}"), bytes).pong(payload));
    }
    for (kind, first) in [("ping", PING), ("pong", PONG)] {
        for len in [126, 200, 65_536] {
            let bytes = masked(first, &vec![7; len]);
            cases.push(Case::ends(format!("a {kind} of {len} bytes"), bytes, 1002));
        }
    }
    for count in [2, 10, 100] {
        let mut case = Case::lives(format!("{count} pings"), Vec::new());
        for number in 0..count {
            let payload = format!("payload-{number}");
            case.bytes.extend(masked(PING, payload.as_bytes()));
            case = case.pong(payload.as_bytes());
        }
        cases.push(case);
    }
    let bytes = [
        masked(TEXT, &call("before")),
        masked(PING, b"p"),
        masked(TEXT, &call("behind")),
    ];
    let case = Case::lives("a ping between calls", bytes.concat());
    cases.push(case.result("before").result("behind").pong(b"p"));
    cases
}

/// Bits and codes that mean nothing, alone and behind a call that is served.
fn reserved() -> Vec<Case> {
    let mut cases = Vec::new();
    for bits in 1..=7u8 {
        for (name, first) in [
            ("text", TEXT),
            ("binary", BINARY),
            ("ping", PING),
            ("close", 0x88),
        ] {
            let bytes = masked(first | (bits << 4), b"");
            cases.push(Case::ends(
                format!("reserved bits {bits:03b} in {name}"),
                bytes,
                1002,
            ));
        }
        let broken = masked(TEXT | (bits << 4), &call("never"));
        let bytes = [masked(TEXT, &call("before")), broken, masked(PING, b"late")].concat();
        let name = format!("reserved bits {bits:03b} behind a call");
        cases.push(Case::ends(name, bytes, 1002).result("before"));
    }
    for code in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15u8] {
        let empty = masked(0x80 | code, b"");
        cases.push(Case::ends(format!("code {code}, empty"), empty, 1002));
        let full = masked(0x80 | code, &call("never"));
        cases.push(Case::ends(format!("code {code}"), full.clone(), 1002));
        let bytes = [masked(TEXT, &call("before")), full, masked(PING, b"late")].concat();
        cases.push(Case::ends(format!("code {code} behind a call"), bytes, 1002).result("before"));
        let bytes = [masked(unfinished(TEXT), b" "), masked(0x80 | code, b"")].concat();
        cases.push(Case::ends(
            format!("code {code} within a message"),
            bytes,
            1002,
        ));
    }
    cases
}

/// A message in the fragments that `cut` makes of it.
fn fragmented(first: u8, pieces: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (i, piece) in pieces.iter().enumerate() {
        let code = if i == 0 { first } else { CONTINUATION };
        let is_last = i + 1 == pieces.len();
        let code = if is_last { code } else { unfinished(code) };
        bytes.extend(masked(code, piece));
    }
    bytes
}

fn fragments() -> Vec<Case> {
    let mut cases = Vec::new();
    let message = call("joined");
    let (head, rest) = message.split_at(30);
    for (kind, first) in KINDS {
        let bytewise: Vec<&[u8]> = message.chunks(1).collect();
        for (name, pieces) in [
            ("two fragments", vec![head, rest]),
            ("an empty fragment first", vec![b"", &message]),
            ("an empty fragment last", vec![&message, b""]),
            ("an empty fragment in the middle", vec![head, b"", rest]),
            (
                "empty fragments all around",
                vec![b"", head, b"", b"", rest, b""],
            ),
            ("fragments of one byte", bytewise),
        ] {
            let bytes = fragmented(first, &pieces);
            cases.push(Case::lives(format!("{kind}: {name}"), bytes).result("joined"));
        }
        let bytes = fragmented(first, &[b"", b"", b""]);
        cases.push(Case::lives(format!("{kind}: three empty fragments"), bytes));
        let between = [
            masked(unfinished(first), head),
            masked(PING, b"between"),
            masked(PONG, b"between"),
            masked(CONTINUATION, rest),
        ];
        let case = Case::lives(
            format!("{kind}: a ping between fragments"),
            between.concat(),
        );
        cases.push(case.result("joined").pong(b"between"));
        let mut case = Case::lives(format!("{kind}: a ping behind each fragment"), Vec::new());
        let pieces: Vec<&[u8]> = message.chunks(10).collect();
        for (i, piece) in pieces.iter().enumerate() {
            let code = if i == 0 { first } else { CONTINUATION };
            let code = if i + 1 == pieces.len() {
                code
            } else {
                unfinished(code)
            };
            case.bytes.extend(masked(code, piece));
            case.bytes.extend(masked(PING, &[u8::try_from(i).unwrap()]));
            case = case.pong(&[u8::try_from(i).unwrap()]);
        }
        cases.push(case.result("joined"));
        let twice = [
            fragmented(first, &[head, rest]),
            fragmented(first, &[head, rest]),
        ];
        let case = Case::lives(format!("{kind}: two messages in fragments"), twice.concat());
        cases.push(case.result("joined").result("joined"));
    }
    cases
}

fn broken_fragments() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, first) in [("ping", PING), ("pong", PONG), ("close", 0x88)] {
        let bytes = [masked(unfinished(first), b""), masked(CONTINUATION, b"")].concat();
        cases.push(Case::ends(format!("a {name} in fragments"), bytes, 1002));
    }
    let message = call("before");
    for (kind, first) in KINDS {
        for (name, code) in [("last", CONTINUATION), ("first", 0)] {
            let bytes = masked(code, b"orphan");
            cases.push(Case::ends(
                format!("{kind}: a {name} fragment of nothing"),
                [bytes.clone(), masked(first, &message)].concat(),
                1002,
            ));
            let behind = [masked(first, &message), bytes].concat();
            let name = format!("{kind}: a {name} fragment behind a message");
            cases.push(Case::ends(name, behind, 1002).result("before"));
        }
        for (other, second) in KINDS {
            let bytes = [masked(unfinished(first), b" "), masked(second, &message)].concat();
            cases.push(Case::ends(format!("{other} within {kind}"), bytes, 1002));
            let bytes = [
                masked(unfinished(first), b" "),
                masked(unfinished(second), &message),
            ];
            let name = format!("{other} begins within {kind}");
            cases.push(Case::ends(name, bytes.concat(), 1002));
        }
    }
    cases
}

/// A client's frame with this mask.
fn with_mask(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).expect("short");
    let mut bytes = vec![first, 0x80 | len];
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
    bytes
}

fn masks() -> Vec<Case> {
    let mut cases = Vec::new();
    let message = call("masked");
    for mask in [[0; 4], [0xff; 4], [1, 2, 3, 4], [0, 0, 0, 0x80]] {
        let bytes = with_mask(TEXT, &message, mask);
        cases.push(Case::lives(format!("a mask of {mask:x?}"), bytes).result("masked"));
        let bytes = with_mask(PING, b"masked", mask);
        cases.push(Case::lives(format!("a ping with a mask of {mask:x?}"), bytes).pong(b"masked"));
    }
    for (name, first) in [
        ("text", TEXT),
        ("ping", PING),
        ("close", 0x88),
        ("continuation", 0),
    ] {
        let bytes = vec![first, 0];
        cases.push(Case::ends(format!("{name} without a mask"), bytes, 1002));
    }
    cases
}
