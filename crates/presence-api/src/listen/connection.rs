//! One connection, from the accepted socket to its end.

use std::{
    convert::Infallible,
    fmt,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{BoxError, Router, body::Body, response::Response, routing::future::RouteFuture};
use futures_util::FutureExt as _;
use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulConnection},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use super::{
    Bound, ConnectionCounters, Limits, Protocol, Services, TcpStream,
    executor::AtOnce,
    gather::gather,
    waiting::{Ticket, Waiting},
};

/// The address of the peer, in the extensions of requests to the web's router.
///
/// IPv4 peers of a dual-stack socket are given as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// With or without TLS, in the extensions of requests to the web's router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Without.
    Http,
    /// With.
    Https,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// What all connections of one listener share.
pub(super) struct Server {
    builder: auto::Builder<AtOnce>,
    protocol: Protocol,
    tls: Option<TlsAcceptor>,
    services: Services,
    limits: Limits,
    waiting: Arc<Waiting>,
    counters: Arc<ConnectionCounters>,
    stop: CancellationToken,
}

impl Server {
    pub(super) fn new(
        socket: &Bound,
        services: &Services,
        limits: Limits,
        waiting: Arc<Waiting>,
        counters: Arc<ConnectionCounters>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            builder: builder(socket.protocol, &limits),
            protocol: socket.protocol,
            tls: socket.tls.clone().map(TlsAcceptor::from),
            services: services.clone(),
            limits,
            waiting,
            counters,
            stop,
        }
    }

    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    pub(super) fn counters(&self) -> &ConnectionCounters {
        &self.counters
    }

    /// Serves one accepted socket to its end.
    pub(super) async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let _open = self.counters.accept();
        let peer = PeerAddress(SocketAddr::new(peer.ip().to_canonical(), peer.port()));
        let ticket = Arc::new(self.waiting.enter());
        // HTTP in memory of its own, apart from the task's: a third less for each idle connection after a rush
        // (docs/performance.md).
        match &self.tls {
            None => Box::pin(self.http(stream, peer, Scheme::Http, ticket)).await,
            Some(acceptor) => {
                let deadline = Instant::now() + self.limits.tls_handshake;
                let stream = tokio::select! {
                    biased;
                    () = self.stop.cancelled() => return,
                    () = ticket.overdue(deadline) => {
                        tracing::debug!(peer = %peer.0, "no TLS handshake in time");
                        return self.counters.failed_tls();
                    }
                    handshake = acceptor.accept(stream) => match handshake {
                        Ok(stream) => stream,
                        Err(error) => {
                            tracing::debug!(peer = %peer.0, %error, "TLS handshake failed");
                            return self.counters.failed_tls();
                        }
                    },
                };
                Box::pin(self.http(stream, peer, Scheme::Https, ticket)).await;
            }
        }
    }

    /// Speaks HTTP on a socket.
    async fn http<I>(&self, socket: I, peer: PeerAddress, scheme: Scheme, ticket: Arc<Ticket>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match self.protocol {
            Protocol::Http1AndHttp2 => {
                let service = Requests {
                    router: self.services.web.clone(),
                    peer,
                    scheme,
                    ticket: Arc::clone(&ticket),
                };
                // Nothing else may be wrapped around it: the hub wants the socket itself after an upgrade.
                let io = TokioIo::new(socket);
                let connection = self.builder.serve_connection_with_upgrades(io, service);
                let nothing = |_: &mut Context<'_>| Poll::Ready(Ok(()));
                let patience = self.limits.first_request;
                self.drive(connection, nothing, peer, &ticket, patience)
                    .await;
            }
            Protocol::Http2 => {
                let (handler, redeemed) = (self.services.grpc.clone(), Arc::clone(&ticket));
                let service = service_fn(move |request| {
                    redeemed.redeem();
                    handler.answer(request).map(Ok::<_, Infallible>)
                });
                let (socket, sending) = gather(socket);
                let io = TokioIo::new(socket);
                let connection = self.builder.serve_connection(io, service);
                let send = |cx: &mut Context<'_>| sending.poll_send(cx);
                let patience = self.limits.first_request_http2;
                self.drive(connection, send, peer, &ticket, patience).await;
            }
        }
    }

    /// Polls a connection to its end, which the peer, its silence or the end of the service may bring about. After
    /// each poll `send` sends what was kept meanwhile; an error of it ends the connection.
    async fn drive<C>(
        &self,
        connection: C,
        mut send: impl FnMut(&mut Context<'_>) -> Poll<io::Result<()>>,
        peer: PeerAddress,
        ticket: &Ticket,
        first_request: Duration,
    ) where
        C: GracefulConnection,
        C::Error: Into<BoxError>,
    {
        let mut connection = pin!(connection);
        let mut overdue = pin!(ticket.overdue(Instant::now() + first_request));
        let mut stopping = false;
        let result = loop {
            tokio::select! {
                biased;
                result = turns(connection.as_mut(), &mut send) => break result,
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = &mut overdue => {
                    tracing::debug!(peer = %peer.0, "no request in time");
                    self.counters.fell_silent();
                    connection.as_mut().graceful_shutdown();
                    let _ = timeout(PARTING, turns(connection, &mut send)).await;
                    return;
                }
            }
        };
        if let Err(error) = result {
            // Peers that vanish are everyday life.
            tracing::debug!(peer = %peer.0, %error, "connection ended with an error");
        }
    }
}

/// A connection, and what sends after each of its polls.
fn turns<C>(
    mut connection: Pin<&mut C>,
    send: &mut impl FnMut(&mut Context<'_>) -> Poll<io::Result<()>>,
) -> impl Future<Output = Result<(), BoxError>>
where
    C: GracefulConnection,
    C::Error: Into<BoxError>,
{
    poll_fn(move |cx| {
        let polled = connection.as_mut().poll(cx);
        let sent = send(cx);
        if let Poll::Ready(result) = polled {
            return Poll::Ready(result.map_err(Into::into));
        }
        match sent {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    })
}

/// Hands the requests of one connection to the web's router, together with what is known about the connection.
#[derive(Debug)]
struct Requests {
    router: Router,
    peer: PeerAddress,
    scheme: Scheme,
    ticket: Arc<Ticket>,
}

impl hyper::service::Service<Request<Incoming>> for Requests {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.ticket.redeem();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.peer);
        request.extensions_mut().insert(self.scheme);
        self.router.clone().call(request)
    }
}

fn builder(protocol: Protocol, limits: &Limits) -> auto::Builder<AtOnce> {
    let mut builder = auto::Builder::new(AtOnce);
    builder
        .http1()
        .timer(TokioTimer::new())
        // hyper counts from the end of the last response, so this bounds idle connections too.
        .header_read_timeout(limits.keep_alive)
        .max_buf_size(limits.head_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .initial_stream_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_send_buf_size(limits.send_buffer_max)
        .max_header_list_size(limits.header_list_max)
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_timeout);
    if limits.extended_connect && protocol == Protocol::Http1AndHttp2 {
        builder.http2().enable_connect_protocol();
    }
    match protocol {
        Protocol::Http1AndHttp2 => builder,
        Protocol::Http2 => builder.http2_only(),
    }
}

/// Time in which HTTP/2 may say goodbye to a peer that is dropped for its silence: 1 s, since it owes us nothing.
const PARTING: Duration = Duration::from_secs(1);
