//! A server on loopback, and what the tests of every subject share.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use signalr::endpoint::Builder;
use signalr::protocol::HubProtocol;
use signalr::protocol::negotiate::Transport;
use signalr::{Caller, HubEndpoint, HubOptions};
use testkit::client::{Client, Connector};
use testkit::raw::eventually;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::AbortHandle;

use crate::hub::{Journal, TestHub};

/// Every transport with every hub protocol that it can carry.
pub(crate) const WAYS: [(Transport, HubProtocol); 5] = [
    (Transport::WebSockets, HubProtocol::Json),
    (Transport::WebSockets, HubProtocol::MessagePack),
    (Transport::ServerSentEvents, HubProtocol::Json),
    (Transport::LongPolling, HubProtocol::Json),
    (Transport::LongPolling, HubProtocol::MessagePack),
];

/// A running server with the hub of the tests at `/hub`; it stops when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) endpoint: HubEndpoint,
    pub(crate) journal: Arc<Journal>,
    accepting: AbortHandle,
}

/// How its sockets are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sockets {
    /// How many bytes the kernel keeps for a client that does not read; it doubles the number.
    pub(crate) send_buffer: Option<u32>,
    /// Hides from the library that they are sockets, as TLS does.
    pub(crate) are_hidden: bool,
}

/// Kernel buffers so small that a client that does not read is soon noticed.
pub(crate) const SMALL: Sockets = Sockets {
    send_buffer: Some(8 * 1024),
    are_hidden: false,
};

impl Server {
    /// With ASP.NET Core's options.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut HubOptions)) -> Self {
        Self::on(Sockets::default(), change).await
    }

    /// With filters around the hub, which may write into its journal.
    pub(crate) async fn filtered(
        change: impl FnOnce(&mut HubOptions),
        add: impl FnOnce(Builder<TestHub>, &Arc<Journal>) -> Builder<TestHub>,
    ) -> Self {
        Self::built(Sockets::default(), change, add).await
    }

    pub(crate) async fn on(sockets: Sockets, change: impl FnOnce(&mut HubOptions)) -> Self {
        Self::built(sockets, change, |builder, _| builder).await
    }

    async fn built(
        sockets: Sockets,
        change: impl FnOnce(&mut HubOptions),
        add: impl FnOnce(Builder<TestHub>, &Arc<Journal>) -> Builder<TestHub>,
    ) -> Self {
        let mut options = HubOptions::default();
        change(&mut options);
        let journal = Arc::new(Journal::default());
        let builder = HubEndpoint::builder(TestHub::new(Arc::clone(&journal)));
        let endpoint = add(builder, &journal)
            .options(options)
            .caller(|parts| {
                let query = parts.uri.query().unwrap_or_default().to_owned();
                let user = parts
                    .headers
                    .get("x-user")
                    .and_then(|user| user.to_str().ok());
                user.map_or_else(Caller::anonymous, Caller::user)
                    .address(std::net::Ipv4Addr::LOCALHOST.into())
                    .data(Arc::new(query))
            })
            .allow_origin(|parts| {
                parts
                    .headers
                    .get("origin")
                    .is_none_or(|origin| origin == "https://good.example")
            })
            .build();
        let socket = TcpSocket::new_v4().expect("a socket can be made");
        if let Some(size) = sockets.send_buffer {
            socket
                .set_send_buffer_size(size)
                .expect("a socket's buffer can be set");
        }
        socket
            .bind("127.0.0.1:0".parse().expect("an address"))
            .expect("loopback can be bound");
        let listener = socket.listen(1024).expect("loopback can be listened on");
        let address = listener.local_addr().expect("a listener has an address");
        let router = endpoint.router("/hub");
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("connections come");
                let service = TowerToHyperService::new(router.clone());
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    // How a client breaks its connection is the subject of many tests, and no failure.
                    let _ = if sockets.are_hidden {
                        let io = TokioIo::new(Hidden(stream));
                        server.serve_connection_with_upgrades(io, service).await
                    } else {
                        let io = TokioIo::new(stream);
                        server.serve_connection_with_upgrades(io, service).await
                    };
                });
            }
        });
        Self {
            address,
            endpoint,
            journal,
            accepting: accepting.abort_handle(),
        }
    }

    /// A client that is yet to connect.
    pub(crate) fn client(&self) -> Connector {
        Client::to(self.address, "/hub")
    }

    /// A client over WebSockets in JSON.
    pub(crate) async fn connect(&self) -> Client {
        self.client().connect().await
    }

    /// A client of a user.
    pub(crate) async fn connect_as(&self, user: &str) -> Client {
        self.client().header("x-user", user).connect().await
    }

    pub(crate) async fn connect_by(
        &self,
        (transport, protocol): (Transport, HubProtocol),
    ) -> Client {
        self.client()
            .transport(transport)
            .protocol(protocol)
            .connect()
            .await
    }

    /// How many connections have ended for a reason.
    pub(crate) fn closed(&self, label: &str) -> u64 {
        self.endpoint
            .metrics()
            .closed()
            .find(|(found, _)| *found == label)
            .map_or_else(|| panic!("no such label: {label}"), |(_, count)| count)
    }

    pub(crate) fn open(&self) -> u64 {
        Transport::ALL
            .into_iter()
            .map(|transport| self.endpoint.metrics().open(transport))
            .sum()
    }

    /// Waits until so many connections have ended for a reason.
    pub(crate) async fn wait_until_closed(&self, label: &str, count: u64) {
        eventually(format!("{count} connections to end as {label}"), || {
            self.closed(label) >= count
        })
        .await;
        assert_eq!(self.closed(label), count, "{label}");
    }

    /// Waits until nobody is connected any more.
    pub(crate) async fn wait_until_empty(&self) {
        eventually("all connections to end", || self.open() == 0).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A stream of which nobody knows that it is a socket.
struct Hidden(TcpStream);

impl AsyncRead for Hidden {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Hidden {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
