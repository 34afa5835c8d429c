//! The SignalR wire, without I/O and without a clock.
//!
//! SignalR is a remote-call protocol between one server and many clients: both sides send *hub messages* over a
//! transport that moves bytes. This crate knows those bytes and nothing else:
//!
//! * [`message`]: the nine kinds of hub message, as they come in ([`HubMessage`]);
//! * [`codec`]: the two hub protocols, JSON and MessagePack, behind one [`HubProtocol`];
//! * [`payload`]: how application values are written into messages and read out of them;
//! * [`framing`]: where one message ends and the next begins;
//! * [`handshake`] and [`negotiate`]: what is said before the first hub message;
//! * [`keep_alive`]: which deadlines a connection has, and what each one asks for;
//! * [`replay`]: what stateful reconnect has to remember;
//! * [`connection`]: the server's half of one connection, all of the above joined.
//!
//! [`Connection`] is driven in the style of a protocol without I/O: its owner hands in bytes and the time
//! (`handle_*`), and takes out events, bytes to send and the next deadline (`poll_*`).
//!
//! ```
//! use signalr_protocol::negotiate::Transport;
//! use signalr_protocol::{Connection, Event, HubMessage, Options};
//! use std::sync::Arc;
//!
//! let now = std::time::Instant::now();
//! let mut connection = Connection::new(Arc::new(Options::default()), Transport::WebSockets, now);
//! connection.handle_bytes(b"{\"protocol\":\"json\",\"version\":1}\x1e{\"type\":6}\x1e", now);
//!
//! assert!(matches!(connection.poll_event(), Ok(Some(Event::Open(_)))));
//! assert_eq!(&connection.poll_transmit().unwrap().payload[..], b"{}\x1e");
//! assert!(matches!(connection.poll_event(), Ok(Some(Event::Message(HubMessage::Ping)))));
//! assert!(matches!(connection.poll_event(), Ok(None)));
//! ```
//!
//! The facts behind it (error texts, limits, member order) are those of ASP.NET Core 8 to 10. Where this crate
//! differs on purpose, the line that does so says it.

#![warn(clippy::indexing_slicing)]

pub mod codec;
pub mod connection;
pub mod error;
pub mod framing;
pub mod handshake;
pub mod keep_alive;
pub mod message;
pub mod negotiate;
pub mod payload;
pub mod replay;

pub use codec::{HubProtocol, TransferFormat};
pub use connection::{Connection, Event, Options, Timeout, Transmit};
pub use error::ProtocolError;
pub use message::HubMessage;
