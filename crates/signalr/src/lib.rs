//! A SignalR server that stock clients cannot tell from ASP.NET Core's.

pub mod endpoint;
pub mod lifetime;

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
pub use frame::{Broadcast, Frame};
pub use hub::Hub;
pub use hub::clients::{CallerClients, Clients, Groups, HubHandle, Receivers, SingleClient};
pub use hub::context::Context;
pub use hub::methods::{Added, CallFn, Methods, Parameter, StreamFn};
pub use hub::stream::Upload;
pub use lifetime::{LifetimeManager, LocalLifetime, SendError};
pub use metrics::Metrics;
pub use options::HubOptions;
pub use signalr_protocol as protocol;
