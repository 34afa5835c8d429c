//! A SignalR server that stock clients cannot tell from ASP.NET Core's.
//!
//! SignalR lets a server call its clients, and clients their server, over whatever connection they get: a WebSocket,
//! or an event stream or polls with requests beside them. Clients in a dozen languages exist; with this crate the server
//! can be written in Rust. It speaks to `@microsoft/signalr` and to the .NET, Java, Swift and Python clients as
//! ASP.NET Core 8 to 10 does: both hub protocols (JSON and MessagePack), all three transports, streams in both
//! directions, questions to clients, stateful reconnect, and its texts where something goes wrong.
//!
//! # A hub
//!
//! A [`Hub`] is what an application writes: methods that clients call, by name, with parameters that serde reads. One
//! value serves all connections; what belongs to one is in the [`Context`] that each call gets.
//!
//! ```
//! use std::sync::Arc;
//! use signalr::{Context, Hub, HubEndpoint, HubError, Methods};
//!
//! struct Sums;
//!
//! impl Hub for Sums {
//!     fn methods(methods: &mut Methods<Self>) {
//!         methods.call("Add", Self::add);
//!         methods.call("Reset", Self::reset).authorize(|context| context.user_id() == Some("admin"));
//!     }
//!
//!     async fn on_connected(self: Arc<Self>, context: Context) -> Result<(), HubError> {
//!         context.clients().caller().send("Welcome", (context.connection_id(),)).await?;
//!         Ok(())
//!     }
//! }
//!
//! impl Sums {
//!     async fn add(self: Arc<Self>, _: Context, a: i64, b: i64) -> Result<i64, HubError> {
//!         a.checked_add(b).ok_or_else(|| HubError::new("that is too much for me"))
//!     }
//!
//!     async fn reset(self: Arc<Self>, _: Context) -> Result<(), HubError> {
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // An axum router: to be nested, layered and served like any other.
//! let router = HubEndpoint::builder(Sums).build().router("/sums");
//! # drop(router);
//! # }
//! ```
//!
//! The calls of one client run one after the other, in their order, unless
//! [`HubOptions::maximum_parallel_invocations`] allows more at once; those of different clients run side by side. A
//! method fails with a [`HubError`]: clients read the text of one that was written for them ([`HubError::new`]), and
//! of all others learn only that there was one. A method that panics fails alone.
//!
//! Who a client is says the application, from the request that opens the connection
//! ([`endpoint::Builder::caller`]); a [`Caller`] can have a user id, and anything else that methods need.
//!
//! # Clients and groups
//!
//! [`Context::clients`] addresses clients as seen from the one that calls (the caller, the others, the others in a
//! group), and [`HubEndpoint::handle`] does so from anywhere in the program: everybody, connections, users, groups, all
//! but some. Groups are made by joining and vanish with their last member.
//!
//! ```
//! # use std::sync::Arc;
//! # use signalr::{Context, Hub, HubEndpoint, HubError, HubHandle, Methods};
//! # struct News;
//! # impl Hub for News { fn methods(methods: &mut Methods<Self>) { methods.call("Follow", Self::follow); } }
//! impl News {
//!     async fn follow(self: Arc<Self>, context: Context, topic: String) -> Result<i32, HubError> {
//!         context.groups().add(context.connection_id(), &topic).await?;
//!         // A question: the client's handler returns a number.
//!         context.clients().caller().invoke("HowMany", (&topic,)).await
//!     }
//! }
//!
//! async fn publish(hub: &HubHandle, topic: &str, text: &str) -> Result<(), signalr::SendError> {
//!     hub.clients().group(topic).send("Published", (topic, text)).await
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # publish(&HubEndpoint::builder(News).build().handle(), "weather", "rain").await.unwrap();
//! # }
//! ```
//!
//! Clients that know what they are called with are served best by functions that know it, too. What .NET has an
//! interface for is a type around the receivers here, and a hub that sends through it cannot misspell a name or leave
//! an argument out:
//!
//! ```
//! use signalr::{Receivers, SendError};
//!
//! /// What the clients of the news take.
//! struct Reader<'a>(Receivers<'a>);
//!
//! impl Reader<'_> {
//!     async fn published(self, topic: &str, text: &str) -> Result<(), SendError> {
//!         self.0.send("Published", (topic, text)).await
//!     }
//! }
//! # use signalr::{Hub, HubEndpoint, Methods};
//! # struct News;
//! # impl Hub for News { fn methods(_: &mut Methods<Self>) {} }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let hub = HubEndpoint::builder(News).build().handle();
//! # Reader(hub.clients().group("weather")).published("weather", "rain").await.unwrap();
//! # }
//! ```
//!
//! That nobody is there is no error. A message is written once for each hub protocol, however many get it, and each
//! sender's messages reach a client in the order in which they were sent.
//!
//! # Streams
//!
//! A method may answer with a stream, whose items leave as fast as the client reads them, and may take [`Upload`]s, which
//! the client fills while the method runs:
//!
//! ```
//! # use std::sync::Arc;
//! use futures_util::{Stream, StreamExt as _};
//! # use signalr::{Context, Hub, HubError, Methods, Upload};
//! # struct Numbers;
//! # impl Hub for Numbers {
//! #     fn methods(methods: &mut Methods<Self>) {
//! methods.call("Sum", Self::sum);
//! methods.stream("Squares", Self::squares);
//! #     }
//! # }
//! # impl Numbers {
//! async fn sum(self: Arc<Self>, _: Context, mut numbers: Upload<i64>) -> Result<i64, HubError> {
//!     let mut sum = 0;
//!     while let Some(number) = numbers.next().await {
//!         sum += number?; // the client may end its stream with an error, or go
//!     }
//!     Ok(sum)
//! }
//!
//! async fn squares(
//!     self: Arc<Self>,
//!     _: Context,
//!     numbers: Upload<i64>,
//! ) -> Result<impl Stream<Item = Result<i64, HubError>>, HubError> {
//!     Ok(numbers.map(|number| number.map(|n| n * n)))
//! }
//! # }
//! ```
//!
//! A stream that the client no longer wants is dropped, and so is one whose client has gone. Other methods can learn
//! of that from [`Context::aborted`]; they are not cut off.
//!
//! # Filters
//!
//! What every method needs, and what is to happen at each coming and going, is written once, in a
//! [`HubFilter`](filter::HubFilter): it runs around the hub, sees who calls what and how that ended, and can refuse it.
//! [`Builder::filter`](endpoint::Builder::filter) adds one; the first is the outermost.
//!
//! ```
//! use std::time::Duration;
//! use signalr::filter::{HubFilter, MethodCall, Next, Passed};
//! use signalr::{Hub, HubEndpoint, HubError, Methods};
//! use tokio::time::Instant;
//!
//! struct Watched;
//!
//! impl HubFilter for Watched {
//!     async fn invoke_method(&self, call: &MethodCall, next: Next<'_>) -> Result<Passed, HubError> {
//!         let start = Instant::now();
//!         let ended = next.run().await; // further filters, then the method
//!         if start.elapsed() > Duration::from_secs(1) {
//!             tracing::warn!(method = call.method(), "slow");
//!         }
//!         ended
//!     }
//! }
//! # struct Chat;
//! # impl Hub for Chat { fn methods(_: &mut Methods<Self>) {} }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # drop(
//! HubEndpoint::builder(Chat).filter(Watched).build()
//! # );
//! # }
//! ```
//!
//! # Options and limits
//!
//! [`HubOptions`] has ASP.NET Core's names and defaults: time-outs, sizes, transports, detailed errors, stateful
//! reconnect. Whatever a client can make grow has a limit there, with the reason for the number: the size of a message,
//! what waits for a client that does not read, connections that are negotiated and not used, connections of one user,
//! calls a second, streams. Who goes beyond one is told so, in a Close message or by a status, and nobody else notices:
//! a sender never waits for a slow client, which is closed instead ([`CloseReason::SlowReceiver`]) and may come back.
//!
//! [`Metrics`] counts connections by transport, calls, deliveries, and why connections ended.
//!
//! # Many servers
//!
//! A hub reaches the clients of its own process. With several behind a load balancer something has to carry messages
//! from one to the others: a [`LifetimeManager`], given to [`Builder::lifetime`](endpoint::Builder::lifetime). Hubs do not
//! notice. One for Redis, which shares a cluster with ASP.NET Core's servers, is a crate of its own, `signalr-redis`;
//! another can be held against the contract by the suite of the feature `conformance`. The balancer has to send the
//! requests of one connection to one server, unless its clients use WebSockets alone and skip the negotiation.
//!
//! # Shutting down
//!
//! [`HubEndpoint::shut_down`] asks every client to come back later, by a Close message that lets stock clients
//! reconnect by themselves, tells the hub of each that goes, and returns when all have gone. From then on new
//! connections are refused with 503. It has no time limit of its own, as methods may take theirs.
//!
//! # How it is built
//!
//! [`endpoint`] decides to which transport a request belongs, and hands the connection to a task, its driver. That is
//! the one place that waits for more than one thing: for bytes, which it feeds to the protocol's state
//! ([`protocol::Connection`], without I/O), for calls that run, for deadlines and orders. What is to be sent waits in
//! the connection's outbox, and is written by whoever put it there, straight to the socket where it is a plain one; a
//! broadcast wakes no task. The [`LifetimeManager`] knows who is where; [`LocalLifetime`] for one process, others for many.
//! A task a connection and a kilobyte or so is what an idle client costs.

pub mod endpoint;
pub mod lifetime;

/// Code around the methods of a hub, and around its clients' coming and going.
pub mod filter {
    pub use crate::hub::filter::{HubFilter, MethodCall, Next, Passed};
}

mod caller;
mod close;
mod connection;
mod error;
mod frame;
mod hub;
mod metrics;
mod options;
mod transport;

pub use caller::Caller;
pub use close::CloseReason;
pub use endpoint::HubEndpoint;
pub use error::HubError;
pub use frame::{Broadcast, Frame, Question};
pub use hub::Hub;
pub use hub::clients::{CallerClients, Clients, Groups, HubHandle, Receivers, SingleClient};
pub use hub::context::Context;
pub use hub::methods::{Added, CallFn, Methods, Parameter, StreamFn};
pub use hub::stream::Upload;
pub use lifetime::{LifetimeManager, LocalLifetime, SendError};
pub use metrics::Metrics;
pub use options::HubOptions;
pub use signalr_protocol as protocol;
