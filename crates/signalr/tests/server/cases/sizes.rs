//! Large messages, in few pieces and in many, and many messages one behind the other.

use super::{CONTINUATION, Case, KINDS, call_of, masked, unfinished};

/// 4 MiB are a hundred times what the hub allows by default: time and memory would show by then what is not linear.
const LARGE: usize = 4 << 20;

pub(super) fn cases() -> Vec<Case> {
    [whole(), in_fragments(), in_writes(), many()]
        .into_iter()
        .flatten()
        .collect()
}

pub(super) fn whole() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, first) in KINDS {
        for len in [64 << 10, 256 << 10, 1 << 20, LARGE] {
            let (message, text) = call_of(len);
            let name = format!("{len} bytes of {kind}");
            cases.push(Case::lives(name, masked(first, &message)).result(text));
        }
    }
    cases
}

/// One message, in frames of this size.
pub(super) fn in_fragments() -> Vec<Case> {
    let mut cases = Vec::new();
    let (message, text) = call_of(1 << 20);
    for (kind, first) in KINDS {
        for len in [64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10] {
            let mut bytes = masked(unfinished(first), b"");
            for piece in message.chunks(len) {
                bytes.extend(masked(unfinished(CONTINUATION), piece));
            }
            bytes.extend(masked(CONTINUATION, b""));
            let name = format!("a megabyte of {kind} in frames of {len}");
            cases.push(Case::lives(name, bytes).result(text.clone()));
        }
    }
    cases
}

/// One frame, in writes of this size.
pub(super) fn in_writes() -> Vec<Case> {
    let mut cases = Vec::new();
    let (message, text) = call_of(256 << 10);
    for (kind, first) in KINDS {
        for len in [64, 128, 256, 512, 1 << 10, 2 << 10, 16 << 10] {
            let name = format!("256 KiB of {kind} in writes of {len}");
            let case = Case::lives(name, masked(first, &message)).result(text.clone());
            cases.push(case.at_once(len));
        }
    }
    cases
}

/// A hundred calls of this size.
pub(super) fn many() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, first) in KINDS {
        for len in [100, 125, 126, 256, 1 << 10, 4 << 10, 16 << 10] {
            let (message, text) = call_of(len);
            let bytes = masked(first, &message).repeat(100);
            let mut case = Case::lives(format!("100 calls of {len} bytes of {kind}"), bytes);
            for _ in 0..100 {
                case = case.result(text.clone());
            }
            cases.push(case);
        }
    }
    cases
}
