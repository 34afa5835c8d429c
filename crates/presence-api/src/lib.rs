//! The presence service: SignalR to browsers and apps, gRPC to back ends.

pub mod app;
pub mod auth;
pub mod config;
pub mod dev;
pub mod grpc;
pub mod http;
pub mod hub;
pub mod listen;
pub mod notifier;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
