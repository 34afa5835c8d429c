use axum::{Router, middleware, routing::any};
use tower::ServiceExt as _;

use super::*;

/// What a request is answered: `served`, or where it is sent to, or the status.
async fn outcome(request: Request, https_port: Option<u16>) -> String {
    let served = Router::new()
        .fallback(any(async || "served"))
        .layer(middleware::from_fn_with_state(https_port, to_https));
    let response = served.oneshot(request).await.unwrap();
    match (response.status(), response.headers().get(LOCATION)) {
        (StatusCode::OK, None) => "served".to_owned(),
        (StatusCode::TEMPORARY_REDIRECT, Some(location)) => location.to_str().unwrap().to_owned(),
        (status, _) => status.as_u16().to_string(),
    }
}

fn plain(method: &str, uri: &str, host: Option<&str>) -> Request {
    let mut request = http::Request::builder()
        .method(method)
        .uri(uri)
        .extension(Scheme::Http);
    if let Some(host) = host {
        request = request.header(HOST, host);
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn plain_requests_are_sent_to_the_same_address_under_https() {
    let table = [
        ("GET", "/", "chat.example", 443, "https://chat.example/"),
        ("GET", "/", "chat.example:80", 443, "https://chat.example/"),
        (
            "GET",
            "/",
            "localhost:5006",
            5007,
            "https://localhost:5007/",
        ),
        (
            "POST",
            "/_hubs/presence/negotiate?negotiateVersion=1&a=%20b",
            "localhost:5006",
            5007,
            "https://localhost:5007/_hubs/presence/negotiate?negotiateVersion=1&a=%20b",
        ),
        (
            "GET",
            "//evil.example",
            "chat.example",
            443,
            "https://chat.example//evil.example",
        ),
        (
            "GET",
            "/healthy",
            "[::1]:5006",
            5007,
            "https://[::1]:5007/healthy",
        ),
        (
            "GET",
            "http://chat.example/a",
            "other.example",
            8081,
            "https://chat.example:8081/a",
        ),
    ];
    for (method, uri, host, port, expected) in table {
        let found = outcome(plain(method, uri, Some(host)), Some(port)).await;
        assert_eq!(found, expected, "{method} {uri} at {host}");
    }
}

#[tokio::test]
async fn preflights_and_probes_stay_where_they_are() {
    for (method, uri) in [
        ("OPTIONS", "/_hubs/presence/negotiate"),
        ("GET", "/health"),
        ("GET", "/health/live"),
        ("HEAD", "/health/ready"),
        ("GET", "/metrics"),
    ] {
        assert_eq!(
            outcome(plain(method, uri, Some("a")), Some(443)).await,
            "served",
            "{method} {uri}"
        );
    }
}

#[tokio::test]
async fn nobody_is_sent_away_from_https_or_to_a_port_that_is_not_known() {
    let mut encrypted = plain("GET", "/", Some("a"));
    encrypted.extensions_mut().insert(Scheme::Https);
    assert_eq!(outcome(encrypted, Some(443)).await, "served");
    assert_eq!(outcome(plain("GET", "/", Some("a")), None).await, "served");
}

#[tokio::test]
async fn without_a_host_there_is_nowhere_to_send_to() {
    for host in [
        None,
        Some(""),
        Some("a b"),
        Some("user@evil.example"),
        Some(":80"),
    ] {
        assert_eq!(
            outcome(plain("GET", "/", host), Some(443)).await,
            "400",
            "{host:?}"
        );
    }
}
