//! Listeners and clients for tests, on real sockets of the loopback interface.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, body::Body};
use http::{Request, Response, Version};
use http_body_util::BodyExt as _;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore, ServerConfig, pki_types::CertificateDer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{
    ConnectionCounters, Endpoint, Handler, Limits, Listening, Protocol, Services, Serving,
};

/// A service on one listener.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) serving: Serving,
    pub(crate) counters: Arc<ConnectionCounters>,
}

pub(crate) fn loopback(protocol: Protocol, tls: Option<Arc<ServerConfig>>) -> Endpoint {
    Endpoint {
        addresses: vec!["127.0.0.1:0".parse().unwrap()],
        protocol,
        tls,
    }
}

pub(crate) fn run(endpoint: Endpoint, limits: Limits, router: &Router) -> Running {
    let services = Services {
        web: router.clone(),
        grpc: router.clone().into(),
    };
    serve(endpoint, limits, &services)
}

fn serve(endpoint: Endpoint, limits: Limits, services: &Services) -> Running {
    let listening = Listening::bind(vec![endpoint])
        .unwrap()
        .with_limits(limits)
        .unwrap();
    let (address, counters) = (listening.addresses()[0].socket, listening.counters());
    let stop = CancellationToken::new();
    Running {
        address,
        serving: listening.serve(services, &stop),
        stop,
        counters,
    }
}

/// A gRPC listener without TLS.
pub(crate) fn run_grpc(handler: Handler) -> Running {
    let services = Services {
        web: Router::new(),
        grpc: handler,
    };
    serve(
        loopback(Protocol::Http2, None),
        Limits::default(),
        &services,
    )
}

/// A web listener without TLS.
pub(crate) fn run_web(router: &Router) -> Running {
    run(
        loopback(Protocol::Http1AndHttp2, None),
        Limits::default(),
        router,
    )
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// A client that trusts `certificate` for `localhost` and offers these protocols.
pub(crate) async fn connect_tls(
    address: SocketAddr,
    certificate: &CertificateDer<'static>,
    alpn: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = "localhost".try_into().unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, connect(address).await)
        .await
}

/// The client's end of an HTTP/1.1 connection; the connection is driven by a task and lives with it.
pub(crate) async fn http1<I>(io: I) -> http1::SendRequest<Body>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    sender
}

/// The client's end of an HTTP/2 connection.
pub(crate) async fn http2<I>(io: I) -> http2::SendRequest<Body>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

/// `GET` of a path, as HTTP/1.1 wants it.
pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path)
        .header("host", "localhost")
        .body(Body::empty())
        .unwrap()
}

/// `GET` of a path, as HTTP/2 wants it.
pub(crate) fn get2(path: &str) -> Request<Body> {
    Request::get(format!("http://localhost{path}"))
        .version(Version::HTTP_2)
        .body(Body::empty())
        .unwrap()
}

pub(crate) async fn text(response: Response<Incoming>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Waits until `condition` holds; the test runner ends a test that waits in vain.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}
