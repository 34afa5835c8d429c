//! What black-box tests need: clients on plain sockets, a token issuer, faulty networks.

pub mod client;
pub mod http2;
pub mod issuer;
pub mod raw;
pub mod redis;
