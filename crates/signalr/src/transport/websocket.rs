//! WebSockets (RFC 6455), the server's side.
//!
//! Written by hand because no library takes frames that were framed before, which is what makes one broadcast one
//! byte string for all receivers, and because an idle socket here holds no buffer at all.

pub(crate) mod decoder;
pub(crate) mod frame;
pub(crate) mod upgrade;
mod utf8;
