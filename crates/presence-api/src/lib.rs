//! The presence service: SignalR to browsers and apps, gRPC to back ends.
//!
//! The program is a thin shell around this library, so that another program can embed the whole service, with hubs of
//! its own beside it: see [`app::App`].

pub mod announcements;
pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod dev;
pub mod figures;
pub mod grpc;
pub mod http;
pub mod hub;
pub mod listen;
pub mod notifier;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod watch;
