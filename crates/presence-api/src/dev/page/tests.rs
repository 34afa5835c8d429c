use axum::body::Body;
use axum::response::Response;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::{FILES, router};

async fn request(method: Method, path: &str) -> Response {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty())
        .unwrap();
    router().oneshot(request).await.unwrap()
}

async fn text(path: &str) -> String {
    let response = request(Method::GET, path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// The values of `src` and `href` in the page.
fn references(page: &str) -> Vec<&str> {
    [" src=\"", " href=\""]
        .iter()
        .flat_map(|attribute| page.split(attribute).skip(1))
        .map(|rest| rest.split('"').next().unwrap())
        .collect()
}

#[tokio::test]
async fn each_file_says_what_it_is() {
    let types = [
        ("/", "text/html; charset=utf-8"),
        ("/assets/app.js", "text/javascript; charset=utf-8"),
        ("/assets/app.css", "text/css; charset=utf-8"),
    ];
    for (path, wanted) in types {
        let headers = request(Method::GET, path).await.headers().clone();
        assert_eq!(headers[header::CONTENT_TYPE], wanted, "{path}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache", "{path}");
    }
}

#[tokio::test]
async fn a_file_has_its_own_content() {
    assert!(text("/").await.starts_with("<!doctype html>"));
    assert!(
        text("/assets/app.css")
            .await
            .contains("prefers-color-scheme")
    );
    let script = text("/assets/app.js").await;
    assert!(script.contains("/_hubs/presence"));
    assert!(
        script.contains("Copyright (c) .NET Foundation"),
        "the client's licence"
    );
}

#[tokio::test]
async fn the_page_loads_nothing_from_outside() {
    let page = text("/").await;
    let references = references(&page);
    assert!(references.contains(&"/assets/app.js"), "{references:?}");
    assert!(references.contains(&"/assets/app.css"), "{references:?}");
    for reference in references {
        let is_inside = reference.starts_with('/') && !reference.starts_with("//");
        assert!(is_inside || reference.starts_with("data:"), "{reference}");
    }
    assert!(!text("/assets/app.css").await.contains("url("));
}

#[tokio::test]
async fn the_policy_allows_what_the_page_does_and_no_more() {
    let headers = request(Method::GET, "/").await.headers().clone();
    let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(policy.contains("script-src 'self'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    // What the policy forbids would fail silently in a browser.
    let page = text("/").await;
    for forbidden in [" style=\"", " onclick=", "<style", "<script>"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[tokio::test]
async fn files_are_read_only() {
    for file in &FILES {
        let head = request(Method::HEAD, file.path).await;
        assert_eq!(head.status(), StatusCode::OK, "{}", file.path);
        let post = request(Method::POST, file.path).await;
        assert_eq!(
            post.status(),
            StatusCode::METHOD_NOT_ALLOWED,
            "{}",
            file.path
        );
    }
    let missing = request(Method::GET, "/assets/other.js").await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}
