//! One connection, from the accepted socket to its end.

use std::{convert::Infallible, fmt, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, response::Response, routing::future::RouteFuture};
use http::Request;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulConnection},
};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use super::{
    Bound, ConnectionCounters, Limits, Protocol, Routers, TcpStream,
    waiting::{Ticket, Waiting},
};

/// The address of the peer, in the extensions of every request. IPv4 peers of a dual-stack socket are given as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// With or without TLS, in the extensions of every request.
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
    builder: auto::Builder<TokioExecutor>,
    protocol: Protocol,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    waiting: Arc<Waiting>,
    counters: Arc<ConnectionCounters>,
    stop: CancellationToken,
}

impl Server {
    pub(super) fn new(
        socket: &Bound,
        routers: &Routers,
        limits: Limits,
        waiting: Arc<Waiting>,
        counters: Arc<ConnectionCounters>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            builder: builder(socket.protocol, &limits),
            protocol: socket.protocol,
            tls: socket.tls.clone().map(TlsAcceptor::from),
            router: match socket.protocol {
                Protocol::Http1AndHttp2 => routers.web.clone(),
                Protocol::Http2 => routers.grpc.clone(),
            },
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
            None => Box::pin(self.http(TokioIo::new(stream), peer, Scheme::Http, ticket)).await,
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
                Box::pin(self.http(TokioIo::new(stream), peer, Scheme::Https, ticket)).await;
            }
        }
    }

    /// Speaks HTTP on `io`. Nothing may be wrapped around it: the hub wants the socket itself after an upgrade.
    async fn http<I>(&self, io: TokioIo<I>, peer: PeerAddress, scheme: Scheme, ticket: Arc<Ticket>)
    where
        TokioIo<I>: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let service = Requests {
            router: self.router.clone(),
            peer,
            scheme,
            ticket: Arc::clone(&ticket),
        };
        match self.protocol {
            Protocol::Http1AndHttp2 => {
                let connection = self.builder.serve_connection_with_upgrades(io, service);
                self.drive(connection, peer, &ticket, self.limits.first_request)
                    .await;
            }
            Protocol::Http2 => {
                let connection = self.builder.serve_connection(io, service);
                self.drive(connection, peer, &ticket, self.limits.first_request_http2)
                    .await;
            }
        }
    }

    /// Polls a connection to its end, which the peer, its silence or the end of the service may bring about.
    async fn drive<C>(
        &self,
        connection: C,
        peer: PeerAddress,
        ticket: &Ticket,
        first_request: Duration,
    ) where
        C: GracefulConnection,
        C::Error: fmt::Display,
    {
        let mut connection = pin!(connection);
        let mut overdue = pin!(ticket.overdue(Instant::now() + first_request));
        let mut stopping = false;
        let result = loop {
            tokio::select! {
                biased;
                result = connection.as_mut() => break result,
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = &mut overdue => {
                    tracing::debug!(peer = %peer.0, "no request in time");
                    self.counters.fell_silent();
                    connection.as_mut().graceful_shutdown();
                    let _ = timeout(PARTING, connection).await;
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

/// Hands the requests of one connection to the router, together with what is known about the connection.
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

fn builder(protocol: Protocol, limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
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
