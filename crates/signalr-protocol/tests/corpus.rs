//! The corpus of the fuzz targets, through the functions that they run.
//!
//! `cargo fuzz run --sanitizer none TARGET` looks for more; what it finds becomes a test of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(dead_code, reason = "other tests use the rest of what they share")]

#[path = "support/exercise.rs"]
mod exercise;
#[path = "support/pack.rs"]
mod pack;

use std::path::Path;

fn check(target: &str, exercise: impl Fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| exercise(&bytes)));
        assert!(outcome.is_ok(), "{}", path.display());
        count += 1;
    }
    assert!(count >= 20, "{} files in {}", count, directory.display());
}

#[test]
fn json() {
    check("json", exercise::json);
}

#[test]
fn messagepack() {
    check("messagepack", exercise::messagepack);
}

#[test]
fn handshake() {
    check("handshake", exercise::handshake);
}

#[test]
fn connection() {
    check("connection", exercise::connection);
}
