//! Redis as processes of their own: killed, paused, restarted empty, cut off, as a test wants it.
//!
//! ```no_run
//! # async fn example() {
//! use testkit::redis::{Proxy, RedisServer};
//!
//! let Some(mut server) = RedisServer::start().await else { return }; // said and skipped where it is not installed
//! let proxy = Proxy::start(server.port()).await;
//! server.cli(&["SET", "key", "value"]).await;
//! proxy.cut(); // every connection through it
//! server.pause(); // and now nobody answers
//! server.resume();
//! server.restart_empty().await; // on the same port
//! # }
//! ```
//!
//! All listen on loopback, keep nothing on disk but in a directory of their own, and end with their handles.

mod cluster;
mod monitor;
mod process;
mod proxy;
mod sentinel;
mod server;
mod tls;

pub use self::{
    cluster::Cluster, monitor::Monitor, process::is_installed, proxy::Proxy, sentinel::Sentinels,
    server::RedisServer,
};
