//! WebSockets over HTTP/2, plain and with TLS: a switch opens them.

use std::sync::Arc;

use http::{Request, StatusCode};
use http_body_util::Empty;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use testkit::client::websocket::Frame;
use testkit::http2::{Connection, connect};
use testkit::issuer::Issuer;
use testkit::service::ANY_PORT;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{program, start, start_with, stop};

const HUB: &str = "/_hubs/presence";
const SWITCH: (&str, &str) = ("SignalR__WebSocketsOverHttp2", "true");

/// A WebSocket's life: handshake, call, event, ping, close.
async fn check_life(http: &Connection, issuer: &Issuer) {
    let mut alice = http.websocket(HUB, &issuer.token("alice")).await.unwrap();
    alice.shake_hands().await;
    let answer = alice.call("1", "GetUserStatus", "bob").await;
    assert_eq!(
        answer,
        json!({"type": 3, "invocationId": "1", "result": "offline"})
    );
    let answer = alice.call("2", "SubscribeToUserStatus", "bob").await;
    assert_eq!(answer["error"], json!(null), "{answer}");

    // A second stream of the same connection.
    let mut bob = http.websocket(HUB, &issuer.token("bob")).await.unwrap();
    bob.shake_hands().await;
    let event = alice.hear().await;
    assert_eq!(event["target"], "PresenceStatusChanged");
    assert_eq!(event["arguments"], json!(["bob", "online"]));

    bob.send(0x89, b"there?").await;
    assert_eq!(bob.frame().await, frame(10, b"there?"));
    bob.send(0x88, &1000u16.to_be_bytes()).await;
    assert_eq!(bob.frame().await, frame(8, &1000u16.to_be_bytes()));
    assert_eq!(bob.rest().await, b"");
    assert_eq!(alice.hear().await["arguments"], json!(["bob", "offline"]));

    // A refusal leaves the connection and its other streams as they are.
    let refused = http.websocket(HUB, "no token").await;
    assert_eq!(refused.err(), Some(StatusCode::UNAUTHORIZED));
    alice.say(&json!({"type": 7})).await;
    assert_eq!(alice.hear().await, json!({"type": 7}));
}

fn frame(op_code: u8, payload: &[u8]) -> Frame {
    let payload = payload.to_vec();
    Frame { op_code, payload }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_over_http2_lives_as_any_other() {
    let issuer = Issuer::start().await;
    let service = start_with(&issuer, &["--urls", ANY_PORT], &[SWITCH]).await;
    let http = Connection::open(service.web()).await;
    check_life(&http, &issuer).await;
    drop(http);
    stop(service).await;
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
        ("Kestrel__Endpoints__Web__Url", ANY_PORT),
        ("Kestrel__Endpoints__Secure__Url", "https://127.0.0.1:0"),
        (
            "Kestrel__Certificates__Default__Path",
            file.to_str().unwrap(),
        ),
    ];
    let service = start_with(&issuer, &[], &variables).await;
    let socket = TcpStream::connect(service.secure()).await.unwrap();
    let http = Connection::over(tls(socket, made.cert.der().clone()).await).await;
    check_life(&http, &issuer).await;
    drop(http);
    stop(service).await;
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
    let service = start(&issuer).await;
    let http = Connection::open(service.web()).await;
    let token = issuer.token("alice");
    // A client that has read the settings does not even send it.
    let refused = http.send(connect(HUB, &token)).await;
    assert!(refused.is_err(), "{refused:?}");
    // The connection serves everything else.
    let http = Connection::open(service.web()).await;
    let request = Request::post("http://localhost/_hubs/presence/negotiate?negotiateVersion=1")
        .header("authorization", format!("Bearer {token}"))
        .body(Empty::new())
        .unwrap();
    let answer = http.send(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    drop(http);
    stop(service).await;
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
