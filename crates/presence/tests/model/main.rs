//! The state model and the memory store against a naive model, over random lists of operations.

mod memory;
mod naive;
mod operations;
mod properties;
mod state;
