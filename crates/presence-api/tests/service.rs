//! The program as its operator and its clients see it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "service/http2.rs"]
mod http2;

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::time::Duration;

use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use presence_api::grpc::pb::GetUsersStatusRequest;
use presence_api::grpc::pb::presence_api_client::PresenceApiClient;
use signalr::protocol::negotiate::Transport;
use testkit::issuer::{Issuer, accepted_tokens, hostile_tokens};
use testkit::raw;
use testkit::service::{self, Service};
use tokio::time::Instant;

const PROGRAM: &str = env!("CARGO_BIN_EXE_presence-api");

fn program(arguments: &[&str]) -> Command {
    let mut command = service::command(PROGRAM);
    command.args(arguments);
    command
}

async fn start(issuer: &Issuer) -> Service {
    start_with(issuer, &["--urls", service::ANY_PORT], &[]).await
}

async fn start_with(issuer: &Issuer, arguments: &[&str], variables: &[(&str, &str)]) -> Service {
    let mut command = service::serve(PROGRAM, issuer);
    command.args(arguments).envs(variables.iter().copied());
    Service::start(&mut command).await
}

/// Asks it to end, and checks that it does so in order.
async fn stop(mut service: Service) {
    service.signal("TERM");
    service.has_ended().await;
    let log = service.log();
    assert!(!log.contains("eyJ"), "no token in a log:\n{log}");
}

async fn get(service: &Service, path: &str) -> raw::Answer {
    raw::request(service.web(), "GET", path, &[], b"").await
}

async fn grpc_code(address: SocketAddr, token: Option<&str>) -> i32 {
    let client = HttpClient::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let origin = format!("http://{address}").parse().unwrap();
    let mut request = tonic::Request::new(GetUsersStatusRequest {
        user_ids: vec!["42".to_owned()],
    });
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    let answer = PresenceApiClient::with_origin(client, origin)
        .get_users_status(request)
        .await;
    answer.err().map_or(0, |status| status.code() as i32)
}

const UPGRADE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_token_gets_what_it_deserves_everywhere() {
    let issuer = Issuer::start().await;
    let service = start(&issuer).await;
    let tokens = [accepted_tokens(&issuer), hostile_tokens(&issuer)].concat();
    assert!(tokens.len() >= 24);
    for token in tokens.iter().filter(|token| !token.is_oversized()) {
        let (name, expect) = (token.name, &token.expect);
        let bearer = token.token.as_ref().map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = bearer
            .iter()
            .map(|bearer| ("Authorization", bearer.as_str()))
            .collect();
        let path = "/_hubs/presence/negotiate?negotiateVersion=1";
        let answer = raw::request(service.web(), "POST", path, &headers, b"").await;
        assert_eq!(answer.status, expect.status(), "negotiate: {name}");
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, expect.www_authenticate(), "negotiate: {name}");

        let mut connection = raw::Connection::open(service.web()).await;
        let upgrade = [&UPGRADE[..], &headers].concat();
        connection
            .ask("GET", "/_hubs/presence", &upgrade, b"")
            .await;
        let expected = match expect.status() {
            200 => 101,
            refused => refused,
        };
        let answer = connection.head().await;
        assert_eq!(answer.status, expected, "WebSocket: {name}");

        let found = grpc_code(service.grpc(), token.token.as_deref()).await;
        assert_eq!(found, expect.grpc_code(), "gRPC: {name}");
    }
    // Too large for any header: whatever is answered, it is no success and no harm.
    for token in tokens.iter().filter(|token| token.is_oversized()) {
        let token_text = token.token.as_deref().unwrap();
        let mut connection = raw::Connection::open(service.web()).await;
        let request = format!(
            "POST /_hubs/presence/negotiate HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token_text}\r\n\r\n"
        );
        if connection.try_write(request.as_bytes()).await.is_ok()
            && let Some(answer) = connection.try_answer().await
        {
            assert!((400..500).contains(&answer.status), "{}", token.name);
        }
    }
    assert_eq!(get(&service, "/health/ready").await.status, 200);
    let metrics = get(&service, "/metrics").await.text();
    assert!(
        metrics.contains("presence_refused_total{reason="),
        "{metrics}"
    );
    stop(service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_tells_clients_that_they_may_come_back() {
    let issuer = Issuer::start().await;
    let service = start(&issuer).await;
    let token = issuer.token("alice");
    let mut client = testkit::client::Client::to(service.web(), "/_hubs/presence")
        .bearer(&token)
        .connect()
        .await;
    let status = client.invoke("GetUserStatus", &["bob".into()]).await;
    assert_eq!(status, Ok("offline".into()));
    assert_eq!(get(&service, "/health/ready").await.status, 200);
    let goodbye = async {
        let message = client.next_message().await;
        drop(client);
        format!("{message:?}")
    };
    let ((), goodbye) = tokio::join!(stop(service), goodbye);
    assert!(
        goodbye.contains("Close") && goodbye.contains("allow_reconnect: true"),
        "{goodbye}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_waits_is_answered_and_does_not_delay_a_shutdown() {
    let issuer = Issuer::start().await;
    let service = start(&issuer).await;
    let token = issuer.token("alice");
    let mut client = testkit::client::Client::to(service.web(), "/_hubs/presence")
        .bearer(&token)
        .transport(Transport::LongPolling)
        .connect()
        .await;
    let status = client.invoke("GetUserStatus", &["bob".into()]).await;
    assert_eq!(status, Ok("offline".into()));
    client.poll().await;
    // By a later request, so that the poll is being served.
    assert_eq!(get(&service, "/health/ready").await.status, 200);
    let begun = Instant::now();
    let ((), goodbye) = tokio::join!(stop(service), client.next_message());
    // A tenth of the 5 s for which a client may be waited for, and what a busy machine needs.
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
    let goodbye = format!("{goodbye:?}");
    assert!(
        goodbye.contains("Close") && goodbye.contains("allow_reconnect: true"),
        "{goodbye}"
    );
}

fn run(arguments: &[&str], env: &[(&str, &str)]) -> Output {
    program(arguments)
        .envs(env.iter().copied())
        .output()
        .unwrap()
}

#[test]
fn all_mistakes_are_told_at_once() {
    let output = run(
        &["serve"],
        &[
            ("Presence__StatusTtl", "soon"),
            (
                "Redis__ConnectionString",
                "redis:6379,password=hunter2,ssl=perhaps",
            ),
            ("SignalR__Transports", "Pigeons"),
        ],
    );
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    for expected in [
        "Presence:StatusTtl",
        "soon",
        "Redis:ConnectionString",
        "SignalR:Transports",
        "ApiAuth:Authority",
    ] {
        assert!(told.contains(expected), "{expected} is missing:\n{told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn the_effective_configuration_is_printed_without_secrets() {
    let output = run(
        &["config", "--Presence:Store=Memory"],
        &[
            ("ApiAuth__Authority", "https://login.example.com"),
            ("Redis__ConnectionString", "redis:6379,password=hunter2"),
        ],
    );
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(printed.contains("https://login.example.com"), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn dev_answers_this_machine_alone() {
    let output = run(&["dev", "--urls", "http://0.0.0.0:0"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("loopback"), "{told}");
}

#[test]
fn what_is_no_command_is_told_with_those_that_are() {
    let output = run(&["sevre"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("serve"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_command_asks_the_service_that_its_settings_describe() {
    let issuer = Issuer::start().await;
    let service = start(&issuer).await;
    let url = format!("http://{}", service.web());
    let authority = [("ApiAuth__Authority", "https://login.example.com")];
    let arguments = [["health", "--url", &url], ["health", "--urls", &url]];
    for (arguments, env) in arguments.iter().zip([&[][..], &authority]) {
        let output = run(arguments, env);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(told, format!("{url}/health/ready: Healthy\n"));
    }
    stop(service).await;
    for (arguments, env) in arguments.iter().zip([&[][..], &authority]) {
        let output = run(arguments, env);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(told.contains("cannot be reached"), "{told}");
    }
}

#[test]
fn the_health_command_tells_why_it_cannot_ask() {
    for (arguments, expected) in [
        (&["health"][..], "ApiAuth:Authority"),
        (&["health", "--url"], "needs an address"),
        (&["health", "--url", "https://x"], "http://host:port"),
        (
            &["health", "--url=http://x", "--urls=http://y"],
            "has no effect",
        ),
    ] {
        let output = run(arguments, &[]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(told.contains(expected), "{told}");
    }
}
