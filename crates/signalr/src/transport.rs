//! The ways in which bytes move; none of them knows what a hub message is.

pub(crate) mod long_polling;
pub(crate) mod negotiate;
pub(crate) mod post;
pub(crate) mod respond;
pub(crate) mod sse;
pub(crate) mod websocket;
