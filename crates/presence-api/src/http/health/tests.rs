use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::{Router, body::Body};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use tokio::time::{advance, sleep};
use tower::ServiceExt as _;

use super::*;

fn healthy(name: &'static str) -> Check {
    says(name, Verdict::Healthy)
}

fn says(name: &'static str, verdict: Verdict) -> Check {
    Check::new(name, move || std::future::ready(verdict.clone()))
}

fn ready(checks: Vec<Check>) -> Health {
    let readiness = Readiness::new();
    readiness.ready();
    Health::new(readiness, checks)
}

async fn ask(router: &Router, path: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        parts.status,
        parts.headers,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

async fn word(health: &Health, path: &str) -> (u16, String) {
    let (status, _, body) = ask(&health.router(), path).await;
    (status.as_u16(), body)
}

#[tokio::test]
async fn the_answers_are_those_of_aspnet() {
    let health = ready(vec![healthy("store")]);
    for path in ["/health/live", "/health/ready"] {
        let (status, headers, body) = ask(&health.router(), path).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "Healthy"));
        assert_eq!(headers["content-type"], "text/plain");
        assert_eq!(headers["cache-control"], "no-store, no-cache");
        assert_eq!(headers["pragma"], "no-cache");
        assert_eq!(headers["expires"], "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}

#[tokio::test]
async fn traffic_is_wanted_between_start_and_drain_only() {
    let readiness = Readiness::new();
    let health = Health::new(readiness.clone(), vec![healthy("store")]);
    let no = (503, "Unhealthy".to_owned());
    let yes = (200, "Healthy".to_owned());
    assert_eq!(word(&health, "/health/ready").await, no);
    readiness.ready();
    assert_eq!(word(&health, "/health/ready").await, yes);
    readiness.drain();
    assert_eq!(word(&health, "/health/ready").await, no);
    assert_eq!(
        word(&health, "/health/live").await,
        yes,
        "it lives until it is gone"
    );
}

#[tokio::test]
async fn the_worst_part_decides() {
    let limping = || says("store", Verdict::Degraded("answers from memory".to_owned()));
    let broken = || says("hub", Verdict::Unhealthy("it is closed".to_owned()));
    let health = ready(vec![healthy("grpc"), limping()]);
    assert_eq!(
        word(&health, "/health/ready").await,
        (200, "Degraded".to_owned())
    );
    let health = ready(vec![broken(), limping(), healthy("grpc")]);
    assert_eq!(
        word(&health, "/health/ready").await,
        (503, "Unhealthy".to_owned())
    );
}

#[tokio::test]
async fn the_report_names_every_part_and_the_reason() {
    let unwell = Verdict::Unhealthy("it is closed".to_owned());
    let health = ready(vec![healthy("store"), says("hub", unwell)]);
    let (status, headers, body) = ask(&health.router(), "/health").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(headers["content-type"], "application/json");
    let report: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(report["status"], "Unhealthy");
    assert_eq!(report["phase"], "Ready");
    assert_eq!(report["checks"][0]["name"], "store");
    assert_eq!(report["checks"][0]["status"], "Healthy");
    assert_eq!(report["checks"][0].get("description"), None);
    assert!(report["checks"][0]["durationMs"].is_number());
    assert_eq!(report["checks"][1]["description"], "it is closed");
}

#[tokio::test(start_paused = true)]
async fn a_part_that_does_not_answer_is_unwell_and_keeps_nobody_waiting() {
    let stuck = Check::new("store", std::future::pending::<Verdict>);
    let start = Instant::now();
    let report = ready(vec![stuck, healthy("hub")]).report().await;
    assert_eq!(start.elapsed(), ANSWER_WITHIN);
    assert_eq!(report.status, Status::Unhealthy);
    assert_eq!(
        report.checks[0].description.as_deref(),
        Some("no answer within 2s")
    );
    assert_eq!(report.checks[1].status, Status::Healthy);
}

#[tokio::test(start_paused = true)]
async fn however_many_ask_the_parts_are_asked_once() {
    let asked = Arc::new(AtomicU64::new(0));
    let counting = {
        let asked = Arc::clone(&asked);
        Check::new("store", move || {
            asked.fetch_add(1, Relaxed);
            async {
                sleep(Duration::from_millis(100)).await;
                Verdict::Healthy
            }
        })
    };
    let health = ready(vec![counting]);
    join_all((0..100).map(|_| health.report())).await;
    assert_eq!(asked.load(Relaxed), 1);
    health.report().await;
    assert_eq!(asked.load(Relaxed), 1);
    advance(FRESH_FOR).await;
    health.report().await;
    assert_eq!(asked.load(Relaxed), 2);
}
