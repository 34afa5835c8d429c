//! As much of HTTP/1.1 as the transports need.

use std::fmt::Write as _;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::End;

/// A connection that carries one request after the other.
#[derive(Debug)]
pub(crate) struct Http {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// The first part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    body: Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Sized(usize),
    Chunked,
}

impl Http {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// The socket, and what came behind the last answer.
    pub(crate) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.unread)
    }

    /// Sends a request. `headers`: whole lines, each with its line end.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &str,
        body: &[u8],
    ) -> Result<(), End> {
        let mut request = format!("{method} {target} HTTP/1.1\r\n{headers}");
        if method == "POST" {
            let _ = write!(request, "Content-Length: {}\r\n", body.len());
        }
        request.push_str("\r\n");
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        Ok(self.stream.write_all(&bytes).await?)
    }

    /// The first part of the answer.
    pub(crate) async fn head(&mut self) -> Result<Head, End> {
        loop {
            if let Some(len) = find(&self.unread, b"\r\n\r\n") {
                let text = String::from_utf8_lossy(self.unread.get(..len).unwrap_or_default());
                let head = read_head(&text)
                    .ok_or_else(|| End(format!("the server's answer is no HTTP: {text}")))?;
                self.unread.drain(..len + 4);
                return Ok(head);
            }
            if self.unread.len() > HEAD_LEN_MAX {
                return Err(End(
                    "the server's answer has no end to its headers".to_owned()
                ));
            }
            self.fill().await?;
        }
    }

    /// The whole body of the answer.
    pub(crate) async fn body(&mut self, head: Head) -> Result<Vec<u8>, End> {
        match head.body {
            Body::Sized(len) => self.take(len).await,
            Body::Chunked => {
                let mut body = Vec::new();
                while let Some(chunk) = self.chunk(head).await? {
                    body.extend_from_slice(&chunk);
                }
                Ok(body)
            }
        }
    }

    /// The next piece of a body that has no announced length; none: it is over.
    pub(crate) async fn chunk(&mut self, head: Head) -> Result<Option<Vec<u8>>, End> {
        if head.body != Body::Chunked {
            return Err(End("the server's stream is not sent in chunks".to_owned()));
        }
        let line_len = loop {
            if let Some(len) = find(&self.unread, b"\r\n") {
                break len;
            }
            self.fill().await?;
        };
        let line = self.take(line_len + 2).await?;
        let size = String::from_utf8_lossy(line.get(..line_len).unwrap_or_default()).into_owned();
        let len = usize::from_str_radix(&size, 16)
            .map_err(|_| End(format!("the server's chunk has no length: {size}")))?;
        let mut chunk = self.take(len + 2).await?;
        chunk.truncate(len);
        Ok((len > 0).then_some(chunk))
    }

    async fn take(&mut self, len: usize) -> Result<Vec<u8>, End> {
        while self.unread.len() < len {
            self.fill().await?;
        }
        Ok(self.unread.drain(..len).collect())
    }

    async fn fill(&mut self) -> Result<(), End> {
        if self.stream.read_buf(&mut self.unread).await? == 0 {
            return Err(End(
                "the server ended the connection without an answer".to_owned()
            ));
        }
        Ok(())
    }
}

fn read_head(text: &str) -> Option<Head> {
    let mut lines = text.split("\r\n");
    let status = lines
        .next()?
        .strip_prefix("HTTP/1.1 ")?
        .get(..3)?
        .parse()
        .ok()?;
    let mut body = Body::Sized(0);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") {
            body = Body::Sized(value.trim().parse().ok()?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            body = Body::Chunked;
        }
    }
    Some(Head { status, body })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|found| found == wanted)
}

/// Four times what the servers compared here ever send.
const HEAD_LEN_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn answered(answer: &'static [u8]) -> Http {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (mut server, _) = server.unwrap();
        server.write_all(answer).await.unwrap();
        Http::new(client.unwrap())
    }

    #[tokio::test]
    async fn bodies_are_read_by_length_and_in_chunks() {
        let mut http = answered(
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n\
              3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nrest",
        )
        .await;
        let head = http.head().await.unwrap();
        assert_eq!(head.status, 200);
        assert_eq!(http.body(head).await.unwrap(), b"hello");
        let head = http.head().await.unwrap();
        assert_eq!(head.status, 404);
        assert_eq!(http.body(head).await.unwrap(), b"abcde");
        assert_eq!(http.into_parts().1, b"rest");
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error() {
        for (bytes, part) in [
            (&b"SSH-2.0-x\r\n\r\n"[..], "no HTTP"),
            (b"", "without an answer"),
            (b"HTTP/1.1 200", "without an answer"),
        ] {
            let error = answered(bytes).await.head().await.unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
