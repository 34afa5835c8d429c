//! The server as its clients see it, over loopback: one file a subject.

#![expect(clippy::unwrap_used, reason = "what a test relies on is to end it")]

mod common;
mod hub;

mod cables;
mod cases;
mod dispatch;
mod event_stream;
mod filters;
mod groups;
mod keep_alive;
mod lifecycle;
mod limits;
mod long_polling;
mod reconnect;
mod streams;
mod stress;
mod websocket;
