//! Hubs behind HTTP paths.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use signalr_protocol::negotiate::Transport;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::caller::Caller;
use crate::close::CloseReason;
use crate::connection::driver::{Driver, Moving};
use crate::connection::io::Io;
use crate::connection::link::Link;
use crate::connection::registry::{Claim, Registry};
use crate::connection::timers::TICK;
use crate::hub::clients::HubHandle;
use crate::hub::filter::{Filters, HubFilter};
use crate::hub::runtime::{HubShared, TypedHub};
use crate::hub::{Hub, client_results::ClientResults};
use crate::lifetime::{LifetimeManager, LocalLifetime};
use crate::metrics::Metrics;
use crate::options::HubOptions;
use crate::transport::websocket::upgrade::{self, Upgrade};
use crate::transport::{long_polling, negotiate, post, respond, sse};

type CallerOf = dyn Fn(&Parts) -> Caller + Send + Sync;
type OriginPolicy = dyn Fn(&Parts) -> bool + Send + Sync;

/// A hub that can be mounted into an HTTP server; cheap to clone.
///
/// ```no_run
/// # use signalr::{Hub, HubEndpoint, Methods};
/// # struct Chat;
/// # impl Hub for Chat { fn methods(_: &mut Methods<Self>) {} }
/// # async fn serve() -> std::io::Result<()> {
/// let chat = HubEndpoint::builder(Chat).build();
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:5000").await?;
/// axum::serve(listener, chat.router("/chat")).await
/// # }
/// ```
#[derive(Clone)]
pub struct HubEndpoint {
    hub: Arc<HubShared>,
    caller_of: Arc<CallerOf>,
    allow_origin: Arc<OriginPolicy>,
}

/// Puts a [`HubEndpoint`] together.
pub struct Builder<H> {
    hub: H,
    filters: Filters,
    options: HubOptions,
    metrics: Arc<Metrics>,
    lifetime: Option<Arc<dyn LifetimeManager>>,
    caller_of: Arc<CallerOf>,
    allow_origin: Arc<OriginPolicy>,
}

impl<H: Hub> Builder<H> {
    /// How connections are treated.
    #[must_use]
    pub fn options(mut self, options: HubOptions) -> Self {
        self.options = options;
        self
    }

    /// Adds code around the methods of the hub, and around its coming and going; the first is the outermost.
    #[must_use]
    pub fn filter(mut self, filter: impl HubFilter) -> Self {
        self.filters.0.push(Box::new(filter));
        self
    }

    /// Who a client is, read from the request that opens its connection. Default: somebody unknown.
    #[must_use]
    pub fn caller(mut self, caller_of: impl Fn(&Parts) -> Caller + Send + Sync + 'static) -> Self {
        self.caller_of = Arc::new(caller_of);
        self
    }

    /// Which requests may open a WebSocket, judged by their origin: CORS does not cover it. Default: all.
    #[must_use]
    pub fn allow_origin(
        mut self,
        allow_origin: impl Fn(&Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.allow_origin = Arc::new(allow_origin);
        self
    }

    /// Who keeps track of connections. Default: this process alone ([`LocalLifetime`]).
    #[must_use]
    pub fn lifetime(mut self, lifetime: Arc<dyn LifetimeManager>) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Where the hub counts what happens.
    #[must_use]
    pub fn metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = metrics;
        self
    }

    /// Starts the hub; its deadlines are watched until the last clone of the endpoint is gone.
    ///
    /// # Panics
    /// Outside a tokio runtime, or where the hub has two methods of one name.
    #[must_use]
    pub fn build(self) -> HubEndpoint {
        let options = Arc::new(self.options);
        let metrics = self.metrics;
        let lifetime = self
            .lifetime
            .unwrap_or_else(|| Arc::new(LocalLifetime::new(Arc::clone(&metrics))));
        let hub = Arc::new(HubShared {
            protocol_options: Arc::new(signalr_protocol::Options {
                protocols: options.protocols.clone(),
                timeouts: options.timeouts,
                maximum_receive_message_size: options.maximum_receive_message_size,
                detailed_errors: options.detailed_errors,
            }),
            registry: Registry::new(Arc::clone(&options), Arc::clone(&metrics), Instant::now()),
            lifetime,
            client_results: Arc::new(ClientResults::default()),
            metrics,
            filters: self.filters,
            hub: Box::new(TypedHub::new(Arc::new(self.hub))),
            options,
        });
        let watched = Arc::downgrade(&hub);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            loop {
                let now = ticks.tick().await;
                let Some(hub) = watched.upgrade() else { return };
                hub.registry.handle_tick(now);
            }
        });
        HubEndpoint {
            hub,
            caller_of: self.caller_of,
            allow_origin: self.allow_origin,
        }
    }
}

impl<H> std::fmt::Debug for Builder<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl HubEndpoint {
    /// Begins to put an endpoint together.
    pub fn builder<H: Hub>(hub: H) -> Builder<H> {
        Builder {
            hub,
            filters: Filters::default(),
            options: HubOptions::default(),
            metrics: Arc::default(),
            lifetime: None,
            caller_of: Arc::new(|_| Caller::anonymous()),
            allow_origin: Arc::new(|_| true),
        }
    }

    /// Routes for `path` and `path/negotiate`, each with and without a last slash.
    ///
    /// Layers added to this router see every request of the hub, and no other.
    pub fn router(&self, path: &str) -> Router {
        let path = path.trim_end_matches('/');
        ["", "/", "/negotiate", "/negotiate/"]
            .into_iter()
            .fold(Router::new(), |router, rest| {
                router.route_service(&format!("{path}{rest}"), self.clone())
            })
    }

    /// Reaches the hub's clients from outside its methods.
    #[must_use]
    pub fn handle(&self) -> HubHandle {
        HubHandle(Arc::clone(&self.hub))
    }

    /// What the hub has counted.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.hub.metrics
    }

    /// Whether connections are taken: not any more once the hub shuts down.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.hub.registry.is_closing()
    }

    /// Asks all clients to come back later, and waits until they have gone.
    ///
    /// Each gets a Close message that allows it to reconnect. The server is not to take new connections any more;
    /// there is no time limit here: drop the future to stop waiting.
    pub async fn shut_down(&self) {
        self.hub.registry.close_all(&CloseReason::ServerShutdown);
        self.hub.registry.wait_until_empty().await;
    }

    async fn serve(self, request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        let caller = (self.caller_of)(&parts);
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let path = parts.uri.path().trim_end_matches('/');
        let is_negotiate = path
            .rsplit('/')
            .next()
            .is_some_and(|last| last.eq_ignore_ascii_case("negotiate"));
        if is_negotiate {
            return negotiate::handle(&self.hub, &parts.method, &query, caller);
        }
        let id = query.get("id").filter(|id| !id.is_empty());
        match parts.method {
            Method::POST => match self.find(id, &caller) {
                Ok(link) => post::send(&link, body).await,
                Err(refusal) => refusal,
            },
            Method::DELETE => match self.find(id, &caller) {
                Ok(link) => post::delete(&link),
                Err(refusal) => refusal,
            },
            Method::GET | Method::CONNECT if sse::is_asked_for(&parts.headers) => {
                self.attach_events(id, &caller)
            }
            Method::GET | Method::CONNECT => {
                let asked = upgrade::asked(
                    &parts.method,
                    parts.version,
                    &parts.headers,
                    &parts.extensions,
                );
                match asked {
                    Some(asked) => self.attach_websocket(&mut parts, id, caller, asked),
                    None => self.poll(id, &caller).await,
                }
            }
            _ => respond::text(StatusCode::METHOD_NOT_ALLOWED, ""),
        }
    }

    /// The connection that a request names; only its own user may.
    #[expect(
        clippy::result_large_err,
        reason = "a refusal is a response, and is sent at once"
    )]
    fn find(&self, id: Option<&str>, caller: &Caller) -> Result<Arc<Link>, Response> {
        let id = id.ok_or_else(respond::connection_id_required)?;
        let link = self
            .hub
            .registry
            .get(id)
            .ok_or_else(respond::unknown_connection)?;
        // ASP.NET Core serves whoever knows the token; here the owner's connection stays the owner's.
        if link.caller.user_id != caller.user_id {
            return Err(respond::text(StatusCode::FORBIDDEN, ""));
        }
        Ok(link)
    }

    /// The answer to a client that cannot be let in.
    fn over_limit(&self, caller: &Caller) -> Option<Response> {
        let registry = &self.hub.registry;
        let why = registry.check_limits(caller, &*self.hub.lifetime).err()?;
        Some(respond::refused(why))
    }

    fn has(&self, transport: Transport) -> bool {
        self.hub.options.transports.contains(&transport)
    }

    fn attach_events(&self, id: Option<&str>, caller: &Caller) -> Response {
        const SSE: Transport = Transport::ServerSentEvents;
        let link = match self.find(id, caller) {
            Ok(link) => link,
            Err(refusal) => return refusal,
        };
        if !self.has(SSE) {
            return respond::text(
                StatusCode::NOT_FOUND,
                "ServerSentEvents transport not supported by this end point type",
            );
        }
        if link.transport().is_none()
            && let Some(refusal) = self.over_limit(caller)
        {
            return refusal;
        }
        match self.hub.registry.claim(&link, SSE) {
            Claim::First => {}
            Claim::Gone => return respond::unknown_connection(),
            Claim::Taken if link.transport() == Some(SSE) => {
                return respond::text(StatusCode::CONFLICT, "");
            }
            Claim::Taken => return respond::other_transport(),
        }
        let pipe = link.posted();
        pipe.set_idle_since(None);
        let moving = Moving::Requests(Arc::clone(pipe));
        let driver = Driver::new(Arc::clone(&self.hub), Arc::clone(&link), SSE, moving);
        tokio::spawn(driver.run());
        sse::respond(link)
    }

    async fn poll(&self, id: Option<&str>, caller: &Caller) -> Response {
        const LONG_POLLING: Transport = Transport::LongPolling;
        let link = match self.find(id, caller) {
            Ok(link) => link,
            Err(refusal) => return long_polling::uncached(refusal),
        };
        if !self.has(LONG_POLLING) {
            return long_polling::uncached(respond::text(
                StatusCode::NOT_FOUND,
                "LongPolling transport not supported by this end point type",
            ));
        }
        if link.transport().is_none()
            && let Some(refusal) = self.over_limit(caller)
        {
            return long_polling::uncached(refusal);
        }
        match self.hub.registry.claim(&link, LONG_POLLING) {
            Claim::First => {
                let pipe = link.posted();
                pipe.set_idle_since(Some(Instant::now()));
                let moving = Moving::Requests(Arc::clone(pipe));
                let driver = Driver::new(Arc::clone(&self.hub), link, LONG_POLLING, moving);
                tokio::spawn(driver.run());
                long_polling::first()
            }
            Claim::Gone => long_polling::uncached(respond::unknown_connection()),
            Claim::Taken if link.transport() == Some(LONG_POLLING) => {
                long_polling::poll(&link).await
            }
            Claim::Taken => long_polling::uncached(respond::other_transport()),
        }
    }

    fn attach_websocket(
        &self,
        parts: &mut Parts,
        id: Option<&str>,
        caller: Caller,
        asked: Upgrade,
    ) -> Response {
        const WEB_SOCKETS: Transport = Transport::WebSockets;
        if !(self.allow_origin)(parts) {
            return respond::bare(StatusCode::FORBIDDEN, "");
        }
        let mut link = None;
        if id.is_some() {
            match self.find(id, &caller) {
                Ok(found) => link = Some(found),
                Err(mut refusal) => {
                    refusal.headers_mut().remove(header::CONTENT_TYPE);
                    return refusal;
                }
            }
        }
        if !self.has(WEB_SOCKETS) {
            return respond::text(
                StatusCode::NOT_FOUND,
                "WebSockets transport not supported by this end point type",
            );
        }
        let Some(on_upgrade) = parts.extensions.remove::<OnUpgrade>() else {
            return respond::bare(StatusCode::INTERNAL_SERVER_ERROR, "");
        };
        let is_new = link.as_ref().is_none_or(|link| link.transport().is_none());
        if is_new && let Some(refusal) = self.over_limit(&caller) {
            return refusal;
        }
        let mut is_resumed = false;
        if let Some(link) = &link {
            match self.hub.registry.claim(link, WEB_SOCKETS) {
                Claim::First => {}
                Claim::Gone => return respond::unknown_connection(),
                Claim::Taken if link.transport() != Some(WEB_SOCKETS) => {
                    return respond::other_transport();
                }
                Claim::Taken if !link.is_stateful() => {
                    return respond::text(StatusCode::CONFLICT, "");
                }
                Claim::Taken if link.is_closed() => {
                    return respond::bare(StatusCode::NO_CONTENT, "");
                }
                Claim::Taken => is_resumed = true,
            }
        }
        let link = link.unwrap_or_else(|| self.hub.registry.open(caller, WEB_SOCKETS));
        tokio::spawn(begin(on_upgrade, Arc::clone(&self.hub), link, is_resumed));
        switching(asked)
    }
}

/// Waits for the socket and hands it to the connection.
async fn begin(on_upgrade: OnUpgrade, hub: Arc<HubShared>, link: Arc<Link>, is_resumed: bool) {
    match on_upgrade.await {
        Ok(upgraded) if is_resumed => {
            // Over meanwhile: the socket is dropped, and the client negotiates anew.
            link.attach(io(upgraded));
        }
        Ok(upgraded) => {
            let moving = Moving::WebSocket(io(upgraded));
            // A task of its own: this one's memory goes as soon as it ends.
            tokio::spawn(Driver::new(hub, link, Transport::WebSockets, moving).run());
        }
        Err(error) => {
            tracing::debug!(connection = %link.id, %error, "the WebSocket was not opened");
            if !is_resumed {
                hub.registry.remove(&link, &CloseReason::TransportFailed);
            }
        }
    }
}

/// Takes the socket out of all that HTTP put around it, where it is a plain one.
fn io(upgraded: Upgraded) -> Io {
    use hyper_util::server::conn::auto;
    match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => Io::socket(parts.io.into_inner(), &parts.read_buf),
        Err(upgraded) => match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => Io::socket(parts.io.into_inner(), &parts.read_buf),
            Err(upgraded) => Io::other(TokioIo::new(upgraded)),
        },
    }
}

fn switching(asked: Upgrade) -> Response {
    let mut response = Response::new(Body::empty());
    if let Upgrade::Http1 { accept } = asked {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

impl tower_service::Service<Request> for HubEndpoint {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let endpoint = self.clone();
        Box::pin(async move { Ok(endpoint.serve(request).await) })
    }
}

impl std::fmt::Debug for HubEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubEndpoint").finish_non_exhaustive()
    }
}

/// The query of a request; keys are compared without regard to case, as ASP.NET Core does.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    fn parse(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self(pairs.into_owned().collect())
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(key))
            .map(|(_, value)| value.as_str())
    }
}
