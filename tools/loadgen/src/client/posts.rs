//! What goes up on the transports that cannot send: one POST after the other.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::End;
use super::dialer::Route;
use super::http::Http;

/// A connection for POSTs, opened when it is needed.
#[derive(Debug, Clone)]
pub(crate) struct Posts(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    route: Route,
    http: Mutex<Option<Http>>,
}

impl Posts {
    pub(super) fn new(route: Route) -> Self {
        let http = Mutex::new(None);
        Self(Arc::new(Shared { route, http }))
    }

    pub(super) async fn send(&self, body: &[u8]) -> Result<(), End> {
        self.ask("POST", body).await
    }

    pub(super) async fn delete(&self) -> Result<(), End> {
        self.ask("DELETE", b"").await
    }

    async fn ask(&self, method: &str, body: &[u8]) -> Result<(), End> {
        let mut connection = self.0.http.lock().await;
        let mut http = match connection.take() {
            Some(http) => http,
            None => self.0.route.open().await?,
        };
        let route = &self.0.route;
        http.ask(method, &route.target, &route.headers, body)
            .await?;
        let head = http.head().await?;
        let answer = http.body(head).await?;
        if !(200..300).contains(&head.status) {
            return Err(route.refused(method, head.status, &answer));
        }
        *connection = Some(http);
        Ok(())
    }
}
