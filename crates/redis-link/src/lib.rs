//! Connections to Redis that look after themselves.
//!
//! A [`Link`] carries commands and scripts, a [`Subscriber`] carries subscriptions. Each connects in the background,
//! notices within some 2.5 s when its connection is dead or stalled, fails what was in flight, and connects again for as
//! long as it takes: to one server, to the master that a Sentinel names, or to a cluster. While nothing is there, commands
//! fail at once; nothing queues.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use redis_link::{Link, Settings, cmd};
//!
//! let parsed = Settings::parse("localhost:6379,password=secret,connectTimeout=1000")?;
//! let link = Link::start(&parsed.settings);
//! let value: Option<String> = link.run(cmd("GET").arg("greeting")).await?;
//! # Ok(())
//! # }
//! ```
//!
//! This is the one package that knows the client library underneath; see `deny.toml`.

mod answers;
mod backoff;
mod command;
mod counters;
mod error;
mod link;
mod locate;
mod script;
mod settings;
mod slot;
mod socket;
mod state;
mod subscriber;
mod switch;
mod wire;

pub use redis::{FromRedisValue, Value};

pub use self::{
    command::{Cmd, Word, cmd},
    counters::{LinkCounters, SubscriberCounters},
    error::{LinkError, Refusal},
    link::Link,
    script::Script,
    settings::{Endpoint, InvalidSettings, Parsed, PubSub, Secret, Settings, Tls, Topology},
    slot::{hash_tag, slot},
    state::LinkState,
    subscriber::{Listener, Subscriber},
};

/// Reads one of the answers of [`Link::run_all`] and [`Link::run_in_order`].
///
/// # Errors
/// It is not of that type.
pub fn from_value<T: FromRedisValue>(value: Value) -> Result<T, LinkError> {
    T::from_redis_value(value).map_err(|error| LinkError::Unreadable(error.to_string()))
}
