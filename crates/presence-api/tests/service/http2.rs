//! WebSockets over HTTP/2, plain and with TLS: a switch opens them.

use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use testkit::client::websocket::masked;
use testkit::issuer::Issuer;
use testkit::raw::within;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Service, program};

const SWITCH: (&str, &str) = ("SignalR__WebSocketsOverHttp2", "true");

/// A WebSocket in a stream of HTTP/2, with plain JSON in its frames.
struct Socket(TokioIo<Upgraded>);

impl Socket {
    async fn open(http: &mut SendRequest<Body>, token: &str) -> Result<Self, StatusCode> {
        let response = http.send_request(ask(token)).await.unwrap();
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        assert!(response.headers().get("sec-websocket-accept").is_none());
        Ok(Self(TokioIo::new(
            hyper::upgrade::on(response).await.unwrap(),
        )))
    }

    async fn frame(&mut self) -> (u8, Vec<u8>) {
        within("a frame", async {
            let first = self.0.read_u8().await.unwrap();
            let len = match self.0.read_u8().await.unwrap() {
                126 => usize::from(self.0.read_u16().await.unwrap()),
                short => usize::from(short),
            };
            let mut payload = vec![0; len];
            self.0.read_exact(&mut payload).await.unwrap();
            (first, payload)
        })
        .await
    }

    async fn send(&mut self, first: u8, payload: &[u8]) {
        self.0.write_all(&masked(first, payload)).await.unwrap();
    }

    async fn say(&mut self, message: &Value) {
        self.send(0x81, format!("{message}\u{1e}").as_bytes()).await;
    }

    async fn hear(&mut self) -> Value {
        let (first, payload) = self.frame().await;
        assert_eq!(first, 0x81);
        let text = payload.strip_suffix(b"\x1e").unwrap();
        serde_json::from_slice(text).unwrap()
    }

    async fn shake_hands(&mut self) {
        self.say(&json!({"protocol": "json", "version": 1})).await;
        assert_eq!(self.hear().await, json!({}));
    }

    async fn call(&mut self, id: &str, target: &str, argument: &str) -> Value {
        self.say(
            &json!({"type": 1, "invocationId": id, "target": target, "arguments": [argument]}),
        )
        .await;
        self.hear().await
    }
}

/// Extended CONNECT of the hub, without a negotiation.
fn ask(token: &str) -> Request<Body> {
    Request::connect("http://localhost/_hubs/presence")
        .extension(Protocol::from_static("websocket"))
        .header("authorization", format!("Bearer {token}"))
        .header("sec-websocket-version", "13")
        .body(Body::empty())
        .unwrap()
}

/// A connection of HTTP/2, on which the settings of the service have been seen.
async fn connect<I>(io: I) -> SendRequest<Body>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut http, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://localhost/health/live");
    let request = request.body(Body::empty()).unwrap();
    let live: Response<Incoming> = http.send_request(request).await.unwrap();
    assert_eq!(live.status(), StatusCode::OK);
    http
}

/// A WebSocket's life: handshake, call, event, ping, close.
async fn check_life(http: &mut SendRequest<Body>, issuer: &Issuer) {
    let mut alice = Socket::open(http, &issuer.token("alice")).await.unwrap();
    alice.shake_hands().await;
    let answer = alice.call("1", "GetUserStatus", "bob").await;
    assert_eq!(
        answer,
        json!({"type": 3, "invocationId": "1", "result": "offline"})
    );
    let answer = alice.call("2", "SubscribeToUserStatus", "bob").await;
    assert_eq!(answer["error"], json!(null), "{answer}");

    // A second stream of the same connection.
    let mut bob = Socket::open(http, &issuer.token("bob")).await.unwrap();
    bob.shake_hands().await;
    let event = alice.hear().await;
    assert_eq!(event["target"], "PresenceStatusChanged");
    assert_eq!(event["arguments"], json!(["bob", "online"]));

    bob.send(0x89, b"there?").await;
    assert_eq!(bob.frame().await, (0x8a, b"there?".to_vec()));
    bob.send(0x88, &1000u16.to_be_bytes()).await;
    assert_eq!(bob.frame().await, (0x88, 1000u16.to_be_bytes().to_vec()));
    let mut rest = Vec::new();
    within("the end", bob.0.read_to_end(&mut rest))
        .await
        .unwrap();
    assert_eq!(rest, b"");
    assert_eq!(alice.hear().await["arguments"], json!(["bob", "offline"]));

    // A refusal leaves the connection and its other streams as they are.
    let refused = Socket::open(http, "no token").await;
    assert_eq!(refused.err(), Some(StatusCode::UNAUTHORIZED));
    alice.say(&json!({"type": 7})).await;
    assert_eq!(alice.hear().await, json!({"type": 7}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_over_http2_lives_as_any_other() {
    let issuer = Issuer::start().await;
    let service = Service::start_with(&issuer, &["--urls", "http://127.0.0.1:0"], &[SWITCH]).await;
    let mut http = connect(TcpStream::connect(service.web).await.unwrap()).await;
    check_life(&mut http, &issuer).await;
    drop(http);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_over_http2_and_tls_lives_as_any_other() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("both.pem");
    std::fs::write(&file, made.cert.pem() + &made.signing_key.serialize_pem()).unwrap();
    let issuer = Issuer::start().await;
    let variables = [
        SWITCH,
        ("Kestrel__Endpoints__Web__Url", "http://127.0.0.1:0"),
        ("Kestrel__Endpoints__Secure__Url", "https://127.0.0.1:0"),
        (
            "Kestrel__Certificates__Default__Path",
            file.to_str().unwrap(),
        ),
    ];
    let service = Service::start_with(&issuer, &[], &variables).await;
    let socket = TcpStream::connect(service.secure()).await.unwrap();
    let mut http = connect(tls(socket, made.cert.der().clone()).await).await;
    check_life(&mut http, &issuer).await;
    drop(http);
    service.stop().await;
}

async fn tls(
    socket: TcpStream,
    certificate: CertificateDer<'static>,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = "localhost".try_into().unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, socket).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_switch_no_websocket_is_offered_over_http2() {
    let issuer = Issuer::start().await;
    let service = Service::start(&issuer).await;
    let mut http = connect(TcpStream::connect(service.web).await.unwrap()).await;
    let token = issuer.token("alice");
    // A client that has read the settings does not even send it.
    let refused = http.send_request(ask(&token)).await;
    assert!(refused.is_err(), "{refused:?}");
    // The connection serves everything else.
    let mut http = connect(TcpStream::connect(service.web).await.unwrap()).await;
    let request = Request::post("http://localhost/_hubs/presence/negotiate?negotiateVersion=1")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    let answer = http.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    drop(http);
    service.stop().await;
}

#[test]
fn the_switch_is_a_flag() {
    let output = program(&["serve", "--SignalR:WebSocketsOverHttp2=perhaps"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("SignalR:WebSocketsOverHttp2"), "{told}");
}
