use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use identity::{AuthSettings, Authenticator, Refusal};
use tower::ServiceExt;

use super::*;

async fn ask(issuer: &Issuer, path: &str) -> (Response<()>, Value) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let (parts, body) = issuer.router().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        Response::from_parts(parts, ()),
        serde_json::from_slice(&body).unwrap(),
    )
}

/// An issuer that is served on loopback.
async fn served() -> Issuer {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = Issuer::new(&format!("http://{}/", listener.local_addr().unwrap()));
    let router = issuer.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    issuer
}

fn authenticator(issuer: &Issuer) -> Authenticator {
    let mut settings = AuthSettings::new(issuer.url(), "presenceapi", "presenceapi");
    settings.require_https_metadata = false;
    Authenticator::new(settings).unwrap()
}

#[tokio::test]
async fn its_tokens_are_good_by_the_way_of_production() {
    let issuer = served().await;
    let (_, body) = ask(&issuer, "/dev/token?user=alice").await;
    let principal = authenticator(&issuer)
        .authenticate(body["access_token"].as_str().unwrap())
        .await
        .unwrap();
    assert_eq!(&**principal.user(), "alice");
    assert!(principal.has_scope("presenceapi"));
}

#[tokio::test]
async fn another_start_is_another_issuer() {
    let (one, other) = (served().await, served().await);
    let token = one.token("alice", Timestamp::now());
    assert!(authenticator(&one).authenticate(&token).await.is_ok());
    let mut settings = AuthSettings::new(other.url(), "presenceapi", "presenceapi");
    settings.require_https_metadata = false;
    settings.valid_issuer = Some(one.url().to_owned());
    let answer = Authenticator::new(settings)
        .unwrap()
        .authenticate(&token)
        .await;
    assert_eq!(answer.unwrap_err(), Refusal::KeyNotFound);
}

#[tokio::test]
async fn a_token_comes_with_its_lifetime_and_is_not_cached() {
    let issuer = Issuer::new("http://127.0.0.1:5006");
    let (response, body) = ask(&issuer, "/dev/token?user=alice").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3600);
    assert_eq!(body["user"], "alice");
}

#[tokio::test]
async fn anybody_well_formed_is_given_a_token() {
    let issuer = Issuer::new("http://127.0.0.1:5006");
    for user in ["zed", "a%20b", "%F0%9F%A6%80", "user:42", "%7Bx%7D"] {
        let (response, _) = ask(&issuer, &format!("/dev/token?user={user}")).await;
        assert_eq!(response.status(), 200, "{user}");
    }
}

#[tokio::test]
async fn nobody_and_nonsense_get_a_clear_error() {
    let issuer = Issuer::new("http://127.0.0.1:5006");
    for query in [
        "",
        "user=",
        "user=a%00b",
        &format!("user={}", "x".repeat(513)),
    ] {
        let (response, body) = ask(&issuer, &format!("/dev/token?{query}")).await;
        assert_eq!(response.status(), 400, "{query}");
        assert!(
            body["error"].as_str().is_some_and(|text| !text.is_empty()),
            "{query}: {body}"
        );
    }
}

#[tokio::test]
async fn there_are_people_to_choose_from() {
    let (_, body) = ask(&Issuer::new("http://127.0.0.1:5006"), "/dev/users").await;
    let users = body.as_array().unwrap();
    assert!(users.len() >= 6);
    for user in users {
        assert!(user["id"].is_string() && user["name"].is_string(), "{user}");
    }
}

#[tokio::test]
async fn audience_and_scope_are_the_services() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = Issuer::for_service(
        &format!("http://{}", listener.local_addr().unwrap()),
        "other",
        "special",
    );
    let router = issuer.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut settings = AuthSettings::new(issuer.url(), "other", "special");
    settings.require_https_metadata = false;
    let token = issuer.token("alice", Timestamp::now());
    assert!(
        Authenticator::new(settings)
            .unwrap()
            .authenticate(&token)
            .await
            .is_ok()
    );
}
