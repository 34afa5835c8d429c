use axum::{Router, routing::post};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use tower::ServiceExt as _;

use super::*;
use crate::http::{Edge, assemble};

const OURS: &str = "http://localhost:5002";
const TOGETHER: &str = "authorization,x-requested-with,x-signalr-user-agent";

/// A hub that wants a token, behind CORS.
fn service(origins: &[&str]) -> Router {
    let negotiate = async |request: Request| {
        if request.headers().contains_key("authorization") {
            Response::new(Body::from("{}"))
        } else {
            let mut refusal = Response::new(Body::empty());
            *refusal.status_mut() = StatusCode::UNAUTHORIZED;
            refusal
                .headers_mut()
                .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            refusal
        }
    };
    let edge = Edge {
        origins: AllowedOrigins::new(origins),
        https_port: None,
        requests: Arc::default(),
    };
    assemble(
        Router::new().route("/_hubs/presence/negotiate", post(negotiate)),
        edge,
    )
}

/// The two origins of the recordings.
fn two() -> Router {
    service(&[OURS, "https://localhost:5003"])
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

/// Status and headers of an answer, but for those that have nothing to do with CORS.
async fn answer(service: Router, request: Request) -> (u16, Vec<String>) {
    let response = service.oneshot(request).await.unwrap();
    let mut headers: Vec<_> = response
        .headers()
        .iter()
        .filter(|(name, _)| ![CONTENT_LENGTH, CONTENT_TYPE].contains(name))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    (response.status().as_u16(), headers)
}

#[track_caller]
fn check(answer: &(u16, Vec<String>), status: u16, headers: &[&str]) {
    assert_eq!(answer.0, status, "{answer:?}");
    assert_eq!(answer.1, headers);
}

const P: &str = "/_hubs/presence/negotiate?negotiateVersion=1";
const ASK: [(&str, &str); 2] = [
    ("access-control-request-method", "POST"),
    ("access-control-request-headers", TOGETHER),
];
const CREDENTIALS: &str = "access-control-allow-credentials: true";
const HEADERS: &str =
    "access-control-allow-headers: authorization,x-requested-with,x-signalr-user-agent";
const METHODS: &str = "access-control-allow-methods: POST";
const ORIGIN_OURS: &str = "access-control-allow-origin: http://localhost:5002";

/// What ASP.NET Core was recorded to answer to an allowed origin.
#[tokio::test]
async fn an_allowed_origin_is_answered_as_by_aspnet() {
    let origin = ("origin", OURS);
    let preflight = request("OPTIONS", P, &[origin, ASK[0], ASK[1]]);
    let granted = [CREDENTIALS, HEADERS, METHODS, ORIGIN_OURS, "vary: Origin"];
    check(&answer(two(), preflight).await, 204, &granted);

    let on_the_root = request("OPTIONS", "/", &[origin, ASK[0], ASK[1]]);
    check(&answer(two(), on_the_root).await, 204, &granted);

    let negotiate = request("POST", P, &[origin, ("authorization", "Bearer t")]);
    check(
        &answer(two(), negotiate).await,
        200,
        &[CREDENTIALS, ORIGIN_OURS, "vary: Origin"],
    );

    let without_token = request("POST", P, &[origin]);
    check(
        &answer(two(), without_token).await,
        401,
        &[
            CREDENTIALS,
            ORIGIN_OURS,
            "vary: Origin",
            "www-authenticate: Bearer",
        ],
    );
}

/// What ASP.NET Core was recorded to answer to other origins: the same, without a word on CORS.
#[tokio::test]
async fn other_origins_are_processed_but_granted_nothing() {
    for origin in [
        "http://evil.example",
        "http://localhost:5002/",
        "HTTP://LOCALHOST:5002",
        "null",
    ] {
        let origin = ("origin", origin);
        let preflight = request("OPTIONS", P, &[origin, ASK[0], ASK[1]]);
        check(&answer(two(), preflight).await, 204, &[]);
        let negotiate = request("POST", P, &[origin, ("authorization", "Bearer t")]);
        check(&answer(two(), negotiate).await, 200, &[]);
        let without_token = request("POST", P, &[origin]);
        check(
            &answer(two(), without_token).await,
            401,
            &["www-authenticate: Bearer"],
        );
    }
}

#[tokio::test]
async fn one_origin_makes_no_answer_vary() {
    let negotiate = request(
        "POST",
        P,
        &[("origin", OURS), ("authorization", "Bearer t")],
    );
    check(
        &answer(service(&[OURS]), negotiate).await,
        200,
        &[CREDENTIALS, ORIGIN_OURS],
    );
}

#[tokio::test]
async fn configured_origins_may_be_in_capitals() {
    let negotiate = request(
        "POST",
        P,
        &[("origin", OURS), ("authorization", "Bearer t")],
    );
    check(
        &answer(service(&["HTTP://LocalHost:5002"]), negotiate).await,
        200,
        &[CREDENTIALS, ORIGIN_OURS],
    );
}

#[tokio::test]
async fn only_options_with_origin_and_method_is_a_preflight() {
    let no_origin = request("OPTIONS", P, &[ASK[0]]);
    check(&answer(two(), no_origin).await, 405, &["allow: POST"]);
    let no_method = request("OPTIONS", P, &[("origin", OURS)]);
    let plain = [CREDENTIALS, ORIGIN_OURS, "allow: POST", "vary: Origin"];
    check(&answer(two(), no_method).await, 405, &plain);
    let a_post = request(
        "POST",
        P,
        &[("origin", OURS), ASK[0], ("authorization", "Bearer t")],
    );
    check(
        &answer(two(), a_post).await,
        200,
        &[CREDENTIALS, ORIGIN_OURS, "vary: Origin"],
    );
}

#[tokio::test]
async fn requested_headers_are_joined_without_blanks_and_may_be_missing() {
    let blanks = request(
        "OPTIONS",
        P,
        &[
            ("origin", OURS),
            ("access-control-request-method", "DELETE"),
            ("access-control-request-headers", "a ,, b"),
            ("access-control-request-headers", "c"),
        ],
    );
    let (status, headers) = answer(two(), blanks).await;
    assert_eq!(status, 204);
    assert!(
        headers.contains(&"access-control-allow-headers: a,b,c".to_owned()),
        "{headers:?}"
    );
    assert!(
        headers.contains(&"access-control-allow-methods: DELETE".to_owned()),
        "{headers:?}"
    );

    let none = request("OPTIONS", P, &[("origin", OURS), ASK[0]]);
    check(
        &answer(two(), none).await,
        204,
        &[CREDENTIALS, METHODS, ORIGIN_OURS, "vary: Origin"],
    );
}

#[test]
fn websockets_are_for_listed_and_for_own_pages() {
    let allowed = AllowedOrigins::new([OURS]);
    let permits = |origin: Option<&str>, uri: &str, host: Option<&str>| {
        let mut headers = HeaderMap::new();
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        if let Some(host) = host {
            headers.insert(http::header::HOST, host.parse().unwrap());
        }
        allowed.permits_upgrade(&uri.parse().unwrap(), &headers)
    };
    let hub = "/_hubs/presence";
    assert!(permits(None, hub, Some("chat.example")), "no browser");
    assert!(permits(Some(OURS), hub, Some("chat.example")), "listed");
    assert!(
        permits(Some("http://127.0.0.1:5006"), hub, Some("127.0.0.1:5006")),
        "own page"
    );
    assert!(
        permits(Some("https://chat.example"), hub, Some("Chat.example")),
        "own page behind TLS"
    );
    assert!(
        permits(Some("https://chat.example"), hub, Some("chat.example:443")),
        "port said or not"
    );
    assert!(
        permits(Some("https://[::1]:5007"), hub, Some("[::1]:5007")),
        "own page, IPv6"
    );
    assert!(
        permits(
            Some("https://chat.example"),
            "https://chat.example/_hubs/presence",
            None
        ),
        "HTTP/2"
    );

    assert!(!permits(
        Some("http://evil.example"),
        hub,
        Some("chat.example")
    ));
    assert!(!permits(
        Some("https://chat.example:444"),
        hub,
        Some("chat.example")
    ));
    assert!(!permits(
        Some("https://chat.example.evil"),
        hub,
        Some("chat.example")
    ));
    assert!(
        !permits(Some("null"), hub, Some("null")),
        "sandboxed pages have no origin"
    );
    assert!(!permits(
        Some("https://user@evil.example"),
        hub,
        Some("user@evil.example")
    ));
    assert!(!permits(Some("file://"), hub, Some("chat.example")));
    assert!(
        !permits(Some("https://chat.example"), hub, None),
        "nobody knows where it went"
    );
}
