//! The listeners: sockets, TLS, HTTP/1.1 and HTTP/2.
//!
//! An accept loop of our own, for three reasons: the hub's WebSockets need the bare socket back after the upgrade, so
//! hyper is given nothing but [`TokioIo`](hyper_util::rt::TokioIo) around a `TcpStream` or a TLS stream; connections
//! that never say anything must be bounded before any HTTP code sees them; and the end of the service has to reach
//! every connection.
//!
//! First [`Listening::bind`], then [`Listening::serve`]: between the two the addresses are known (port 0 is resolved),
//! and peers that connect wait in the kernel's queue.

mod bind;
mod connection;
mod counters;
mod executor;
mod gather;
mod handler;
mod limits;
mod waiting;

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use bind::{BindError, BindErrors};
pub use connection::{PeerAddress, Scheme};
pub use counters::ConnectionCounters;
pub use handler::{Answer, Handler};
pub use limits::Limits;

use connection::Server;
use waiting::Waiting;

/// What a listener is for, and with it which HTTP it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The hub, pages, health: HTTP/1.1, and HTTP/2 by ALPN or by prior knowledge.
    Http1AndHttp2,
    /// gRPC: HTTP/2 only, without TLS by prior knowledge.
    Http2,
}

/// Where to listen, and how.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The addresses; several for names like `localhost`, which is `127.0.0.1` and `[::1]`.
    ///
    /// One of several may be missing on this host, which is a warning. With port 0 all get the port that the first
    /// was given. `[::]` takes IPv4 too, and falls back to `0.0.0.0` where there is no IPv6.
    pub addresses: Vec<SocketAddr>,
    /// What is spoken there.
    pub protocol: Protocol,
    /// TLS, from [`ReloadingCertificate::server_config`](crate::tls::ReloadingCertificate::server_config); none for
    /// plain HTTP.
    pub tls: Option<Arc<ServerConfig>>,
}

/// The services behind the two kinds of listener.
#[derive(Clone, Debug)]
pub struct Services {
    /// Answers on [`Protocol::Http1AndHttp2`].
    pub web: Router,
    /// Answers on [`Protocol::Http2`].
    pub grpc: Handler,
}

/// Sockets that are bound but not served yet.
#[derive(Debug)]
pub struct Listening {
    sockets: Vec<Bound>,
    limits: Limits,
    counters: Arc<ConnectionCounters>,
}

/// One bound socket: its address, what is spoken there, and its TLS.
pub(crate) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    protocol: Protocol,
    tls: Option<Arc<ServerConfig>>,
}

impl Bound {
    /// What the kernel has to keep to; accepted sockets inherit it.
    fn set_limits(&self, limits: &Limits) -> io::Result<()> {
        if self.protocol == Protocol::Http1AndHttp2 {
            let bytes = usize::try_from(limits.socket_send_buffer).unwrap_or(usize::MAX);
            SockRef::from(&self.listener).set_send_buffer_size(bytes)?;
        }
        Ok(())
    }
}

/// A bound address as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Where the socket listens; the port is never 0.
    pub socket: SocketAddr,
    /// With or without TLS.
    pub scheme: Scheme,
    /// What is spoken there.
    pub protocol: Protocol,
}

impl Listening {
    /// Binds every address of every endpoint, or tells all that could not be bound.
    ///
    /// Needs the tokio runtime that will serve the sockets.
    pub fn bind(endpoints: Vec<Endpoint>) -> Result<Self, BindErrors> {
        Ok(Self {
            sockets: bind::bind_all(endpoints)?,
            limits: Limits::default(),
            counters: Arc::default(),
        })
    }

    /// Replaces the default limits.
    ///
    /// # Errors
    /// The system does not take one of them.
    pub fn with_limits(self, limits: Limits) -> io::Result<Self> {
        for socket in &self.sockets {
            socket.set_limits(&limits)?;
        }
        Ok(Self { limits, ..self })
    }

    /// The bound addresses, in the order of the endpoints.
    pub fn addresses(&self) -> Vec<Address> {
        self.sockets.iter().map(Bound::address).collect()
    }

    /// The port of the first web listener with TLS: where plain requests may be sent to.
    ///
    /// With several of them .NET refuses to redirect until `HTTPS_PORT` tells which one.
    pub fn https_port(&self) -> Option<u16> {
        self.addresses()
            .into_iter()
            .find(|a| a.scheme == Scheme::Https && a.protocol == Protocol::Http1AndHttp2)
            .map(|a| a.socket.port())
    }

    /// What the listeners count, for metrics.
    pub fn counters(&self) -> Arc<ConnectionCounters> {
        Arc::clone(&self.counters)
    }

    /// Serves until `stop` is cancelled, then lets what runs come to its end.
    ///
    /// Says `Now listening on: http://127.0.0.1:5006` for each address, in the words of ASP.NET Core, for which
    /// scripts and test harnesses wait.
    pub fn serve(self, services: &Services, stop: &CancellationToken) -> Serving {
        let serving = Serving {
            tasks: TaskTracker::new(),
            abort: CancellationToken::new(),
        };
        let waiting = Arc::new(Waiting::new(self.limits.waiting_max));
        for socket in self.sockets {
            tracing::info!("Now listening on: {}", socket.address());
            let server = Arc::new(Server::new(
                &socket,
                services,
                self.limits.clone(),
                Arc::clone(&waiting),
                Arc::clone(&self.counters),
                stop.clone(),
            ));
            let accepting = self.counters.listen(socket.protocol);
            let serving_too = serving.clone();
            serving.spawn(async move {
                let _accepting = accepting;
                accept_loop(socket.listener, server, serving_too).await;
            });
        }
        serving
    }
}

/// The listeners at work.
#[derive(Clone, Debug)]
pub struct Serving {
    tasks: TaskTracker,
    abort: CancellationToken,
}

impl Serving {
    /// Ends when the listeners have stopped and the last HTTP connection has ended.
    ///
    /// Only `stop` of [`Listening::serve`] makes them stop. Sockets that were upgraded are no HTTP connections any
    /// more: who took them ends them.
    pub async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Cuts off whatever is left, without another word to the peers.
    pub fn abort(&self) {
        self.abort.cancel();
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let abort = self.abort.clone();
        self.tasks
            .spawn(async move { abort.run_until_cancelled_owned(task).await });
    }
}

/// Accepts until told to stop. No error ends the loop: a server that is out of file descriptors for a moment must not
/// be deaf for ever.
async fn accept_loop(listener: TcpListener, server: Arc<Server>, serving: Serving) {
    let mut pause = ACCEPT_PAUSE_MIN;
    loop {
        let accepted = tokio::select! {
            biased;
            () = server.stop().cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = ACCEPT_PAUSE_MIN;
                let server = Arc::clone(&server);
                serving.spawn(server.connection(stream, peer));
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                server.counters().accept_failed();
                tracing::error!(%error, retry_in = ?pause, "cannot accept connections");
                tokio::select! {
                    () = server.stop().cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
            }
        }
    }
}

/// Whether the peer went away while it waited to be accepted, which says nothing about the next one.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

impl Bound {
    fn address(&self) -> Address {
        Address {
            socket: self.address,
            scheme: if self.tls.is_some() {
                Scheme::Https
            } else {
                Scheme::Http
            },
            protocol: self.protocol,
        }
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address().fmt(f)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.socket)
    }
}

/// First pause after a failed accept: long enough for a descriptor to come free, too short to be noticed.
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(10);

/// Longest pause after failed accepts: bounds the log to one line a second, and the deafness after recovery.
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
