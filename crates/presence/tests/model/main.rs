//! The state model and the memory store against a naive model, over random lists of operations.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod memory;
mod naive;
mod operations;
mod properties;
mod state;
