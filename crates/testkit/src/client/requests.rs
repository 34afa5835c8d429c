//! The transports that are made of HTTP requests.

use std::net::SocketAddr;

use super::End;
use crate::raw::{Answer, Connection};

/// Where requests go, and what each of them carries.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) address: SocketAddr,
    /// Path and query, the id of the connection included.
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
}

impl Route {
    async fn ask(&self, connection: &mut Connection, method: &str, accept: &str, body: &[u8]) {
        let mut headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        headers.push(("Accept", accept));
        connection.ask(method, &self.target, &headers, body).await;
    }
}

/// What goes up: one POST after the other on one connection.
#[derive(Debug)]
pub(super) struct Posts {
    route: Route,
    connection: Option<Connection>,
}

impl Posts {
    pub(super) fn new(route: Route) -> Self {
        Self {
            route,
            connection: None,
        }
    }

    pub(super) async fn send(&mut self, method: &str, body: &[u8]) -> Answer {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.route.address).await,
        };
        self.route.ask(&mut connection, method, "*/*", body).await;
        let answer = connection.answer().await;
        self.connection = Some(connection);
        answer
    }
}

/// An event stream.
#[derive(Debug)]
pub(super) struct EventStream {
    connection: Connection,
    /// Of an event that has not come in full.
    text: Vec<u8>,
}

impl EventStream {
    pub(super) async fn open(route: &Route, receive_buffer: Option<u32>) -> Result<Self, Answer> {
        let mut connection = Connection::open_with_buffer(route.address, receive_buffer).await;
        route
            .ask(&mut connection, "GET", "text/event-stream", b"")
            .await;
        let head = connection.head().await;
        if head.status == 200 {
            assert_eq!(head.header("content-type"), Some("text/event-stream"));
            return Ok(Self {
                connection,
                text: Vec::new(),
            });
        }
        Err(head)
    }

    /// The data of the next event.
    pub(super) async fn receive(&mut self) -> Result<Vec<u8>, End> {
        loop {
            if let Some(data) = take_event(&mut self.text) {
                return Ok(data);
            }
            match self.connection.chunk().await {
                Some(chunk) => self.text.extend(chunk),
                None => return Err(End::StreamEnded),
            }
        }
    }

    pub(super) fn cut(self) {
        self.connection.cut();
    }
}

/// Takes the first event off the front of `text`: its data, lines joined by line feeds.
fn take_event(text: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if text.starts_with(b":\r\n") {
            text.drain(..3);
            continue;
        }
        let end = text.windows(4).position(|found| found == b"\r\n\r\n")?;
        let event: Vec<u8> = text.drain(..end + 4).collect();
        let lines: Vec<&[u8]> = event[..end]
            .split(|&byte| byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .map(|line| {
                line.strip_prefix(b"data: ").unwrap_or_else(|| {
                    panic!("a line of no data: {}", String::from_utf8_lossy(line))
                })
            })
            .collect();
        return Some(lines.join(&b'\n'));
    }
}

/// Long polling: one GET after the other on one connection.
#[derive(Debug)]
pub(super) struct LongPolling {
    route: Route,
    connection: Option<Connection>,
    /// Whether a poll waits for its answer.
    is_asked: bool,
}

impl LongPolling {
    /// Makes the first poll, which is answered at once.
    pub(super) async fn open(route: Route) -> Result<Self, Answer> {
        let mut connection = Connection::open(route.address).await;
        route.ask(&mut connection, "GET", "*/*", b"").await;
        let answer = connection.answer().await;
        if answer.status == 200 {
            assert_eq!(answer.text(), "", "the first poll says nothing");
            return Ok(Self {
                route,
                connection: Some(connection),
                is_asked: false,
            });
        }
        Err(answer)
    }

    /// The body of the next answer that has one.
    pub(super) async fn receive(&mut self) -> Result<Vec<u8>, End> {
        loop {
            self.ask().await;
            let Some(connection) = &mut self.connection else {
                return Err(End::Cut);
            };
            let answer = connection.try_answer().await;
            self.is_asked = false;
            match answer {
                Some(answer) if answer.status == 200 && answer.body.is_empty() => {}
                Some(answer) if answer.status == 200 => return Ok(answer.body),
                Some(answer) => return Err(End::Poll(answer.status)),
                None => return Err(End::Cut),
            }
        }
    }

    /// Sends a poll if none waits; its answer is taken later.
    pub(super) async fn ask(&mut self) {
        if self.is_asked {
            return;
        }
        if self.connection.is_none() {
            self.connection = Some(Connection::open(self.route.address).await);
        }
        if let Some(connection) = &mut self.connection {
            self.is_asked = true;
            self.route.ask(connection, "GET", "*/*", b"").await;
        }
    }

    /// Breaks the connection on which a poll may wait; the next poll takes a new one.
    pub(super) fn cut(&mut self) {
        self.is_asked = false;
        if let Some(connection) = self.connection.take() {
            connection.cut();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_when_they_are_whole() {
        let mut text = b":\r\ndata: one\r\ndata: two\r\n\r\ndata: th".to_vec();
        assert_eq!(take_event(&mut text), Some(b"one\ntwo".to_vec()));
        assert_eq!(take_event(&mut text), None);
        text.extend(b"ree\r\n\r\n");
        assert_eq!(take_event(&mut text), Some(b"three".to_vec()));
    }
}
