//! WebSockets in the streams of HTTP/2 connections (RFC 8441): a socket carries a hundred clients.
//!
//! ```no_run
//! # async fn example(address: std::net::SocketAddr) {
//! use serde_json::json;
//! use testkit::http2::Connection;
//!
//! let connection = Connection::open(address).await;
//! let mut socket = connection.websocket("/chat", "a token").await.unwrap();
//! socket.shake_hands().await;
//! assert_eq!(socket.call("1", "Echo", "hello").await["result"], json!("hello"));
//! # }
//! ```

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::websocket::{Frame, masked};
use crate::raw::within;

/// An HTTP/2 connection on which the server's settings have been seen.
///
/// It is open until this and all its WebSockets are dropped.
#[derive(Debug, Clone)]
pub struct Connection {
    requests: SendRequest<Empty<Bytes>>,
}

impl Connection {
    /// Connects without TLS, with prior knowledge.
    ///
    /// # Panics
    /// If nobody listens, or it is no server of HTTP/2 that answers.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address))
            .await
            .expect("the server listens");
        stream.set_nodelay(true).expect("a socket can be set");
        Self::over(stream).await
    }

    /// Speaks HTTP/2 over a stream, of TLS for example.
    ///
    /// # Panics
    /// If it is no server of HTTP/2 that answers.
    pub async fn over<I>(io: I) -> Self
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(io));
        let (requests, connection) = within("an HTTP/2 connection", shaken)
            .await
            .expect("the server speaks HTTP/2");
        tokio::spawn(connection);
        let connection = Self { requests };
        // The answer follows the settings, and only who has seen them may ask for WebSockets.
        let request = Request::get("http://localhost/health/live");
        let request = request.body(Empty::new()).expect("a request");
        let answer = connection.send(request).await;
        assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
        connection
    }

    /// Sends a request in a stream of its own; gives the head of the answer.
    ///
    /// # Errors
    /// The connection is broken, or the server does not offer what the request asks for.
    pub async fn send(
        &self,
        request: Request<Empty<Bytes>>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        within("an answer", self.requests.clone().send_request(request)).await
    }

    /// Opens a WebSocket at the hub at `path`, without a negotiation.
    ///
    /// # Errors
    /// The status by which the server refuses.
    ///
    /// # Panics
    /// If the connection is broken, or the server does not offer WebSockets in its streams.
    pub async fn websocket(&self, path: &str, token: &str) -> Result<WebSocket, StatusCode> {
        let answer = self.send(connect(path, token)).await.expect("an answer");
        if answer.status() != StatusCode::OK {
            return Err(answer.status());
        }
        assert!(answer.headers().get("sec-websocket-accept").is_none());
        let upgraded = hyper::upgrade::on(answer).await.expect("an open stream");
        Ok(WebSocket(TokioIo::new(upgraded)))
    }
}

/// The request for a WebSocket: extended CONNECT.
///
/// # Panics
/// If the path or the token cannot be written in a request.
#[must_use]
pub fn connect(path: &str, token: &str) -> Request<Empty<Bytes>> {
    Request::connect(format!("http://localhost{path}"))
        .extension(Protocol::from_static("websocket"))
        .header("authorization", format!("Bearer {token}"))
        .header("sec-websocket-version", "13")
        .body(Empty::new())
        .expect("a path and a token as they may be in requests")
}

/// A WebSocket in a stream, with hub messages of JSON in its frames.
///
/// All that reads panics when the stream ends before, or nothing comes for long.
pub struct WebSocket(TokioIo<Upgraded>);

impl WebSocket {
    /// Sends the handshake of the hub protocol and waits for its answer.
    pub async fn shake_hands(&mut self) {
        self.say(&json!({"protocol": "json", "version": 1})).await;
        assert_eq!(self.hear().await, json!({}));
    }

    /// Calls a method with one argument; gives the next message, which is the answer if nothing is watched.
    pub async fn call(&mut self, id: &str, target: &str, argument: &str) -> Value {
        self.say(
            &json!({"type": 1, "invocationId": id, "target": target, "arguments": [argument]}),
        )
        .await;
        self.hear().await
    }

    /// Sends a hub message.
    pub async fn say(&mut self, message: &Value) {
        self.send(0x81, format!("{message}\u{1e}").as_bytes()).await;
    }

    /// Reads a frame with one hub message.
    ///
    /// # Panics
    /// Also if it is another frame.
    pub async fn hear(&mut self) -> Value {
        let frame = self.frame().await;
        assert_eq!(frame.op_code, 1);
        let text = frame.payload.strip_suffix(b"\x1e").expect("a message");
        serde_json::from_slice(text).expect("JSON")
    }

    /// Sends a frame; `first`: its first byte, with all flags.
    ///
    /// # Panics
    /// If the stream is broken.
    pub async fn send(&mut self, first: u8, payload: &[u8]) {
        let frame = masked(first, payload);
        within("room to write", self.0.write_all(&frame))
            .await
            .expect("the stream can be written to");
    }

    /// Reads a frame, whatever it is.
    ///
    /// # Panics
    /// Also if it has a mask, reserved bits or 64 KiB, or is a part of a message only.
    pub async fn frame(&mut self) -> Frame {
        within("a frame", async {
            let first = self.0.read_u8().await?;
            assert_eq!(first & 0xf0, 0x80, "a server's frames are whole and plain");
            let len = match self.0.read_u8().await? {
                126 => usize::from(self.0.read_u16().await?),
                short @ 0..126 => usize::from(short),
                other => panic!("no short frame without a mask: {other:#x}"),
            };
            let mut payload = vec![0; len];
            self.0.read_exact(&mut payload).await?;
            std::io::Result::Ok(Frame {
                op_code: first & 0x0f,
                payload,
            })
        })
        .await
        .expect("a frame before the stream ends")
    }

    /// Reads what comes before the end of the stream.
    ///
    /// # Panics
    /// Also if it ends with an error.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        within("the end of a stream", self.0.read_to_end(&mut rest))
            .await
            .expect("an orderly end");
        rest
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").finish_non_exhaustive()
    }
}
