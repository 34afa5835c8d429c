use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Extension, Router, body::Body, middleware::from_fn_with_state, routing::any};
use http::{HeaderMap, Request, Response, header};
use http_body_util::BodyExt;
use identity::{AuthSettings, Authenticator, Principal};
use parking_lot::Mutex;
use testkit::issuer::{Issuer, NamedToken, accepted_tokens, hostile_tokens};
use tower::ServiceExt;

use super::*;
use crate::grpc::Gate as _;

struct Setup {
    issuer: Issuer,
    gatekeeper: Gatekeeper,
    reasons: Arc<Mutex<Vec<&'static str>>>,
    reached: Arc<AtomicUsize>,
}

impl Setup {
    async fn new() -> Self {
        let issuer = Issuer::start().await;
        let mut settings = AuthSettings::new(issuer.url(), "presenceapi", "presenceapi");
        settings.require_https_metadata = false;
        let reasons = Arc::new(Mutex::new(Vec::new()));
        let on_refusal: OnRefusal = {
            let reasons = Arc::clone(&reasons);
            Arc::new(move |reason| reasons.lock().push(reason))
        };
        let gatekeeper =
            Gatekeeper::new(Arc::new(Authenticator::new(settings).unwrap()), on_refusal);
        Self {
            issuer,
            gatekeeper,
            reasons,
            reached: Arc::default(),
        }
    }

    /// A route that answers with the user's id.
    fn router(&self) -> Router {
        let reached = Arc::clone(&self.reached);
        let greet = move |Extension(principal): Extension<Arc<Principal>>| {
            reached.fetch_add(1, Ordering::SeqCst);
            async move { principal.user().to_string() }
        };
        let gate = from_fn_with_state(self.gatekeeper.clone(), authenticate);
        Router::new()
            .route("/_hubs/presence", any(greet))
            .layer(gate)
    }

    async fn ask(&self, request: Request<Body>) -> Response<Body> {
        self.router().oneshot(request).await.unwrap()
    }

    async fn with_header(&self, value: &str) -> Response<Body> {
        let request = Request::get("/_hubs/presence").header(header::AUTHORIZATION, value);
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    async fn with_query(&self, query: &str) -> Response<Body> {
        self.ask(
            Request::get(format!("/_hubs/presence?{query}"))
                .body(Body::empty())
                .unwrap(),
        )
        .await
    }
}

fn challenge_of(response: &Response<Body>) -> Option<&str> {
    response
        .headers()
        .get(header::WWW_AUTHENTICATE)
        .map(|value| value.to_str().unwrap())
}

#[track_caller]
fn check_answer(named: &NamedToken, response: &Response<Body>) {
    assert_eq!(
        response.status().as_u16(),
        named.expect.status(),
        "{}",
        named.name
    );
    assert_eq!(
        challenge_of(response),
        named.expect.www_authenticate(),
        "{}",
        named.name
    );
}

#[tokio::test]
async fn every_bad_token_is_answered_in_dotnets_words() {
    let setup = Setup::new().await;
    for named in hostile_tokens(&setup.issuer) {
        let response = match &named.token {
            Some(token) => setup.with_header(&format!("Bearer {token}")).await,
            None => setup.with_query("").await,
        };
        check_answer(&named, &response);
        assert_eq!(
            response.headers()[header::CONTENT_LENGTH],
            "0",
            "{}",
            named.name
        );
        assert!(
            response
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .is_empty(),
            "{}",
            named.name
        );
    }
    assert_eq!(
        setup.reached.load(Ordering::SeqCst),
        0,
        "none reached the hub"
    );
}

#[tokio::test]
async fn every_good_token_reaches_the_hub_from_header_and_query() {
    let setup = Setup::new().await;
    for named in accepted_tokens(&setup.issuer) {
        let token = named.token.as_deref().unwrap();
        check_answer(&named, &setup.with_header(&format!("Bearer {token}")).await);
        let response = setup
            .with_query(&format!("id=x&access_token={token}"))
            .await;
        check_answer(&named, &response);
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            "alice",
            "{}",
            named.name
        );
    }
}

#[tokio::test]
async fn when_header_and_query_disagree_the_query_decides() {
    let setup = Setup::new().await;
    let (alice, bob) = (setup.issuer.token("alice"), setup.issuer.token("bob"));
    let ask = |query: &str, header: &str| {
        let request = Request::get(format!("/_hubs/presence?access_token={query}"));
        let request = request.header(header::AUTHORIZATION, format!("Bearer {header}"));
        setup.ask(request.body(Body::empty()).unwrap())
    };
    assert_eq!(ask("abc", &alice).await.status(), 401);
    let response = ask(&bob, &alice).await;
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "bob"
    );
    let response = ask("", &alice).await;
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "alice",
        "an empty one counts as none"
    );
}

#[tokio::test]
async fn each_refusal_is_counted_with_its_reason() {
    let setup = Setup::new().await;
    setup.with_query("").await;
    setup.with_header("Basic YTpi").await;
    setup.with_header("Bearer x").await;
    setup
        .with_header(&format!(
            "Bearer {}",
            setup.issuer.draft("a").claim("scope", "x").sign()
        ))
        .await;
    setup
        .with_header(&format!("Bearer {}", setup.issuer.token("a")))
        .await;
    assert_eq!(
        *setup.reasons.lock(),
        ["no_token", "no_token", "malformed", "missing_scope"]
    );
}

#[tokio::test]
async fn grpc_calls_are_refused_by_code() {
    let setup = Setup::new().await;
    let gate = setup.gatekeeper;
    for named in hostile_tokens(&setup.issuer)
        .into_iter()
        .chain(accepted_tokens(&setup.issuer))
    {
        let mut headers = HeaderMap::new();
        if let Some(token) = &named.token {
            headers.insert(
                header::AUTHORIZATION,
                format!("Bearer {token}").parse().unwrap(),
            );
        }
        let code = gate
            .admit(&headers)
            .await
            .map_or_else(|status| status.code() as i32, |()| 0);
        assert_eq!(code, named.expect.grpc_code(), "{}", named.name);
    }
}

#[tokio::test]
async fn grpc_does_not_read_the_query() {
    let setup = Setup::new().await;
    let refusal = setup.gatekeeper.admit(&HeaderMap::new()).await.unwrap_err();
    assert_eq!(refusal.message(), "a bearer token is required");
}

#[test]
fn every_user_that_a_token_can_name_can_be_present() {
    assert_eq!(identity::USER_LENGTH_MAX, presence::UserId::MAX_LEN);
}
