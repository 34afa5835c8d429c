//! What an application writes: hubs, their methods, and what these can reach.

use std::sync::Arc;

use crate::close::CloseReason;
use crate::error::HubError;

pub(crate) mod calls;
pub(crate) mod client_results;
pub(crate) mod clients;
pub(crate) mod context;
pub(crate) mod dotnet;
pub(crate) mod filter;
pub(crate) mod methods;
pub(crate) mod runtime;
pub(crate) mod stream;

use context::Context;
use methods::Methods;

/// A hub: methods that clients call, and what happens when they come and go.
///
/// One value serves all connections; what belongs to one connection is in its [`Context`].
///
/// ```
/// use std::sync::Arc;
/// use signalr::{Context, Hub, HubError, Methods};
///
/// struct Chat;
///
/// impl Hub for Chat {
///     fn methods(methods: &mut Methods<Self>) {
///         methods.call("Say", Self::say);
///     }
/// }
///
/// impl Chat {
///     async fn say(self: Arc<Self>, context: Context, text: String) -> Result<(), HubError> {
///         context.clients().all().send("Said", (context.connection_id(), text)).await?;
///         Ok(())
///     }
/// }
/// ```
pub trait Hub: Sized + Send + Sync + 'static {
    /// Names the methods that clients may call.
    fn methods(methods: &mut Methods<Self>);

    /// A client has connected; none of its calls is read before this returns.
    ///
    /// An error ends the connection: the client is told so, and [`Hub::on_disconnected`] is not called.
    fn on_connected(
        self: Arc<Self>,
        _context: Context,
    ) -> impl Future<Output = Result<(), HubError>> + Send {
        std::future::ready(Ok(()))
    }

    /// A client has gone; its groups can still be sent to.
    fn on_disconnected(
        self: Arc<Self>,
        _context: Context,
        _reason: CloseReason,
    ) -> impl Future<Output = Result<(), HubError>> + Send {
        std::future::ready(Ok(()))
    }
}
