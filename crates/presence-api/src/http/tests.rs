use axum::{
    body::Body,
    routing::{get as route, post},
};
use http::{Method, StatusCode, header};

use super::*;
use crate::{
    listen::testing::{connect, get, http1, run_web, text},
    telemetry::testing::Page,
};

const ORIGIN: &str = "http://localhost:5002";

fn edge(https_port: Option<u16>) -> (Router, Arc<RequestCounters>) {
    let requests = Arc::new(RequestCounters::default());
    let routes = pages::router()
        .route("/hub", post(async || StatusCode::UNAUTHORIZED))
        .route("/broken", route(async || StatusCode::INTERNAL_SERVER_ERROR));
    let edge = Edge {
        origins: AllowedOrigins::new([ORIGIN]),
        https_port,
        requests: Arc::clone(&requests),
    };
    (assemble(routes, edge), requests)
}

fn from_origin(method: Method, path: &str) -> http::Request<Body> {
    let mut request = get(path);
    *request.method_mut() = method;
    request
        .headers_mut()
        .insert(header::ORIGIN, ORIGIN.parse().unwrap());
    request
}

#[tokio::test]
async fn the_root_says_who_answers() {
    let running = run_web(&edge(None).0);
    let mut client = http1(connect(running.address).await).await;
    let answer = client.send_request(get("/")).await.unwrap();
    assert_eq!(
        answer.headers()[header::CONTENT_TYPE],
        "text/plain; charset=utf-8"
    );
    assert_eq!(text(answer).await, "Hello World!");
}

#[tokio::test]
async fn what_is_not_there_is_told_with_an_empty_body() {
    let running = run_web(&edge(None).0);
    let mut client = http1(connect(running.address).await).await;
    let answer = client.send_request(get("/nothing")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(answer.headers()[header::CONTENT_LENGTH], "0");
    assert_eq!(answer.headers().get(header::CONTENT_TYPE), None);
}

#[tokio::test]
async fn refusals_and_redirects_can_be_read_by_allowed_pages() {
    for (https_port, status) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some(5007), StatusCode::TEMPORARY_REDIRECT),
    ] {
        let running = run_web(&edge(https_port).0);
        let mut client = http1(connect(running.address).await).await;
        let answer = client
            .send_request(from_origin(Method::POST, "/hub"))
            .await
            .unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(
            answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN],
            ORIGIN
        );
    }
}

#[tokio::test]
async fn a_preflight_is_answered_before_redirection() {
    let running = run_web(&edge(Some(5007)).0);
    let mut client = http1(connect(running.address).await).await;
    let mut preflight = from_origin(Method::OPTIONS, "/hub");
    let post = "POST".parse().unwrap();
    preflight
        .headers_mut()
        .insert(header::ACCESS_CONTROL_REQUEST_METHOD, post);
    let answer = client.send_request(preflight).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        answer.headers()[header::ACCESS_CONTROL_ALLOW_METHODS],
        "POST"
    );
}

#[tokio::test]
async fn every_answer_is_counted_by_its_class() {
    let (router, requests) = edge(None);
    let running = run_web(&router);
    let mut client = http1(connect(running.address).await).await;
    for path in ["/", "/nothing", "/nothing", "/broken"] {
        client.send_request(get(path)).await.unwrap();
    }
    let expected = [("1xx", 0), ("2xx", 1), ("3xx", 0), ("4xx", 2), ("5xx", 1)];
    assert_eq!(requests.by_class(), expected);
}

#[tokio::test]
async fn requests_are_logged_without_what_may_be_secret() {
    let (page, _guard) = Page::catch("trace");
    let running = run_web(&edge(Some(5007)).0);
    let mut client = http1(connect(running.address).await).await;
    let mut request = get("/nothing?access_token=SECRET1&id=SECRET2");
    let token = "Bearer SECRET3".parse().unwrap();
    request.headers_mut().insert(header::AUTHORIZATION, token);
    client.send_request(request).await.unwrap();
    let log = page.text();
    assert!(
        log.contains("method=GET path=\"/nothing\" status=307"),
        "{log}"
    );
    assert!(!log.contains("SECRET"), "{log}");
}
