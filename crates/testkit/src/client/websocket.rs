//! A WebSocket, the client's side, with every frame in the test's hand.

use std::net::SocketAddr;

use super::End;
use crate::raw::{Answer, Connection, within};

/// The key of RFC 6455's example; the answer to it is known.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// An open WebSocket.
#[derive(Debug)]
pub struct WebSocket {
    connection: Connection,
    /// Whether pings and close frames are answered as they should be.
    is_polite: bool,
}

/// A frame that the server sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// 1 text, 2 binary, 8 close, 9 ping, 10 pong.
    pub op_code: u8,
    /// What is in it.
    pub payload: Vec<u8>,
}

impl WebSocket {
    /// Opens a WebSocket.
    ///
    /// # Errors
    /// The answer, if it is another than 101.
    ///
    /// # Panics
    /// If the server accepts another key than was sent.
    pub async fn open(
        address: SocketAddr,
        target: &str,
        headers: &[(&str, &str)],
        receive_buffer: Option<u32>,
    ) -> Result<Self, Answer> {
        let mut connection = Connection::open_with_buffer(address, receive_buffer).await;
        let mut all = vec![
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", KEY),
        ];
        all.extend_from_slice(headers);
        connection.ask("GET", target, &all, b"").await;
        // A refusal may have a body; the answer that opens has none, and frames may follow it at once.
        let mut head = connection.head().await;
        if head.status != 101 {
            let len = head
                .header("content-length")
                .and_then(|len| len.parse().ok());
            while connection.unused().len() < len.unwrap_or(0) && connection.fill().await > 0 {}
            head.body = connection.take(len.unwrap_or(0));
            return Err(head);
        }
        assert_eq!(head.header("sec-websocket-accept"), Some(ACCEPT));
        Ok(Self {
            connection,
            is_polite: true,
        })
    }

    /// Leaves pings and close frames unanswered from now on.
    pub fn be_rude(&mut self) {
        self.is_polite = false;
    }

    /// Sends a message in one binary frame; the server does not look at the difference.
    pub async fn send(&mut self, payload: &[u8]) {
        self.send_frame(0x82, payload).await;
    }

    /// Sends a message, unless the connection is broken.
    ///
    /// # Errors
    /// The connection is broken.
    pub async fn try_send(&mut self, payload: &[u8]) -> std::io::Result<()> {
        self.connection.try_write(&masked(0x82, payload)).await
    }

    /// Sends a frame; `first`: its first byte, with all flags.
    pub async fn send_frame(&mut self, first: u8, payload: &[u8]) {
        self.connection.write(&masked(first, payload)).await;
    }

    /// Sends a close frame.
    pub async fn send_close(&mut self, code: Option<u16>) {
        let payload = code.map(u16::to_be_bytes);
        self.send_frame(0x88, payload.as_ref().map_or(&[], |code| &code[..]))
            .await;
    }

    /// The connection underneath, for what is no frame.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Breaks the connection without a word.
    pub fn cut(self) {
        self.connection.cut();
    }

    /// The next frame, whatever it is, without a time limit; none: the connection ended.
    ///
    /// May be dropped while it waits: what was read stays.
    ///
    /// # Panics
    /// If a frame is masked, reserved bits are set, or a message comes in fragments.
    pub async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, len)) = parse(self.connection.unused()) {
                self.connection.take(len);
                return Some(frame);
            }
            if self.connection.fill().await == 0 {
                return None;
            }
        }
    }

    /// The payload of the next data frame; control frames before it are answered.
    ///
    /// # Errors
    /// The connection has ended.
    pub(super) async fn receive(&mut self) -> Result<Vec<u8>, End> {
        while let Some(frame) = self.frame().await {
            match frame.op_code {
                1 | 2 => return Ok(frame.payload),
                8 => {
                    if self.is_polite {
                        let _ = self
                            .connection
                            .try_write(&masked(0x88, &frame.payload))
                            .await;
                    }
                    return Err(End::CloseFrame(close_code(&frame)));
                }
                9 if self.is_polite => {
                    let _ = self
                        .connection
                        .try_write(&masked(0x8a, &frame.payload))
                        .await;
                }
                _ => {}
            }
        }
        Err(End::Cut)
    }

    /// Waits until the server has closed the connection itself; true: without a reset of its own making.
    pub async fn wait_for_end(&mut self) {
        within("the end of a connection", async {
            while self.connection.fill().await > 0 {}
        })
        .await;
    }
}

/// The code in a close frame.
#[must_use]
pub fn close_code(frame: &Frame) -> Option<u16> {
    match frame.payload.as_slice() {
        [high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

/// A frame as a client sends it.
#[must_use]
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x5a, 0x00, 0xff, 0x13];
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ 0..=125), _) => frame.push(0x80 | len),
        (_, Ok(len)) => {
            frame.push(0x80 | 126);
            frame.extend(len.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b));
    frame
}

fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let [first, second, rest @ ..] = bytes else {
        return None;
    };
    assert_eq!(first & 0xf0, 0x80, "a server's frames are whole and plain");
    assert_eq!(second & 0x80, 0, "a server's frames have no mask");
    let (width, len) = match second {
        126 => (2, usize::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => {
            let len = u64::from_be_bytes(*rest.first_chunk()?);
            (8, usize::try_from(len).expect("a length"))
        }
        len => (0, usize::from(*len)),
    };
    let payload = rest.get(width..width + len)?.to_vec();
    let frame = Frame {
        op_code: first & 0x0f,
        payload,
    };
    Some((frame, 2 + width + len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_are_read_when_they_are_whole() {
        for len in [0usize, 125, 126, 65_535, 65_536] {
            let payload = vec![7; len];
            // What a client sends, without the mask, is what a server sends.
            let mut bytes = masked(0x82, &payload);
            let header_len = bytes.len() - len - 4;
            bytes.drain(header_len..header_len + 4);
            bytes.truncate(header_len);
            bytes[1] &= 0x7f;
            bytes.extend(&payload);
            assert_eq!(parse(&bytes[..bytes.len() - 1]), None);
            let (frame, taken) = parse(&bytes).unwrap();
            assert_eq!((frame.op_code, frame.payload), (2, payload));
            assert_eq!(taken, bytes.len());
        }
    }
}
