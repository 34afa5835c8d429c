//! HTTP on a plain socket: what is sent is what a test wrote, and answers come as they are.
//!
//! ```no_run
//! # async fn example(address: std::net::SocketAddr) {
//! let answer = testkit::raw::request(address, "POST", "/chat/negotiate", &[], b"").await;
//! assert_eq!(answer.status, 200);
//!
//! let mut half = testkit::raw::Connection::open(address).await;
//! half.write(b"GET / HTTP/1.1\r\nHo").await; // and nothing more
//! # }
//! ```
//!
//! Nothing here waits for longer than [`PATIENCE`]: a test that hangs is to say where.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// How long anything may take before a test fails.
///
/// Far longer than all that is waited for, even where the tests of a whole workspace share two cores.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `work`, but not for ever.
///
/// # Panics
/// When [`PATIENCE`] is at its end.
pub async fn within<T>(what: impl fmt::Display, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// Waits until `is_so` holds, looking every few milliseconds.
///
/// # Panics
/// When [`PATIENCE`] is at its end.
pub async fn eventually(what: impl fmt::Display, mut is_so: impl FnMut() -> bool) {
    within(what, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Sends one request on a connection of its own and reads the whole answer.
pub async fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut connection = Connection::open(address).await;
    connection.ask(method, target, headers, body).await;
    connection.answer().await
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers in their order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of a name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        self.headers
            .iter()
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A TCP connection with what was read from it and not yet used.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    read: BytesMut,
}

impl Connection {
    /// Connects.
    ///
    /// # Panics
    /// If nobody listens.
    pub async fn open(address: SocketAddr) -> Self {
        Self::open_with_buffer(address, None).await
    }

    /// Connects with a receive buffer of so many bytes, for clients that take little.
    ///
    /// # Panics
    /// If nobody listens.
    pub async fn open_with_buffer(address: SocketAddr, receive_buffer: Option<u32>) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket can be made");
        if let Some(size) = receive_buffer {
            socket
                .set_recv_buffer_size(size)
                .expect("a socket's buffer can be set");
        }
        let stream = within("a connection", socket.connect(address))
            .await
            .expect("the server listens");
        stream.set_nodelay(true).expect("a socket can be set");
        Self {
            address,
            stream,
            read: BytesMut::new(),
        }
    }

    /// Writes bytes as they are.
    ///
    /// # Panics
    /// If the connection is broken; see [`Self::try_write`].
    pub async fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes)
            .await
            .expect("the connection can be written to");
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// The connection is broken.
    pub async fn try_write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        within("room to write", self.stream.write_all(bytes)).await
    }

    /// Sends a request; the answer is read by [`Self::answer`].
    pub async fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) {
        let request = write_request(self.address, method, target, headers, body);
        self.write(&request).await;
    }

    /// Reads an answer with its whole body.
    ///
    /// May be dropped while it waits: what was read stays.
    ///
    /// # Panics
    /// If the connection ends before.
    pub async fn answer(&mut self) -> Answer {
        within("an answer", self.try_answer())
            .await
            .expect("an answer before the connection ends")
    }

    /// Reads an answer, without a time limit; none: the connection ended before.
    ///
    /// May be dropped while it waits: what was read stays.
    pub async fn try_answer(&mut self) -> Option<Answer> {
        loop {
            if let Some((answer, len)) = parse_answer(&self.read) {
                self.read.advance(len);
                return Some(answer);
            }
            if self.fill().await == 0 {
                return None;
            }
        }
    }

    /// Reads the head of an answer whose body comes bit by bit.
    ///
    /// # Panics
    /// If the connection ends before.
    pub async fn head(&mut self) -> Answer {
        within("the head of an answer", async {
            loop {
                if let Some((head, len)) = parse_head(&self.read) {
                    self.read.advance(len);
                    return head;
                }
                assert_ne!(self.fill().await, 0, "the connection ended before a head");
            }
        })
        .await
    }

    /// Reads the next chunk of a chunked body, without a time limit; none: the body or the connection is over.
    ///
    /// May be dropped while it waits: what was read stays.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some((chunk, len)) = parse_chunk(&self.read) {
                self.read.advance(len);
                return (!chunk.is_empty()).then_some(chunk);
            }
            if self.fill().await == 0 {
                return None;
            }
        }
    }

    /// Reads whatever comes, without a time limit; 0: the connection is over, well or not.
    pub async fn fill(&mut self) -> usize {
        self.stream.read_buf(&mut self.read).await.unwrap_or(0)
    }

    /// What was read and not yet used.
    #[must_use]
    pub fn unused(&self) -> &[u8] {
        &self.read
    }

    /// Takes the first `len` of the unused bytes.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn take(&mut self, len: usize) -> Vec<u8> {
        self.read.split_to(len).to_vec()
    }

    /// Breaks the connection: the peer gets a reset, not an end.
    ///
    /// # Panics
    /// If the socket cannot be set so.
    pub fn cut(self) {
        self.stream
            .set_zero_linger()
            .expect("a socket can be set to reset");
    }
}

/// A request as bytes.
fn write_request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut request = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if method != "GET" {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    [request.as_bytes(), body].concat()
}

/// The head at the front of `bytes` and its length.
fn parse_head(bytes: &[u8]) -> Option<(Answer, usize)> {
    let end = find(bytes, b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no status line: {text}"));
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let head = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    Some((head, end + 4))
}

/// The whole answer at the front of `bytes` and its length.
fn parse_answer(bytes: &[u8]) -> Option<(Answer, usize)> {
    let (mut answer, mut at) = parse_head(bytes)?;
    if answer.header("transfer-encoding") == Some("chunked") {
        loop {
            let (chunk, len) = parse_chunk(&bytes[at..])?;
            at += len;
            if chunk.is_empty() {
                return Some((answer, at));
            }
            answer.body.extend_from_slice(&chunk);
        }
    }
    let len: usize = answer
        .header("content-length")
        .map_or(0, |len| len.parse().expect("a length is a number"));
    let body = bytes.get(at..at + len)?.to_vec();
    answer.body = body;
    Some((answer, at + len))
}

/// The chunk at the front of `bytes` and how much it takes; an empty one is the last.
fn parse_chunk(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let end = find(bytes, b"\r\n")?;
    let digits = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let len = usize::from_str_radix(&digits, 16)
        .unwrap_or_else(|_| panic!("no length of a chunk: {digits}"));
    let body = bytes.get(end + 2..end + 2 + len)?;
    bytes.get(..end + 4 + len)?;
    Some((body.to_vec(), end + 4 + len))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|found| found == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_when_they_are_whole() {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        let chunked = b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        for (bytes, status, body) in [(&plain[..], 200, "hi"), (&chunked[..], 404, "abcd")] {
            for len in 0..bytes.len() {
                assert_eq!(parse_answer(&bytes[..len]), None, "{len}");
            }
            let (answer, len) = parse_answer(bytes).unwrap();
            assert_eq!((answer.status, answer.text().as_str()), (status, body));
            assert_eq!(len, bytes.len());
        }
    }
}
