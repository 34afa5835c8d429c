use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
    routing::get as route,
};
use http::{StatusCode, Version, header};
use hyper_util::{rt::TokioIo, server::conn::auto::upgrade};
use rcgen::generate_simple_self_signed;
use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
};

use super::{
    testing::{connect, connect_tls, get, get2, http1, http2, loopback, run, run_web, text, until},
    *,
};
use crate::{
    telemetry::testing::Page,
    tls::{CertificateFiles, ReloadingCertificate},
};

/// Says what a request brought with it.
async fn describe(request: Request) -> String {
    let peer = request.extensions().get::<PeerAddress>().unwrap().0;
    let scheme = request.extensions().get::<Scheme>().unwrap();
    format!("{:?} {scheme} from {}", request.version(), peer.ip())
}

fn describing() -> Router {
    Router::new().route("/", route(describe))
}

/// A route that has been reached, and answers when it is told to.
#[derive(Clone, Default)]
struct Slow {
    reached: Arc<Notify>,
    answer: Arc<Notify>,
}

impl Slow {
    fn router(&self) -> Router {
        let slow = self.clone();
        Router::new().route(
            "/slow",
            route(async move || {
                slow.reached.notify_one();
                slow.answer.notified().await;
                "done"
            }),
        )
    }
}

fn tls(protocol: Protocol) -> (Arc<ServerConfig>, CertificateDer<'static>) {
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("both.pem");
    std::fs::write(&file, made.cert.pem() + &made.signing_key.serialize_pem()).unwrap();
    let files = CertificateFiles {
        certificate: file,
        key: None,
        password: None,
    };
    let certificate = ReloadingCertificate::load(files, jiff::Timestamp::UNIX_EPOCH).unwrap();
    (certificate.server_config(protocol), made.cert.der().clone())
}

/// Ends when the peer has closed its end.
async fn closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn web_listeners_speak_both_versions_and_tell_what_they_know_of_the_peer() {
    let running = run_web(&describing());
    let mut one = http1(connect(running.address).await).await;
    for _ in 0..2 {
        let answer = one.send_request(get("/")).await.unwrap();
        assert_eq!(text(answer).await, "HTTP/1.1 http from 127.0.0.1");
    }
    let mut two = http2(connect(running.address).await).await;
    let answer = two.send_request(get2("/")).await.unwrap();
    assert_eq!(text(answer).await, "HTTP/2.0 http from 127.0.0.1");
    assert_eq!(running.counters.accepted(), 2);
}

#[tokio::test]
async fn tls_listeners_speak_what_alpn_says() {
    let (config, certificate) = tls(Protocol::Http1AndHttp2);
    let running = run(
        loopback(Protocol::Http1AndHttp2, Some(config)),
        Limits::default(),
        &describing(),
    );

    let stream = connect_tls(running.address, &certificate, &["h2", "http/1.1"])
        .await
        .unwrap();
    let answer = http2(stream).await.send_request(get2("/")).await.unwrap();
    assert_eq!(text(answer).await, "HTTP/2.0 https from 127.0.0.1");
    for alpn in [&["http/1.1"][..], &[]] {
        let stream = connect_tls(running.address, &certificate, alpn)
            .await
            .unwrap();
        let answer = http1(stream).await.send_request(get("/")).await.unwrap();
        assert_eq!(text(answer).await, "HTTP/1.1 https from 127.0.0.1");
    }
}

#[tokio::test]
async fn grpc_listeners_want_http2_from_the_first_byte() {
    let router = Router::new().route("/", route(async || "here"));
    let running = run(loopback(Protocol::Http2, None), Limits::default(), &router);
    let answer = http2(connect(running.address).await)
        .await
        .send_request(get2("/"))
        .await
        .unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);
    assert_eq!(text(answer).await, "here");

    let mut stream = connect(running.address).await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    closed(stream).await;
}

/// Gives the bare socket back after an upgrade, and sends what it reads back to the peer.
async fn echo(mut request: Request) -> Response {
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let parts = upgrade::downcast::<TokioIo<TcpStream>>(upgraded.await.unwrap()).unwrap();
        let mut stream = parts.io.into_inner();
        stream.write_all(&parts.read_buf).await.unwrap();
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    });
    let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "echo")];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

#[tokio::test]
async fn an_upgraded_socket_is_the_bare_one_and_none_of_the_listeners_business_any_more() {
    let running = run_web(&Router::new().route("/", route(echo)));
    let mut stream = connect(running.address).await;
    stream
        .write_all(
            b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nearly ",
        )
        .await
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    until(|| running.counters.open() == 0).await;

    running.stop.cancel();
    running.serving.drained().await;
    running.serving.abort();
    stream.write_all(b"late").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut echoed = String::new();
    stream.read_to_string(&mut echoed).await.unwrap();
    assert_eq!(echoed, "early late");
}

#[tokio::test]
async fn a_request_that_runs_when_the_end_comes_is_answered() {
    let slow = Slow::default();
    let running = run_web(&slow.router());
    let idle = connect(running.address).await;
    let mut resting = http1(connect(running.address).await).await;
    text(resting.send_request(get("/nothing")).await.unwrap()).await;
    let mut one = http1(connect(running.address).await).await;
    let mut two = http2(connect(running.address).await).await;
    let one = tokio::spawn(async move { one.send_request(get("/slow")).await });
    slow.reached.notified().await;
    let two = tokio::spawn(async move { two.send_request(get2("/slow")).await });
    slow.reached.notified().await;

    running.stop.cancel();
    closed(idle).await;
    until(|| resting.is_closed()).await;
    until(|| running.counters.open() == 2).await;
    let drained = running.serving.drained();
    tokio::pin!(drained);
    assert!(futures_util::poll!(&mut drained).is_pending());
    assert!(TcpStream::connect(running.address).await.is_err());

    slow.answer.notify_waiters();
    let one = one.await.unwrap().unwrap();
    assert_eq!(one.headers()[header::CONNECTION], "close");
    assert_eq!(text(one).await, "done");
    assert_eq!(text(two.await.unwrap().unwrap()).await, "done");
    drained.await;
    assert_eq!(running.counters.open(), 0);
}

#[tokio::test]
async fn what_does_not_end_by_itself_can_be_cut_off() {
    let slow = Slow::default();
    let running = run_web(&slow.router());
    let mut one = http1(connect(running.address).await).await;
    let request = tokio::spawn(async move { one.send_request(get("/slow")).await });
    slow.reached.notified().await;
    running.stop.cancel();
    running.serving.abort();
    running.serving.drained().await;
    request
        .await
        .unwrap()
        .expect_err("answered, though it was cut off");
}

fn impatient() -> Limits {
    Limits {
        first_request: Duration::from_millis(50),
        first_request_http2: Duration::from_millis(50),
        tls_handshake: Duration::from_millis(50),
        ..Limits::default()
    }
}

#[tokio::test]
async fn who_says_nothing_is_dropped() {
    for protocol in [Protocol::Http1AndHttp2, Protocol::Http2] {
        let running = run(loopback(protocol, None), impatient(), &describing());
        closed(connect(running.address).await).await;
        until(|| running.counters.silent() == 1 && running.counters.open() == 0).await;
    }
}

#[tokio::test]
async fn who_never_comes_to_an_end_is_dropped() {
    let running = run(
        loopback(Protocol::Http1AndHttp2, None),
        impatient(),
        &describing(),
    );
    let mut stream = connect(running.address).await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx: ")
        .await
        .unwrap();
    closed(stream).await;
    assert_eq!(running.counters.silent(), 1);
}

#[tokio::test]
async fn a_tls_handshake_that_never_comes_is_given_up() {
    let (config, _) = tls(Protocol::Http1AndHttp2);
    let running = run(
        loopback(Protocol::Http1AndHttp2, Some(config)),
        impatient(),
        &describing(),
    );
    closed(connect(running.address).await).await;
    until(|| running.counters.open() == 0).await;
    assert_eq!(
        (running.counters.tls_failed(), running.counters.silent()),
        (1, 0)
    );
}

#[tokio::test]
async fn who_has_sent_a_request_may_rest_until_keep_alive_is_over() {
    let limits = Limits {
        keep_alive: Duration::from_millis(200),
        ..impatient()
    };
    let running = run(
        loopback(Protocol::Http1AndHttp2, None),
        limits,
        &describing(),
    );
    let start = tokio::time::Instant::now();
    let mut one = http1(connect(running.address).await).await;
    text(one.send_request(get("/")).await.unwrap()).await;
    until(|| one.is_closed()).await;
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert_eq!(running.counters.silent(), 0);
}

#[tokio::test]
async fn one_silent_connection_too_many_costs_the_oldest_its_place() {
    let limits = Limits {
        waiting_max: 2,
        ..Limits::default()
    };
    let running = run(
        loopback(Protocol::Http1AndHttp2, None),
        limits,
        &describing(),
    );
    let oldest = connect(running.address).await;
    until(|| running.counters.accepted() == 1).await;
    let _silent = connect(running.address).await;
    let mut newest = http1(connect(running.address).await).await;
    closed(oldest).await;
    text(newest.send_request(get("/")).await.unwrap()).await;
    assert_eq!(running.counters.silent(), 1);
}

#[tokio::test]
async fn a_request_head_has_a_limit() {
    async fn status_with_header_of(bytes: usize) -> StatusCode {
        let running = run_web(&describing());
        let mut one = http1(connect(running.address).await).await;
        let mut request = get("/");
        request
            .headers_mut()
            .insert("x", "a".repeat(bytes).parse().unwrap());
        one.send_request(request).await.unwrap().status()
    }
    assert_eq!(status_with_header_of(40 * 1024).await, StatusCode::OK);
    assert_eq!(
        status_with_header_of(80 * 1024).await,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    );
}

#[tokio::test]
async fn all_of_ipv6_is_all_of_ipv4_too_and_peers_are_told_as_what_they_are() {
    let endpoint = Endpoint {
        addresses: vec!["[::]:0".parse().unwrap()],
        ..loopback(Protocol::Http1AndHttp2, None)
    };
    let running = run(endpoint, Limits::default(), &describing());
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), running.address.port());
    let answer = http1(connect(address).await)
        .await
        .send_request(get("/"))
        .await
        .unwrap();
    assert_eq!(text(answer).await, "HTTP/1.1 http from 127.0.0.1");
}

#[tokio::test]
async fn accepted_sockets_send_without_delay() {
    let listening = Listening::bind(vec![loopback(Protocol::Http1AndHttp2, None)]).unwrap();
    let _client = connect(listening.addresses()[0].socket).await;
    let (accepted, _) = listening.sockets[0].listener.accept().await.unwrap();
    assert!(accepted.nodelay().unwrap());
}

/// An address of a network that is set aside for documentation, so no host has it.
const NOWHERE: &str = "192.0.2.1:0";

#[tokio::test]
async fn every_address_that_is_taken_is_told_at_once() {
    let taken = Listening::bind(vec![
        loopback(Protocol::Http1AndHttp2, None),
        loopback(Protocol::Http2, None),
    ])
    .unwrap();
    let [web, grpc] = [0, 1].map(|i| taken.addresses()[i].socket);
    let endpoint = |address: SocketAddr| Endpoint {
        addresses: vec![address],
        ..loopback(Protocol::Http1AndHttp2, None)
    };
    let errors = Listening::bind(vec![
        endpoint(web),
        endpoint(grpc),
        endpoint(NOWHERE.parse().unwrap()),
    ])
    .unwrap_err();
    let told = errors.to_string();
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(
        lines[0].starts_with(&format!(
            "cannot listen on http://{web}: Address already in use"
        )),
        "{told}"
    );
    assert!(
        lines[1].starts_with(&format!("cannot listen on http://{grpc}: ")),
        "{told}"
    );
    assert!(
        lines[2].starts_with("cannot listen on http://192.0.2.1:0: "),
        "{told}"
    );
}

#[tokio::test]
async fn a_name_of_several_addresses_needs_one_and_has_one_port() {
    let endpoint = |addresses: &[&str]| Endpoint {
        addresses: addresses
            .iter()
            .map(|address| address.parse().unwrap())
            .collect(),
        ..loopback(Protocol::Http1AndHttp2, None)
    };
    let half = Listening::bind(vec![endpoint(&[NOWHERE, "127.0.0.1:0"])]).unwrap();
    assert_eq!(half.addresses().len(), 1);

    let both = Listening::bind(vec![endpoint(&["127.0.0.1:0", "127.0.0.2:0"])]).unwrap();
    let ports: Vec<_> = both
        .addresses()
        .iter()
        .map(|address| address.socket.port())
        .collect();
    assert_eq!(ports[0], ports[1]);
    assert_ne!(ports[0], 0);
}

#[tokio::test]
async fn each_address_is_announced_once_in_the_words_that_tools_wait_for() {
    let (page, _guard) = Page::catch("info");
    let (config, _) = tls(Protocol::Http1AndHttp2);
    let listening = Listening::bind(vec![
        loopback(Protocol::Http1AndHttp2, None),
        loopback(Protocol::Http1AndHttp2, Some(config)),
    ])
    .unwrap();
    let addresses = listening.addresses();
    assert_eq!(listening.https_port(), Some(addresses[1].socket.port()));
    let services = Services {
        web: Router::new(),
        grpc: Router::new().into(),
    };
    let _serving = listening.serve(&services, &CancellationToken::new());
    let log = page.text();
    for (scheme, address) in [("http", addresses[0]), ("https", addresses[1])] {
        let line = format!("Now listening on: {scheme}://{}\n", address.socket);
        assert_eq!(log.matches(&line).count(), 1, "{log}");
    }
}

#[tokio::test]
async fn listeners_are_counted_while_they_accept() {
    let listening = Listening::bind(vec![loopback(Protocol::Http2, None)]).unwrap();
    let counters = listening.counters();
    assert_eq!(counters.listeners(Protocol::Http2), 0);
    let stop = CancellationToken::new();
    let services = Services {
        web: Router::new(),
        grpc: Router::new().into(),
    };
    let serving = listening.serve(&services, &stop);
    assert_eq!(counters.listeners(Protocol::Http2), 1);
    assert_eq!(counters.listeners(Protocol::Http1AndHttp2), 0);
    stop.cancel();
    serving.drained().await;
    assert_eq!(counters.listeners(Protocol::Http2), 0);
}

/// Runs itself again with few file descriptors: only a fresh process can have them taken away.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn being_out_of_descriptors_is_overcome() {
    const FEW: usize = 64;
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    if line.split_ascii_whitespace().nth(3) != Some(&FEW.to_string()) {
        let test = "listen::tests::being_out_of_descriptors_is_overcome";
        let script = format!("ulimit -n {FEW} && exec \"$0\" --exact {test}");
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .arg(std::env::current_exe().unwrap())
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && out.contains("1 passed"), "{out}");
        return;
    }
    let running = run_web(&describing());
    let mut clients = Vec::new();
    while let Ok(client) = std::net::TcpStream::connect(running.address) {
        clients.push(client);
        tokio::task::yield_now().await;
    }
    until(|| running.counters.accept_failures() > 0).await;
    clients.clear();
    let mut one = http1(connect(running.address).await).await;
    let answer = one.send_request(get("/")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_a_web_client_does_not_read_takes_little_of_the_kernel() {
    let endpoints = vec![
        loopback(Protocol::Http1AndHttp2, None),
        loopback(Protocol::Http2, None),
    ];
    let listening = Listening::bind(endpoints)
        .unwrap()
        .with_limits(Limits::default())
        .unwrap();
    let of = |at: usize| {
        SockRef::from(&listening.sockets[at].listener)
            .send_buffer_size()
            .unwrap()
    };
    assert_eq!(of(0), 2 * 16 * 1024, "Linux sets twice as much aside");
    assert!(of(1) > 0, "back ends read, and get long answers");
    // Accepted sockets inherit it.
    let client = TcpStream::connect(listening.addresses()[0].socket);
    let (client, accepted) = tokio::join!(client, listening.sockets[0].listener.accept());
    let (accepted, _) = accepted.unwrap();
    assert_eq!(
        SockRef::from(&accepted).send_buffer_size().unwrap(),
        2 * 16 * 1024
    );
    drop(client);
}
