use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;

#[test]
fn figures_are_read_when_somebody_asks() {
    let metrics = Metrics::new();
    let (calls, open) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicI64::new(0)));
    let (c, o) = (Arc::clone(&calls), Arc::clone(&open));
    metrics.counter("presence_invocations", "Calls of hub methods", move || {
        c.load(Relaxed)
    });
    metrics.gauge("presence_connections", "Open connections", move || {
        o.load(Relaxed)
    });
    metrics.counters("presence_changes", "Changes", "cause", || {
        [("connected", 3), ("lost", 1)]
    });

    calls.store(7, Relaxed);
    open.store(-2, Relaxed);
    let page = metrics.encode().unwrap();
    let expected = "\
# HELP presence_invocations Calls of hub methods
# TYPE presence_invocations counter
presence_invocations_total 7
# HELP presence_connections Open connections
# TYPE presence_connections gauge
presence_connections -2
# HELP presence_changes Changes
# TYPE presence_changes counter
presence_changes_total{cause=\"connected\"} 3
presence_changes_total{cause=\"lost\"} 1
# EOF
";
    assert!(page.ends_with(expected), "{page}");
    calls.store(8, Relaxed);
    assert!(
        metrics
            .encode()
            .unwrap()
            .contains("presence_invocations_total 8\n")
    );
}

#[test]
fn the_build_is_told() {
    let page = Metrics::new().encode().unwrap();
    let line = format!(
        "presence_build_info{{version=\"{}\"}} 1\n",
        env!("CARGO_PKG_VERSION")
    );
    assert!(page.contains(&line), "{page}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_told() {
    let page = Metrics::new().encode().unwrap();
    let value = |name: &str| -> f64 {
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {page}"))
            .parse()
            .unwrap()
    };
    assert!(value("process_resident_memory_bytes") > 1024.0 * 1024.0);
    // Standard input, output and error at least.
    assert!(value("process_open_fds") >= 3.0);
    assert!(value("process_max_fds") >= value("process_open_fds"));
    assert!(value("process_cpu_seconds_total") >= 0.0);
}

#[test]
#[should_panic(expected = "two metrics are called presence_connections")]
fn a_name_is_used_once() {
    let metrics = Metrics::new();
    metrics.gauge("presence_connections", "Open", || 0);
    metrics.gauge("presence_connections", "Open again", || 0);
}

#[tokio::test]
async fn the_page_is_openmetrics() {
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let response = Metrics::new().router().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], OPEN_METRICS);
    let page = response.into_body().collect().await.unwrap().to_bytes();
    assert!(page.ends_with(b"# EOF\n"));
}
