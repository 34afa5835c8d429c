//! SignalR across servers, by Redis, byte-compatible with ASP.NET Core's `StackExchangeRedis` backplane.
//!
//! Servers that share a Redis and the name of a hub are one to their clients: whoever sends to everybody, a group, a user
//! or a connection reaches them on all servers, connections join groups from anywhere, and any client can be asked for an
//! answer. Servers on ASP.NET Core with `AddStackExchangeRedis` may be among them.
//!
//! ```no_run
//! use std::sync::Arc;
//! use redis_link::Settings;
//! use signalr::{Context, Hub, HubEndpoint, HubError, Methods};
//! use signalr_redis::RedisLifetime;
//!
//! struct Chat;
//!
//! impl Hub for Chat {
//!     fn methods(methods: &mut Methods<Self>) {
//!         methods.call("Say", Self::say);
//!     }
//! }
//!
//! impl Chat {
//!     async fn say(self: Arc<Self>, context: Context, text: String) -> Result<(), HubError> {
//!         context.clients().all().send("Said", (text,)).await?;
//!         Ok(())
//!     }
//! }
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings::parse("localhost:6379")?.settings;
//! // The .NET type name of the hub that it shares its clients with.
//! let lifetime = RedisLifetime::builder("MyApp.Hubs.ChatHub").start(&settings);
//! let router = HubEndpoint::builder(Chat).lifetime(lifetime).build().router("/chat");
//! # drop(router);
//! # Ok(())
//! # }
//! ```
//!
//! # How a message goes
//!
//! It is written once in each hub protocol, and all of them are published in one payload ([`wire`]). Each server that has
//! receivers is subscribed to the channel and hands the bytes on as they are, framed once. A server's own clients get
//! their messages through Redis, too, so that everybody sees one order; only a single connection of the same server is
//! written to directly. A sender's messages keep their order within one channel, not across channels.
//!
//! Redis keeps nothing: what is published while a server is not subscribed does not reach its clients.
//!
//! # In a cluster
//!
//! By default each message goes to all servers of the cluster. With [`PubSub::Sharded`](redis_link::PubSub::Sharded) it
//! goes to the master that has the slot of its channel ([`Builder::group_tags`]); subscriptions follow when slots move, and
//! what is published meanwhile may be missed as in an outage. All servers must have the same setting, and ASP.NET Core's
//! do not have it.
//!
//! # When Redis is away
//!
//! Connections stay, and new ones are taken; ASP.NET Core would close the latter. Subscriptions and groups of this
//! server's connections are wishes, which are carried out when Redis is back. What is sent fails at once with
//! [`SendError::Backplane`](signalr::SendError::Backplane), as in ASP.NET Core; nothing queues.
//! [`RedisLifetime::send_here`] reaches this server's clients in any case, and an [`Observer`] learns which groups may have
//! missed messages.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod wire;

mod acks;
mod addressing;
mod bus;
mod channels;
mod lifetime;
mod metrics;
mod observer;

pub use addressing::Addressing;
pub use lifetime::RedisLifetime;
pub use lifetime::builder::Builder;
pub use metrics::Metrics;
pub use observer::Observer;
