#![no_main]
#![expect(dead_code, reason = "each target uses its part")]

#[path = "../../crates/signalr-protocol/tests/support/exercise.rs"]
mod exercise;
#[path = "../../crates/signalr-protocol/tests/support/pack.rs"]
mod pack;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exercise::connection(bytes));
