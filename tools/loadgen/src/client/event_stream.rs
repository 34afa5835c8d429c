//! Server-Sent Events.

use super::End;
use super::dialer::Route;
use super::http::{Head, Http};
use super::hub::{Heard, Hub};

/// A stream of events.
#[derive(Debug)]
pub(crate) struct EventStream {
    http: Http,
    head: Head,
    hub: Hub,
    /// Of an event whose end has not come yet.
    text: Vec<u8>,
}

impl EventStream {
    pub(super) async fn open(route: &Route, hub: Hub) -> Result<Self, End> {
        let mut http = route.open().await?;
        let headers = format!("{}Accept: text/event-stream\r\n", route.headers);
        http.ask("GET", &route.target, &headers, b"").await?;
        let head = http.head().await?;
        if head.status != 200 {
            let answer = http.body(head).await?;
            return Err(route.refused("GET", head.status, &answer));
        }
        Ok(Self {
            http,
            head,
            hub,
            text: Vec::new(),
        })
    }

    /// The answer to the handshake.
    pub(super) async fn first_payload(&mut self) -> Result<Vec<u8>, End> {
        loop {
            if let Some(data) = take_event(&mut self.text) {
                return Ok(data);
            }
            self.fill().await?;
        }
    }

    pub(super) async fn hear(&mut self, hear: &mut impl FnMut(Heard)) -> Result<(), End> {
        let data = self.first_payload().await?;
        self.hub.read(&data, hear)?;
        while let Some(data) = take_event(&mut self.text) {
            self.hub.read(&data, hear)?;
        }
        Ok(())
    }

    async fn fill(&mut self) -> Result<(), End> {
        match self.http.chunk(self.head).await? {
            Some(chunk) => self.text.extend_from_slice(&chunk),
            None => return Err(End("the server ended the event stream".to_owned())),
        }
        Ok(())
    }
}

/// Takes the first event off the front: its data, lines joined by line feeds; comments are passed over.
fn take_event(text: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if text.starts_with(b":\r\n") {
            text.drain(..3);
            continue;
        }
        let end = text.windows(4).position(|found| found == b"\r\n\r\n")?;
        let event: Vec<u8> = text.drain(..end + 4).collect();
        let lines: Vec<&[u8]> = event
            .get(..end)
            .unwrap_or_default()
            .split(|&byte| byte == b'\n')
            .filter_map(|line| {
                line.strip_suffix(b"\r")
                    .unwrap_or(line)
                    .strip_prefix(b"data: ")
            })
            .collect();
        if !lines.is_empty() {
            return Some(lines.join(&b'\n'));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_when_they_are_whole() {
        let mut text = b":\r\ndata: one\r\ndata: two\r\n\r\n: hello\r\n\r\ndata: th".to_vec();
        assert_eq!(take_event(&mut text), Some(b"one\ntwo".to_vec()));
        assert_eq!(take_event(&mut text), None);
        text.extend(b"ree\r\n\r\n");
        assert_eq!(take_event(&mut text), Some(b"three".to_vec()));
        assert!(text.is_empty());
    }
}
