//! `presence-api dev`: everything a developer needs on a laptop, and nothing else.

pub mod issuer;
pub mod page;
