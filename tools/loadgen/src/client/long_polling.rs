//! Long polling.

use super::End;
use super::dialer::Route;
use super::http::Http;
use super::hub::{Heard, Hub};

/// One poll after the other.
#[derive(Debug)]
pub(crate) struct LongPolling {
    http: Http,
    route: Route,
    hub: Hub,
}

impl LongPolling {
    /// Makes the first poll, which is answered at once and without a body.
    pub(super) async fn open(route: Route, hub: Hub) -> Result<Self, End> {
        let http = route.open().await?;
        let mut polls = Self { http, route, hub };
        polls.poll().await?;
        Ok(polls)
    }

    /// The answer to the handshake.
    pub(super) async fn first_payload(&mut self) -> Result<Vec<u8>, End> {
        loop {
            let body = self.poll().await?;
            if !body.is_empty() {
                return Ok(body);
            }
        }
    }

    pub(super) async fn hear(&mut self, hear: &mut impl FnMut(Heard)) -> Result<(), End> {
        let body = self.first_payload().await?;
        self.hub.read(&body, hear)
    }

    async fn poll(&mut self) -> Result<Vec<u8>, End> {
        let Route {
            target, headers, ..
        } = &self.route;
        self.http.ask("GET", target, headers, b"").await?;
        let head = self.http.head().await?;
        let body = self.http.body(head).await?;
        match head.status {
            200 => Ok(body),
            204 => Err(End("the server ended the connection".to_owned())),
            status => Err(self.route.refused("GET", status, &body)),
        }
    }
}
