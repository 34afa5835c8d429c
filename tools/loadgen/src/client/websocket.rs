//! WebSockets, the client's side.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use signalr_protocol::HubProtocol;
use tokio::net::TcpStream;

use super::End;
use super::hub::{Heard, Hub};

pub(super) const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The operation code of a hub protocol's messages.
pub(super) fn op_code(protocol: HubProtocol) -> u8 {
    match protocol {
        HubProtocol::Json => 1,
        HubProtocol::MessagePack => 2,
    }
}

/// Appends a masked frame.
///
/// The mask keeps proxies from mistaking the payload for a request; here it only has to cost the server what any other costs.
pub(super) fn write_frame(out: &mut Vec<u8>, op_code: u8, payload: &[u8]) {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    out.push(0x80 | op_code);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ 0..=125), _) => out.push(0x80 | len),
        (_, Ok(len)) => {
            out.push(0x80 | 126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
}

/// A frame of the server's at the beginning of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame<'a> {
    op_code: u8,
    payload: &'a [u8],
    /// How many bytes it takes.
    len: usize,
}

/// None: it is not complete yet.
fn first_frame(bytes: &[u8]) -> Option<Frame<'_>> {
    let [first, second, rest @ ..] = bytes else {
        return None;
    };
    let (width, len) = match second & 0x7f {
        126 => (2, u64::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => (8, u64::from_be_bytes(*rest.first_chunk()?)),
        len => (0, u64::from(len)),
    };
    let end = usize::try_from(len).ok()?.checked_add(width)?;
    Some(Frame {
        op_code: first & 0x0f,
        payload: rest.get(width..end)?,
        len: 2 + end,
    })
}

/// The half that sends; one sender at a time.
#[derive(Debug, Clone)]
pub(crate) struct Sender(Arc<TcpStream>);

impl Sender {
    pub(super) async fn send(&self, mut bytes: &[u8]) -> Result<(), End> {
        while !bytes.is_empty() {
            match self.0.try_write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.0.writable().await?
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// The half that receives.
#[derive(Debug)]
pub(crate) struct Receiver {
    stream: Arc<TcpStream>,
    hub: Hub,
    /// The beginning of a frame whose end has not come yet.
    rest: Vec<u8>,
}

/// `early`: what came with the answer to the opening request.
pub(super) fn split(stream: TcpStream, hub: Hub, early: Vec<u8>) -> (Sender, Receiver) {
    let stream = Arc::new(stream);
    let receiver = Receiver {
        stream: Arc::clone(&stream),
        hub,
        rest: early,
    };
    (Sender(stream), receiver)
}

impl Receiver {
    /// The answer to the handshake: the payload of the first frame.
    pub(super) async fn first_payload(&mut self) -> Result<Vec<u8>, End> {
        loop {
            if let Some(frame) = first_frame(&self.rest) {
                let (payload, len) = (frame.payload.to_vec(), frame.len);
                if frame.op_code == CLOSE {
                    return Err(closed(&payload));
                }
                self.rest.drain(..len);
                return Ok(payload);
            }
            self.stream.readable().await?;
            let mut bytes = [0; 512];
            match self.stream.try_read(&mut bytes) {
                Ok(0) => return Err(ended()),
                Ok(len) => self
                    .rest
                    .extend_from_slice(bytes.get(..len).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(super) async fn hear(&mut self, hear: &mut impl FnMut(Heard)) -> Result<(), End> {
        if !self.rest.is_empty() && first_frame(&self.rest).is_some() {
            return self.handle(&[], hear);
        }
        loop {
            self.stream.readable().await?;
            let heard = SCRATCH.with_borrow_mut(|scratch| match self.stream.try_read(scratch) {
                Ok(0) => Some(Err(ended())),
                Ok(len) => Some(self.handle(scratch.get(..len).unwrap_or_default(), hear)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                Err(error) => Some(Err(error.into())),
            });
            if let Some(heard) = heard {
                return heard;
            }
        }
    }

    fn handle(&mut self, bytes: &[u8], hear: &mut impl FnMut(Heard)) -> Result<(), End> {
        if self.rest.is_empty() {
            let taken = self.handle_frames(bytes, hear)?;
            self.rest
                .extend_from_slice(bytes.get(taken..).unwrap_or_default());
        } else {
            let mut all = std::mem::take(&mut self.rest);
            all.extend_from_slice(bytes);
            let taken = self.handle_frames(&all, hear)?;
            all.drain(..taken);
            if !all.is_empty() {
                self.rest = all;
            }
        }
        Ok(())
    }

    /// Returns how many bytes whole frames took.
    fn handle_frames(&self, bytes: &[u8], hear: &mut impl FnMut(Heard)) -> Result<usize, End> {
        let mut taken = 0;
        while let Some(frame) = first_frame(bytes.get(taken..).unwrap_or_default()) {
            taken += frame.len;
            match frame.op_code {
                CLOSE => return Err(closed(frame.payload)),
                PING => {
                    let mut pong = Vec::new();
                    write_frame(&mut pong, PONG, frame.payload);
                    // A pong that finds no room says nothing that the next message does not.
                    drop(self.stream.try_write(&pong));
                }
                PONG => {}
                _ => self.hub.read(frame.payload, hear)?,
            }
        }
        Ok(taken)
    }
}

fn ended() -> End {
    End("the server ended the connection without a word".to_owned())
}

fn closed(payload: &[u8]) -> End {
    let code = payload.first_chunk().map_or_else(
        || "no code".to_owned(),
        |code| u16::from_be_bytes(*code).to_string(),
    );
    let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default());
    End(format!(
        "the server closed the WebSocket with {code} {reason}"
    ))
}

thread_local! {
    /// Where reads go: one buffer for all clients stays in the processor's cache. It holds 700 events.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 * 1024]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame as a server sends it.
    fn unmasked(op_code: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, op_code, payload);
        let header = bytes.len() - payload.len() - 4;
        bytes.truncate(header);
        bytes[1] &= 0x7f;
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn frames_of_every_length_are_read_when_they_are_whole() {
        for len in [0usize, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![7; len];
            let bytes = unmasked(2, &payload);
            assert_eq!(first_frame(&bytes[..bytes.len() - 1]), None, "{len}");
            let frame = first_frame(&bytes).unwrap();
            assert_eq!((frame.op_code, frame.len), (2, bytes.len()), "{len}");
            assert_eq!(frame.payload, payload, "{len}");
        }
    }

    #[test]
    fn frames_to_the_server_are_masked() {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, 1, b"abcde");
        assert_eq!(bytes[..2], [0x81, 0x85]);
        let unmasked: Vec<u8> = bytes[6..]
            .iter()
            .zip(bytes[2..6].iter().cycle())
            .map(|(byte, mask)| byte ^ mask)
            .collect();
        assert_eq!(unmasked, b"abcde");
        assert_ne!(bytes[6..], *b"abcde");
    }
}
