//! Paths as ASP.NET Core compares them: without regard to case.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use http::Uri;
use http::uri::PathAndQuery;

/// Lets `/_HUBS/Presence/` reach the route `/_hubs/presence`.
///
/// `paths` are the routes, in lower case and without a last slash; all that stands below one of them is compared in
/// the same way. Other paths stay as they are.
pub fn ignoring_case(routes: Router, paths: Vec<String>) -> Router {
    let lower = middleware::from_fn(move |mut request: Request, next: Next| {
        let lowered = lowered(request.uri(), &paths);
        if let Some(uri) = lowered {
            *request.uri_mut() = uri;
        }
        next.run(request)
    });
    // A layer of the router itself would see the request only after its route was chosen.
    Router::new().fallback_service(tower::Layer::layer(&lower, routes))
}

/// The address with its path in lower case, if it belongs to one of `paths` and is not in lower case already.
fn lowered(uri: &Uri, paths: &[String]) -> Option<Uri> {
    let path = uri.path();
    if !path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let is_below = |route: &String| {
        path.split_at_checked(route.len())
            .is_some_and(|(start, rest)| {
                start.eq_ignore_ascii_case(route) && (rest.is_empty() || rest.starts_with('/'))
            })
    };
    if !paths.iter().any(is_below) {
        return None;
    }
    let mut parts = uri.clone().into_parts();
    let query = uri.query().map(|query| format!("?{query}"));
    let lower = path.to_ascii_lowercase() + query.as_deref().unwrap_or_default();
    parts.path_and_query = Some(PathAndQuery::try_from(lower).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(uri: &str, expected: Option<&str>) {
        let paths = ["/_hubs/presence".to_owned()];
        let found = lowered(&uri.parse().unwrap(), &paths);
        assert_eq!(found.map(|uri| uri.to_string()).as_deref(), expected);
    }

    #[test]
    fn paths_of_hubs_lose_their_case_and_nothing_else_does() {
        check("/_hubs/presence?id=AbC", None);
        check(
            "/_HUBS/Presence/Negotiate?negotiateVersion=1&Id=AbC",
            Some("/_hubs/presence/negotiate?negotiateVersion=1&Id=AbC"),
        );
        check("/_Hubs/presence", Some("/_hubs/presence"));
        check("/_hubs/presenceX", None);
        check("/Metrics", None);
    }
}
