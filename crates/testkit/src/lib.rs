//! What black-box tests need: clients on plain sockets, a token issuer, processes of servers, faulty networks.

pub mod client;
pub mod http2;
pub mod issuer;
mod process;
pub mod raw;
pub mod redis;
pub mod service;
